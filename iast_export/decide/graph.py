"""One form of both runtimes' graphs, in which INT8 is decided on: types, shapes, who reads what.

Shapes are [N, C, H, W] whichever the runtime's layout, and constants are left out: an operator's
inputs are what is computed or fed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iast_export.specs import Runtime

Shape = tuple[int, ...]
Bounds = tuple[float | None, float | None]
"""The least and the largest value; None: unbounded."""
# From here on, chosen: 8 bits that reach so far have steps of 40, and hold nothing else.
_ENDLESS = 1e4
CLAMPS = frozenset(["Clip", "Relu"])


def is_endless(value: NDArray[Any] | None) -> bool:
    """Whether a pad's value is none that lies among others: infinity, or a stand-in for it."""
    return value is not None and bool(np.any(np.abs(np.asarray(value, np.float64)) >= _ENDLESS))


@dataclass(frozen=True)
class Op:
    """An operator.

    Attributes:
        name: its first output.
        type: as ONNX calls it, in both runtimes.
        inputs: computed or fed tensors that it reads, constants left out.
        outputs: tensors that it writes.
        position: in the runtime's own graph.
        native: type as the runtime calls it.
        moved: the tensors, constants among them, that it passes on if it only moves values.
        bounds: what it clamps its result to; None: it does not.
        weight: of a convolution or product: (outputs, inputs per group, kernel height, kernel
            width); empty where that is computed.
        groups: of a convolution.
        stride: of a convolution.
        mode: what tells two uses of a type apart: `reflect` of a pad, `endless` of one that
            fills as `is_endless` says, `channels` of a concatenation, `head` of a product
            that makes one channel, `blocks` of a convolution that reads blocks of pixels in INT8,
            `row` of a sum with a value a channel, repeated for each column.
        detail: everything else that decides its cost, as text.
    """

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    position: int
    native: str
    moved: tuple[str, ...] = ()
    bounds: Bounds | None = None
    weight: Shape = ()
    groups: int = 1
    stride: int = 1
    mode: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Network:
    """A tier's graph in one runtime.

    Attributes:
        runtime: whose graph it is.
        ops: in the order of the graph.
        shapes: of tensors; empty where no size was asked for.
        inputs, outputs: tensors that are fed and given.
        file_names: the tensor of the file that holds the same values, where it is called otherwise.
        unit: tensors that lie in [0, 1] whatever is measured.
    """

    runtime: Runtime
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    file_names: Mapping[str, str] = field(default_factory=dict)
    unit: tuple[str, ...] = ()

    def file_name(self, name: str) -> str:
        """How the file itself calls a tensor."""
        return self.file_names.get(name, name)

    @cached_property
    def producers(self) -> dict[str, Op]:
        """Who writes each tensor."""
        return {name: op for op in self.ops for name in op.outputs}

    @cached_property
    def readers(self) -> dict[str, list[Op]]:
        """Who reads each tensor."""
        found: dict[str, list[Op]] = {}
        for op in self.ops:
            for name in dict.fromkeys(op.inputs):
                found.setdefault(name, []).append(op)
        return found

    @cached_property
    def fixed(self) -> frozenset[str]:
        """Tensors whose values follow from constants and sizes alone, whatever the picture."""
        found: set[str] = set()
        for op in self.ops:
            if op.type == "Shape" or all(name in found for name in op.inputs):
                found.update(op.outputs)
        return frozenset(found)

    def only_reader(self, name: str) -> Op | None:
        """The one operator that reads a tensor; None if there are several or it is an output."""
        found = self.readers.get(name, [])
        return found[0] if len(found) == 1 and name not in self.outputs else None

    def is_vector(self, name: str) -> bool:
        """Whether a tensor is a code or a statistic: at most one side above 1, or expanded so."""
        maker = self.producers.get(name)
        if maker is not None and maker.type == "Expand" and maker.inputs:
            return self.is_vector(maker.inputs[0])
        return sum(side > 1 for side in self.shapes.get(name, ())) <= 1

    def is_map(self, name: str) -> bool:
        """Whether a tensor has values per pixel."""
        return not self.is_vector(name)

    def size(self, name: str) -> int:
        """How many values a tensor holds."""
        return math.prod(self.shapes.get(name, ()))

    def macs(self, op: Op) -> int:
        """Multiply-adds of a convolution or product; 0 of anything else."""
        if not op.weight:
            return 0
        if op.type == "ConvTranspose":
            return self.size(op.inputs[0]) * op.weight[0] * math.prod(op.weight[2:]) // op.groups
        return self.size(op.name) * math.prod(op.weight[1:])
