"""Graphs drawn by hand for the tests of decisions: an operator a line, in one form of graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from iast_export.decide.graph import Bounds, Network, Op, Shape
from iast_export.decide.policy import MOVEMENTS
from iast_export.specs import Runtime

WIDE = (16, 16, 3, 3)  # of a dense convolution that both runtimes compute in integers


def op(
    kind: str,
    reads: str,
    writes: str,
    *,
    weight: Shape = (),
    groups: int = 1,
    mode: str = "",
    bounds: Bounds | None = None,
) -> Op:
    """An operator that reads and writes tensors named with spaces between; movements move all."""
    inputs, outputs = tuple(reads.split()), tuple(writes.split())
    moved = inputs if kind in MOVEMENTS else ()
    clamp: Bounds | None = (0.0, None) if kind == "Relu" else None
    return Op(
        outputs[0],
        kind,
        inputs,
        outputs,
        0,
        kind,
        moved,
        bounds or clamp,
        weight,
        groups,
        mode=mode,
    )


def conv(reads: str, writes: str, weight: Shape = WIDE, groups: int = 1) -> Op:
    """A convolution."""
    return op("Conv", reads, writes, weight=weight, groups=groups)


def drawn(
    *ops: Op,
    runtime: Runtime = "onnxruntime",
    outputs: str = "y",
    shapes: Mapping[str, Shape] | None = None,
    unit: str = "",
) -> Network:
    """The network of some operators that reads `x`; maps are [1, 16, 8, 8] unless shapes say."""
    placed = tuple(replace(one, position=i) for i, one in enumerate(ops))
    names = {name for one in placed for name in (*one.inputs, *one.outputs)}
    known = dict.fromkeys(names, (1, 16, 8, 8)) | dict(shapes or {})
    return Network(runtime, placed, ("x",), tuple(outputs.split()), known, unit=tuple(unit.split()))
