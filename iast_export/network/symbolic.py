"""Numbers of the picture's size that left torch, so that an export keeps those of one size.

A network is run on shapes alone three times: at two sizes, and at sides that have no value. What
differs between the two and yet is a plain number at the third was reckoned by Python's own `math`,
`int` or `float`; of the last two an export can follow (`whole_sides`).
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from iast_export.errors import IastExportError
from iast_export.network.user_code import line_now
from iast_export.network.whole_sides import whole_sides

# Of each operator its name, its arguments (of a tensor its shape) and the author's line.
_Steps: TypeAlias = Sequence[tuple[str, list[Any], str]]

# What asks for sides alone; it comes where they have no values, and nowhere else.
_OF_SHAPES = ("size", "sym_size", "sym_stride", "sym_numel")


def sides_of(
    module: nn.Module, inputs: Sequence[Tensor], multiple_px: int
) -> AbstractContextManager[None]:
    """In which a module's sides stay what they are: nothing for one that asks no number of them.

    Arguments as of `fixed_number`.
    """
    fixed = fixed_number(module, inputs, multiple_px, nullcontext())
    return whole_sides() if fixed else nullcontext()


def fixed_number(
    module: nn.Module,
    inputs: Sequence[Tensor],
    multiple_px: int,
    traced_in: AbstractContextManager[None] | None = None,
) -> str:
    """Where a number of the picture's size goes into an operator as a plain one.

    Args:
        module: a cut.
        inputs: a picture of which the sides are taken, and codes.
        multiple_px: of the sides.
        traced_in: in which an export would run it; None: `whole_sides`.

    Returns:
        Such as "div (my_net.py:12, in forward: `x / math.sqrt(h * w)`)"; empty: nowhere, or it
        can't be told.
    """
    try:
        one, two = (_steps(module, inputs, multiple_px, n) for n in (1, 2))
        with traced_in or whole_sides():
            free = _steps(module, inputs, multiple_px, None)
    except IastExportError:
        raise
    except Exception:  # values are wanted, or a size is too small: others judge that
        return ""
    if not [step[0] for step in one] == [step[0] for step in two] == [step[0] for step in free]:
        return ""
    for (name, first, line), (_, second, _), (_, third, _) in zip(one, two, free, strict=True):
        for small, large, kept in zip(first, second, third, strict=False):
            if small != large and type(kept) in (float, int):
                return f"{name}{f' ({line})' if line else ''}"
    return ""


def _steps(
    module: nn.Module, inputs: Sequence[Tensor], multiple_px: int, factor: int | None
) -> _Steps:
    """What a module does with a picture of a size times a factor; None: of sides without values."""
    from torch._dispatch.python import enable_python_dispatcher
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
    with torch.no_grad(), mode, enable_python_dispatcher(), _Formed():  # as an export runs it
        picture = torch.empty(1, 3, height * multiple_px, width * multiple_px)
        with watch:
            module(picture, *codes)
    return watch.steps


class _Formed(TorchFunctionMode):
    """Runs what an export traces in another form (`forms.traced_forms`) as what that follows."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.linspace:
            start, end, steps = _first(args, kwargs, ("start", "end", "steps"))
            return torch.arange(steps) * 1.0 * end + start
        if func is F.avg_pool2d:
            picture, kernel = _first(args, kwargs, ("input", "kernel_size"))
            if not isinstance(kernel, (int, torch.SymInt)) and tuple(kernel) == picture.shape[2:]:
                return picture.mean((2, 3), keepdim=True)
        return func(*args, **kwargs)


def _first(args: Sequence[Any], kwargs: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """Arguments, given by place or by name."""
    return [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(names)]


class _Numbers(TorchDispatchMode):
    """Keeps the arguments of every operator, of tensors the shapes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[tuple[str, list[Any], str]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = tree_leaves((args, kwargs))
        numbers = [tuple(one.shape) if isinstance(one, Tensor) else one for one in given]
        name = func._schema.name.removeprefix("aten::")
        if name not in _OF_SHAPES:
            self.steps.append((name, numbers, line_now(sys._getframe(1))))
        return func(*args, **(kwargs or {}))
