"""Layers as networks write them, and the forms that they were or could be rewritten to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Layer = Callable[[], nn.Module]
BOTH = ("onnxruntime", "litert")


@dataclass(frozen=True)
class Case:
    """A layer before and after.

    Attributes:
        before: the layer of some width.
        after: the same function in another form; None where export and conversion rewrite the
            first.
        grows: the layer doubles the sides.
        rewritten: every rewrite is made before too, so that two forms of a layer differ in nothing
            else.
    """

    name: str
    width: int
    before: Callable[[int], nn.Module]
    after: Callable[[int], nn.Module] | None = None
    runtimes: tuple[str, ...] = BOTH
    grows: bool = False
    rewritten: bool = False


class Chain(nn.Module):
    """A picture through a first convolution, two like layers and a last convolution."""

    def __init__(self, layer: Callable[[int], nn.Module], width: int, grows: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, 2 if grows else 1, padding=1)
        self.layers = nn.Sequential(layer(width), *([] if grows else [layer(width)]))
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        nn.init.constant_(self.last.bias, 0.5)

    def forward(self, content: Tensor) -> Tensor:
        return self.last(self.layers(F.relu(self.first(content)))).clamp(0.0, 1.0)


class Apply(nn.Module):
    """A function between a convolution and a ReLU."""

    def __init__(
        self, width: int, function: Callable[[Tensor], Tensor], rectified: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.function, self.rectified = function, rectified

    def forward(self, x: Tensor) -> Tensor:
        x = self.function(self.conv(x))
        return F.relu(x) if self.rectified else x


class ByHand(nn.Module):
    """Reflection by single rows, or by the operator, and a convolution."""

    def __init__(self, width: int, pad: int, by_rows: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3)
        self.pad, self.by_rows = pad, by_rows

    def forward(self, x: Tensor) -> Tensor:
        p = self.pad
        if not self.by_rows:
            x = torch.ops.aten.reflection_pad2d(x, [p] * 4)
        for dim in (2, 3) if self.by_rows else ():
            last = x.shape[dim] - 1
            head = [x.narrow(dim, i, 1) for i in range(p, 0, -1)]
            tail = [x.narrow(dim, last - i, 1) for i in range(1, p + 1)]
            x = torch.cat([*head, x, *tail], dim)
        x = F.relu(self.conv(x))
        return x[:, :, p - 1 : 1 - p, p - 1 : 1 - p] if p > 1 else x


class Preactivated(nn.Module):
    """Batch normalization before its convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        nn.init.uniform_(self.norm.weight, 0.5, 2.0)
        nn.init.normal_(self.norm.bias, std=0.5)
        self.conv = nn.Conv2d(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(F.pad(self.norm(x), (1, 1, 1, 1), mode="reflect")))


class Upsampled(nn.Module):
    """Nearest x2, edges, convolution; or the same at the low resolution.

    Attributes:
        form: "resize", "zeros" (3x3 with zeros, pixel shuffle), "crop" (2x2 at every corner of
            pixels, pixel shuffle, crop) or "transposed".
    """

    def __init__(self, width: int, form: str) -> None:
        super().__init__()
        conv = nn.Conv2d(width, width, 3).requires_grad_(False)
        self.form, weight, self.bias = form, conv.weight, conv.bias
        if form == "transposed":
            spread = torch.zeros(width, width, 4, 4)
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                spread[:, :, i : i + 3, j : j + 3] += weight.flip(2, 3)
            weight = spread.transpose(0, 1)
        elif form != "resize":
            weight = _phases(weight, _CORNERS if form == "crop" else _CENTERS)
            self.bias = nn.Parameter(conv.bias.repeat_interleave(4), requires_grad=False)
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "resize":
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            return F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.weight, self.bias))
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        if self.form == "transposed":
            return F.relu(F.conv_transpose2d(x, self.weight, self.bias, 2, 1)[:, :, 2:-2, 2:-2])
        x = F.pixel_shuffle(F.conv2d(x, self.weight, self.bias), 2)
        return F.relu(x[:, :, 1:-1, 1:-1] if self.form == "crop" else x)


class Doubled(nn.Module):
    """Bilinear x2, a reflection of 1, convolution; where it is not to be folded, by a factor that
    is float32's next above 2, which gives the same picture."""

    def __init__(self, width: int, folds: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3).requires_grad_(False)
        self.factor = 2.0 if folds else 2.0 + 2.0**-22

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False)
        return F.relu(self.conv(F.pad(x, (1, 1, 1, 1), mode="reflect")))


