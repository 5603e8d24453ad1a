"""Positions along sides of any length, in operators that an export does not fix at one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def linspace(start: Any, end: Any, steps: Any, **kwargs: Any) -> Tensor | None:
    """What `torch.linspace` gives along a side; None: its length is no side's."""
    if isinstance(steps, int) or not all(is_number(one) for one in (start, end)):
        return None
    places = torch.arange(steps, **{"dtype": torch.float32, **kwargs})
    result: Tensor = start + places * ((end - start) / _gaps(places))
    return result


def affine_grid(theta: Tensor, size: Sequence[Any], align_corners: bool | None = None) -> Any:
    """What `F.affine_grid` gives for a picture; None: it is not one of one picture.

    Args:
        theta: [1, 2, 3].
        size: of the picture that will be looked up, [N, C, H, W].
        align_corners: whether -1 and 1 are the centers of the outermost pixels, not their edges.
    """
    if len(size) != 4 or not isinstance(theta.shape[0], int) or theta.shape[0] != 1:
        return None
    x = _across(size[3], theta, align_corners).view(1, 1, -1, 1)
    y = _across(size[2], theta, align_corners).view(1, -1, 1, 1)
    x_of, y_of, shift = (theta[:, None, None, :, i] for i in range(3))
    return x * x_of + y * y_of + shift


def in_floats(args: Sequence[Any]) -> list[Any] | None:
    """Operands of a sum or product in floats; None: as they are.

    torch.onnx knows no whole numbers beside a fraction of a side: `torch.arange(h) * (2 / h)`.
    """
    whole = [isinstance(one, Tensor) and not torch.is_floating_point(one) for one in args]
    if not any(whole) or not any(isinstance(one, torch.SymFloat) for one in args):
        return None
    return [one.float() if is_whole else one for one, is_whole in zip(args, whole, strict=True)]


def _across(side: Any, theta: Tensor, align_corners: bool | None) -> Tensor:
    steps = torch.arange(side, dtype=theta.dtype)
    twice: Tensor = steps * 2
    return (twice - steps[-1:]) / _gaps(steps) if align_corners else (twice + 1) / side - 1


def _gaps(steps: Tensor) -> Tensor:
    """Between the positions 0, 1, ...; 1 where there is one alone, which is then no end."""
    return steps[-1:].clamp(min=1)


def is_number(one: Any) -> bool:
    """Whether something is a number, or one of a side."""
    return isinstance(one, (float, int, torch.SymFloat, torch.SymInt))
