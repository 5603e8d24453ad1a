"""The student with textbook MobileNetV3 blocks (Howard et al. 2019), for comparison.

Encoder and trunk are inverted bottlenecks with depthwise convolutions, h-swish and
squeeze-and-excite, zero-padded as usual; normalizations, fusion, style encoder and decoder are
those of the IAST student, and a block has about as many parameters as one of its residual blocks.
What INT8 makes of it:

    iast-export build runs/mobilenet/weights.pt --out dist/mobile \\
        --network models.mobilenet_student:factory
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from iast_export.errors import InputError
from iast_export.network.iast import (
    SIZE_MULTIPLE_PX,
    Fusion,
    NetworkConfig,
    ReflectConv,
    StyleEncoder,
    UpsampleConv,
    affine_of_statistics,
)
from models.losses import Features
from models.trainable import Rendered


@dataclass(frozen=True)
class MobileConfig(NetworkConfig):
    """As the IAST student's, and the bottlenecks' expansion and kernel."""

    expansion: int = 4
    kernel: int = 5


class ConvNorm(nn.Module):
    """Zero-padded convolution, batch normalization, and h-swish, ReLU or nothing."""

    def __init__(
        self, a: int, b: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: str = ""
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(a, b, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(b, momentum=0.02)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(x))
        if self.act == "hswish":
            return F.hardswish(x)
        return F.relu(x) if self.act == "relu" else x

    def fold(self) -> None:
        """Takes the normalization into the convolution, for good; in eval mode."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv, self.norm = (
                fuse_conv_bn_eval(self.conv.eval(), self.norm.eval()),
                nn.Identity(),
            )


class SqueezeExcite(nn.Module):
    """Channels weighted by hard-sigmoid gates computed from their means (section 5.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(width, width // 4, 1), nn.Conv2d(width // 4, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True))))
        return x * F.hardsigmoid(gates)


class Bottleneck(nn.Module):
    """Expand, depthwise, squeeze and excite, project; a shortcut where size and width are kept."""

    def __init__(self, a: int, b: int, wide: int, kernel: int, stride: int, act: str) -> None:
        super().__init__()
        self.expand = ConvNorm(a, wide, act=act)
        self.depthwise = ConvNorm(wide, wide, kernel, stride, groups=wide, act=act)
        self.excite = SqueezeExcite(wide)
        self.project = ConvNorm(wide, b)
        self.keeps = stride == 1 and a == b

    def forward(self, x: Tensor) -> Tensor:
        inner = self.project(self.excite(self.depthwise(self.expand(x))))
        return x + inner if self.keeps else inner


class MobileTransfer(nn.Module):
    """One depth, static.

    forward(content, style_code [N, code_size], strength [N, 1]) -> [N, 3, H, W].
    """

    def __init__(self, net: MobileStudent, depth: int) -> None:
        super().__init__()
        self.width, self.depth, self.mid = net.config.width, depth, net.config.mid_site_after
        self.stem, self.down, self.skip, self.fusion = net.stem, net.down, net.skip, net.fusion
        self.blocks = nn.ModuleList(list(net.blocks)[:depth])
        self.up, self.refine, self.to_rgb = net.up, net.refine, net.to_rgb

    def _affine(self, x: Tensor, code: Tensor, site: int) -> tuple[Tensor, Tensor]:
        values = code[:, site * 2 * self.width : (site + 1) * 2 * self.width]
        scale, shift = values[:, : self.width], values[:, self.width :]
        return affine_of_statistics(x, scale[:, :, None, None], shift[:, :, None, None])

    def _restyle(self, x: Tensor, code: Tensor, site: int, gate: Tensor) -> Tensor:
        gain, offset = self._affine(x, code, site)
        return x + gate * ((gain - 1.0) * x + offset)

    def parts(self, content: Tensor, code: Tensor, strength: Tensor) -> Rendered:
        """The picture before the clamp, the trunk's features, A and alpha."""
        half = self.stem(content)
        f_c = self.down(half)
        gain, offset = self._affine(f_c, code, 0)
        f_cs = gain * f_c + offset
        attention, alpha = self.fusion.attention_and_strength(f_c, f_cs)
        gate = strength.view(-1, 1, 1, 1) * alpha * (1.0 - attention)
        x = f_c + gate * (f_cs - f_c)
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            if i == self.mid and i < self.depth:
                x = self._restyle(x, code, 1, gate)
        trunk = self._restyle(x, code, 1 + self.depth, gate)
        x = F.relu(self.up(F.relu(trunk)) + self.skip(half))
        return Rendered(self.to_rgb(F.relu(self.refine(x))), {"stride_4": trunk}, attention, alpha)

    def forward(self, content: Tensor, style_code: Tensor, strength: Tensor) -> Tensor:
        return self.parts(content, style_code, strength).image.clamp(0.0, 1.0)


