"""What a network does from a picture to its result, judged: repeats, paths, effects of codes."""

from __future__ import annotations

import copy
import linecache
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iast_export.errors import IastExportError, InputError
from iast_export.network.adapters import StyleNetwork
from iast_export.network.state import differing, snapshot
from iast_export.network.symbolic import fixed_number
from iast_export.network.user_code import calling
from iast_export.network.watching import Seen, parting, trail_of

# What rounding in FP32 alone makes of equal pictures; a network of drawn weights may show as little
# as 2e-5 of a photograph.
_SAME = 1e-6
# How far the effect may fall back between two strengths, of the largest effect. Chosen: two curves
# that cross by rounding stay below it, one that turns back does not.
_FALLS_BACK = 0.1
_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Neither ONNX nor TFLite has these, by the beginnings of their names in ATen.
_NOWHERE = (
    "_linalg_svd", "linalg_svd", "linalg_eig", "_linalg_eigh", "linalg_eigh", "linalg_qr",
    "linalg_cholesky", "cholesky", "linalg_inv", "linalg_solve", "_linalg_solve", "linalg_lstsq",
    "linalg_matrix_exp", "_linalg_det", "linalg_lu", "geqrf", "triangular_solve", "_fft_",
    "fft_", "stft", "istft", "view_as_complex", "complex", "unique", "_unique", "bincount",
    "histc", "multinomial", "masked_select", "nonzero",
)  # fmt: skip
_FORMS = (
    "for example a mean and a deviation for a covariance, Newton's steps for a root of a matrix; "
    "what depends on the style alone belongs into encode_style's codes"
)


def check_seen(what: str, seen: Seen, changed: Sequence[str]) -> None:
    """Judges what one run was seen to do.

    Args:
        what: ran, for messages.
        seen: by `watched`.
        changed: inputs whose values are others than before.

    Raises:
        InputError: random numbers, values that steer Python, an input that was changed, or an
            operator that neither format has.
    """
    if seen.draws:
        raise InputError(
            f"{what} draws random numbers ({seen.draws[0]}), one result was needed each time",
            "take them out, draw them into a buffer (`self.register_buffer('noise', ...)`), or "
            "use `nn.Dropout`, which is off in eval mode",
        )
    if seen.reads:
        raise InputError(
            f"{what} reads values of its input into Python ({seen.reads[0]}), which no exported "
            "graph can",
            "choose by tensors, for example `torch.where(x.mean() > 0.4, a, b)`; scale by "
            "`x.mean()` itself, without `.item()`; keep loops to fixed counts",
        )
    if changed:
        place = f" ({seen.writes[0]})" if seen.writes else ""
        raise InputError(
            f"{what} changes its input {changed[0]} in place{place}, which belongs to the caller",
            "write `x = x * 2` for `x *= 2`, and `x.mul(2)` for `x.mul_(2)`",
        )
    _check_operators(what, seen)


def _check_operators(what: str, seen: Seen) -> None:
    for name, _, line in seen.operators:
        if name.startswith(_NOWHERE):
            shown = name.strip("_")
            raise InputError(
                f"{what} computes {shown}{f' ({line})' if line else ''}, for which ONNX and TFLite "
                "have no operator",
                f"replace it, {_FORMS}",
            )


def check_repeats(what: str, module: nn.Module, inputs: Sequence[Tensor], first: Tensor) -> None:
    """Holds a second run to the first one's result.

    Raises:
        InputError: it differs.
    """
    with torch.no_grad(), calling(what):
        second = module(*inputs)
    if torch.equal(first, second) or not bool(torch.isfinite(first).all()):
        return
    difference = float((first - second).abs().max())
    raise InputError(
        f"{what} gives another picture when it is run again (up to {difference:.2g} away): it "
        "draws random numbers, or keeps something between calls",
        "take the randomness out, and let forward write nothing to `self`",
    )


def check_cuts(
    depth: int, network: StyleNetwork, module: nn.Module, inputs: Sequence[Tensor], first: Tensor
) -> None:
    """Holds a second cut to the first one's weights and result.

    Raises:
        InputError: it has others.
    """
    what = f"cut({depth})"
    other = network.cut(depth)
    if name := differing(module, other):
        raise InputError(
            f"{what} makes a network of other weights each time it is called: {name} differs",
            "let cut copy what the factory loaded, for example "
            "`return copy.deepcopy(self.transfer)`",
        )
    with torch.no_grad(), calling(f"forward of {what}"):
        second = other(*inputs)
    if not torch.equal(torch.nan_to_num(first), torch.nan_to_num(second)):
        raise InputError(
            f"{what} makes another network each time it is called: the same picture comes out "
            "differently",
            "let cut make the same module each time, for example "
            "`return copy.deepcopy(self.transfer)`",
        )


