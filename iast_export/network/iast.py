"""The IAST student: one style-transfer supernet, four depths, built for integers.

A photograph is encoded to a quarter of its resolution, re-normalized to the style's statistics
(adaptive instance normalization, Huang and Belongie 2017) where the instance attention and the
learned strength allow it, refined by residual blocks and decoded. A *depth* is the number of
residual blocks that run; all depths share every weight except their own last normalization.

Layers are chosen by what INT8 kernels do well: dense convolutions with ReLU, exact padding by
slice and concatenation, resizing folded into the convolution before a pixel shuffle. The
normalizations are the only operators that stay in float ("islands"), at a quarter resolution.

Images are float RGB in [0, 1], NCHW. The style comes as a code, computed once per style by
`StyleEncoder`, that holds the scale and the shift of every normalization.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE_MULTIPLE_PX = 4
_EPS = 1e-3
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class NetworkConfig:
    """Widths of the IAST student, in channels, and its number of residual blocks."""

    width: int = 80
    stem_width: int = 32
    blocks: int = 4
    mid_site_after: int = 2
    encoder_widths: tuple[int, ...] = (32, 64, 96, 128)
    encoder_hidden: int = 192

    @property
    def depths(self) -> tuple[int, ...]:
        """Subnetworks that can be cut, shallowest first: a depth is a count of blocks."""
        return tuple(range(1, self.blocks + 1))

    @property
    def sites(self) -> int:
        """Normalizations with parameters of their own: fusion, middle, one exit per depth."""
        return 2 + self.blocks

    @property
    def code_size(self) -> int:
        """Length of a style code: a scale and a shift per channel and site."""
        return self.sites * 2 * self.width

    def neutral_code(self) -> Tensor:
        """The code [code_size] that changes no statistics: scales of 1, shifts of 0."""
        code = torch.zeros(self.sites, 2, self.width)
        code[:, 0] = 1.0
        return code.flatten()

    def to_dict(self) -> dict[str, object]:
        """The configuration as plain values, for a checkpoint's metadata."""
        return asdict(self)


class CodeConfig(Protocol):
    """What the style encoder asks of a network's configuration."""

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """Channels of its strided convolutions."""
        ...

    @property
    def encoder_hidden(self) -> int:
        """Width between its dense layers."""
        ...

    @property
    def code_size(self) -> int:
        """Length of a style code."""
        ...

    def neutral_code(self) -> Tensor:
        """The code [code_size] that it begins with."""
        ...


def pad_edges(x: Tensor, *, reflect: bool, leading: int = 1, trailing: bool = True) -> Tensor:
    """Pads height and width exactly, with slices and concatenations.

    `reflect` mirrors around the border pixel, otherwise the border pixel is repeated. The top and
    the left get `leading` pixels, the bottom and the right one or, without `trailing`, none: what
    is left out there a stride-2 convolution doesn't read. A pad operator would fall off the INT8
    path of the runtimes.
    """
    if x.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return cast(Tensor, _TrainedPadding.apply(x, reflect, leading, trailing))  # type: ignore[no-untyped-call]
    return _padded(x, reflect, leading, trailing)


class _TrainedPadding(torch.autograd.Function):
    """The same padding where it trains: a slice's own gradient would be a picture of zeros each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, reflect: bool, leading: int, trailing: bool) -> Tensor:
        ctx.given = reflect, leading, trailing
        return _padded(x, reflect, leading, trailing)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        reflect, leading, trailing = ctx.given
        i = 1 if reflect else 0
        for dim in (3, 2):
            size = gradient.shape[dim] - leading - trailing
            inner = gradient.narrow(dim, leading, size).clone()
            for place in range(leading):  # the outermost first: it mirrors the innermost
                inner.narrow(dim, i * (leading - place), 1).add_(gradient.narrow(dim, place, 1))
            if trailing:
                inner.narrow(dim, size - 1 - i, 1).add_(gradient.narrow(dim, leading + size, 1))
            gradient = inner
        return gradient, None, None, None


def _padded(x: Tensor, reflect: bool, leading: int, trailing: bool) -> Tensor:
    i = 1 if reflect else 0
    last = -1 - i
    for dim in (2, 3):
        parts = [x.narrow(dim, i * place, 1) for place in range(leading, 0, -1)]
        parts.append(x)
        if trailing:
            parts.append(
                x[:, :, last:, :][:, :, :1, :] if dim == 2 else x[:, :, :, last:][:, :, :, :1]
            )
        x = torch.cat(parts, dim)
    return x


class SupernetConfig(CodeConfig, Protocol):
    """What a supernet asks of its configuration."""

    @property
    def depths(self) -> tuple[int, ...]:
        """Subnetworks that can be cut, shallowest first."""
        ...


class ReflectConv(nn.Module):
    """3x3 convolution (stride 1 or 2) behind an exact reflection pad; keeps or halves the size."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride)
        self.trailing = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(pad_edges(x, reflect=True, trailing=self.trailing))


