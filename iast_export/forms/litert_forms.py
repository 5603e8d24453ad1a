"""The forms that operators take on their way from PyTorch to LiteRT, and why.

Each is equal in exact arithmetic to what it stands for, whose plain lowering leaves the fast
kernels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from iast_export.forms.block_kernels import in_blocks
from iast_export.forms.moved_places import mirrored, nearest_places, turned
from iast_export.forms.on_shapes import on_shapes
from iast_export.forms.pools import averages, averages_to, largest, largest_to
from iast_export.forms.traced_forms import TRACED, Form, TracedForms
from iast_export.specs import CONTENT, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork


FORMS: tuple[Form, ...] = (
    *TRACED,
    Form(
        "edge-pads",
        "XNNPACK takes slices and concatenations of a picture's edges, but neither MIRROR_PAD nor "
        "GATHER_ND.",
    ),
    Form(
        "pixel-shuffle",
        "With the channels sorted for it, a pixel shuffle is one operator, which XNNPACK and GPUs "
        "take.",
    ),
    Form(
        "mean-by-rows",
        "Short sums keep float32's digits in a mean of a whole picture.",
    ),
    Form(
        "large-kernels",
        "Over blocks of pixels a large kernel of few inputs or outputs keeps all of its machine "
        "kernel busy.",
    ),
    Form(
        "average-pools",
        "As a depthwise convolution an average of few pixels is an integer one between integers, "
        "where the pool would have to keep its input's scale.",
    ),
    Form(
        "edge-pools",
        "Edges that are repeated never change the largest value of a window, and have a range; "
        "the infinity that fills windows otherwise has none.",
    ),
    Form(
        "largest-values",
        "The largest value of a picture, or of windows that divide it, has an operator; of windows "
        "by their number there is none.",
    ),
    Form(
        "nearest-places",
        "A gather takes the places that PyTorch's nearest resize takes at any factor; the operator "
        "takes others.",
    ),
    Form(
        "turns",
        "Two slices and a concatenation turn a picture around, for which there is no operator.",
    ),
    Form(
        "filled-pictures",
        "Computed from a picture, one value at all places follows its shape; as a constant it "
        "fixes the shape, and GPUs take no operator without a computed input.",
    ),
)


class LiteRtForms(TracedForms):
    """While active, operators are traced in the forms of `FORMS`; `counts` has their numbers.

    Args:
        share: of the traced picture's height and width by which those of other pictures that the
            file shall draw differ, or a multiple of it; 1 where it draws no other shape.
    """

    def __init__(self, share: tuple[float, float] = (1.0, 1.0)) -> None:
        super().__init__()
        self._share = share
        self._convolutions: dict[int, tuple[Tensor, tuple[Any, ...], dict[str, Any]]] = {}

    def forget(self) -> None:
        super().forget()
        self._convolutions.clear()

    def formed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func is F.pixel_shuffle:
            self.counts["pixel-shuffle"] += 1
            return self._pixel_shuffle(*args, **kwargs)
        if func is Tensor.mean and _is_spatial_mean(*args, **kwargs):
            self.counts["mean-by-rows"] += 1
            return _mean_by_rows(
                args[0], bool(kwargs.get("keepdim", args[2] if len(args) > 2 else False))
            )
        filled = _filled(func, *args, **kwargs) if func in _FILLS else None
        if filled is not None:
            self.counts["filled-pictures"] += 1
            return filled
        moved = self._moved(func, args, kwargs)
        if moved is not None:
            return moved
        blocks = in_blocks(*args, **kwargs, share=self._share) if func is F.conv2d else None
        if blocks is not None:
            self.counts["large-kernels"] += 1
            return self._pixel_shuffle(self._convolve(blocks.args, {}), blocks.block)
        if func is F.conv2d:
            return self._convolve(args, kwargs)
        return super().formed(func, args, kwargs)

    def _moved(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """A resize, a turn, edges or a pool by operators with fast kernels."""
        for functions, form, name in _MOVES:
            made = form(*args, **kwargs) if func in functions else None
            if made is not None:
                self.counts[name] += 1
                return made
        return None

    def repeated(self, small: Tensor, result: Tensor) -> Tensor:
        """By products with ones: the converter takes a repetition's sides for channels last.

        Of a row or a column that is a constant it does so for a product of values as well, and
        folds one of matrices.
        """
        if small.dim() == 4 and max(small.shape[2:]) > 1:
            if small.shape[2] != result.shape[2]:
                small = small.new_ones(result.shape[2], 1) @ small
            if small.shape[3] != result.shape[3]:
                small = small @ small.new_ones(1, result.shape[3])
            if small.shape == result.shape:
                return small
        return small * small.new_ones(result.shape)

    def _convolve(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """The convolution, remembered for a pixel shuffle behind it."""
        result = F.conv2d(*args, **kwargs)
        self._convolutions[id(result)] = (result, args, kwargs)
        return result

    def _pixel_shuffle(self, x: Tensor, upscale_factor: int) -> Tensor:
        r, (n, c, h, w) = upscale_factor, x.shape
        _, args, kwargs = self._convolutions.get(id(x), (None, (), {}))
        if args and _groups(*args, **kwargs) == 1:  # no other order keeps a group's outputs in it
            sorted_x = _block_ordered_conv(r, *args, **kwargs).permute(0, 2, 3, 1)
        else:
            sorted_x = x.permute(0, 2, 3, 1).reshape(n, h * w, c // r**2, r * r).transpose(2, 3)
        blocks = sorted_x.reshape(n, h, w, r, r, c // r**2).permute(0, 1, 3, 2, 4, 5)
        return blocks.reshape(n, h * r, w * r, c // r**2).permute(0, 3, 1, 2)


def _is_spatial_mean(x: Tensor, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> bool:
    return (
        x.dim() == 4
        and isinstance(dim, (tuple, list))
        and tuple(dim) in ((2, 3), (-2, -1))
        and not kwargs
    )


def _mean_by_rows(x: Tensor, keepdim: bool) -> Tensor:
    """The spatial mean, first along rows: short sums keep float32's digits in a naive summation."""
    rows = x.mean(3, keepdim=True).mean(2, keepdim=True)
    return rows if keepdim else rows.flatten(1)


