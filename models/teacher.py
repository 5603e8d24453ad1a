"""The teacher: frozen encoders, multi-level adaptive normalization, attention, strength.

It fulfils `models.trainable.Trainable`. With the distilled VGG for both encoders it reuses the
features that the losses compute anyway; other encoders it holds, frozen, and runs itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.network.iast import UpsampleConv, affine_of_statistics
from models.backbones import DISTILLED_VGG_LEVELS, Level
from models.losses import Features, moments
from models.trainable import Rendered

_CONTENT_LEVELS = 4  # the shallowest, whose last is the bottleneck


@dataclass(frozen=True)
class TeacherConfig:
    """Encoders by name, and the decoder's widths, shallow to deep, one per content level."""

    content: str = "distilled_vgg"
    style: str = "distilled_vgg"
    widths: tuple[int, ...] = (24, 48, 96, 128)
    blocks: tuple[int, ...] = (0, 1, 2, 1)  # residual blocks per level
    code_hidden: int = 192
    map_hidden: int = 32

    def to_dict(self) -> dict[str, object]:
        """The configuration as plain values, for a run's weights."""
        return asdict(self)


def conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A convolution behind a reflection pad: keeps the size, leaves no frame."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode="reflect")


def style_statistics(features: Features, levels: Sequence[Level]) -> Tensor:
    """Means, then deviations, of every level over its usual size: [N, 2 * sum(channels)]."""
    parts = []
    for level in levels:
        mean, std = moments(features[level.name])
        parts += [mean / level.rms, std / level.rms]
    return torch.cat(parts, 1)


