"""Tiny networks of layers that look around: attention of channels, pixels and windows, and layers
that a style's codes set.

Written for this, after no one's code; what is in each says `catalog`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.layers.convolutional import conv


class Channels(nn.Module):
    """Attention of channels by means and maxima, of pixels by a 7x7 of theirs (Woo et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = conv(3, 16), nn.GroupNorm(4, 16)
        self.weigh = nn.Sequential(nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16))
        self.where, self.last = conv(2, 1, 7), conv(16, 3)

    def forward(self, content: Tensor) -> Tensor:
        x = F.silu(self.norm(self.first(content)))
        mean = self.weigh(F.adaptive_avg_pool2d(x, 1).flatten(1))
        x = (
            x
            * torch.sigmoid(mean + self.weigh(F.adaptive_max_pool2d(x, 1).flatten(1)))[
                :, :, None, None
            ]
        )
        both = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        (drawn,) = self.last(x * F.hardsigmoid(self.where(both))).chunk(1, 1)
        return torch.sigmoid(drawn)


class Coordinates(nn.Module):
    """Attention of rows and columns (Hou et al. 2021), and of channels by their neighbors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = conv(3, 16), conv(16, 3)
        self.shared, self.norm = nn.Conv2d(16, 8, 1), nn.BatchNorm2d(8)
        self.down, self.across = nn.Conv2d(8, 16, 1), nn.Conv2d(8, 16, 1)
        self.near = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content)
        h, w = x.shape[2:]
        rows = F.adaptive_avg_pool2d(x, (None, 1))
        columns = F.adaptive_avg_pool2d(x, (1, None)).permute(0, 1, 3, 2)
        both = F.hardswish(self.norm(self.shared(torch.cat([rows, columns], 2))))
        down, across = torch.split(both, [h, w], dim=2)
        x = x * torch.sigmoid(self.down(down)) * torch.sigmoid(self.across(across.mT))
        gate = torch.sigmoid(self.near(x.mean((2, 3)).unsqueeze(1)))
        return torch.sigmoid(self.last(x * gate.transpose(1, 2).unsqueeze(-1)))


class Transposed(nn.Module):
    """Attention among channels over all pixels (Zamir et al. 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last, self.out = conv(3, 16), conv(16, 3), nn.Conv2d(16, 16, 1)
        self.all, self.deep = nn.Conv2d(16, 48, 1), nn.Conv2d(48, 48, 3, 1, 1, groups=48)
        self.heat = nn.Parameter(torch.ones(2, 1, 1))

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content)
        n, c, h, w = x.shape
        parts = self.deep(self.all(x)).chunk(3, 1)
        query, key, value = (part.reshape(n, 2, c // 2, h * w) for part in parts)
        query, key = F.normalize(query, dim=-1), F.normalize(key, dim=-1)
        weights = (query @ key.transpose(-2, -1) * self.heat).softmax(-1)
        return torch.sigmoid(self.last(x + self.out((weights @ value).reshape(n, c, h, w))))


class Windows(nn.Module):
    """Attention in shifted windows of 4 x 4 tokens with a learned bias (Liu et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(3, 16, 2, 2), nn.LayerNorm(16), conv(16, 12)
        self.all, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.bias = nn.Parameter(torch.randn(2, 16, 16) * 0.1)

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        y = torch.roll(self.norm(x), (-2, -2), (1, 2))
        y = y.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        parts = self.all(y).reshape(-1, 16, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        weights = (query * (c // 2) ** -0.5) @ key.transpose(-2, -1) + self.bias
        y = self.out((weights.softmax(-1) @ value).transpose(1, 2).reshape(-1, 16, c))
        y = y.view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        x = x + torch.roll(y, (2, 2), (1, 2))
        return torch.sigmoid(F.pixel_shuffle(self.last(x.permute(0, 3, 1, 2)), 2))


class Everywhere(nn.Module):
    """Each pixel looks at a coarser picture of all (Wang et al. 2018); edges of 0 and of 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 16, 3, 2))
        self.last = nn.Sequential(nn.ConstantPad2d(1, 0.5), nn.Conv2d(16, 12, 3))
        self.query, self.key, self.value = (nn.Conv2d(16, 8, 1) for _ in range(3))
        self.out = nn.Conv2d(8, 16, 1)

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content)
        n, _, h, w = x.shape
        query = self.query(x).flatten(2).transpose(1, 2)
        key = F.max_pool2d(self.key(x), 4).flatten(2)
        value = F.max_pool2d(self.value(x), 4).flatten(2).transpose(1, 2)
        seen = torch.bmm(F.softmax(torch.bmm(query, key), -1), value)
        x = x + self.out(seen.transpose(1, 2).contiguous().view(n, 8, h, w))
        return torch.sigmoid(F.pixel_shuffle(self.last(x), 2))