def check_path(
    what: str,
    module: nn.Module,
    inputs: Sequence[Tensor],
    dark: Sequence[Tensor],
    largest_px: int,
) -> None:
    """Holds Python to one path through the author's lines, whatever the picture and its size.

    Args:
        what: runs, for messages.
        module: the cut.
        inputs: a picture and codes.
        dark: the same with another picture of that size.
        largest_px: side of the largest picture; it is run on shapes alone.

    Raises:
        InputError: the paths part; names the line.
    """

    def run(given: Sequence[Tensor]) -> Callable[[], object]:
        return lambda: module(*given)

    with torch.no_grad(), calling(what):
        usual = trail_of(run(inputs))
        other = trail_of(run(dark))
    if place := parting(usual, other):
        raise InputError(
            f"{what} takes another path for another picture ({_shown(place)}), an exported graph "
            "has one",
            "choose by tensors, for example `torch.where(x.mean() > 0.4, a, b)`",
        )
    for height, width in _other_sizes(inputs[0], largest_px):
        found = _trail_of_shapes(module, inputs, height, width)
        place = parting(usual, found) if found is not None else None
        if place is not None:
            raise InputError(
                f"{what} takes another path at {height} x {width} px than at "
                f"{inputs[0].shape[2]} x {inputs[0].shape[3]} px ({_shown(place)}), an exported "
                "graph has one for all sizes",
                "let sizes choose nothing in Python: take the branch out, or cut a network of its "
                "own for large pictures as another depth",
            )


