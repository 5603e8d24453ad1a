"""What is searched, per runtime: its groups, how a candidate is written, and what judges it."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

from iast_export.decide.groups import OperatorGroup, litert_groups, onnx_groups
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.lanes.judge import EvaluationPair, Scorers
from iast_export.lanes.lane import Lane
from iast_export.quantize.learned import Learned
from iast_export.quantize.litert.static import Edges, quantize_litert
from iast_export.quantize.onnx.qdq import quantize_onnx
from iast_export.specs import REFERENCE, Runtime, Tier


class Subject(Protocol):
    """One tier in one runtime, and what judges its forms."""

    @property
    def runtime(self) -> Runtime:
        """The runtime that runs and times the candidates."""
        ...

    @property
    def suffix(self) -> str:
        """The ending of a candidate's file name."""
        ...

    @property
    def fp32(self) -> Path:
        """The bundle's own FP32 file."""
        ...

    @property
    def tier(self) -> Tier:
        """The tier that is searched."""
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
        """Writes the candidate with these groups in float; with all, the FP32 form itself."""
        ...


@dataclass(frozen=True)
class OnnxSubject:
    """A tier's ONNX FP32 file, and what the build's own INT8 file was made of.

    Attributes:
        prepared, learned: see `quantize_onnx`.
    """

    runtime: ClassVar[Runtime] = "onnxruntime"
    suffix: ClassVar[str] = ".onnx"
    fp32: Path
    prepared: Path
    tier: Tier
    learned: Learned
    pairs: Sequence[EvaluationPair]
    scorers: Scorers

    @property
    def reference(self) -> Lane:
        return Lane(*REFERENCE, self.tier, self.fp32)

    @cached_property
    def groups(self) -> tuple[OperatorGroup, ...]:
        return tuple(onnx_groups(self.fp32))

    def write(self, in_float: Collection[str], path: Path) -> None:
        if {group.name for group in self.groups} <= set(in_float):
            path.write_bytes(self.fp32.read_bytes())
        else:
            quantize_onnx(self.prepared, self.learned, path, in_float)


@dataclass(frozen=True)
class LiteRtSubject:
    """A tier's signature of the TFLite FP32 file, and what the build's own INT8 file was made of.

    Candidates hold this signature alone.

    Attributes:
        onnx_fp32: the tier's ONNX FP32 file, whose pictures are the reference.
        prepared, learned, edges: see `quantize_litert`.
    """

    runtime: ClassVar[Runtime] = "litert"
    suffix: ClassVar[str] = ".tflite"
    fp32: Path
    prepared: Path
    onnx_fp32: Path
    tier: Tier
    learned: Learned
    pairs: Sequence[EvaluationPair]
    scorers: Scorers
    edges: Edges = "float32"

    @property
    def reference(self) -> Lane:
        return Lane(*REFERENCE, self.tier, self.onnx_fp32)

    @cached_property
    def source(self) -> bytes:
        """The tier's prepared signature as a file of its own."""
        return one_signature(self.prepared, self.tier.signature)

    @cached_property
    def groups(self) -> tuple[OperatorGroup, ...]:
        return tuple(litert_groups(self.fp32, self.tier.signature))

    def write(self, in_float: Collection[str], path: Path) -> None:
        if {group.name for group in self.groups} <= set(in_float):
            path.write_bytes(one_signature(self.fp32, self.tier.signature))
            return
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / self.prepared.name
            source.write_bytes(self.source)
            learned = {self.tier.signature: self.learned}
            quantize_litert(source, "int8", learned, path, self.edges, in_float=in_float)


def one_signature(path: Path, signature: str) -> bytes:
    """A .tflite file with one signature of another, and its tensors' names.

    Raises:
        InputError: the file can't be read, or has no such signature.
    """
    return tw.serialize(tf.extract_signature(tf.read_model(path), signature))
