"""What every model file of a bundle says of itself, in its own format. No torch.

TFLite files carry Model Metadata (`formats.tflite_metadata`) and the facts as JSON behind them,
ONNX files the same facts as properties. The manifest hashes the files, so that they name what it is
made from, and never its hash.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iast_export.files.artifacts import json_bytes, write_atomic
from iast_export.formats import tflite_file as tf
from iast_export.formats.tflite_metadata import (
    ENTRY_NAME,
    EdgeFacts,
    FileFacts,
    SignatureFacts,
    archive_bytes,
    metadata_bytes,
)
from iast_export.formats.tflite_write import serialize
from iast_export.specs import (
    CONTENT,
    IMAGE_NAMES,
    PRECISION_LABELS,
    STRENGTH,
    STYLE_IMAGE,
    STYLIZED,
    Precision,
    Role,
    Tier,
    edge_value_range,
)

FACTS_FILE = "iast-export.json"
NOT_STATED = "not stated"
_LEVELS = 255.0
_ROLES = {
    "transfer": "draws a photograph in a style",
    "dispatch": "draws a photograph in a style, in the depth that its longest side asks for",
    "style_encoder": "turns an artwork into the code of its style",
}
_EDGES = {
    CONTENT: "The photograph, upright, RGB in sRGB, value = level / 255; padded by reflection at "
    "the right and at the bottom",
    STYLE_IMAGE: "The artwork's central square, RGB in sRGB, value = level / 255",
    STRENGTH: "How much of the style is drawn: 0 leaves the photograph as it is, 1 draws all of it",
    STYLIZED: "The picture, RGB in sRGB, level = floor(value * 255 + 0.5), cut to what was not "
    "padded",
}
_CODE = (
    "A style's code, as the style encoder makes it of an artwork, and as the bundle's styles are"
)


@dataclass(frozen=True)
class About:
    """Whose network a bundle's models are, and what they were made from.

    Attributes:
        bundle: its name, with which the models' names begin.
        title, version, author, license: the checkpoint's card's, `NOT_STATED` where there is none.
        network: `module:factory`.
        checkpoint_sha256: None for a network without a file.
        created_by: program and version.
        tiers: the depth plan.
    """

    bundle: str
    title: str
    version: str
    author: str
    license: str
    network: str
    checkpoint_sha256: str | None
    created_by: str
    tiers: Sequence[Tier]

    def facts(self, role: Role, precision: Precision) -> dict[str, Any]:
        """Plain values that every format holds."""
        tiers = [
            {"id": one.id, "depth": one.depth, "max_side_px": one.max_side_px} for one in self.tiers
        ]
        return {
            "name": f"{self.bundle}: {self.title}",
            "description": f"{PRECISION_LABELS[precision]}: {_ROLES[role]}",
            "version": self.version,
            "author": self.author,
            "license": self.license,
            "bundle": self.bundle,
            "role": role,
            "precision": precision,
            "network": self.network,
            "checkpoint_sha256": self.checkpoint_sha256 or NOT_STATED,
            "created_by": self.created_by,
            "tiers": tiers,
        }


def describe_tflite(path: Path, about: About, role: Role, precision: Precision) -> None:
    """Writes a .tflite file again with its metadata; its weights stay shared.

    Raises:
        InputError: it can't be read, or written.
    """
    model, facts = tf.read_model(path), about.facts(role, precision)
    words = "Bundle, tiers and checkpoint, as JSON"
    told = FileFacts(
        **{name: facts[name] for name in ("name", "description", "version", "author", "license")},
        signatures=_signatures(model, about),
        attached={FACTS_FILE: (json_bytes(facts), words)},
    )
    data = serialize(model, metadata={ENTRY_NAME: metadata_bytes(told)})
    write_atomic(path, data + archive_bytes(told.attached))


def describe_onnx(path: Path, about: About, role: Role, precision: Precision) -> None:
    """Writes an .onnx file again with the facts among its properties.

    Raises:
        InputError: it can't be read, or written.
    """
    from iast_export.formats.onnx_graph import add_property, load_model

    model = load_model(path)
    edges = {"inputs": model.graph.input, "outputs": model.graph.output}
    told = {name: [_plain(item.name) for item in items] for name, items in edges.items()}
    for name, value in {**about.facts(role, precision), **told}.items():
        add_property(model, name, value if isinstance(value, str) else json.dumps(value))
    write_atomic(path, model.SerializeToString(deterministic=True))


def _signatures(model: tf.Model, about: About) -> list[SignatureFacts]:
    """Of each subgraph the facts, in the file's order."""
    of_graph = {one.subgraph: one for one in tf.signatures(model)}
    tiers = {tier.signature: tier for tier in about.tiers}
    found = []
    for number, graph in enumerate(model.subgraphs):
        one, tier = of_graph[number], tiers.get(of_graph[number].key)
        words = "The style encoder"
        if tier is not None:
            words = f"Tier {tier.id}: depth {tier.depth}, pictures up to {tier.max_side_px} px"
        inputs, outputs = (
            _edges(graph, names, places)
            for names, places in ((one.inputs, graph.inputs), (one.outputs, graph.outputs))
        )
        found.append(SignatureFacts(one.key, words, inputs, outputs))
    return found


def _edges(graph: tf.Graph, names: Any, places: Any) -> list[EdgeFacts]:
    by_tensor = {tensor: name for name, tensor in names.items()}
    return [_edge(by_tensor[int(i)], tf.tensor_shape(graph.tensors[int(i)])) for i in places]


def _edge(name: str, shape: Sequence[int]) -> EdgeFacts:
    is_picture = name in IMAGE_NAMES
    return EdgeFacts(
        name,
        _EDGES.get(name, _CODE),
        picture_px=(shape[1], shape[2]) if is_picture else None,
        level_scale=_LEVELS if is_picture and name != STYLIZED else None,
        value_range=edge_value_range(name),
    )


def _plain(name: str) -> dict[str, Any]:
    known = edge_value_range(name)
    return {
        "name": name,
        "description": _EDGES.get(name, _CODE),
        "value_range": list(known) if known else None,
    }