class StyleTargets(nn.Module):
    """Scale and shift per content level, from a style code.

    Where both encoders are the same these are the style's own deviations and means, as in adaptive
    instance normalization (Huang and Belongie 2017); otherwise a learned linear map stands between
    the two encoders' channels.
    """

    def __init__(self, content: Sequence[Level], style: Sequence[Level]) -> None:
        super().__init__()
        self.channels = [level.channels for level in content]
        self.spans: list[int] = []
        start = 0
        for level in style:
            self.spans.append(start)
            start += 2 * level.channels
        same = list(content) == list(style)[: len(content)]
        self.maps = (
            nn.ModuleList()
            if same
            else nn.ModuleList(nn.Linear(start, 2 * c) for c in self.channels)
        )

    def forward(self, code: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Per content level the scale (at least 0) and the shift, each [N, C, 1, 1]."""
        pairs = []
        for i, width in enumerate(self.channels):
            values = (
                self.maps[i](code)
                if self.maps
                else code[:, self.spans[i] : self.spans[i] + 2 * width]
            )
            shift, scale = values.float()[:, :width], F.relu(values.float()[:, width:])
            pairs.append((scale[:, :, None, None], shift[:, :, None, None]))
        return pairs


class InstanceMaps(nn.Module):
    """Attention A and strength alpha from the two deepest levels, content and re-normalized.

    alpha(x) = sigmoid(W . concat(f_c(x), f_cs(x)) + b); A comes from a small side branch that also
    sees its neighborhood. Both [N, 1, h, w] in (0, 1) on the second deepest grid.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.alpha = nn.Conv2d(channels, 1, 1)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.attend = conv3x3(hidden, 1)
        for conv, bias in ((self.alpha, 2.0), (self.attend, -2.0)):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.constant_(conv.bias, bias)  # type: ignore[arg-type]

    def forward(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        (fine, fine_s), (coarse, coarse_s) = pairs
        up = F.interpolate(torch.cat([coarse, coarse_s], 1), scale_factor=2.0, mode="nearest")
        seen = torch.cat([fine, fine_s, up], 1)
        attention = torch.sigmoid(self.attend(F.relu(self.reduce(seen))))
        return attention.float(), torch.sigmoid(self.alpha(seen)).float()


class StyledBlock(nn.Module):
    """x + conv(relu(affine(norm(conv(x))))), its affine moved towards the style by the gate.

    The norm is one of batches: normalizing by instance made white blobs in skies and on cheeks,
    where a feature can hide its size from the statistics.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv3x3(width, width), conv3x3(width, width)
        self.norm = nn.BatchNorm2d(width, momentum=0.02)
        self.affine = nn.Linear(hidden, 2 * width)
        nn.init.normal_(self.affine.weight, std=0.02)
        nn.init.zeros_(self.affine.bias)
        with torch.no_grad():
            self.conv2.weight.mul_(0.2)

    def forward(self, x: Tensor, hidden: Tensor, gate: Tensor) -> Tensor:
        h = self.norm(self.conv1(x))
        gain, offset = self.affine(hidden)[:, :, None, None].chunk(2, 1)
        return x + self.conv2(F.relu(h + gate.to(h.dtype) * (gain * h + offset)))


class Stage(nn.Module):
    """One grid of the decoder: what comes from below, the gated skip, and its residual blocks."""

    def __init__(self, below: int | None, skip: int, width: int, blocks: int, hidden: int) -> None:
        super().__init__()
        self.up = UpsampleConv(below, width) if below else None
        self.skip = nn.Conv2d(skip, width, 1)
        self.mix = conv3x3(width, width)
        self.blocks = nn.ModuleList(StyledBlock(width, hidden) for _ in range(blocks))

    def forward(self, below: Tensor | None, skip: Tensor, hidden: Tensor, gate: Tensor) -> Tensor:
        x = self.skip(skip)
        if self.up is not None and below is not None:
            x = x + self.up(below)
        x = F.relu(self.mix(F.relu(x)))
        for block in self.blocks:
            x = block(x, hidden, gate)
        return x


class Teacher(nn.Module):
    """Content features, restyled level by level, decoded to a picture. A `Trainable` of one depth.

    Per level: f_cs is f_c re-normalized to the style's statistics, fused = A f_c + (1 - A) f_cs,
    and strength * alpha blends f_c with fused. Fine levels enter the decoder as skips that the gate
    strength * alpha * (1 - A) closes by a learned share per channel: there the style's own texture
    is drawn, while the photograph's detail passes where A is high.
    """

    depths = (1,)
    size_multiple_px: int

    def __init__(
        self,
        config: TeacherConfig | None = None,
        content: nn.Module | None = None,
        style: nn.Module | None = None,
    ) -> None:
        """`content` and `style` are frozen backbones; None reuses the features the caller gives."""
        super().__init__()
        self.config = config = config or TeacherConfig()
        self.content_backbone, self.style_backbone = content, style
        self.levels: tuple[Level, ...] = getattr(content, "levels", DISTILLED_VGG_LEVELS)[
            :_CONTENT_LEVELS
        ]
        self.style_levels: tuple[Level, ...] = getattr(style, "levels", DISTILLED_VGG_LEVELS)
        if len(config.widths) != len(self.levels) or len(config.blocks) != len(self.levels):
            raise ValueError(
                f"{config.content} has {len(self.levels)} levels: give as many widths and blocks"
            )
        self.size_multiple_px = self.levels[-1].stride
        self.code_size = 2 * sum(level.channels for level in self.style_levels)
        self.targets = StyleTargets(self.levels, self.style_levels)
        self.hidden = nn.Linear(self.code_size, config.code_hidden)
        self.maps = InstanceMaps(
            2 * sum(level.channels for level in self.levels[-2:]), config.map_hidden
        )
        # How far an open gate closes each channel of a level: fine grids start closed, coarse ones
        # open.
        self.closing = nn.ParameterList(
            nn.Parameter(torch.full((1, level.channels, 1, 1), start))
            for level, start in zip(self.levels, (2.0, 0.0, -3.0, -6.0), strict=True)
        )
        below = (*config.widths[1:], None)
        self.stages = nn.ModuleList(
            Stage(b, level.channels, w, n, config.code_hidden)
            for b, level, w, n in zip(below, self.levels, config.widths, config.blocks, strict=True)
        )
        self.rgb = self._rgb(config.widths[0], self.levels[0].stride)
        for backbone in (content, style):
            if backbone is not None:
                backbone.eval().requires_grad_(False)

    @staticmethod
    def _rgb(width: int, stride: int) -> nn.Module:
        rgb = conv3x3(width, 3) if stride == 1 else UpsampleConv(width, 3)
        with torch.no_grad():
            rgb.weight.mul_(0.1)
            rgb.bias.fill_(0.5)  # type: ignore[union-attr]
        return rgb

    def train(self, mode: bool = True) -> Teacher:
        """As usual, but the frozen encoders stay in eval mode."""
        super().train(mode)
        for backbone in (self.content_backbone, self.style_backbone):
            if backbone is not None:
                backbone.eval()
        return self

    def encode(self, style: Tensor, of_style: Features) -> Tensor:
        """The style code [N, code_size] of artworks [N, 3, H, W], from given features or own."""
        features = of_style if self.style_backbone is None else self.style_backbone(style)
        return style_statistics(features, self.style_levels)

    def render(
        self, content: Tensor, of_content: Features, code: Tensor, strength: Tensor, depth: int
    ) -> Rendered:
        """Pictures [N, 3, H, W] before the clamp; sides are multiples of `size_multiple_px`.

        Args:
            content: photographs [N, 3, H, W] in [0, 1].
            of_content: their perceptual features.
            code: [N, code_size] of `encode`.
            strength: [N, 1] in [0, 1]; 0 gives the photograph back.
            depth: 1, the only one.

        Raises:
            ValueError: another depth, or a side that does not fit.
        """
        self._check(content, depth)
        raw = of_content if self.content_backbone is None else self.content_backbone(content)
        own = [raw[level.name] / level.rms for level in self.levels]
        styled = [self._restyled(x, pair) for x, pair in zip(own, self.targets(code), strict=True)]
        attention, alpha = self.maps(list(zip(own, styled, strict=True))[-2:])
        open_, moved = strength.view(-1, 1, 1, 1) * alpha, 1.0 - attention
        hidden = F.relu(self.hidden(code))
        x: Tensor | None = None
        kept: dict[str, Tensor] = {}
        for i in range(len(self.levels) - 1, -1, -1):
            gate = self._on_grid(open_, own[i])
            far = gate * self._on_grid(moved, own[i])
            fused = own[i] + far.to(own[i].dtype) * (styled[i] - own[i])
            skip = fused * (1.0 - far * torch.sigmoid(self.closing[i])).to(fused.dtype)
            x = self.stages[i](x, skip, hidden, gate)
            kept[f"stride_{self.levels[i].stride}"] = x
        return Rendered(self.rgb(x), kept, attention, alpha)

    @staticmethod
    def _restyled(x: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
        gain, offset = affine_of_statistics(x, *pair)
        return (gain * x.float() + offset).to(x.dtype)

    @staticmethod
    def _on_grid(gate: Tensor, like: Tensor) -> Tensor:
        """The map [N, 1, h, w] on the grid of `like`: averaged if coarser, bilinear if finer."""
        if gate.shape[2] > like.shape[2]:
            return F.avg_pool2d(gate, gate.shape[2] // like.shape[2])
        if gate.shape[2] == like.shape[2]:
            return gate
        return F.interpolate(gate, size=like.shape[2:], mode="bilinear", align_corners=False)

    def _check(self, content: Tensor, depth: int) -> None:
        if depth not in self.depths:
            raise ValueError(f"depth {depth} is not one of {self.depths}")
        if any(side % self.size_multiple_px for side in content.shape[2:]):
            raise ValueError(
                f"{tuple(content.shape[2:])}: both sides must be multiples of "
                f"{self.size_multiple_px}"
            )


class StandaloneTeacher(nn.Module):
    """The teacher with its perceptual network: a `StyleNetwork`, for scores and for bundles.

    `perceptual` gives the features that a teacher without backbones of its own reads.
    """

    depths = (1,)

    def __init__(self, teacher: Any, perceptual: nn.Module) -> None:
        super().__init__()
        self.teacher, self.perceptual = teacher, perceptual
        self.size_multiple_px = teacher.size_multiple_px

    @property
    def code_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """As the student's: a code and the user's strength."""
        return {"style_code": (1, self.teacher.code_size), "strength": (1, 1)}

    def forward(self, content: Tensor, style_code: Tensor, strength: Tensor) -> Tensor:
        of_content = {} if self.teacher.content_backbone is not None else self.perceptual(content)
        return self.teacher.render(content, of_content, style_code, strength, 1).image.clamp(
            0.0, 1.0
        )

    def cut(self, depth: int) -> StandaloneTeacher:
        """A copy in eval mode.

        Raises:
            ValueError: the depth is not 1.
        """
        import copy

        if depth not in self.depths:
            raise ValueError(f"depth {depth} is not one of {self.depths}")
        return copy.deepcopy(self).eval().requires_grad_(False)

    @torch.no_grad()
    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """The artwork's code and strength 1."""
        return self.teacher.encode(style, self.perceptual(style)), torch.ones(style.shape[0], 1)
