"""Which sizes a cut network takes and gives back, against the multiple that it declares."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from iast_export.errors import IastExportError, InputError, ToolError
from iast_export.network.photographs import photographs
from iast_export.network.user_code import told

Size = tuple[int, int]

# Steps of size_multiple_px that are tried for the smallest picture. Chosen: more would mean 64 runs
# of the network before an answer.
_LARGEST_MINIMUM = 64
# A side that networks of every usual depth take, and that is a multiple of their usual multiples.
_USUAL_PX = 64
_USUAL_MULTIPLE = 32
_LARGEST_TRIED_PX = 512
# Multiples of the declared one that might have been meant.
_FACTORS = (2, 3, 4, 6, 8, 16, 32, 64)


def base_size(multiple_px: int) -> Size:
    """A size that asks nothing of a network: sides unequal, multiples of all that is usual."""
    step = math.lcm(multiple_px, _USUAL_MULTIPLE)
    if step > _LARGEST_TRIED_PX // 2:
        step = multiple_px
    height = -(-_USUAL_PX // step) * step
    return height, height + step


def smallest_side_px(
    module: nn.Module, codes: Sequence[Tensor], multiple_px: int, max_side_px: int
) -> int:
    """The smallest square that a cut network takes and gives back in its own size.

    Raises:
        ToolError: it takes none.
    """
    error: Exception | None = None
    steps = max(1, min(max_side_px // multiple_px, _LARGEST_MINIMUM))
    for side in (multiple_px * step for step in range(1, steps + 1)):
        try:
            result = _run(module, codes, (side, side))
        except Exception as caught:  # whatever a size that is too small makes of it
            error = caught
            continue
        if result.shape[2:] == (side, side) and bool(torch.isfinite(result).all()):
            return side
    raise ToolError(
        "the network returns no picture of the content's size at any square up to "
        f"{steps * multiple_px} px" + (f": {told(error)}" if error is not None else ""),
        "check size_multiple_px, and that forward(content, *codes) keeps height and width",
    )


@dataclass(frozen=True)
class _Misfit:
    """What a size came to: another size, or an error."""

    size: Size
    result: Size | None
    error: Exception | None


def check_sizes(
    what: str, module: nn.Module, codes: Sequence[Tensor], multiple_px: int, smallest_px: int
) -> None:
    """Holds a module to its multiple at odd, non-square and small sizes.

    Args:
        what: the module, for messages.
        module: proved at `base_size`.
        codes: of one style.
        multiple_px: as declared.
        smallest_px: of a square that it takes.

    Raises:
        InputError: another size comes back, or none; names the multiple that would fit.
    """
    for size in _odd_sizes(multiple_px, smallest_px):
        misfit = _tried(module, codes, size)
        if misfit is not None:
            raise _refused(what, misfit, multiple_px, _fitting(module, codes, multiple_px))


def _odd_sizes(multiple_px: int, smallest_px: int) -> list[Size]:
    """Sides in odd numbers of steps, unequal ones, and the smallest beside another."""
    least = smallest_px // multiple_px
    odd = max(least, base_size(multiple_px)[0] // multiple_px // 2) | 1
    steps = ((odd, odd + 2), (odd + 3, odd), (least, least + 1), (least + 2, least))
    return [(multiple_px * height, multiple_px * width) for height, width in dict.fromkeys(steps)]


def _tried(module: nn.Module, codes: Sequence[Tensor], size: Size) -> _Misfit | None:
    try:
        result = _run(module, codes, size)
    except IastExportError:
        raise
    except Exception as error:  # whatever a size that is not taken makes of it
        return _Misfit(size, None, error)
    found = (int(result.shape[2]), int(result.shape[3]))
    return None if found == size else _Misfit(size, found, None)


def _fitting(module: nn.Module, codes: Sequence[Tensor], multiple_px: int) -> int | None:
    """A larger multiple that the module keeps to, if there is one."""
    for factor in _FACTORS:
        step = multiple_px * factor
        if step > _LARGEST_TRIED_PX // 3:
            return None
        odd = max(1, _USUAL_PX // step) | 1
        sizes = ((step * odd, step * (odd + 1)), (step * (odd + 2), step * odd))
        if all(_tried(module, codes, size) is None for size in sizes):
            return step
    return None


def _refused(what: str, misfit: _Misfit, multiple_px: int, fitting: int | None) -> InputError:
    height, width = misfit.size
    found = (
        f"{misfit.result[0]} x {misfit.result[1]} px"
        if misfit.result is not None
        else told(misfit.error)
        if misfit.error is not None
        else ""
    )
    message = (
        f"{what} makes {found} of a picture of {height} x {width} px, though size_multiple_px is "
        f"{multiple_px}; the picture's own size was needed"
    )
    if misfit.result is None:
        message = (
            f"{what} raised {found} at {height} x {width} px, though size_multiple_px is "
            f"{multiple_px}"
        )
    remedy = (
        f"write `size_multiple_px = {fitting}`: sides in multiples of {fitting} keep their size"
        if fitting
        else "let forward keep height and width: pad by half the kernel, and upsample as often as "
        "it strides, for example `nn.Upsample(scale_factor=2)`"
    )
    return InputError(message, remedy)


def _run(module: Callable[..., Tensor], codes: Sequence[Tensor], size: Size) -> Tensor:
    picture = next(iter(photographs(*size).values()))
    with torch.no_grad():
        return module(picture, *codes)