_MOVES: tuple[tuple[tuple[Any, ...], Callable[..., Tensor | None], str], ...] = (
    ((F.interpolate,), nearest_places, "nearest-places"),
    ((torch.roll, Tensor.roll), turned, "turns"),
    ((F.pad,), mirrored, "edge-pads"),
    ((F.avg_pool2d,), averages, "average-pools"),
    ((F.adaptive_avg_pool2d,), averages_to, "average-pools"),
    ((F.max_pool2d, torch.max_pool2d), largest, "edge-pools"),
    ((F.adaptive_max_pool2d,), largest_to, "largest-values"),
)
_FILLS = (torch.zeros_like, torch.ones_like, torch.full_like)


def _filled(func: Any, x: Tensor, *value: Any, **kwargs: Any) -> Tensor | None:
    """A picture of one value, as a clamp to it: a product with zero the converter would fold."""
    if kwargs or x.dim() != 4 or min(x.shape[2:]) < 2 or not x.is_floating_point():
        return None
    level = float(value[0]) if value else float(func is torch.ones_like)
    return x.clamp(level, level)


def _groups(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> int:
    """The groups of a convolution, however it was called."""
    return groups


def _block_ordered_conv(
    r: int, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    """The convolution with its outputs ordered by row, column, channel, not channel first."""
    c, (_, i, kh, kw) = weight.shape[0] // r**2, weight.shape
    weight = weight.reshape(c, r * r, i, kh, kw).transpose(0, 1).reshape(c * r * r, i, kh, kw)
    if bias is not None:
        bias = bias.reshape(c, r * r).transpose(0, 1).reshape(c * r * r)
    return F.conv2d(x, weight, bias, *args, **kwargs)


def share_of(multiple_px: int, height: int, width: int) -> tuple[float, float]:
    """The share of a picture's sides by which the sides of others differ (`LiteRtForms`)."""
    return multiple_px / height, multiple_px / width


def count_forms(network: StyleNetwork, tier: Tier) -> Counter[str]:
    """In how many places a tier is traced in each form, by name; run on shapes alone."""
    shapes = {CONTENT: (1, 3, *tier.shape_px), **network.code_shapes}
    with LiteRtForms(share_of(network.size_multiple_px, *tier.shape_px)) as forms:
        on_shapes(network.cut(tier.depth), tuple(shapes.values()))
    return Counter(forms.counts)
