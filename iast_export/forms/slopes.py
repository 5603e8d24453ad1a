"""PReLU of one slope for all channels as LeakyReLU, which both runtimes have for integers.

A PReLU holds its slope as a weight, so that each runtime takes it for one per channel: a float
island in ONNX Runtime, four float operators in LiteRT. Once trained it is a number.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SharedSlope(nn.Module):
    """A PReLU of one slope; its weight is kept for whoever else reads it."""

    def __init__(self, given: nn.PReLU) -> None:
        super().__init__()
        self.weight = given.weight
        self.slope = float(given.weight.detach().flatten()[0])

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.slope)


def share_slopes(module: nn.Module) -> int:
    """Changes a module in place: its PReLUs are `SharedSlope` where all channels have one slope.

    Args:
        module: its own copy, trained.

    Returns:
        How many there are now.
    """
    places = 0
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.PReLU) and _is_one(child.weight):
                setattr(parent, name, SharedSlope(child))
                places += 1
    return places


def _is_one(slopes: Tensor) -> bool:
    return bool((slopes == slopes.flatten()[0]).all())
