"""What forward must give back: one picture of the content's size, float32, finite, in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from iast_export.errors import InputError
from iast_export.files.notes import note

_HALF_LEVEL = 0.5 / 255
# Of what lies beyond [0, 1], on the average over all values: five levels. What a trained decoder
# without a clamp overshoots by is a tenth of that, and cut off in 8 bits anyway; tanh is at 40.
_MOST_CUT = 5 / 255
_FULL_LEVELS = 8.0  # above it values are levels of 255, not floats
_SIGNED = 1.01


def check_kind(what: str, result: Any, content: Tensor) -> None:
    """Holds a result to be one float32 picture on the CPU with batch and channels of the content.

    Raises:
        InputError: it is something else; says what, and the line that would mend it.
    """
    if not isinstance(result, Tensor):
        raise InputError(
            f"{what} gave {_container(result)}, one tensor was needed", _out_of(result)
        )
    if result.device.type != "cpu":
        raise InputError(
            f"{what} gave a tensor on {result.device}, one on the cpu was needed",
            "take `.cuda()` and `.to(...)` out of forward",
        )
    if result.dtype != torch.float32:
        raise InputError(
            f"{what} gave {result.dtype}, torch.float32 in [0, 1] was needed",
            "bring the weights to float32 (`self.transfer.float()`), and leave rounding to 8 bits "
            "out of forward",
        )
    found, wanted = tuple(result.shape), tuple(content.shape)
    if found != wanted and (found[:2] != wanted[:2] or len(found) != len(wanted)):
        raise InputError(
            f"{what} gave a tensor {list(found)} for a picture {list(wanted)}, the same shape was "
            "needed",
            _reshaped(found, wanted),
        )


def check_size(what: str, result: Tensor, content: Tensor, again: Callable[[], Tensor]) -> None:
    """Holds a result to the content's height and width at a size that asks nothing.

    Args:
        what: the module, for messages.
        result: for `content`.
        content: the picture.
        again: the result for a picture twice as high and wide.

    Raises:
        InputError: another size; says whether it is fixed, or by what factor it differs.
    """
    found, wanted = tuple(result.shape[2:]), tuple(content.shape[2:])
    if found == wanted:
        return
    message = (
        f"{what} makes {found[0]} x {found[1]} px of a picture of {wanted[0]} x {wanted[1]} px, "
        "the same size was needed"
    )
    if tuple(again().shape[2:]) == found:
        raise InputError(
            f"{message}; its size is fixed, whatever the picture's",
            "take fixed sizes out of forward, for example `F.interpolate(y, scale_factor=2)` for "
            "`F.interpolate(y, size=(64, 64))`",
        )
    factor = wanted[0] / found[0]
    if found[0] * factor == wanted[0] and found[1] * factor == wanted[1] and factor != 1:
        word = f"1/{factor:g}" if factor > 1 else f"{1 / factor:g} times"
        raise InputError(
            f"{message}; it is {word} of it",
            f"end forward with `F.interpolate(y, scale_factor={factor:g})`, or stride as often as "
            "it upsamples",
        )
    raise InputError(
        message, "pad by half of each kernel, `padding=k // 2`, and upsample as often as it strides"
    )


def check_values(what: str, results: Sequence[tuple[str, Tensor]]) -> None:
    """Holds results by what the picture was: finite in all of them.

    Raises:
        InputError: NaN or infinity; names the pictures that it comes from.
    """
    bad = [name for name, result in results if not bool(torch.isfinite(result).all())]
    if not bad:
        return
    which = "every picture" if len(bad) == len(results) else ", ".join(bad)
    raise InputError(
        f"{what} gives NaN or infinity for {which}, finite values were needed",
        "look for a division by 0, a root or logarithm of less than 0, or weights that are NaN: "
        "for example `x / (x.std((2, 3), keepdim=True) + 1e-5)`, `x.clamp_min(0).sqrt()`",
    )


def check_range(what: str, results: Sequence[Tensor], declared: tuple[float, float]) -> None:
    """Holds results on photographs to [0, 1]; a little more is said, as it will be cut off.

    Args:
        what: the module, for messages.
        results: on photographs, converted to [0, 1] by the range that is declared.
        declared: that range, in whose units the message speaks.

    Raises:
        InputError: much lies outside; says the range found, and what to declare.
    """
    values = torch.cat([result.flatten() for result in results])
    low, high = float(values.min()), float(values.max())
    outside = float(((values < -_HALF_LEVEL) | (values > 1 + _HALF_LEVEL)).float().mean())
    span = declared[1] - declared[0]
    found, wanted = (
        f"[{a * span + declared[0]:.3g}, {b * span + declared[0]:.3g}]"
        for a, b in ((low, high), (0.0, 1.0))
    )
    text = f"{what} gives values in {found} on photographs, {wanted} was needed"
    share = f"{outside:.0%} of them" if outside >= 0.01 else "less than 1 % of them"
    if outside == 0:
        return
    if float((values - values.clamp(0, 1)).abs().mean()) <= _MOST_CUT:
        note("range", f"{text}: {share} are cut off; `.clamp(0, 1)` at its end would say so itself")
        return
    raise InputError(
        f"{text}: {share} would be cut off to black or white", _range_remedy(low, high)
    )


def _range_remedy(low: float, high: float) -> str:
    if high > _FULL_LEVELS:
        return (
            "write `value_range = (0, 255)` in the network if it takes and gives such pictures, or "
            "end forward with `y / 255`"
        )
    if -_SIGNED <= low < -_HALF_LEVEL and high <= _SIGNED:
        return (
            "write `value_range = (-1, 1)` in the network if it takes and gives such pictures, or "
            "end forward with `(y + 1) / 2`"
        )
    return (
        "end forward with `torch.sigmoid(y)` or `y.clamp(0, 1)`, or declare the range that it was "
        "trained in, for example `value_range = (-1, 1)`"
    )


def _container(result: Any) -> str:
    if result is None:
        return "nothing (None)"
    if isinstance(result, dict):
        return f"a dict of {', '.join(repr(key) for key in result)}"
    if isinstance(result, (tuple, list)):
        return f"a {type(result).__name__} of {len(result)}"
    return f"a {type(result).__name__}"


def _out_of(result: Any) -> str:
    if isinstance(result, dict) and result:
        return f"return the picture alone, for example `return result[{next(iter(result))!r}]`"
    if isinstance(result, (tuple, list)) and result:
        return "return the picture alone, for example `return result[0]`"
    return "let forward end with `return y`, the picture [1, 3, H, W]"


def _reshaped(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if found == wanted[1:]:
        return "keep the batch, for example `return y.unsqueeze(0)`"
    if len(found) == 4 and found[3] == 3 and found[1:3] == wanted[2:]:
        return "put channels first, `return y.permute(0, 3, 1, 2)`"
    if len(found) == 4 and found[1] == 1:
        return "give three channels, for example `return y.expand(-1, 3, -1, -1)`"
    if len(found) == 4 and found[1] == 4:
        return "give red, green and blue alone, for example `return y[:, :3]`"
    return "let forward return a picture [1, 3, H, W], of the content's batch and channels"
