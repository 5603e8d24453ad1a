"""A teacher grown from a trained student: the same function at first, then more.

It begins as the student's supernet at full depth and is given what a phone can't afford: the frozen
perceptual network's features on both sides, and more blocks. All that is new begins at zero, so
that training goes on from the student's own pictures (Chen et al., "Net2Net", ICLR 2016).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.network.iast import (
    IAST,
    NetworkConfig,
    ResidualBlock,
    TransferNet,
    affine_of_statistics,
)
from models.backbones import DISTILLED_VGG_LEVELS
from models.losses import Features
from models.teacher import StyleTargets, style_statistics
from models.trainable import Rendered

_FINE, _MIDDLE, _COARSE = DISTILLED_VGG_LEVELS[1:4]  # strides 2, 4 and 8


@dataclass(frozen=True)
class GrownConfig:
    """The student that it begins as, and how many blocks it is given."""

    width: int = 80
    stem_width: int = 32
    blocks: int = 4
    more_blocks: int = 4

    def student(self) -> NetworkConfig:
        """The configuration of the student inside."""
        return NetworkConfig(width=self.width, stem_width=self.stem_width, blocks=self.blocks)

    def to_dict(self) -> dict[str, object]:
        """The configuration as plain values, for a run's weights."""
        return asdict(self)


def _zero_map(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A 1x1 convolution that says nothing yet."""
    made = nn.Conv2d(in_channels, out_channels, 1)
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)  # type: ignore[arg-type]
    return made


class GrownTeacher(IAST):
    """The student's modules by the student's names, and new ones. A `Trainable` of one depth.

    The photograph's features enter the stem at a half and the trunk at a quarter of the resolution;
    re-normalized to the artwork's statistics they enter f_cs, where the gate decides; the artwork's
    statistics enter its code.
    """

    size_multiple_px = _COARSE.stride
    content_backbone = style_backbone = None  # it reads the features that the caller gives

    def __init__(self, config: GrownConfig | None = None) -> None:
        own = config or GrownConfig()
        super().__init__(own.student(), block_norm=True)
        self.grown_config = own
        self.more = nn.ModuleList(ResidualBlock(own.width, True) for _ in range(own.more_blocks))
        for block in self.more:
            nn.init.zeros_(block.norm2.weight)  # type: ignore[arg-type, union-attr]
        deep = _MIDDLE.channels + _COARSE.channels
        self.see_half = _zero_map(_FINE.channels, own.stem_width)
        self.see_quarter = _zero_map(deep, own.width)
        self.see_styled = _zero_map(deep, own.width)
        self.targets = StyleTargets((_MIDDLE, _COARSE), (_MIDDLE, _COARSE))
        size = 2 * sum(level.channels for level in DISTILLED_VGG_LEVELS)
        self.see_style = nn.Linear(size, self.config.code_size)
        nn.init.zeros_(self.see_style.weight)
        nn.init.zeros_(self.see_style.bias)

    @property
    def depths(self) -> tuple[int, ...]:
        """1, the only one."""
        return (1,)

    @property
    def code_size(self) -> int:
        """The student's code, then the statistics of the two levels that are restyled."""
        return int(self.config.code_size) + 2 * (_MIDDLE.channels + _COARSE.channels)

    def encode(self, style: Tensor, of_style: Features) -> Tensor:
        """The style code [N, code_size] of artworks [N, 3, H, W] and their features."""
        code = self.style_encoder(style) + self.see_style(
            style_statistics(of_style, DISTILLED_VGG_LEVELS)
        )
        return torch.cat([code, style_statistics(of_style, (_MIDDLE, _COARSE)).to(code.dtype)], 1)

    def render(
        self, content: Tensor, of_content: Features, code: Tensor, strength: Tensor, depth: int
    ) -> Rendered:
        """Pictures [N, 3, H, W] before the clamp; sides are multiples of `size_multiple_px`.

        Raises:
            ValueError: a depth other than 1.
        """
        if depth != 1:
            raise ValueError(f"depth {depth} is not 1")
        size = self.config.code_size
        own, targets = code[:, :size], self.targets(code[:, size:])
        levels = [of_content[level.name] / level.rms for level in (_MIDDLE, _COARSE)]
        styled = [_restyled(x, pair) for x, pair in zip(levels, targets, strict=True)]
        cut: Any = TransferNet(self, self.config.blocks)
        half = F.relu(cut.stem(content) + self.see_half(of_content[_FINE.name] / _FINE.rms))
        f_c = F.relu(cut.down(half) + self.see_quarter(_joined(levels)))
        gain, offset = affine_of_statistics(f_c, *cut._site(own, 0))
        f_cs = gain * f_c + offset + self.see_styled(_joined(styled))
        attention, alpha = cut.fusion.attention_and_strength(f_c, f_cs)
        gate = strength.view(-1, 1, 1, 1) * alpha * (1.0 - attention)
        x = f_c + gate * (f_cs - f_c)
        for i, block in enumerate([*cut.blocks, *self.more], start=1):
            x = block(x)
            if i == cut.mid_site_after:
                x = cut._restyle(x, own, 1, gate)
        trunk = cut._restyle(x, own, cut.exit_site, gate)
        x = F.relu(cut.up(F.relu(trunk)) + cut.skip(half))
        image = cut.to_rgb(F.relu(cut.refine(x)))
        return Rendered(image, {"stride_4": trunk}, attention.float(), alpha.float())


def _restyled(x: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
    gain, offset = affine_of_statistics(x, *pair)
    return (gain * x.float() + offset).to(x.dtype)


def _joined(levels: list[Tensor]) -> Tensor:
    """Both levels on the finer grid."""
    middle, coarse = levels
    return torch.cat([middle, F.interpolate(coarse, scale_factor=2.0, mode="nearest")], 1)
