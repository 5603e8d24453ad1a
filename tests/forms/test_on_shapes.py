"""A network on shapes alone, also where it makes tensors of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from iast_export.forms.on_shapes import on_shapes


class Positions(nn.Module):
    """Adds its place to each pixel, and a constant to each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.seen = nn.Conv2d(3, 3, 3, padding=1), list[torch.Size]()

    def forward(self, content: Tensor, code: Tensor) -> Tensor:
        rows = torch.linspace(-1, 1, content.shape[2]).view(1, 1, -1, 1)
        result = self.conv(content) * torch.tensor([1.0, 0.9, 1.1]).view(1, 3, 1, 1) + rows + code
        self.seen.append(result.shape)
        return result


def test_what_a_network_makes_of_its_own_meets_its_inputs() -> None:
    module = Positions()
    on_shapes(module, [(1, 3, 4096, 6144), (1, 3, 1, 1)])
    assert module.seen == [torch.Size((1, 3, 4096, 6144))]