def _phase_taps() -> Tensor:
    """Which low-resolution tap (of 3) each tap (of 5) of a kernel on a x2 nearest resize reads.

    Returns [phase 2, low tap 3, high tap 5] of zeros and ones: the high-resolution row 2i+p+t
    repeats the low-resolution row i + floor((p+t)/2).
    """
    taps = torch.zeros(2, 3, 5)
    for phase in range(2):
        for t in range(-2, 3):
            taps[phase, (phase + t) // 2 + 1, t + 2] = 1.0
    return taps


class UpsampleConv(nn.Module):
    """Nearest x2 upsampling and a 5x5 convolution, computed as a 3x3 convolution + pixel shuffle.

    A nearest resize repeats values, so the 5x5 kernel on its output reads only 3x3 distinct
    pixels: the four output phases become four 3x3 kernels. The result is the resize-convolution
    (which draws no checkerboard, Odena et al. 2016) at a pixel shuffle's cost. The border is
    padded by repetition at the low resolution.
    """

    taps: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 5, 5))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        self.register_buffer("taps", _phase_taps(), persistent=False)

    def folded(self) -> tuple[Tensor, Tensor]:
        """The equal 3x3 kernel [4 * out, in, 3, 3], in pixel-shuffle order, and its bias."""
        kernel = torch.einsum("oiab,pya,qxb->opqiyx", self.weight, self.taps, self.taps)
        return kernel.flatten(0, 2), self.bias.repeat_interleave(4)

    def forward(self, x: Tensor) -> Tensor:
        kernel, bias = self.folded()
        return F.pixel_shuffle(F.conv2d(pad_edges(x, reflect=False), kernel, bias), 2)


