"""Transposed convolutions as convolutions at the low resolution, and a pixel shuffle.

The pixels of an output that have the same place in their block of `stride` x `stride` are an
ordinary convolution of the input, with every `stride`-th tap of the kernel. All of them together
are one convolution of `stride`^2 times the outputs. Where the kernel is no multiple of the stride
some of its taps are zeros.

This is done in PyTorch, before any export, so that both runtimes hold the same filters.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Products of the convolution for each of the transposed one: 2.25 for a kernel of 4 and a stride
# of 2; chosen, as everything common is below.
MOST_WASTE = 2.5


class Subpixels(nn.Module):
    """A transposed convolution as a convolution and a pixel shuffle."""

    def __init__(self, given: nn.ConvTranspose2d) -> None:
        super().__init__()
        step, pads = given.stride[0], (int(given.padding[0]), int(given.padding[1]))
        sides = (int(given.kernel_size[0]), int(given.kernel_size[1]))
        kernels = [_places(k, p, step) for k, p in zip(sides, pads, strict=True)]
        (top, height), (left, width) = kernels
        self.step, self.groups = step, given.groups
        self.around = (-left, width + left - 1, -top, height + top - 1)
        with torch.no_grad():
            weight = _fold(given.weight.detach(), given.groups, step, pads, kernels)
            self.weight = nn.Parameter(weight, requires_grad=False)
            bias = given.bias
            repeated = None if bias is None else bias.detach().repeat_interleave(step * step)
        self.bias = None if repeated is None else nn.Parameter(repeated, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        left, right, top, bottom = self.around
        even = left == right and top == bottom
        given, padding = (x, (top, left)) if even else (F.pad(x, self.around), (0, 0))
        made = F.conv2d(given, self.weight, self.bias, padding=padding, groups=self.groups)
        return F.pixel_shuffle(made, self.step)


def fold_transposed(module: nn.Module) -> int:
    """Changes a module in place: its transposed convolutions are `Subpixels` where that pays.

    Args:
        module: its own copy.

    Returns:
        How many there are now.
    """
    places = 0
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ConvTranspose2d) and _pays(child):
                setattr(parent, name, Subpixels(child))
                places += 1
    return places


def _pays(given: nn.ConvTranspose2d) -> bool:
    """Whether sides are multiplied by the stride exactly, and few of the taps are zeros."""
    step, across = given.stride
    pads = [int(pad) for pad in given.padding]
    if step != across or step < 2 or tuple(given.dilation) != (1, 1):
        return False
    taps = list(zip(given.kernel_size, pads, given.output_padding, strict=True))
    if any(kernel - 2 * pad + extra != step for kernel, pad, extra in taps):
        return False
    read = math.prod(_places(kernel, pad, step)[1] for kernel, pad, _ in taps)
    return step * step * read <= MOST_WASTE * math.prod(given.kernel_size)


def _places(kernel: int, pad: int, step: int) -> tuple[int, int]:
    """The first pixel that an output block reads, relative to its own, and how many it reads."""
    first = -((kernel - 1 - pad) // step)
    return first, (step - 1 + pad) // step - first + 1


def _fold(
    weight: Tensor,
    groups: int,
    step: int,
    pads: tuple[int, int],
    kernels: list[tuple[int, int]],
) -> Tensor:
    """The weight [O * step^2, I / groups, kH, kW], outputs as a pixel shuffle takes them."""
    inputs, outputs, *sides = weight.shape
    (top, height), (left, width) = kernels
    parts = weight.reshape(groups, inputs // groups, outputs, *sides).transpose(1, 2)
    folded = weight.new_zeros(groups, outputs, step, step, inputs // groups, height, width)
    for row in range(step):
        for column in range(step):
            for i in range(height):
                for j in range(width):
                    y = row + pads[0] - step * (top + i)
                    x = column + pads[1] - step * (left + j)
                    if 0 <= y < sides[0] and 0 <= x < sides[1]:
                        folded[:, :, row, column, :, i, j] = parts[..., y, x]
    return folded.reshape(groups * outputs * step * step, inputs // groups, height, width)
