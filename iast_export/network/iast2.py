"""The second IAST student: strokes of two sizes, a palette, style on every path to the picture.

What differs from the first (`iast_export.network.iast`), and why:

- Strided layers are 4x4 and begin as 3x3 ones behind a binomial filter (Zhang, "Making
  Convolutional Networks Shift-Invariant Again", ICML 2019), so that edges draw no teeth. An even
  kernel lies around the middle of the two pixels that the pixel shuffle brings back; 5x5 costs
  more, gained nothing (benchmarks/quality/parts.md), and its first layer would stay in float.
- The photograph's half resolution reaches the picture through a styled map alone: a 1x1
  convolution to a few channels, scaled and shifted by the code, and one back. That is a map of low
  rank from colors to colors that the style chooses.
- The last features, each of which stands for a color, are scaled and shifted by the code: the
  palette.
- Deeper subnetworks also work at an eighth of the resolution, where a stroke of the same layers is
  twice as large. What is drawn there enters where the gate lets the style in.

All else is as before: integer-first convolutions, exact padding, normalizations by means and mean
squares as the only reductions. Without strength the style has no influence on any path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.network.iast import (
    Fusion,
    Parts,
    ReflectConv,
    ResidualBlock,
    StyleEncoder,
    Supernet,
    UpsampleConv,
    affine_of_statistics,
    fold_into,
    pad_edges,
)

_BEGIN_QUIETLY = 0.1  # factor on weights whose result is added to what is there


@dataclass(frozen=True)
class IAST2Config:
    """Widths of the second student, in channels, and what each depth runs.

    Depth d runs `blocks[d - 1]` residual blocks at a quarter and `coarse_blocks[d - 1]` at an
    eighth of the resolution. A `skip_rank` of 0 leaves the half resolution unstyled, `palette` of 0
    leaves the palette out: both are there to show what they are worth. Strength 1 lies at
    `full_strength_percent` of the scale that was trained.
    """

    width: int = 80
    stem_width: int = 24
    coarse_width: int = 80
    blocks: tuple[int, ...] = (1, 2, 2, 3)
    coarse_blocks: tuple[int, ...] = (0, 0, 2, 2)
    strided_kernel: int = 4
    skip_rank: int = 16
    palette: int = 1
    full_strength_percent: int = 100
    encoder_widths: tuple[int, ...] = (32, 64, 96, 128)
    encoder_hidden: int = 144

    @property
    def depths(self) -> tuple[int, ...]:
        """Subnetworks that can be cut, shallowest first."""
        return tuple(range(1, len(self.blocks) + 1))

    @property
    def sites(self) -> Mapping[str, int]:
        """Channels by place where a style code scales and shifts, in the code's order."""
        found = {"fusion": self.width, "middle": self.width}
        found |= {f"exit_{depth}": self.width for depth in self.depths}
        if max(self.coarse_blocks):
            found["coarse"] = self.coarse_width
        if self.skip_rank:
            found["skip"] = self.skip_rank
        if self.palette:
            found["palette"] = self.stem_width
        return found

    @property
    def code_size(self) -> int:
        """Length of a style code: a scale and a shift per channel and site."""
        return 2 * sum(self.sites.values())

    def slot(self, site: str) -> tuple[int, int]:
        """Where a site's scales begin in the code, and how many there are; the shifts follow."""
        start = 0
        for name, width in self.sites.items():
            if name == site:
                return start, width
            start += 2 * width
        raise KeyError(site)

    def neutral_code(self) -> Tensor:
        """The code [code_size] that changes nothing: scales of 1, shifts of 0."""
        code = torch.zeros(self.code_size)
        for site in self.sites:
            start, width = self.slot(site)
            code[start : start + width] = 1.0
        return code

    def to_dict(self) -> dict[str, object]:
        """The configuration as plain values, for a checkpoint's metadata."""
        return asdict(self)