class FoldedUpsample(nn.Module):
    """`UpsampleConv` with its kernel folded once: the form that is exported."""

    def __init__(self, source: UpsampleConv) -> None:
        super().__init__()
        kernel, bias = source.folded()
        self.conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3)
        self.conv.weight = nn.Parameter(kernel.detach().clone())
        self.conv.bias = nn.Parameter(bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(pad_edges(x, reflect=False)), 2)


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), width kept; with `norm`, each convolution is batch-normalized.

    Without it the inner ReLU of the deeper blocks dies early in training and the blocks with it.
    """

    def __init__(self, width: int, norm: bool = False) -> None:
        super().__init__()
        self.conv1 = ReflectConv(width, width)
        self.conv2 = ReflectConv(width, width)
        self.norm1: nn.Module = nn.BatchNorm2d(width, momentum=0.02) if norm else nn.Identity()
        self.norm2: nn.Module = nn.BatchNorm2d(width, momentum=0.02) if norm else nn.Identity()
        with torch.no_grad():
            if isinstance(self.norm2, nn.BatchNorm2d):
                self.norm2.weight.fill_(0.2)
            else:
                nn.init.zeros_(self.conv2.conv.bias)  # type: ignore[arg-type]
                self.conv2.conv.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))

    def folded(self) -> ResidualBlock:
        """An equal block in eval mode whose convolutions have taken the normalizations in."""
        made = ResidualBlock(self.conv1.conv.out_channels)
        for own, norm, target in (
            (self.conv1, self.norm1, made.conv1),
            (self.conv2, self.norm2, made.conv2),
        ):
            target.load_state_dict(own.state_dict())
            if isinstance(norm, nn.BatchNorm2d):
                target.conv = torch.nn.utils.fuse_conv_bn_eval(
                    target.conv.eval(), _copy(norm).eval()
                )
        return made


def affine_of_statistics(x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """The per-channel gain and offset that give `x` the mean `shift` and the deviation `scale`.

    Args:
        x: features [N, C, H, W].
        scale, shift: [N, C, 1, 1].

    Returns:
        gain and offset [N, C, 1, 1] such that gain * x + offset is the adaptive instance
        normalization of `x` (Huang and Belongie 2017, equation 8).
    """
    x = x.float()
    mean = x.mean((2, 3), keepdim=True)
    variance = F.relu((x * x).mean((2, 3), keepdim=True) - mean * mean)
    gain = scale * torch.rsqrt(variance + _EPS)
    return gain, shift - mean * gain


class Fusion(nn.Module):
    """Instance attention A and adaptive strength alpha over content and re-normalized content.

    fused = A * f_c + (1 - A) * f_cs, and alpha (times the user's strength) blends f_c with fused:
    one gate g = strength * alpha * (1 - A) in [0, 1] says how far each place moves to the style.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(2 * width, 2, 1)
        nn.init.normal_(self.maps.weight, std=0.01)
        with torch.no_grad():
            self.maps.bias.copy_(torch.tensor([-2.0, 2.0]))  # type: ignore[union-attr]

    def attention_and_strength(self, f_c: Tensor, f_cs: Tensor) -> tuple[Tensor, Tensor]:
        """A and alpha, each [N, 1, H, W] in (0, 1)."""
        return _two_maps(self.maps(torch.cat([f_c, f_cs], 1)))

    def of_move(self, f_c: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
        """A and alpha of `attention_and_strength`, given move = f_cs - f_c."""
        weight, bias = self.folded()
        own, moved = weight.tensor_split(2, dim=1)
        return _two_maps(F.conv2d(f_c, own, bias) + F.conv2d(move, moved))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight [2, 2 * width, 1, 1] over f_c and move, and bias, with the same result."""
        content, styled = self.maps.weight.tensor_split(2, dim=1)
        assert self.maps.bias is not None
        return torch.cat([content + styled, styled], 1), self.maps.bias

    def forward(self, f_c: Tensor, f_cs: Tensor, strength: Tensor) -> Tensor:
        attention, alpha = self.attention_and_strength(f_c, f_cs)
        return strength.view(-1, 1, 1, 1) * alpha * (1.0 - attention)


class FoldedFusion(nn.Module):
    """`Fusion.of_move` with its weights folded once: the form that is exported.

    f_cs itself is never made, and nothing is joined: LiteRT would write both feature maps once
    more.
    """

    def __init__(self, source: Fusion) -> None:
        super().__init__()
        weight, bias = source.folded()
        own, moved = weight.detach().tensor_split(2, dim=1)
        self.own, self.moved = (
            nn.Conv2d(own.shape[1], 2, 1),
            nn.Conv2d(own.shape[1], 2, 1, bias=False),
        )
        self.own.weight, self.moved.weight = nn.Parameter(own.clone()), nn.Parameter(moved.clone())
        self.own.bias = nn.Parameter(bias.detach().clone())

    def of_move(self, f_c: Tensor, move: Tensor) -> tuple[Tensor, Tensor]:
        """A and alpha, each [N, 1, H, W] in (0, 1)."""
        return _two_maps(self.own(f_c) + self.moved(move))


def _two_maps(logits: Tensor) -> tuple[Tensor, Tensor]:
    maps = torch.sigmoid(logits)
    return maps[:, 0:1], maps[:, 1:2]


class StyleEncoder(nn.Module):
    """Artwork [N, 3, H, W] in [0, 1] -> style code [N, code_size]; sides at least 32 px.

    Channel means and deviations at three scales, then two dense layers. Runs once per style.
    """

    def __init__(self, config: CodeConfig) -> None:
        super().__init__()
        widths = (3, *config.encoder_widths)
        self.convs = nn.ModuleList(
            ReflectConv(a, b, stride=2) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        pooled = 2 * sum(config.encoder_widths[1:])
        self.hidden = nn.Linear(pooled, config.encoder_hidden)
        self.head = nn.Linear(config.encoder_hidden, config.code_size)
        nn.init.normal_(self.head.weight, std=0.02)
        with torch.no_grad():
            self.head.bias.copy_(config.neutral_code())

    def pooled(self, style: Tensor) -> Tensor:
        """Channel means and deviations [N, 2 * sum of the widths], which the dense layers read."""
        x = style * 2.0 - 1.0
        pooled = []
        for i, conv in enumerate(self.convs):
            x = F.relu(conv(x))
            if i:
                mean = x.mean((2, 3))
                variance = F.relu((x * x).mean((2, 3)) - mean * mean)
                pooled += [mean, torch.sqrt(variance + _EPS)]
        return torch.cat(pooled, 1)

    def forward(self, style: Tensor) -> Tensor:
        return self.head(F.relu(self.hidden(self.pooled(style))))


class Parts(NamedTuple):
    """A picture and what it was made of."""

    image: Tensor  # [N, 3, H, W] before the clamp
    trunk: Tensor  # [N, width, H/4, W/4], the last features at a quarter of the size
    attention: Tensor  # A [N, 1, H/4, W/4] in (0, 1)
    alpha: Tensor  # alpha [N, 1, H/4, W/4] in (0, 1), without the user's strength


class TransferNet(nn.Module):
    """One depth of the supernet, static: what is exported.

    forward(content [N, 3, H, W], style_code [N, code_size], strength [N, 1]) -> [N, 3, H, W],
    all float; height and width are multiples of 4 and at least 16; the result is in [0, 1].
    Weights are the supernet's own tensors when training (`share`), copies when cut.
    """

    def __init__(self, net: IAST, depth: int) -> None:
        super().__init__()
        config = net.config
        self.depth, self.width = depth, config.width
        self.mid_site_after = config.mid_site_after
        self.exit_site = 1 + depth
        self.stem, self.down, self.skip = net.stem, net.down, net.skip
        self.fusion: Fusion | FoldedFusion = net.fusion
        self.blocks = nn.ModuleList(list(net.blocks)[:depth])
        self.up: nn.Module = net.up
        self.refine = net.refine
        self.to_rgb: nn.Module = net.to_rgb

    def _site(self, code: Tensor, site: int) -> tuple[Tensor, Tensor]:
        start = site * 2 * self.width
        scale = code[:, start : start + self.width]
        shift = code[:, start + self.width : start + 2 * self.width]
        return scale.view(-1, self.width, 1, 1), shift.view(-1, self.width, 1, 1)

    def _restyle(self, x: Tensor, code: Tensor, site: int, gate: Tensor) -> Tensor:
        gain, offset = affine_of_statistics(x, *self._site(code, site))
        return x + gate * ((gain - 1.0) * x + offset)

    def parts(self, content: Tensor, style_code: Tensor, strength: Tensor) -> Parts:
        """The picture before it is clamped to [0, 1], and what training looks at on the way."""
        half = F.relu(self.stem(content))
        f_c = F.relu(self.down(half))
        gain, offset = affine_of_statistics(f_c, *self._site(style_code, 0))
        move = (gain - 1.0) * f_c + offset  # f_cs - f_c
        attention, alpha = self.fusion.of_move(f_c, move)
        gate = strength.view(-1, 1, 1, 1) * alpha * (1.0 - attention)
        x = f_c + gate * move
        for i, block in enumerate(self.blocks, start=1):
            x = block(x)
            if i == self.mid_site_after and i < self.depth:
                x = self._restyle(x, style_code, 1, gate)
        trunk = self._restyle(x, style_code, self.exit_site, gate)
        x = F.relu(self.up(F.relu(trunk)) + self.skip(half))
        x = F.relu(self.refine(x))
        return Parts(self.to_rgb(x), trunk, attention, alpha)

    def forward(self, content: Tensor, style_code: Tensor, strength: Tensor) -> Tensor:
        return torch.clamp(self.parts(content, style_code, strength).image, 0.0, 1.0)


class Supernet(nn.Module, Generic[M]):
    """What every supernet has, a `StyleNetwork`: its depths, its codes, and how it is cut.

    Attributes:
        config: sizes.
        style_encoder: makes the code of an artwork.
    """

    config: SupernetConfig
    style_encoder: StyleEncoder

    @property
    def depths(self) -> tuple[int, ...]:
        """Subnetworks that can be cut, shallowest first."""
        return self.config.depths

    @property
    def code_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Style inputs of a cut network; `strength` is the user's, 1 unless told otherwise."""
        return {"style_code": (1, self.config.code_size), "strength": (1, 1)}

    def over(self, depth: int) -> M:
        """A depth's network over this one's own parameters."""
        raise NotImplementedError

    def share(self, depth: int) -> M:
        """The depth's network over the supernet's own parameters, for training.

        Raises:
            ValueError: the depth is not one of `depths`.
        """
        if depth not in self.depths:
            raise ValueError(f"depth {depth} is not one of {self.depths}")
        return self.over(depth)

    def cut(self, depth: int) -> M:
        """A new static module of a depth, in eval mode, with copied and folded weights.

        Raises:
            ValueError: the depth is not one of `depths`.
        """
        return static_form(self.share(depth))

    @torch.no_grad()
    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """Codes of an artwork [1, 3, H, W] in [0, 1], in the order of `code_shapes`."""
        return self.style_encoder(style), torch.ones(style.shape[0], 1)


class IAST(Supernet[TransferNet]):
    """The supernet: every weight once, cut to a `TransferNet` per depth.

    `block_norm`: batch normalization inside the residual blocks, for training only; `cut` and
    `folded` take it into the convolutions, and no checkpoint that is shipped has it.
    """

    config: NetworkConfig
    size_multiple_px = SIZE_MULTIPLE_PX

    def __init__(self, config: NetworkConfig | None = None, *, block_norm: bool = False) -> None:
        super().__init__()
        self.config = config or NetworkConfig()
        width, stem = self.config.width, self.config.stem_width
        self.stem = ReflectConv(3, stem, stride=2)
        self.down = ReflectConv(stem, width, stride=2)
        self.fusion = Fusion(width)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, block_norm) for _ in range(self.config.blocks)
        )
        self.up = UpsampleConv(width, stem)
        self.skip = nn.Conv2d(stem, stem, 1)
        self.refine = ReflectConv(stem, stem)
        self.to_rgb = UpsampleConv(stem, 3)
        with torch.no_grad():
            self.to_rgb.weight.mul_(0.1)
            self.to_rgb.bias.fill_(0.5)
        self.style_encoder = StyleEncoder(self.config)

    def folded(self) -> IAST:
        """An equal supernet in eval mode without block normalization: what is shipped."""
        return fold_into(IAST(self.config), self)

    def over(self, depth: int) -> TransferNet:
        return TransferNet(self, depth)


