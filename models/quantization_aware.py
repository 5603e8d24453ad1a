r"""A released first network, trained on with INT8 in view: quantized as the export will do it.

    python -m models.train --recipe models/recipes/quantization_aware.toml \
        --init FIRST.safetensors --images DIR --vgg 5SE.pt --run runs/qat

Fake quantization (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018): values are rounded as INT8 would round them and pass
on in float; gradients go through as if nothing had been rounded, and not at all where a value was
clipped. Scales are the export's own: int8 per output channel for weights, uint8 per tensor for
activations, with a range per depth that the export's calibration finds once and that is then held.
Biases stay float, since int32 changes nothing there. What is saved in the end is the float network
alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from iast_export.network.iast import IAST, Parts, UpsampleConv, affine_of_statistics
from iast_export.quantize.onnx.layers import WEIGHT_LEVELS, activation_parameters
from iast_export.quantize.ranges import Histogram, Method, Range, method_of
from iast_export.quantize.rectified_sums import tighten
from iast_export.recipe import CalibrationRecipe
from models.batch import Batch
from models.losses import Features
from models.trainable import FakeQuantized, Rendered

PICTURE_LEVELS = 255
_EXACT = {"content": (0.0, 1.0), "image": (0.0, 1.0)}  # what a picture is, whatever was seen
_SMALLEST_SCALE = 2.0**-13

At = Callable[[str, Tensor], Tensor]
OfWeight = Callable[[Tensor], Tensor]


def points(depth: int) -> tuple[str, ...]:
    """Names of the tensors that the export quantizes in one depth, in the order of computation.

    Inputs of dense convolutions, and results of those that no ReLU follows.
    """
    blocks = [f"{part}_{i}" for i in range(1, depth + 1) for part in ("block", "inner", "residual")]
    return ("content", "half", "f_c", *blocks, "trunk", "up", "skip", "sum", "refined", "image")


def fake_weight(weight: Tensor) -> Tensor:
    """A weight [out, in, h, w] rounded to int8 per output channel, symmetric; gradients pass.

    The scale follows the weight as `quantize_weight` of the export does.
    """
    largest = weight.detach().abs().flatten(1).amax(1)
    scale = torch.where(
        largest > 0, largest / WEIGHT_LEVELS, torch.full_like(largest, _SMALLEST_SCALE)
    )
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(
        weight, scale, zero, 0, -WEIGHT_LEVELS, WEIGHT_LEVELS
    )


def fake_activation(x: Tensor, low: float, high: float) -> Tensor:
    """A tensor rounded to uint8 over [low, high] and 0; gradients pass where none is clipped."""
    found = activation_parameters(low, high)
    return torch.fake_quantize_per_tensor_affine(x, float(found.scale), found.zero_point, 0, 255)


def fake_picture(image: Tensor) -> Tensor:
    """A picture rounded to levels, not clipped: clamp and the loss on its outside come after."""
    return image + (torch.round(image * PICTURE_LEVELS) / PICTURE_LEVELS - image).detach()


def parts_at(
    cut: Any, content: Tensor, code: Tensor, strength: Tensor, at: At, weight: OfWeight
) -> Parts:
    """`TransferNet.parts` with `at` on every tensor of `points`, `weight` on dense weights.

    Args:
        cut: from `IAST.share`, without block normalization.
        content, code, strength: as for `TransferNet`.
        at: name and tensor to tensor; the identity changes nothing.
        weight: a convolution's weight, of upsampling ones the folded form that is exported.
    """
    half = at("half", F.relu(_convolve(cut.stem, at("content", content), weight)))
    f_c = at("f_c", F.relu(_convolve(cut.down, half, weight)))
    gain, offset = affine_of_statistics(f_c, *cut._site(code, 0))
    f_cs = gain * f_c + offset
    attention, alpha = cut.fusion.attention_and_strength(f_c, f_cs)
    gate = strength.view(-1, 1, 1, 1) * alpha * (1.0 - attention)
    x = f_c + gate * (f_cs - f_c)
    for i, block in enumerate(cut.blocks, start=1):
        inner = at(f"inner_{i}", F.relu(_convolve(block.conv1, at(f"block_{i}", x), weight)))
        x = x + at(f"residual_{i}", _convolve(block.conv2, inner, weight))  # the sum stays float
        if i == cut.mid_site_after and i < cut.depth:
            x = cut._restyle(x, code, 1, gate)
    trunk = cut._restyle(x, code, cut.exit_site, gate)
    up = at("up", _upsample(cut.up, at("trunk", F.relu(trunk)), weight))
    skip = at("skip", F.conv2d(half, weight(cut.skip.weight), cut.skip.bias))
    x = at("refined", F.relu(_convolve(cut.refine, at("sum", F.relu(up + skip)), weight)))
    return Parts(at("image", _upsample(cut.to_rgb, x, weight)), trunk, attention, alpha)


def _convolve(module: nn.Module, x: Tensor, weight: OfWeight) -> Tensor:
    own: Any = module
    return functional_call(module, {"conv.weight": weight(own.conv.weight)}, (x,))


def _upsample(module: UpsampleConv, x: Tensor, weight: OfWeight) -> Tensor:
    kernel, bias = module.folded()
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.pixel_shuffle(F.conv2d(padded, weight(kernel), bias), 2)


def _same(x: Tensor) -> Tensor:
    return x


def default_method() -> Method:
    """The range estimator of the packaged recipe."""
    chosen = CalibrationRecipe()
    return method_of(chosen.method, chosen.percentile)


class QuantizationAware(FakeQuantized):
    """A `Trainable` student that draws as its INT8 form does, beside a frozen float copy.

    The style encoder is frozen too: ready-made style codes fit before and after.
    """

    ranges: Tensor  # [depths, points of the deepest, low and high]; NaN before `observe`

    def __init__(self, net: IAST) -> None:
        """Takes a network without block normalization, and owns it."""
        super().__init__()
        self.net, self.float_net = net, copy.deepcopy(net).requires_grad_(False)
        net.style_encoder.requires_grad_(False)
        self.register_buffer(
            "ranges", torch.full((len(net.depths), len(points(net.depths[-1])), 2), torch.nan)
        )

    @property
    def config(self) -> Any:
        """The network's configuration."""
        return self.net.config

    @property
    def depths(self) -> tuple[int, ...]:
        """Depths that can be rendered, shallowest first."""
        return self.net.depths

    def begin(self, net: IAST) -> None:
        """Starts from a trained network in its folded form; ranges are to be observed anew.

        Raises:
            ValueError: a network of other widths or depths.
        """
        if net.config != self.net.config:
            raise ValueError(
                f"the recipe's [network] is {self.net.config}, the weights are of {net.config}"
            )
        state = net.folded().state_dict()
        self.net.load_state_dict(state)
        self.float_net.load_state_dict(state)
        self.ranges.fill_(torch.nan)

    @torch.no_grad()
    def observe(
        self,
        batches: Iterable[Batch],
        method: Method | None = None,
        codes: Iterator[Tensor] | None = None,
    ) -> int:
        """Finds the range of every point of every depth in float; how many ranges there are.

        Args:
            batches: photographs and artworks, consumed one by one.
            method: from `ranges.method_of`; None: the packaged recipe's.
            codes: a style code per batch; None: of the batch's artworks.

        Raises:
            InputError: no batch, or a value that is not finite.
        """
        seen = [
            {name: Histogram(f"{name} of depth {d}") for name in points(d)} for d in self.depths
        ]
        for batch in batches:
            code = next(codes) if codes is not None else self.net.style_encoder(batch.style)
            for depth, histograms in zip(self.depths, seen, strict=True):

                def count(name: str, x: Tensor, own: dict[str, Histogram] = histograms) -> Tensor:
                    own[name].update(x.float().cpu().numpy())
                    return x

                parts_at(self.net.share(depth), batch.content, code, batch.strength, count, _same)
        estimate = method or default_method()
        for depth, histograms in zip(self.depths, seen, strict=True):
            self._keep(depth, {name: estimate(histogram) for name, histogram in histograms.items()})
        return sum(len(histograms) for histograms in seen)

    def _keep(self, depth: int, found: dict[str, Range]) -> None:
        row = self.ranges[self.depths.index(depth)]
        for i, name in enumerate(points(depth)):
            row[i] = torch.tensor(_EXACT.get(name, (found[name].low, found[name].high)))

    def range_of(self, depth: int) -> dict[str, tuple[float, float]]:
        """Lowest and highest value by point of a depth.

        Raises:
            ValueError: `observe` has not run.
        """
        names = points(depth)
        values = self.ranges[self.depths.index(depth), : len(names)]
        if values.isnan().any():
            raise ValueError(
                "no ranges yet: call observe() with a few batches before the first step"
            )
        return {name: (low, high) for name, (low, high) in zip(names, values.tolist(), strict=True)}

    def encode(self, style: Tensor, of_style: Features) -> Tensor:
        """The style code; the student looks at the artwork itself."""
        return self.net.style_encoder(style)

    def render(
        self, content: Tensor, of_content: Features, code: Tensor, strength: Tensor, depth: int
    ) -> Rendered:
        """Pictures of one depth as INT8 would make them, the float network's as `target`."""
        ranges = tighten(self.range_of(depth), [("up", "skip")])

        def at(name: str, x: Tensor) -> Tensor:
            return fake_picture(x) if name == "image" else fake_activation(x, *ranges[name])

        made = parts_at(self.net.share(depth), content, code, strength, at, fake_weight)
        with torch.no_grad():
            target = self.float_net.share(depth)(content, code, strength)
        return Rendered(made.image, {"stride_4": made.trunk}, made.attention, made.alpha, target)