class Neighbors(nn.Module):
    """Nine neighbors of each pixel, weighed by weights that are computed for it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.weigh, self.last = conv(3, 8), conv(8, 9, 1), conv(8, 3)

    def forward(self, content: Tensor) -> Tensor:
        x = F.relu(self.first(content))
        n, c, h, w = x.shape
        weights = self.weigh(x).softmax(1).unsqueeze(1)
        near = F.unfold(x, 3, padding=1).view(n, c, 9, h, w)
        return torch.sigmoid(self.last((near * weights).sum(2)))


class Filtered(nn.Module):
    """Filters that a style sets (Chandran et al. 2021)."""

    code_shapes = {"depthwise": (16, 1, 3, 3), "pointwise": (16, 16, 1, 1)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Sequential(conv(3, 16, 3, 2), nn.ReLU(), conv(16, 16))
        self.last = conv(16, 3)

    def forward(self, content: Tensor, depthwise: Tensor, pointwise: Tensor) -> Tensor:
        x = F.pad(F.instance_norm(self.seen(content)), (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x, depthwise, groups=16)
        x = F.conv2d(x, pointwise) + x
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return torch.sigmoid(self.last(x))


class FilteredStyle(nn.Module):
    """The filters of a style."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Sequential(conv(3, 16, 3, 2), nn.ReLU(), conv(16, 16))
        self.depthwise, self.pointwise = nn.Linear(16, 16 * 9), nn.Linear(16, 16 * 16)

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        mean = self.seen(style).mean((2, 3))
        return self.depthwise(mean).view(16, 1, 3, 3), self.pointwise(mean).view(16, 16, 1, 1)


class Refined(nn.Module):
    """The same weights three times in a row, and a label."""

    code_shapes = {"label": (1, 16)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = conv(3, 16), conv(16, 3)
        self.changed, self.gate = conv(32, 16), conv(32, 16)

    def forward(self, content: Tensor, label: Tensor) -> Tensor:
        seen = F.relu(self.first(content))
        kept = torch.zeros_like(seen)
        for _ in range(3):
            both = torch.cat([seen, kept], 1)
            kept = torch.lerp(kept, torch.tanh(self.changed(both)), torch.sigmoid(self.gate(both)))
        kept = kept + torch.einsum("bc,bchw->bchw", label, seen)
        return torch.sigmoid(self.last(kept))


class RefinedStyle(nn.Module):
    """The label of a style."""

    def __init__(self) -> None:
        super().__init__()
        self.first = conv(3, 16)

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        return (self.first(style).amax((2, 3)),)


class Spatial(nn.Module):
    """Gains and offsets for each pixel, of the photograph itself (Park et al. 2019)."""

    code_shapes = {"style": (1, 16, 1, 1)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.first, self.shared, self.last = conv(3, 16, 3, 2), conv(3, 8), conv(16, 3)
        self.gain, self.offset = conv(8, 16), conv(8, 16)

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        x = self.first(content)
        own = F.batch_norm(x, None, None, training=True)
        seen = F.relu(self.shared(F.interpolate(content, size=x.shape[2:], mode="nearest")))
        x = F.leaky_relu(own * (1 + self.gain(seen)) + self.offset(seen) + style, 0.2)
        x = F.interpolate(x, scale_factor=(2, 2), mode="bilinear", align_corners=False)
        return torch.sigmoid(self.last(x))


class SpatialStyle(nn.Module):
    """Sixteen numbers of a style's mean color."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Linear(3, 16)

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        return (self.seen(style.mean((2, 3))).view(1, 16, 1, 1),)


class Palette(nn.Module):
    """Every pixel a mixture of eight colors, after a norm over neighboring channels."""

    code_shapes = {"colors": (1, 8, 3)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = conv(3, 16), nn.LocalResponseNorm(3), conv(16, 8)

    def forward(self, content: Tensor, colors: Tensor) -> Tensor:
        shares = (self.last(self.norm(F.relu(self.first(content)))) * 4).softmax(1)
        return torch.einsum("bkhw,bkc->bchw", shares, colors)


class PaletteStyle(nn.Module):
    """Eight mean colors of a style."""

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        return (F.adaptive_avg_pool2d(style, (2, 4)).flatten(2).transpose(1, 2),)