class StridedConv(nn.Module):
    """Convolution of stride 2 that begins as a 3x3 one behind a binomial filter; halves the size.

    A kernel of 3 is the plain convolution. Padding is an exact reflection.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, 2)
        self.leading = (kernel - 1) // 2
        self.trailing = kernel - 2 > self.leading
        with torch.no_grad():
            plain = nn.Conv2d(in_channels, out_channels, 3).weight.flatten(0, 1)[:, None]
            taps = binomial(kernel - 2)
            blurred = F.conv2d(plain, (taps[:, None] * taps)[None, None], padding=kernel - 3)
            self.conv.weight.copy_(blurred.view_as(self.conv.weight))

    def forward(self, x: Tensor) -> Tensor:
        padded = pad_edges(x, reflect=True, leading=self.leading, trailing=self.trailing)
        return cast(Tensor, self.conv(padded))


def binomial(length: int) -> Tensor:
    """Binomial coefficients over their sum, such as [1, 2, 1] / 4."""
    taps = torch.ones(1)
    for _ in range(length - 1):
        taps = F.pad(taps, (0, 1)) + F.pad(taps, (1, 0))
    return taps / taps.sum()


class StyledSkip(nn.Module):
    """Half-resolution features by a map of low rank that the style chooses."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.see = nn.Conv2d(width, rank, 1)
        self.draw = nn.Conv2d(rank, width, 1)

    def forward(self, half: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        """Features [N, width, H, W] from gains and offsets [N, rank, 1, 1]."""
        return cast(Tensor, self.draw(gain * self.see(half) + offset))


class TransferNet2(nn.Module):
    """One depth of the second supernet, static: what is exported.

    forward(content [N, 3, H, W], style_code [N, code_size], strength [N, 1]) -> [N, 3, H, W],
    all float; height and width are multiples of the network's `size_multiple_px` and at least 16;
    the result is in [0, 1]. Weights are the supernet's own tensors when training (`share`), copies
    when cut.
    """

    def __init__(self, net: IAST2, depth: int) -> None:
        super().__init__()
        self.config, self.depth = net.config, depth
        self.stem, self.down, self.skip = net.stem, net.down, net.skip
        self.fusion: nn.Module = net.fusion
        self.blocks = nn.ModuleList(list(net.blocks)[: self.config.blocks[depth - 1]])
        coarse = self.config.coarse_blocks[depth - 1]
        self.coarse_blocks = nn.ModuleList(list(net.coarse_blocks)[:coarse])
        if coarse:
            self.coarse_in, self.coarse_out = net.coarse_in, net.coarse_out
        self.up, self.refine, self.to_rgb = net.up, net.refine, net.to_rgb

    def _site(self, code: Tensor, site: str) -> tuple[Tensor, Tensor]:
        start, width = self.config.slot(site)
        scale, shift = code[:, start : start + width], code[:, start + width : start + 2 * width]
        return scale.view(-1, width, 1, 1), shift.view(-1, width, 1, 1)

    def _restyle(self, x: Tensor, code: Tensor, site: str, gate: Tensor) -> Tensor:
        gain, offset = affine_of_statistics(x, *self._site(code, site))
        return x + gate * ((gain - 1.0) * x + offset)

    def _colors(self, code: Tensor, site: str, strength: Tensor) -> tuple[Tensor, Tensor]:
        """Gain and offset [N, C, 1, 1] of a site without statistics; 1 and 0 without strength."""
        scale, shift = self._site(code, site)
        return 1.0 + strength * (scale - 1.0), strength * shift

    def _coarse(self, x: Tensor, code: Tensor) -> Tensor:
        """What is drawn at an eighth of the resolution, at the resolution of `x`."""
        x = F.relu(self.coarse_in(x))
        gain, offset = affine_of_statistics(x, *self._site(code, "coarse"))
        x = gain * x + offset
        for block in self.coarse_blocks:
            x = block(x)
        return cast(Tensor, self.coarse_out(F.relu(x)))

    def _trunk(self, x: Tensor, code: Tensor, gate: Tensor) -> Tensor:
        for i, block in enumerate(self.blocks):
            if i == 1:
                x = self._restyle(x, code, "middle", gate)
                if len(self.coarse_blocks):
                    x = x + gate * self._coarse(x, code)
            x = block(x)
        return self._restyle(x, code, f"exit_{self.depth}", gate)

    def _from_half(self, half: Tensor, code: Tensor, strength: Tensor) -> Tensor:
        if not self.config.skip_rank:
            return cast(Tensor, self.skip(half))
        return cast(Tensor, self.skip(half, *self._colors(code, "skip", strength)))

    def parts(self, content: Tensor, style_code: Tensor, strength: Tensor) -> Parts:
        """The picture before it is clamped to [0, 1], and what training looks at on the way."""
        strength = strength.view(-1, 1, 1, 1)
        if self.config.full_strength_percent != 100:
            strength = (self.config.full_strength_percent / 100.0) * strength
        half = F.relu(self.stem(content))
        f_c = F.relu(self.down(half))
        gain, offset = affine_of_statistics(f_c, *self._site(style_code, "fusion"))
        move = (gain - 1.0) * f_c + offset
        attention, alpha = cast(Fusion, self.fusion).of_move(f_c, move)
        gate = strength * alpha * (1.0 - attention)
        trunk = self._trunk(f_c + gate * move, style_code, gate)
        x = F.relu(self.up(F.relu(trunk)) + self._from_half(half, style_code, strength))
        x = F.relu(self.refine(x))
        if self.config.palette:
            gain, offset = self._colors(style_code, "palette", strength)
            # A color fades to nothing and no further: behind a rectifier INT8 needs to be sure.
            x = F.relu(gain) * x + offset
        return Parts(self.to_rgb(x), trunk, attention, alpha)

    def forward(self, content: Tensor, style_code: Tensor, strength: Tensor) -> Tensor:
        return torch.clamp(self.parts(content, style_code, strength).image, 0.0, 1.0)


class IAST2(Supernet[TransferNet2]):
    """The supernet: every weight once, cut to a `TransferNet2` per depth.

    `block_norm`: batch normalization inside the residual blocks, for training only; `cut` and
    `folded` take it into the convolutions, and no checkpoint that is shipped has it.
    """

    config: IAST2Config

    def __init__(self, config: IAST2Config | None = None, *, block_norm: bool = False) -> None:
        super().__init__()
        self.config = own = config or IAST2Config()
        width, stem, kernel = own.width, own.stem_width, own.strided_kernel
        self.stem = StridedConv(3, stem, kernel)
        self.down = StridedConv(stem, width, kernel)
        self.fusion = Fusion(width)
        self.blocks = _blocks(max(own.blocks), width, block_norm)
        self.coarse_blocks = _blocks(max(own.coarse_blocks), own.coarse_width, block_norm)
        if len(self.coarse_blocks):
            self.coarse_in = StridedConv(width, own.coarse_width, kernel)
            self.coarse_out = UpsampleConv(own.coarse_width, width)
        self.up = UpsampleConv(width, stem)
        rank = own.skip_rank
        self.skip: nn.Module = StyledSkip(stem, rank) if rank else nn.Conv2d(stem, stem, 1)
        self.refine = ReflectConv(stem, stem)
        self.to_rgb = UpsampleConv(stem, 3)
        with torch.no_grad():
            if len(self.coarse_blocks):
                self.coarse_out.weight.mul_(_BEGIN_QUIETLY)
            self.to_rgb.weight.mul_(_BEGIN_QUIETLY)
            self.to_rgb.bias.fill_(0.5)
        self.style_encoder = StyleEncoder(own)

    @property
    def size_multiple_px(self) -> int:
        """Height and width must be multiples of this: 8 where some depth works at an eighth."""
        return 8 if len(self.coarse_blocks) else 4

    def folded(self) -> IAST2:
        """An equal supernet in eval mode without block normalization: what is shipped."""
        return fold_into(IAST2(self.config), self)

    def over(self, depth: int) -> TransferNet2:
        return TransferNet2(self, depth)


def _blocks(count: int, width: int, norm: bool) -> nn.ModuleList:
    return nn.ModuleList(ResidualBlock(width, norm) for _ in range(count))