def static_form(shared: M) -> M:
    """A new module of a shared one's class, in eval mode, with copied and folded weights."""
    module = type(shared).__new__(type(shared))
    nn.Module.__init__(module)
    module.__dict__.update({k: v for k, v in shared.__dict__.items() if not k.startswith("_")})
    for name, child in shared.named_children():
        module.add_module(name, _static_child(child))
    return module.eval().requires_grad_(False)


def _static_child(child: nn.Module) -> nn.Module:
    if isinstance(child, UpsampleConv):
        return FoldedUpsample(child)
    if isinstance(child, Fusion):
        return FoldedFusion(child)
    if isinstance(child, nn.ModuleList):
        return nn.ModuleList(folded_blocks(child))
    return _copy(child)


def fold_into(made: M, source: nn.Module) -> M:
    """`made` with `source`'s modules, copied, the blocks without their normalization."""
    for name, child in source.named_children():
        kept = isinstance(child, nn.ModuleList)
        made.add_module(name, _static_child(child) if kept else _copy(child))
    return made.eval()


def folded_blocks(blocks: nn.ModuleList) -> list[ResidualBlock]:
    """Residual blocks without block normalization, equal in eval mode."""
    return [block.folded() for block in blocks if isinstance(block, ResidualBlock)]


def _copy(module: M) -> M:
    import copy

    return copy.deepcopy(module)
