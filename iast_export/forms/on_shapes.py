"""A network run on shapes alone: nothing is computed, and nothing is held in memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode


def on_shapes(module: nn.Module, shapes: Sequence[Sequence[int]]) -> None:
    """Runs a network on tensors that have a shape and no values.

    They say that they lie in memory, so that what the network makes of its own (a constant, a
    position) meets them there, which would not meet a tensor of the meta device.

    Args:
        module: its own copy.
        shapes: of its inputs, in order.
    """
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        module(*[torch.empty(tuple(shape)) for shape in shapes])