class Modulated(nn.Module):
    """Convolution, ReLU, gains and offsets of channels by what is read; where they are not to be
    moved into the filters, the same gains by a function that could be negative for all one sees."""

    def __init__(self, width: int, folds: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1).requires_grad_(False)
        self.code = nn.Linear(width, 2 * width).requires_grad_(False)
        self.folds = folds

    def forward(self, x: Tensor) -> Tensor:
        gain, offset = self.code(x.mean((2, 3))).chunk(2, dim=1)
        gain = torch.sigmoid(gain) if self.folds else 0.5 * torch.tanh(0.5 * gain) + 0.5
        x = F.relu(self.conv(x))
        return x * gain[:, :, None, None] + offset[:, :, None, None]


# Which low-resolution taps, of 2 or 3, the three taps of a 3x3 kernel fall on, for either phase of
# a pixel.
_CORNERS = ((0, 1, 1), (0, 0, 1))
_CENTERS = ((0, 1, 1), (1, 1, 2))


@torch.no_grad()
def _phases(weight: Tensor, taps: Sequence[Sequence[int]]) -> Tensor:
    """Kernels of the four phases [4 * O, I, k, k], in pixel shuffle's order."""
    outputs, inputs = weight.shape[:2]
    side = max(max(one) for one in taps) + 1
    folded = torch.zeros(outputs, 2, 2, inputs, side, side)
    order = (1, 0) if side == 2 else (0, 1)
    for a in (0, 1):
        for b in (0, 1):
            for i in range(3):
                for j in range(3):
                    rows, columns = taps[order[a]][i], taps[order[b]][j]
                    folded[:, a, b, :, rows, columns] += weight[:, :, i, j]
    return folded.reshape(4 * outputs, inputs, side, side)


class Grouped(nn.Module):
    """A grouped 3x3 convolution and a 1x1; its groups dense, or one dense with zeros."""

    def __init__(self, width: int, groups: int, multiplier: int, form: str = "grouped") -> None:
        super().__init__()
        conv = nn.Conv2d(width, multiplier * width, 3, padding=1, groups=groups).requires_grad_(
            False
        )
        back = nn.Conv2d(multiplier * width, width, 1).requires_grad_(False)
        parts = [(conv.weight, conv.bias, groups)]
        outputs, inputs = multiplier * width // groups, width // groups
        if form == "dense":
            dense = torch.zeros(multiplier * width, width, 3, 3)
            for i in range(groups):
                rows = slice(i * outputs, (i + 1) * outputs)
                dense[rows, i * inputs : (i + 1) * inputs] = conv.weight[rows]
            parts = [(dense, conv.bias, 1)]
        elif form == "turns":  # as many depthwise convolutions as the multiplier, side by side
            parts = [
                (conv.weight[i::multiplier], conv.bias[i::multiplier], groups)
                for i in range(multiplier)
            ]
            turned = back.weight.reshape(width, groups, multiplier, 1, 1).transpose(1, 2)
            back.weight = nn.Parameter(turned.reshape(back.weight.shape), requires_grad=False)
        elif form == "split":
            halves = zip(conv.weight.chunk(groups), conv.bias.chunk(groups), strict=True)
            parts = [(weight, bias, 1) for weight, bias in halves]
        self.parts, self.back, self.split = nn.ModuleList(), back, form == "split"
        for weight, bias, g in parts:
            with torch.random.fork_rng(devices=()):  # what follows is drawn alike in every form
                made = nn.Conv2d(weight.shape[1] * g, len(weight), 3, padding=1, groups=g)
            made.weight, made.bias = (
                nn.Parameter(v.clone(), requires_grad=False) for v in (weight, bias)
            )
            self.parts.append(made)

    def forward(self, x: Tensor) -> Tensor:
        given = x.chunk(len(self.parts), 1) if self.split else [x] * len(self.parts)
        made = [conv(one) for conv, one in zip(self.parts, given, strict=True)]
        return F.relu(self.back(F.relu(torch.cat(made, 1) if len(made) > 1 else made[0])))