class MobileStudent(nn.Module):
    """The supernet: a `StyleNetwork` to build from and a `Trainable` for the loop."""

    size_multiple_px = SIZE_MULTIPLE_PX

    def __init__(self, config: MobileConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MobileConfig()
        width, stem = config.width, config.stem_width
        self.stem = nn.Sequential(
            ConvNorm(3, stem, 3, stride=2, act="hswish"), Bottleneck(stem, stem, stem, 3, 1, "relu")
        )
        self.down = Bottleneck(stem, width, config.expansion * stem, 3, 2, "relu")
        self.fusion = Fusion(width)
        self.blocks = nn.ModuleList(
            Bottleneck(width, width, config.expansion * width, config.kernel, 1, "hswish")
            for _ in range(config.blocks)
        )
        self.up, self.skip = UpsampleConv(width, stem), nn.Conv2d(stem, stem, 1)
        self.refine, self.to_rgb = ReflectConv(stem, stem), UpsampleConv(stem, 3)
        with torch.no_grad():
            self.to_rgb.weight.mul_(0.1)
            self.to_rgb.bias.fill_(0.5)
        self.style_encoder = StyleEncoder(config)
        # In a tuple, so that the shared parameters are listed once.
        self._shared = tuple(MobileTransfer(self, depth) for depth in config.depths)

    @property
    def depths(self) -> tuple[int, ...]:
        """Subnetworks that can be cut, shallowest first."""
        return self.config.depths

    @property
    def code_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """As the IAST student's."""
        return {"style_code": (1, self.config.code_size), "strength": (1, 1)}

    def _transfer(self, depth: int) -> MobileTransfer:
        if depth not in self.depths:
            raise ValueError(f"depth {depth} is not one of {self.depths}")
        return self._shared[self.depths.index(depth)]

    def encode(self, style: Tensor, of_style: Features) -> Tensor:
        """The style code; the artwork itself is looked at."""
        return self.style_encoder(style)

    def render(
        self, content: Tensor, of_content: Features, code: Tensor, strength: Tensor, depth: int
    ) -> Rendered:
        """Pictures of one depth before the clamp, over the supernet's own parameters."""
        return self._transfer(depth).parts(content, code, strength)

    def cut(self, depth: int) -> nn.Module:
        """A new static module in eval mode, normalizations folded.

        Raises:
            ValueError: the depth is not one of `depths`.
        """
        module = copy.deepcopy(self._transfer(depth)).eval().requires_grad_(False)
        for part in module.modules():
            if isinstance(part, ConvNorm):
                part.fold()
        return module

    @torch.no_grad()
    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """The artwork's code and strength 1, in the order of `code_shapes`."""
        return self.style_encoder(style), torch.ones(style.shape[0], 1)


def factory(checkpoint: Path | None) -> MobileStudent:
    """The network of a run's `weights.pt`: `--network models.mobilenet_student:factory`.

    Raises:
        InputError: no checkpoint, or one that is unreadable or of another network.
    """
    if checkpoint is None or not Path(checkpoint).is_file():
        raise InputError(
            f"the MobileNetV3 student has no packaged weights ({checkpoint})",
            "give a run's weights.pt",
        )
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        known = {f.name for f in fields(MobileConfig)}
        config: Any = {
            k: tuple(v) if isinstance(v, list) else v
            for k, v in state["config"].items()
            if k in known
        }
        net = MobileStudent(MobileConfig(**config))
        net.load_state_dict(state["ema"])
    except Exception as error:  # torch raises classes of many kinds here
        raise InputError(
            f"{checkpoint} is no run of the MobileNetV3 student: {error}", "give its weights.pt"
        ) from error
    return net.eval()
