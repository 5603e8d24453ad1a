"""Pools by what both kinds of kernels take, floats and integers; fixed shapes."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from iast_export.forms.moved_places import grown, pair

# Chosen: the windows of networks that halve a picture; larger ones are filters' means, in float.
_MOST_AVERAGED = 16


def averages(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor | None:
    """An average of few pixels as a depthwise convolution; None: it is another, or of many."""
    sides = pair(kernel_size)
    few = len(sides) == 2 and math.prod(sides) <= _MOST_AVERAGED
    plain = count_include_pad and not ceil_mode and divisor_override is None
    if not few or not plain or x.dim() != 4 or not x.is_floating_point():
        return None
    weight = x.new_full((x.shape[1], 1, *sides), 1 / math.prod(sides))
    return F.conv2d(x, weight, None, stride or sides, padding, groups=x.shape[1])


def averages_to(x: Tensor, output_size: Any) -> Tensor | None:
    """An average to sides that divide the picture's; None: they do not."""
    sides = pair(output_size)
    if x.dim() != 4 or len(sides) != 2 or None in sides:
        return None
    pairs = list(zip(x.shape[2:], sides, strict=True))
    fits = all(side % result == 0 for side, result in pairs)
    return averages(x, [side // result for side, result in pairs]) if fits else None


def largest(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | None:
    """The largest values of windows that reach over the edges, as of repeated edges.

    A window that reaches over an edge holds the pixels at that edge, which PyTorch sees to: at
    most half of it may lie outside. With holes in it (`dilation`) that is no longer so.

    None: no window reaches over an edge, the operator knows such edges itself (steps of 1 and a
    result as large as the picture), or the windows have holes.
    """
    sides, padded = pair(kernel_size), pair(padding)
    steps = pair(stride) if stride else sides
    if x.dim() != 4 or return_indices or any(hole != 1 for hole in pair(dilation)):
        return None
    if steps == [1, 1] and all(2 * p == side - 1 for p, side in zip(padded, sides, strict=True)):
        return None
    behind = padded.copy()
    if ceil_mode:
        for place, length in enumerate(x.shape[2:]):
            rest = (int(length) + 2 * padded[place] - sides[place]) % steps[place]
            # The last window begins in the picture or in front of it, or it is left out.
            begins = int(length) + padded[place] - sides[place] - rest + steps[place]
            behind[place] += steps[place] - rest if rest and begins < int(length) else 0
    if not any(padded) and not any(behind):
        return None
    edges = (padded[1], behind[1], padded[0], behind[0])
    return F.max_pool2d(grown(x, edges, 0), sides, steps)


def largest_to(x: Tensor, output_size: Any, return_indices: bool = False) -> Tensor | None:
    """The largest values of as many equal windows; None: the picture has no such windows."""
    sides = pair(output_size)
    if x.dim() != 4 or len(sides) != 2 or None in sides or return_indices:
        return None
    if sides == [1, 1]:
        return x.amax((2, 3), keepdim=True)
    pairs = list(zip(x.shape[2:], sides, strict=True))
    fits = all(side % result == 0 for side, result in pairs)
    return F.max_pool2d(x, [side // result for side, result in pairs]) if fits else None
