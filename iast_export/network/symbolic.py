"""Fractions of the picture's size that left torch, so that an export keeps those of one size.

A network is run on shapes alone three times: at two sizes, and at sides that have no value. What
differs between the two and yet is a plain number at the third was reckoned by Python's own `math`.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from iast_export.errors import IastExportError
from iast_export.network.user_code import line_now

# Of each operator its name, its plain arguments and the author's line.
_Steps: TypeAlias = Sequence[tuple[str, list[object], str]]

# What asks for sides alone; it comes where they have no values, and nowhere else.
_OF_SHAPES = ("size", "sym_size", "sym_stride", "sym_numel")


def fixed_fraction(module: nn.Module, inputs: Sequence[Tensor], multiple_px: int) -> str:
    """Where a fraction of the picture's size goes into an operator as a plain number.

    Args:
        module: a cut.
        inputs: a picture of which the sides are taken, and codes.
        multiple_px: of the sides.

    Returns:
        Such as "div (my_net.py:12, in forward: `x / math.sqrt(h * w)`)"; empty: nowhere, or it
        can't be told.
    """
    try:
        one, two, free = (_steps(module, inputs, multiple_px, n) for n in (1, 2, None))
    except IastExportError:
        raise
    except Exception:  # values are wanted, or a size is too small: others judge that
        return ""
    if not [step[0] for step in one] == [step[0] for step in two] == [step[0] for step in free]:
        return ""
    for (name, first, line), (_, second, _), (_, third, _) in zip(one, two, free, strict=True):
        for small, large, kept in zip(first, second, third, strict=False):
            if small != large and isinstance(kept, float):
                return f"{name}{f' ({line})' if line else ''}"
    return ""


def _steps(
    module: nn.Module, inputs: Sequence[Tensor], multiple_px: int, factor: int | None
) -> _Steps:
    """What a module does with a picture of a size times a factor; None: of sides without values."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import (
        DimDynamic,
        ShapeEnv,
        StatelessSymbolicContext,
    )

    mode = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())
    height, width = (side // multiple_px * (factor or 1) for side in inputs[0].shape[2:])
    if factor is None:
        free: Any = StatelessSymbolicContext([DimDynamic.DYNAMIC] * 2)
        height, width = mode.from_tensor(torch.empty(height, width), symbolic_context=free).shape
    codes = [mode.from_tensor(code, static_shapes=True) for code in inputs[1:]]
    module = copy.deepcopy(module)  # what it keeps of this run has no values
    watch = _Numbers()
    with torch.no_grad(), mode:
        picture = torch.empty(1, 3, height * multiple_px, width * multiple_px)
        with watch:
            module(picture, *codes)
    return watch.steps


class _Numbers(TorchDispatchMode):
    """Keeps the plain arguments of every operator."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[tuple[str, list[object], str]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        numbers = [None if isinstance(one, Tensor) else one for one in tree_leaves((args, kwargs))]
        name = func._schema.name.removeprefix("aten::")
        if name not in _OF_SHAPES:
            self.steps.append((name, numbers, line_now(sys._getframe(1))))
        return func(*args, **(kwargs or {}))