class Joined(nn.Module):
    """A convolution over two branches, one a hundred times the other, joined or apart."""

    def __init__(self, width: int, apart: bool) -> None:
        super().__init__()
        self.wide, self.narrow = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        conv = nn.Conv2d(2 * width, width, 3, padding=1).requires_grad_(False)
        for one in (
            self.wide,
            self.narrow,
            conv,
        ):  # so that the picture's spread outlasts the layers
            nn.init.kaiming_normal_(one.weight, nonlinearity="relu")
        for branch, factor in ((self.wide, 10.0), (self.narrow, 0.1)):
            branch.weight.data *= factor
            branch.bias.data *= factor
        conv.weight[:, :width] *= 0.1
        conv.weight[:, width:] *= 10.0
        self.convs = nn.ModuleList([conv])
        if apart:
            with torch.random.fork_rng(devices=()):  # what follows is drawn alike in either form
                halves = [nn.Conv2d(width, width, 3, padding=1, bias=not i) for i in range(2)]
            halves[0].bias = conv.bias
            for one, weight in zip(halves, conv.weight.chunk(2, 1), strict=True):
                one.weight = nn.Parameter(weight.clone())
            self.convs = nn.ModuleList(halves)

    def forward(self, x: Tensor) -> Tensor:
        a, b = F.relu(self.wide(x)), F.relu(self.narrow(x))
        if len(self.convs) == 1:
            return F.relu(self.convs[0](torch.cat([a, b], 1)))
        return F.relu(self.convs[0](a) + self.convs[1](b))


def _swish(x: Tensor) -> Tensor:
    return x * torch.clamp(x + 3.0, 0.0, 6.0) / 6.0


def _grouped(
    name: str,
    groups: int,
    multiplier: int,
    forms: Sequence[str],
    widths: Sequence[int] = (32, 64, 128),
) -> list[Case]:
    return [
        Case(
            f"{name}, {width} channels: {form}",
            width,
            lambda w, g=groups: Grouped(w, g or w, multiplier),
            lambda w, g=groups, f=form: Grouped(w, g or w, multiplier, f),
            rewritten=True,
        )
        for width in widths
        for form in forms
    ]


CASES: tuple[Case, ...] = (
    Case("batch norm before its convolution", 64, Preactivated),
    Case("h-swish written out", 64, lambda w: Apply(w, _swish)),
    *(
        Case(
            f"reflection of {p} by rows, as Pad",
            64,
            lambda w, p=p: ByHand(w, p, True),
            runtimes=("onnxruntime",),
        )
        for p in (1, 4)
    ),
    *(
        Case(
            f"MIRROR_PAD of {p}, by rows",
            64,
            lambda w, p=p: ByHand(w, p, False),
            lambda w, p=p: ByHand(w, p, True),
            runtimes=("litert",),
        )
        for p in (1, 4)
    ),
    *(
        Case(
            f"nearest x2 and 3x3, {width} channels: {form}",
            width,
            lambda w: Upsampled(w, "resize"),
            lambda w, f=form: Upsampled(w, f),
            grows=True,
        )
        for width in (32, 64)
        for form in ("zeros", "crop", "transposed")
    ),
    *(
        Case(
            f"bilinear x2 and 3x3, {width} channels",
            width,
            lambda w: Doubled(w, folds=False),
            lambda w: Doubled(w, folds=True),
            grows=True,
            rewritten=True,
            runtimes=("onnxruntime",),
        )
        for width in (16, 32, 64)
    ),
    *(
        Case(
            f"gains and offsets of {width} channels",
            width,
            lambda w: Modulated(w, folds=False),
            lambda w: Modulated(w, folds=True),
            rewritten=True,
            runtimes=("onnxruntime",),
        )
        for width in (16, 32, 64)
    ),
    *(
        Case(
            f"branches 100:1, {w} channels: apart",
            w,
            lambda w: Joined(w, False),
            lambda w: Joined(w, True),
        )
        for w in (32, 64)
    ),
    *_grouped("depthwise, multiplier 2", 0, 2, ("dense", "turns")),
    *_grouped("depthwise, multiplier 4", 0, 4, ("dense", "turns"), (32,)),
    *_grouped("2 groups", 2, 1, ("dense", "split")),
    *_grouped("4 groups", 4, 1, ("dense", "split")),
    *_grouped("8 groups", 8, 1, ("dense",), (64, 128)),
    *_grouped("16 groups", 16, 1, ("dense",), (128,)),
    *_grouped("32 groups", 32, 1, ("dense",), (128,)),
)
