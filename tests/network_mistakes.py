"""Mistakes that people make in networks of their own, each around one tiny network."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Forward = Callable[..., Any]


class Transfer(nn.Module):
    """forward(content, mean, std): strided encoder, one adaptive normalization, decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.dec = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, 1, 1))
        self.norm = nn.BatchNorm2d(8)
        self.seen: list[Tensor] = []

    def core(self, content: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        """What comes before the output's own function."""
        x = self.enc(content)
        own = x.mean((2, 3), keepdim=True)
        deviation = ((x - own) ** 2).mean((2, 3), keepdim=True).sqrt()
        result: Tensor = self.dec((x - own) / (deviation + 1e-3) * std + mean)
        return result

    def forward(self, content: Tensor, mean: Tensor, std: Tensor) -> Any:
        return torch.sigmoid(self.core(content, mean, std))


class Net:
    """A network of one's own that keeps the contract."""

    depths: Any = (1,)
    size_multiple_px: Any = 2
    code_shapes: Any = MappingProxyType({"mean": (1, 8, 1, 1), "std": (1, 8, 1, 1)})
    transfer: type[Transfer] = Transfer

    def __init__(self) -> None:
        self.t: Any = self.transfer().eval()
        with torch.no_grad():
            for parameter in self.t.parameters():
                parameter.mul_(1.5)

    def cut(self, depth: int) -> Any:
        """A copy."""
        return copy.deepcopy(self.t)

    def encode_style(self, style: Tensor) -> Any:
        """Means and deviations."""
        x = self.t.enc(style)
        return x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)


