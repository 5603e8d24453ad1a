"""Random weights that behave like trained ones: signals keep their size, pictures are not flat."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

CONTRAST = 0.22  # deviation of a photograph in [0, 1], about
_NORMS = (nn.InstanceNorm2d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
GAIN_SPREAD = 0.2  # of normalizations; trained ones spread as much or more


def seeded(module: nn.Module, seed: int) -> nn.Module:
    """The module with weights of a seed (He et al. 2015), in eval mode; gains spread around 1."""
    generator = torch.Generator().manual_seed(seed)

    def noise(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator)

    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Conv2d | nn.Linear | nn.ConvTranspose2d):
                part.weight.copy_(noise(part.weight) * math.sqrt(2.0 / _inputs(part)))
                if part.bias is not None:
                    part.bias.copy_(noise(part.bias) * 0.05)
            elif isinstance(part, _NORMS) and part.weight is not None:
                part.weight.copy_(1.0 + GAIN_SPREAD * noise(part.weight))
                part.bias.copy_(0.1 * noise(part.bias))
    return module.eval()


def settle(module: nn.Module, last: nn.Conv2d | nn.ConvTranspose2d, middle: float = 0.0) -> None:
    """Batch statistics as on pictures, and `last` scaled so that its output has their contrast.

    Args:
        module: called with pictures that `drawn_pictures` makes and codes of its own choice.
        last: gives the picture.
        middle: where its output shall lie on average.
    """
    seen: list[Tensor] = []
    hook = last.register_forward_hook(lambda _m, _in, out: seen.append(out))
    try:
        _set_momentum(module, 1.0)
        with torch.no_grad():
            module.train()
            module(drawn_pictures())
            module.eval()
            module(drawn_pictures())
    finally:
        hook.remove()
        _set_momentum(module, 0.1)
    out = seen[-1]
    spread = out.std((0, 2, 3)).clamp(min=1e-6)
    with torch.no_grad():
        _scale_outputs(last, CONTRAST / spread)
        center = middle - out.mean((0, 2, 3)) * CONTRAST / spread
        assert last.bias is not None
        last.bias.mul_(CONTRAST / spread).add_(center)


def drawn_pictures(side_px: int = 64) -> Tensor:
    """Two smooth pictures with edges [2, 3, side, side] in [0, 1]."""
    ramp = torch.linspace(0.0, 1.0, side_px)
    rows, columns = torch.meshgrid(ramp, ramp, indexing="ij")
    rings = ((rows - 0.4) ** 2 + (columns - 0.6) ** 2).sqrt() * 20.0
    one = torch.stack([rows, (rings.sin() + 1.0) / 2.0, columns])
    two = torch.stack([((rows * 15.0).sin() > 0).float(), columns, (rows + columns) / 2.0])
    return torch.stack([one, two])


def _inputs(part: nn.Conv2d | nn.Linear | nn.ConvTranspose2d) -> float:
    """Values that one output is a sum of."""
    weight = part.weight
    if isinstance(part, nn.ConvTranspose2d):
        return weight[:, 0].numel() / (part.stride[0] * part.stride[1])
    return weight[0].numel()


def _set_momentum(module: nn.Module, momentum: float) -> None:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = momentum


def _scale_outputs(last: nn.Conv2d | nn.ConvTranspose2d, by: Tensor) -> None:
    axis = 1 if isinstance(last, nn.ConvTranspose2d) else 0
    last.weight.mul_(by.view([-1 if i == axis else 1 for i in range(4)]))
