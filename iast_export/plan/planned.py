"""A tier's graph in one runtime, every size known, and what the exporter decides over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from iast_export.decide.decide import Decisions, decide_onnx
from iast_export.decide.graph import Network, Op, Shape
from iast_export.decide.read_onnx import read_onnx
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import load_model, prune
from iast_export.quantize.litert.final_clamp import decide_unclamped
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import CONTENT, Tier


@dataclass(frozen=True)
class Planned:
    """A tier in one runtime.

    Attributes:
        decisions: over its graph.
        model: whose operators they are; of ONNX, with the type and shape of every tensor.
    """

    decisions: Decisions
    model: Any

    @property
    def network(self) -> Network:
        """The graph, sizes fixed to the tier's square."""
        return self.decisions.network

    def is_integer(self, op: Op) -> bool:
        """Whether the exporter computes an operator in integers."""
        return self.decisions.is_integer(op)


def plan_litert(path: Path, tier: Tier) -> Planned:
    """A tier's signature of an FP32 .tflite file, alone.

    A final clamp that the exporter folds into the output's range is gone, as in the INT8 file.

    Raises:
        InputError: the file can't be read or has no such signature.
    """
    model = tf.extract_signature(tf.read_model(path), tier.signature)
    signature = tf.find_signature(model, tier.signature)
    return Planned(decide_unclamped(model, signature), model)


def plan_onnx(path: Path, tier: Tier, code_shapes: Mapping[str, Sequence[int]]) -> Planned:
    """A tier's FP32 ONNX file; clamps are moved as in the INT8 file, shape arithmetic folded away.

    Raises:
        InputError: the file can't be read.
        ToolError: ONNX Runtime refuses the model.
    """
    model = load_model(path)
    decisions = decide_onnx(model)
    _fix_inputs(model, {CONTENT: (1, 3, *tier.shape_px), **code_shapes})
    _fold_shapes(model)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    _run_for_sizes(inferred)
    sized = read_onnx(inferred, _shapes(inferred.graph))
    return Planned(replace(decisions, network=sized), inferred)


def _fix_inputs(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Gives every input its fixed shape; inferred shapes are dropped."""
    del model.graph.value_info[:]
    for item in model.graph.input:
        item.CopyFrom(
            onnx.helper.make_tensor_value_info(
                item.name, onnx.TensorProto.FLOAT, list(shapes[item.name])
            )
        )


def _fold_shapes(model: onnx.ModelProto) -> None:
    """Replaces what only depends on sizes by its value, in place."""
    graph = model.graph
    known = {item.name for item in graph.initializer} | {""}
    folded = []
    for node in graph.node:
        if node.op_type in ("Shape", "Size") or all(name in known for name in node.input):
            folded.append(node)
            known.update(node.output)
    names = [name for node in folded for name in node.output if name]
    if not names:
        return
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    feeds = {item.name: np.zeros(_dims(item), np.float32) for item in graph.input}
    values = open_onnx(probe.SerializeToString(), outputs=names).run(feeds)
    rest = [node for node in graph.node if not all(name in values for name in node.output)]
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(values[name]), name) for name in names
    )
    del graph.node[:]
    graph.node.extend(rest)
    prune(graph)


def _run_for_sizes(model: onnx.ModelProto) -> None:
    """Adds what shape inference does not know of a tensor, from a run on zeros, in place.

    Raises:
        ToolError: ONNX Runtime refuses the model.
    """
    graph = model.graph
    known = {item.name for item in (*graph.value_info, *graph.input, *graph.output) if _sized(item)}
    names = [name for node in graph.node for name in node.output if name and name not in known]
    if not names:
        return
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    given = {item.name for item in graph.output}
    probe.graph.output.extend(
        onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in given
    )
    feeds = {item.name: np.zeros(_dims(item), np.float32) for item in graph.input}
    values = open_onnx(probe.SerializeToString(), outputs=names).run(feeds)
    found = {
        name: onnx.helper.make_tensor_value_info(
            name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in values.items()
    }
    for items in (graph.value_info, graph.output):
        kept = [found.pop(item.name, item) for item in items]
        del items[:]
        items.extend(kept)
    graph.value_info.extend(found.values())


def _sized(item: onnx.ValueInfoProto) -> bool:
    """Whether every side of a tensor is known."""
    kind = item.type.tensor_type
    return kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim)


def _dims(item: onnx.ValueInfoProto) -> Shape:
    return tuple(dim.dim_value for dim in item.type.tensor_type.shape.dim)


def _shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    return {item.name: _dims(item) for item in (*graph.value_info, *graph.input, *graph.output)}