def _sigmoid(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return torch.sigmoid(self.core(x, mean, std))


def with_forward(forward: Forward, **over: Any) -> Net:
    """`Net` with another forward, and other facts."""
    transfer = type("Transfer", (Transfer,), {"forward": forward})
    made: Net = type("Net", (Net,), {"transfer": transfer, **over})()
    return made


def with_facts(**over: Any) -> Net:
    """`Net` that says other things of itself."""
    made: Net = type("Net", (Net,), over)()
    return made


def good(checkpoint: Path | None = None) -> Net:
    """Nothing wrong; what it draws at random is the toolkit's to fix."""
    return Net()


def _by_value(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    y = self.core(x, mean, std)
    if x.mean() > 0.4:
        y = -y
    return torch.sigmoid(y)


def _by_size(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    y = self.core(x, mean, std)
    if x.shape[2] > 300:
        y = -y
    return torch.sigmoid(y)


def _looped(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    y = self.core(x, mean, std)
    for _ in range(int(x.mean().item() * 3) + 1):
        y = y * 0.9
    return torch.sigmoid(y)


def _through_numpy(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return torch.sigmoid(self.core(x, mean, std) * float(x.numpy().mean()))


def _in_place(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    x -= 0.5
    return torch.sigmoid(self.core(x, mean, std))


def _remembers(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    self.seen = [*self.seen[-1:], x.mean() + 0.0]
    return torch.sigmoid(self.core(x, mean, std) * (1 + self.seen[0]))


def _running(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    y = F.batch_norm(self.enc(x), self.norm.running_mean, self.norm.running_var, training=True)
    return torch.sigmoid(self.dec(y * std + mean))


def _whitened(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    v = self.enc(x).flatten(2)[0]
    u, _, _ = torch.linalg.svd(v @ v.t())
    return torch.sigmoid(self.core(x, mean, std) * u.mean())


def _graded(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    rows = torch.logspace(-1, 0, x.shape[2]).view(1, 1, -1, 1)
    return torch.sigmoid(self.core(x, mean, std) + rows)


def _windowed(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    small = F.avg_pool2d(x, int(x.shape[2] / 4))
    return torch.sigmoid(self.core(x, mean, std) + small.mean((2, 3), keepdim=True))


def _by_root(self: Transfer, x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return torch.sigmoid(self.core(x, mean, std) / math.sqrt(x.shape[2] * x.shape[3]))


class _Random(Net):
    def cut(self, depth: int) -> nn.Module:
        return Transfer().eval()


class _Itself(Net):
    def cut(self, depth: int) -> Any:
        return self.t.core


class _Unwritten(Net):
    def cut(self, depth: int) -> Any:
        raise NotImplementedError("soon")


class _Typed(Net):
    kind = torch.float16

    def __init__(self) -> None:
        super().__init__()
        self.t = self.t.to(self.kind)

    def encode_style(self, style: Tensor) -> Any:
        return tuple(code.float() for code in super().encode_style(style.to(self.kind)))


class _Meta(Net):
    def cut(self, depth: int) -> Any:
        return copy.deepcopy(self.t).to("meta")


class _Broken(Net):
    def cut(self, depth: int) -> Any:
        module = super().cut(depth)
        with torch.no_grad():
            module.dec[1].bias.fill_(float("nan"))
        return module


class _OneTensor(Net):
    code_shapes: Any = MappingProxyType({"mean": (1, 8, 1, 1)})

    def encode_style(self, style: Tensor) -> Any:
        return super().encode_style(style)[0]


class _Swapped(Net):
    def encode_style(self, style: Tensor) -> Any:
        return tuple(code.flatten(1) for code in super().encode_style(style))


class _Jittered(Net):
    def encode_style(self, style: Tensor) -> Any:
        return super().encode_style(style + 0.01 * torch.rand_like(style))


class _OtherEncoder(Net):
    def __init__(self) -> None:
        super().__init__()
        self.style_encoder = nn.Sequential(nn.Conv2d(3, 8, 1), nn.AdaptiveAvgPool2d(1))


class _Pulled(Transfer):
    def forward(self, content: Tensor, mean: Tensor, std: Tensor, strength: Tensor) -> Any:
        pull = strength * (1 - strength) * 4
        return torch.lerp(content, torch.sigmoid(self.core(content, mean, std)), pull)


class _Returns(Net):
    """Its strength is 0 in effect at both ends."""

    transfer = _Pulled
    code_shapes: Any = MappingProxyType({**Net.code_shapes, "strength": (1, 1)})

    def encode_style(self, style: Tensor) -> Any:
        return *super().encode_style(style), torch.ones(1, 1)


# A mistake -> the network that makes it, what is said of it, and what is offered.
MISTAKES: Mapping[str, tuple[Callable[[], Any], str, str]] = {
    "draws": (
        lambda: with_forward(lambda s, x, m, d: _sigmoid(s, x, m, d) + 1e-6 * torch.randn_like(x)),
        r"draws random numbers \(randn_like at network_mistakes\.py:\d+",
        "register_buffer",
    ),
    "drops": (
        lambda: with_forward(lambda s, x, m, d: F.dropout(_sigmoid(s, x, m, d), 0.2)),
        "draws random numbers .dropout at",
        r"nn\.Dropout",
    ),
    "branches": (
        lambda: with_forward(_by_value),
        r"reads values .* \(network_mistakes\.py:\d+, in _by_value: `if x\.mean\(\) > 0\.4:`\)",
        r"torch\.where",
    ),
    "branches by size": (
        lambda: with_forward(_by_size),
        r"another path at 384 x 384 px .*`if x\.shape\[2\] > 300:`",
        "another depth",
    ),
    "loops": (lambda: with_forward(_looped), r"reads values .*\.item\(\)", "fixed counts"),
    "leaves torch": (lambda: with_forward(_through_numpy), r"reads values .*numpy", "item"),
    "writes": (lambda: with_forward(_in_place), "changes its input content in place", "x = x"),
    "remembers": (lambda: with_forward(_remembers), "another picture", "nothing to `self`"),
    "trains": (lambda: with_forward(_running), r"own tensor norm\.running_mean", "eval mode"),
    "whitens": (lambda: with_forward(_whitened), "computes linalg_svd", "replace it"),
    "counts": (lambda: with_forward(_graded), r"by logspace \(network_mistakes\.py", "cumsum(2)"),
    "windows": (
        lambda: with_forward(_windowed),
        r"avg_pool2d \(network_mistakes\.py:\d+, in _windowed",
        "a kernel or a step is one for all sizes",
    ),
    "roots": (
        lambda: with_forward(_by_root),
        r"Python's own numbers: div \(network_mistakes\.py:\d+, in _by_root",
        r"\*\* 0\.5",
    ),
    "tuple": (
        lambda: with_forward(lambda s, x, m, d: (_sigmoid(s, x, m, d), x)),
        "a tuple of 2, one tensor",
        r"result\[0\]",
    ),
    "dict": (
        lambda: with_forward(lambda s, x, m, d: {"image": _sigmoid(s, x, m, d)}),
        "a dict of 'image'",
        r"result\['image'\]",
    ),
    "none": (lambda: with_forward(lambda s, x, m, d: None), r"nothing \(None\)", "return y"),
    "levels": (
        lambda: with_forward(lambda s, x, m, d: (_sigmoid(s, x, m, d) * 255).to(torch.uint8)),
        "gave torch.uint8",
        "rounding",
    ),
    "one channel": (
        lambda: with_forward(lambda s, x, m, d: _sigmoid(s, x, m, d)[:, :1]),
        r"\[1, 1, 64, 96\] for a picture \[1, 3, 64, 96\]",
        "three channels",
    ),
    "no batch": (
        lambda: with_forward(lambda s, x, m, d: _sigmoid(s, x, m, d)[0]),
        r"\[3, 64, 96\]",
        "unsqueeze",
    ),
    "channels last": (
        lambda: with_forward(lambda s, x, m, d: _sigmoid(s, x, m, d).permute(0, 2, 3, 1)),
        r"\[1, 64, 96, 3\]",
        r"permute\(0, 3, 1, 2\)",
    ),
    "half the size": (
        lambda: with_forward(lambda s, x, m, d: F.avg_pool2d(_sigmoid(s, x, m, d), 2)),
        "it is 1/2 of it",
        "scale_factor=2",
    ),
    "one size": (
        lambda: with_forward(lambda s, x, m, d: F.interpolate(_sigmoid(s, x, m, d), (32, 32))),
        "its size is fixed",
        "scale_factor",
    ),
    "multiple too small": (
        lambda: with_facts(size_multiple_px=1),
        "makes 34 x 36 px of a picture of 33 x 35 px, though size_multiple_px is 1",
        "size_multiple_px = 2",
    ),
    "nan": (
        lambda: with_forward(lambda s, x, m, d: _sigmoid(s, x, m, d) / 0 * 0),
        "NaN or infinity",
        "division by 0",
    ),
    "nan in the dark": (
        lambda: with_forward(lambda s, x, m, d: _sigmoid(s, x, m, d) * (x.mean() - 0.05).sqrt()),
        "NaN or infinity for a .*black picture",
        "clamp_min",
    ),
    "nan for one color": (
        lambda: with_forward(
            lambda s, x, m, d: _sigmoid(s, (x - x.mean()) / x.std().clamp_min(0), m, d)
        ),
        "for a black picture, a gray picture, a white picture",
        "1e-5",
    ),
    "tanh": (
        lambda: with_forward(lambda s, x, m, d: torch.tanh(4 * s.core(x, m, d))),
        r"values in \[-[\d.]+, [\d.]+\] on photographs, \[0, 1\] was needed",
        r"value_range = \(-1, 1\)",
    ),
    "255": (
        lambda: with_forward(lambda s, x, m, d: _sigmoid(s, x, m, d) * 255),
        "100% of them would be cut off",
        r"value_range = \(0, 255\)",
    ),
    "unclamped": (
        lambda: with_forward(lambda s, x, m, d: s.core(x, m, d) * 4 + 0.5),
        "would be cut off",
        "clamp",
    ),
    "blind": (
        lambda: with_forward(lambda s, x, m, d: torch.sigmoid(0 * x + m.mean() + d.mean())),
        "the picture has no effect",
        "value_range",
    ),
    "unused code": (
        lambda: with_forward(lambda s, x, m, d: torch.sigmoid(s.core(x, m, m + 1))),
        "does not use the code std",
        "out of code_shapes",
    ),
    "other weights": (_Random, r"cut\(1\) makes a network of other weights", "deepcopy"),
    "no module": (_Itself, r"cut\(1\) returned a method", "nn.Module"),
    "not written": (_Unwritten, r"NotImplementedError: soon \(network_mistakes\.py", "deepcopy"),
    "half floats": (_Typed, r"enc\.0\.weight is torch\.float16", r"network\.float\(\)"),
    "doubles": (
        lambda: type("Typed", (_Typed,), {"kind": torch.float64})(),
        r"is torch\.float64",
        r"float\(\)",
    ),
    "no values": (_Meta, "on the meta device", "assign=True"),
    "broken weights": (_Broken, r"parameter dec\.1\.bias holds NaN", "earlier checkpoint"),
    "moved away": (
        lambda: with_forward(lambda s, x, m, d: _sigmoid(s, x.to("cuda"), m, d)),
        r"raised .* \(network_mistakes\.py:\d+",
        "on the CPU",
    ),
    "one tensor": (_OneTensor, "a Tensor, a tuple of one tensor per code", r"return \(mean,\)"),
    "another shape": (_Swapped, r"\(1, 8\) for the code mean, code_shapes says", '"mean": '),
    "jitter": (_Jittered, "encode_style draws random numbers", "take them out"),
    "another encoder": (_OtherEncoder, "style_encoder is exported in its place", "another name"),
    "strength turns back": (_Returns, "at strength 0.5 and by .* at 0.75", "lerp"),
}

# What a network says of itself: facts, what is said of them, what is offered.
WRONG_FACTS: Mapping[str, tuple[Mapping[str, Any], str, str]] = {
    "depths a number": ({"depths": 1}, "depths is 1, a tuple", r"depths = \(1,\)"),
    "no depth": ({"depths": ()}, r"depths are \(\)", "at least 1"),
    "depth twice": ({"depths": (1, 1)}, "different numbers", "once"),
    "depth too large": ({"depths": (1, 5000)}, r"1\.\.1000", "once"),
    "multiple 0": ({"size_multiple_px": 0}, "size_multiple_px is 0", "whole number"),
    "multiple below 0": ({"size_multiple_px": -4}, "size_multiple_px is -4", "whole number"),
    "multiple huge": ({"size_multiple_px": 10**6}, "size_multiple_px is 1000000", "8192"),
    "multiple no int": ({"size_multiple_px": 2.0}, r"size_multiple_px is 2\.0", "whole number"),
    "shapes a list": ({"code_shapes": ["mean"]}, "a dict of names and shapes", "code_shapes = "),
    "code without name": ({"code_shapes": {"": (1, 8)}}, "a word was needed", "code_shapes = "),
    "dynamic code": (
        {"code_shapes": {"mean": (1, None, 1, 1)}},
        "a code's size must be fixed",
        "pool or resize",
    ),
    "unknown side": ({"code_shapes": {"mean": (1, -1)}}, "must be fixed", "every side"),
    "huge code": ({"code_shapes": {"mean": (1, 10**9)}}, "1,000,000,000 values", "sums a style"),
    "strength wide": (
        {"code_shapes": {"strength": (1, 8)}},
        r"\(1, 1\) was needed",
        "another name",
    ),
    "range of one": ({"value_range": 255}, "value_range is 255", r"value_range = \(0, 255\)"),
    "range turned": ({"value_range": (1, -1)}, "lowest and highest", r"value_range = \(-1, 1\)"),
}
