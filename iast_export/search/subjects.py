"""What is searched, per runtime: its groups, how a candidate is written, and what judges it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

import onnx

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.formats.onnx_graph import Array
from iast_export.lanes.lane import Lane
from iast_export.lanes.verify import EvaluationPair, Scorers
from iast_export.quantize.equalize.factors import Equalization
from iast_export.quantize.litert.groups import litert_groups
from iast_export.quantize.litert.static import Edges, quantize_litert
from iast_export.quantize.onnx.groups import OperatorGroup
from iast_export.quantize.onnx.qdq import operator_groups, quantize_onnx
from iast_export.quantize.ranges import RangeLike
from iast_export.specs import Runtime, Tier


class Subject(Protocol):
    """One tier in one runtime, and what judges its forms."""

    @property
    def runtime(self) -> Runtime:
        """That runs and times the candidates."""
        ...

    @property
    def suffix(self) -> str:
        """Of a candidate's file."""
        ...

    @property
    def fp32(self) -> Path:
        """The bundle's own FP32 file."""
        ...

    @property
    def tier(self) -> Tier:
        """That is searched."""
        ...

    @property
    def pairs(self) -> Sequence[EvaluationPair]:
        """Photographs and styles that calibrated nothing."""
        ...

    @property
    def scorers(self) -> Scorers:
        """Judges with weights."""
        ...

    @property
    def reference(self) -> Lane:
        """Whose pictures fidelity is measured to: ONNX FP32, as in `verify`."""
        ...

    @property
    def groups(self) -> tuple[OperatorGroup, ...]:
        """What can be left in float, in the order of the graph."""
        ...

    def write(self, in_float: Collection[str], path: Path) -> None:
        """Writes the candidate with these groups in float; with all of them that is the FP32 form
        itself."""
        ...


@dataclass(frozen=True)
class OnnxSubject:
    """A tier's ONNX FP32 file and its ranges.

    Attributes:
        adjust, trim_sums, factors: as the build's own INT8 file was made; see `quantize_onnx`.
    """

    runtime: ClassVar[Runtime] = "onnxruntime"
    suffix: ClassVar[str] = ".onnx"
    fp32: Path
    tier: Tier
    ranges: Mapping[str, RangeLike]
    pairs: Sequence[EvaluationPair]
    scorers: Scorers
    adjust: Callable[[onnx.GraphProto], None] | None = None
    trim_sums: bool = True
    factors: Equalization | None = None

    @property
    def reference(self) -> Lane:
        return Lane("onnxruntime", "fp32", self.tier, self.fp32)

    @cached_property
    def groups(self) -> tuple[OperatorGroup, ...]:
        return tuple(operator_groups(self.fp32))

    def write(self, in_float: Collection[str], path: Path) -> None:
        if {group.name for group in self.groups} <= set(in_float):
            path.write_bytes(self.fp32.read_bytes())
        else:
            quantize_onnx(
                self.fp32,
                self.ranges,
                path,
                self.adjust,
                self.trim_sums,
                in_float,
                factors=self.factors,
            )


@dataclass(frozen=True)
class LiteRtSubject:
    """A tier's signature of the TFLite FP32 file and its ranges; candidates hold this signature
    alone.

    Attributes:
        onnx_fp32: the tier's ONNX FP32 file, whose pictures are the reference.
        filters, edges, trim_sums, factors: as the build's own INT8 file was made; see
            `quantize_litert`.
    """

    runtime: ClassVar[Runtime] = "litert"
    suffix: ClassVar[str] = ".tflite"
    fp32: Path
    onnx_fp32: Path
    tier: Tier
    ranges: Mapping[str, RangeLike]
    pairs: Sequence[EvaluationPair]
    scorers: Scorers
    filters: Mapping[str, Array] = field(default_factory=dict)
    edges: Edges = "float32"
    trim_sums: bool = True
    factors: Equalization | None = None

    @property
    def reference(self) -> Lane:
        return Lane("onnxruntime", "fp32", self.tier, self.onnx_fp32)

    @cached_property
    def alone(self) -> bytes:
        """The tier's signature in FP32 as a file of its own."""
        return one_signature(self.fp32, self.tier.signature)

    @cached_property
    def groups(self) -> tuple[OperatorGroup, ...]:
        return tuple(litert_groups(self.fp32, self.tier.signature))

    def write(self, in_float: Collection[str], path: Path) -> None:
        if {group.name for group in self.groups} <= set(in_float):
            path.write_bytes(self.alone)
            return
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / self.fp32.name
            source.write_bytes(self.alone)
            quantize_litert(
                source,
                "int8",
                {self.tier.signature: self.ranges},
                path,
                self.edges,
                trim_sums=self.trim_sums,
                filters=self.filters,
                in_float=in_float,
                factors=self.factors,
            )


def one_signature(path: Path, signature: str) -> bytes:
    """A .tflite file with one signature of another, and its tensors' names.

    Raises:
        InputError: the file can't be read, or has no such signature.
    """
    return tw.serialize(tf.extract_signature(tf.read_model(path), signature))
