"""Which layout a picture lies in behind movements, as far as layouts have names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor
from torch.fx.experimental.symbolic_shapes import statically_known_true

Layout = Literal["last", "tokens", "flat"]
"""How a picture [N, C, H, W] lies: [N, H, W, C], [N, H * W, C] or [N, C, H * W]."""


@dataclass(frozen=True)
class View:
    """A tensor that holds a picture in another layout; it is kept so that its id stays its own."""

    tensor: Tensor
    layout: Layout
    picture: Tensor


def is_one(side: Any) -> bool:
    """Whether a side is 1 for all pictures."""
    return isinstance(side, int) and side == 1


def are_equal(one: Any, other: Any) -> bool:
    """Whether two sides are equal for all pictures."""
    return bool(statically_known_true(one == other))


def order_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, ...]:
    """The axes of a permutation or of a transposition of two; empty where not understood."""
    given = args[1:]
    if kwargs or not given:
        return ()
    if name == "permute":
        axes = given[0] if isinstance(given[0], Sequence) else given
    else:
        axes = list(range(args[0].dim()))
        one, other = given
        axes[one], axes[other] = axes[other], axes[one]
    return tuple(int(axis) % args[0].dim() for axis in axes)


def moved_layout(
    source: Tensor, view: View | None, result: Tensor, order: tuple[int, ...]
) -> View | Tensor | None:
    """The picture that a permutation gives back, or its layout."""
    if view is None:
        return View(result, "last", source) if order == (0, 2, 3, 1) else None
    if view.layout == "last" and order == (0, 3, 1, 2):
        return view.picture
    if order == (0, 2, 1) and view.layout != "last":
        other: Layout = "tokens" if view.layout == "flat" else "flat"
        return View(result, other, view.picture)
    return None


def reshaped_layout(source: Tensor, view: View | None, result: Tensor) -> View | Tensor | None:
    """The picture that a reshape gives back, or its layout."""
    if view is None:
        flat = source.dim() == 4 and result.dim() == 3
        same = flat and all(are_equal(source.shape[i], result.shape[i]) for i in (0, 1))
        return View(result, "flat", source) if same else None
    n, c, h, w = view.picture.shape
    wanted = {"last": (n, h, w, c), "flat": (n, c, h, w), "tokens": (n, h, w, c)}[view.layout]
    if result.dim() == 4 and all(map(are_equal, wanted, result.shape)):
        if view.layout == "flat":
            return view.picture
        return View(result, "last", view.picture)
    if view.layout == "last" and result.dim() == 3:
        same = are_equal(result.shape[0], n) and are_equal(result.shape[2], c)
        return View(result, "tokens", view.picture) if same else None
    return None