def _other_sizes(picture: Tensor, largest_px: int) -> list[tuple[int, int]]:
    height, width = picture.shape[2:]
    step = width - height
    half = max(step, height // 2 // step * step)
    large = max(largest_px // step * step, width)
    return [(half, height), (large, large), (height, large)]


def _trail_of_shapes(
    module: nn.Module, inputs: Sequence[Tensor], height: int, width: int
) -> tuple[tuple[str, int, int], ...] | None:
    """The path at another size, computed on shapes alone; None where that can't be told."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode(allow_non_fake_inputs=True)
    module = copy.deepcopy(module)  # what it keeps of this run has no values
    try:
        with torch.no_grad(), mode:
            picture = torch.empty(1, 3, height, width)
            codes = [mode.from_tensor(code) for code in inputs[1:]]
            return trail_of(lambda: module(picture, *codes))
    except IastExportError:
        raise
    except Exception:  # a size that is too small, or code that wants values: others judge that
        return None


def _shown(place: tuple[str, int]) -> str:
    text = " ".join(linecache.getline(*place).split())[:100]
    return f"{Path(place[0]).name}:{place[1]}: `{text}`"


def check_makers(what: str, seen: Seen, larger: Seen) -> None:
    """Holds tensors that are made of numbers alone to be the same at two sizes.

    Raises:
        InputError: one follows the picture's side, which exported files keep as it was traced.
    """
    for (name, one, line), (other_name, other, _) in zip(seen.makers, larger.makers, strict=False):
        if name == other_name and one != other:
            raise InputError(
                f"{what} makes a tensor of the picture's size by {name} ({line}), which exported "
                "files keep at the size of the trace",
                "count along the picture itself: "
                "`rows = torch.ones_like(x[:, :1]).cumsum(2); rows / rows[:, :, -1:] * 2 - 1`",
            )


def check_numbers(what: str, module: nn.Module, inputs: Sequence[Tensor], multiple_px: int) -> None:
    """Holds numbers of the picture's size to be reckoned so that an export can follow.

    Args:
        what: runs, for messages.
        module: the cut.
        inputs: a picture and codes.
        multiple_px: of the sides.

    Raises:
        InputError: one is a plain number, which exported files keep as it was for one size.
    """
    if place := fixed_number(module, inputs, multiple_px):
        raise InputError(
            f"{what} reckons with the picture's size in Python's own numbers: {place} takes one, "
            "which exported files keep as it was for one size",
            "write `(h * w) ** 0.5` for `math.sqrt(h * w)`, `h // 2` for a whole number, and `+`, "
            "`-`, `*`, `/` and `**` of `x.shape`'s sides for other functions of `math`; a kernel "
            "or a step is one for all sizes (`x.mean((2, 3), keepdim=True)` for a whole picture)",
        )


def takes_sides(seen: Seen, larger: Seen) -> bool:
    """Whether a number of an operator follows the picture's size."""
    pairs = zip(seen.operators, larger.operators, strict=False)
    return any(a == b and _numbers(one) != _numbers(two) for (a, one, _), (b, two, _) in pairs)


def size_numbers(seen: Seen, larger: Seen) -> str:
    """Where a fraction that follows the picture's size goes into an operator; empty: nowhere."""
    for (name, one, line), (other_name, other, _) in zip(
        seen.operators, larger.operators, strict=False
    ):
        if name == other_name and _fractions(one) != _fractions(other):
            return f"{name} takes a fraction reckoned from the picture's size at {line}"
    return ""


def _numbers(arguments: str) -> list[str]:
    return re.findall(r"(?:^|,)(-?\d+[^,]*)(?=,|$)", arguments)


def _fractions(arguments: str) -> list[str]:
    return re.findall(r"(?:^|,)(-?\d+\.\d*(?:e[+-]?\d+)?)(?=,|$)", arguments)


def check_content(what: str, one: Tensor, other: Tensor) -> None:
    """Holds two photographs to two results.

    Raises:
        InputError: both are the same.
    """
    if float((one - other).abs().max()) < _SAME:
        raise InputError(
            f"{what} gives the same result for two photographs, the picture has no effect",
            "check the range that it takes: pictures come in [0, 1], or in what `value_range = "
            "(0, 255)` declares; and that weights are loaded",
        )


def check_code(
    what: str,
    name: str,
    module: nn.Module,
    inputs: Sequence[Tensor],
    position: int,
    other: Sequence[Tensor],
) -> None:
    """Holds a code to have an effect on the picture.

    Args:
        what: runs, for messages.
        name: of the code, as its author wrote it.
        module: the cut.
        inputs: a picture and the codes of a style.
        position: of the code among the codes.
        other: the codes of another style.

    Raises:
        InputError: no value of it changes anything.
    """
    code = inputs[1 + position]
    spread = torch.linspace(-1.0, 1.0, code.numel()).reshape(code.shape)
    scale = max(float(code.abs().max()), 1.0)
    tries = (other[position], code * 0.5 + spread * scale, torch.zeros_like(code))
    with torch.no_grad(), calling(what):
        first = module(*inputs)
        for value in tries:
            given = list(inputs)
            given[1 + position] = value
            if not torch.equal(torch.nan_to_num(module(*given)), torch.nan_to_num(first)):
                return
    if _reaches(module, inputs, 1 + position):
        return
    raise InputError(
        f"{what} does not use the code {name}: no value of it changes the picture",
        f"take `{name}` out of code_shapes and encode_style, or use it in forward",
    )


def _reaches(module: nn.Module, inputs: Sequence[Tensor], position: int) -> bool:
    """Whether a gradient finds its way from the result to an input, be it 0 for these values."""
    given: list[Any] = [one.detach().clone() for one in inputs]
    given[position].requires_grad_(True)
    try:
        with torch.enable_grad():
            result = module(*given)
            if not result.requires_grad:
                return False
            (found,) = torch.autograd.grad(result.sum(), given[position], allow_unused=True)
    except RuntimeError:  # what has no gradient tells nothing
        return True
    return found is not None


def check_strength(what: str, module: nn.Module, inputs: Sequence[Tensor], position: int) -> None:
    """Holds the user's strength to move the picture one way, from none to all.

    Raises:
        InputError: more strength moves it back.
    """
    results = []
    with torch.no_grad(), calling(what):
        for strength in _STRENGTHS:
            given = list(inputs)
            given[position] = torch.full_like(inputs[position], strength)
            results.append(module(*given))
    effects = [float((result - results[0]).abs().mean()) for result in results]
    largest = max(effects)
    for i in range(1, len(effects)):
        if effects[i] < effects[i - 1] - _FALLS_BACK * largest:
            raise InputError(
                f"{what} moves the picture by {effects[i - 1]:.3g} at strength "
                f"{_STRENGTHS[i - 1]:g} and by {effects[i]:.3g} at {_STRENGTHS[i]:g}, it should "
                "not fall",
                "blend by it, for example `torch.lerp(plain, styled, strength)`",
            )


def check_memory(what: str, module: nn.Module, inputs: Sequence[Tensor], first: Tensor) -> None:
    """Holds the first picture's result to be the same after other pictures and sizes.

    Raises:
        InputError: it differs: something is kept between calls.
    """
    with torch.no_grad(), calling(what):
        last = module(*inputs)
    if not torch.equal(torch.nan_to_num(first), torch.nan_to_num(last)):
        raise InputError(
            f"{what} gives another picture after it has seen others: it keeps something between "
            "calls, such as a cache or running statistics",
            "let forward write nothing to `self`; compute masks and grids anew from the picture, "
            "and use batch norm in eval mode",
        )


def check_untouched(what: str, module: nn.Module, before: dict[str, Tensor]) -> None:
    """Holds a module's parameters and buffers to what they were before it ran.

    Raises:
        InputError: forward wrote to one.
    """
    for name, tensor in snapshot(module).items():
        old = before.get(name)
        if old is None or not torch.equal(torch.nan_to_num(old), torch.nan_to_num(tensor)):
            raise InputError(
                f"{what} changes its own tensor {name} as it runs, the network was needed to stay "
                "as it is",
                "use batch norm in eval mode (`F.batch_norm(..., training=False)`), and let "
                "forward write nothing to `self`",
            )


def check_equal_codes(one: Sequence[Tensor], two: Sequence[Tensor]) -> None:
    """Holds two encodings of one artwork to the same codes.

    Raises:
        InputError: they differ.
    """
    for first, second in zip(one, two, strict=True):
        if not torch.equal(first, second):
            difference = float((first - second).abs().max())
            raise InputError(
                f"encode_style gives other codes for the same artwork (up to {difference:.2g} "
                "away): it draws random numbers, or keeps something between calls",
                "take the randomness out, such as random crops, and write nothing to `self`",
            )
