"""Makes the model files in `seeds/` anew: `python -m benchmarks.trust.fuzz.make_seeds`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.trust.fuzz.seeds import MODELS
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.tracing import pseudo_photograph
from iast_export.quantize.calibrate import collect
from iast_export.quantize.learned import Learned, of_signatures
from iast_export.quantize.litert.static import quantize_litert
from iast_export.quantize.observers import observe_litert, observe_onnx
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.specs import Tier


class Tiny(nn.Module):
    """forward(content, gain): two convolutions and a gain."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, 2, padding=1), nn.Conv2d(8, 12, 3, padding=1)

    def forward(self, content: Tensor, gain: Tensor) -> Tensor:
        """A picture of the content's size."""
        wide = torch.relu(self.first(content)) * gain[:, :, None, None]
        return nn.functional.pixel_shuffle(self.last(wide), 2).clamp(0.0, 1.0)


class TinyNetwork:
    """A `StyleNetwork` of one depth and one code."""

    depths, size_multiple_px = (1,), 4
    code_shapes: Mapping[str, tuple[int, ...]] = {"gain": (1, 8)}

    def cut(self, depth: int) -> nn.Module:
        """The one network, from a seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            return Tiny().eval().requires_grad_(False)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """Ones, but for the picture's brightness."""
        return (torch.ones(1, 8) * style.mean(),)


def main() -> None:
    """Writes the files."""
    network, tier = TinyNetwork(), Tier(1, 16)
    MODELS.mkdir(exist_ok=True)
    picture = pseudo_photograph(16, 16)
    feeds = [{"content": picture, "gain": torch.ones(1, 8).numpy()}]
    with tempfile.TemporaryDirectory() as folder:
        fp32, lite = Path(folder) / "fp32.onnx", MODELS / "fp32.tflite"
        export_tier(network, tier, fp32)
        ranges = collect(observe_onnx(fp32, tensors_to_calibrate(fp32)), feeds)
        quantize_onnx(fp32, Learned(ranges), MODELS / "int8.onnx")
        convert_fp32(network, (tier,), lite)
        found = {tier.signature: collect(observe_litert(lite, tier.signature), feeds)}
        quantize_litert(lite, "int8", of_signatures(found), MODELS / "int8.tflite", "int8")


if __name__ == "__main__":
    main()
