"""TFLite Model Metadata: what a .tflite file says of itself to Android and others. No torch.

A flatbuffer of its own (`metadata_schema.fbs` of TensorFlow Lite Support, version 1.5), kept in a
buffer of the model that the model's metadata names `TFLITE_METADATA`. Files that go with the model
are a zip archive behind it, as Android's `MetadataExtractor` and `MetadataDisplayer` read them. The
tables are written by the schema's field numbers; equal facts are equal bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of the model's metadata, whose buffer holds the flatbuffer.
ENTRY_NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
# The oldest parser that knows all tables written here, by the schema's history.
_OLDEST_PARSER = "1.0.0"
# The earliest date that a zip archive can hold: no build leaves its time in a file.
_NO_DATE = (1980, 1, 1, 0, 0, 0)
# Numbers of the schema: ColorSpaceType.RGB, ContentProperties.ImageProperties and
# .FeatureProperties, ProcessUnitOptions.NormalizationOptions, AssociatedFileType.DESCRIPTIONS.
_RGB, _IMAGE, _FEATURE, _NORMALIZATION, _DESCRIPTIONS = 1, 2, 1, 1, 1


@dataclass(frozen=True)
class EdgeFacts:
    """An input or output of a signature.

    Attributes:
        picture_px: height and width of an RGB picture; None for other numbers.
        level_scale: what an 8-bit level is divided by to give a picture's value; None for outputs.
        value_range: least and greatest value; None where nothing bounds them.
    """

    name: str
    description: str
    picture_px: tuple[int, int] | None = None
    level_scale: float | None = None
    value_range: tuple[float, float] | None = None


@dataclass(frozen=True)
class SignatureFacts:
    """A signature; its edges stand in the order of its subgraph's tensors."""

    name: str
    description: str
    inputs: Sequence[EdgeFacts]
    outputs: Sequence[EdgeFacts]


@dataclass(frozen=True)
class FileFacts:
    """A file; `signatures` stand in the order of its subgraphs.

    Attributes:
        attached: name -> content and description of files that go with it.
    """

    name: str
    description: str
    version: str
    author: str
    license: str
    signatures: Sequence[SignatureFacts]
    attached: Mapping[str, tuple[bytes, str]]


def metadata_bytes(facts: FileFacts) -> bytes:
    """The facts as a flatbuffer of the metadata schema."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 12)
    builder.Finish(_write(builder, _model(facts)), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def archive_bytes(attached: Mapping[str, tuple[bytes, str]]) -> bytes:
    """The files as an archive to put behind a model; nothing for none. Stored, without dates."""
    if not attached:
        return b""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, (content, _) in sorted(attached.items()):
            entry = zipfile.ZipInfo(name, _NO_DATE)
            entry.create_system = 0  # the same bytes, whichever system builds
            archive.writestr(entry, content)
    return written.getvalue()


@dataclass(frozen=True)
class _Table:
    """Field number -> value: text, a number of numpy's, a table, or a list of one of them."""

    fields: Mapping[int, Any]


def _model(facts: FileFacts) -> _Table:
    return _Table(
        {
            0: facts.name,
            1: facts.description,
            2: facts.version,
            3: [_signature(one) for one in facts.signatures],
            4: facts.author,
            5: facts.license,
            6: [
                _Table({0: name, 1: words, 2: np.int8(_DESCRIPTIONS)})
                for name, (_, words) in sorted(facts.attached.items())
            ],
            7: _OLDEST_PARSER,
        }
    )


def _signature(facts: SignatureFacts) -> _Table:
    inputs, outputs = ([_edge(one) for one in edges] for edges in (facts.inputs, facts.outputs))
    return _Table({0: facts.name, 1: facts.description, 2: inputs, 3: outputs})


def _edge(facts: EdgeFacts) -> _Table:
    fields: dict[int, Any] = {0: facts.name, 1: facts.description, 3: _content(facts)}
    if facts.level_scale is not None:
        scale = _Table({0: [np.float32(0)], 1: [np.float32(facts.level_scale)]})
        fields[4] = [_Table({0: np.uint8(_NORMALIZATION), 1: scale})]
    if facts.value_range is not None:
        least, greatest = facts.value_range
        fields[5] = _Table({0: [np.float32(greatest)], 1: [np.float32(least)]})
    return _Table(fields)


def _content(facts: EdgeFacts) -> _Table:
    if facts.picture_px is None:
        return _Table({0: np.uint8(_FEATURE), 1: _Table({})})
    height, width = facts.picture_px
    size = _Table({0: np.uint32(width), 1: np.uint32(height)})
    return _Table({0: np.uint8(_IMAGE), 1: _Table({0: np.int8(_RGB), 1: size})})


def _write(builder: Any, value: Any) -> int:
    """The offset of a text, list or table, after what it points to."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, _Table):
        return _write_table(builder, value)
    if value and isinstance(value[0], np.generic):
        return int(builder.CreateNumpyVector(np.array(value)))
    places = [_write(builder, one) for one in value]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


def _write_table(builder: Any, table: _Table) -> int:
    places = {
        slot: _write(builder, value)
        for slot, value in table.fields.items()
        if not isinstance(value, np.generic)
    }
    builder.StartObject(max(table.fields, default=-1) + 1)
    for slot, value in table.fields.items():
        if slot in places:
            builder.PrependUOffsetTRelativeSlot(slot, places[slot], 0)
        else:
            _NUMBERS[value.dtype.str](builder, slot, int(value), 0)
    return int(builder.EndObject())


def _slot(kind: str) -> Any:
    return lambda builder, *rest: getattr(builder, f"Prepend{kind}Slot")(*rest)


_NUMBERS: Mapping[str, Any] = {"|i1": _slot("Int8"), "|u1": _slot("Uint8"), "<u4": _slot("Uint32")}
