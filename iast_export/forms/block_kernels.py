"""`forms.large_kernels` for PyTorch, before LiteRT's converter: convolutions over blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from iast_export.forms.large_kernels import BLOCKS, MOST_INPUTS, SMALLEST_KERNEL, best_block

# Side of the blocks that are read side by side, as in `large_kernels`.
_UNFOLDED = 2


@dataclass(frozen=True)
class BlockConv:
    """A convolution whose result, pixel-shuffled by `block`, is another one's.

    Attributes:
        args: of `F.conv2d`.
        block: of the pixel shuffle.
    """

    args: tuple[Any, ...]
    block: int


def in_blocks(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    share: tuple[float, float] = (1.0, 1.0),
) -> BlockConv | None:
    """The convolution over blocks that is faster than `F.conv2d` of the same arguments, or None.

    Shapes are fixed here, so only whole blocks are taken and nothing is cut off.

    Args:
        share: of the picture's height and width by which those of other pictures differ, or a
            multiple of it; where such pictures would have no whole blocks, none are taken.
    """
    pads = _pair(padding)
    if _pair(stride) != (1, 1) or _pair(dilation) != (1, 1) or groups != 1 or pads is None:
        return None
    kernel = (int(weight.shape[2]), int(weight.shape[3]))
    sides = [
        int(side) + 2 * pad - k + 1 for side, pad, k in zip(x.shape[2:], pads, kernel, strict=True)
    ]
    if int(weight.shape[1]) <= MOST_INPUTS and min(kernel) >= SMALLEST_KERNEL:
        whole = _are_whole(sides, share, _UNFOLDED)  # so is what an odd kernel reads
        return _unfolded(x, weight, bias, kernel, pads) if whole else None
    whole_blocks = [block for block in BLOCKS if _are_whole(sides, share, block)]
    block = best_block(len(weight), kernel, whole_blocks)
    if block == 1:
        return None
    return BlockConv((x, block_weight(weight, block), _repeated(bias, block), block, pads), block)


def _are_whole(sides: Iterable[int], share: tuple[float, float], block: int) -> bool:
    """Whether sides are whole blocks in this picture and in all others."""
    pairs = zip(sides, share, strict=True)
    return all(side % block == 0 and round(side * part) % block == 0 for side, part in pairs)


def _unfolded(
    x: Tensor, weight: Tensor, bias: Tensor | None, kernel: tuple[int, int], pads: tuple[int, int]
) -> BlockConv | None:
    if any(pad % _UNFOLDED for pad in pads) or not all(side % _UNFOLDED for side in kernel):
        return None
    wide = unfold_weight(block_weight(weight, _UNFOLDED), _UNFOLDED)
    halves = (pads[0] // _UNFOLDED, pads[1] // _UNFOLDED)
    return BlockConv((unfold(x, _UNFOLDED), wide, _repeated(bias, _UNFOLDED), 1, halves), _UNFOLDED)


def block_weight(weight: Tensor, block: int) -> Tensor:
    """As `large_kernels.block_weight`."""
    outputs, inputs, height, width = weight.shape
    last = block - 1
    moved = [F.pad(weight, (c, last - c, r, last - r)) for r in range(block) for c in range(block)]
    return torch.stack(moved, 1).reshape(
        outputs * block * block, inputs, height + last, width + last
    )


def unfold_weight(weight: Tensor, block: int) -> Tensor:
    """As `large_kernels.unfold_weight`."""
    outputs, inputs, height, width = weight.shape
    places = weight.reshape(outputs, inputs, height // block, block, width // block, block)
    moved = places.permute(0, 3, 5, 1, 2, 4)
    return moved.reshape(outputs, block * block * inputs, height // block, width // block)


def unfold(x: Tensor, block: int) -> Tensor:
    """Blocks side by side, [N, b * b * C, H / b, W / b], moved channels last, as in LiteRT."""
    n, c, h, w = x.shape
    blocks = x.permute(0, 2, 3, 1).reshape(n, h // block, block, w // block, block, c)
    moved = blocks.permute(0, 1, 3, 2, 4, 5).reshape(n, h // block, w // block, block * block * c)
    return moved.permute(0, 3, 1, 2)


def _repeated(bias: Tensor | None, block: int) -> Tensor | None:
    """Each value block * block times, joined, which the converter folds; it keeps a broadcast."""
    return None if bias is None else torch.stack([bias] * (block * block), 1).reshape(-1)


def _pair(value: Any) -> tuple[int, int] | None:
    """Height and width of a setting; None for words such as "same"."""
    if isinstance(value, str):
        return None
    pair = (value, value) if isinstance(value, int) else tuple(int(v) for v in value)
    return (pair[0], pair[-1])
