"""Which operators of the known networks LiteRT's GPU delegate takes: the table in docs/gpu.md.

    python -m benchmarks.gpu_operators

Each network is converted at a small size, and the delegate itself is asked, on whatever GPU Vulkan
finds; then the table between the page's two marks is written anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.fixtures import adain
from iast_export.build.convert import convert_fp32, convert_style_encoder
from iast_export.files.artifacts import write_atomic
from iast_export.formats import tflite_file as tf
from iast_export.network.checkpoint import packaged_network
from iast_export.runtimes.gpu import refused_by_gpu
from iast_export.specs import Tier

PAGE = Path(__file__).resolve().parents[1] / "docs" / "gpu.md"
MARKS = ("<!-- operators: python -m benchmarks.gpu_operators -->", "<!-- end of operators -->")
SIDE_PX = 64
FORMS: Mapping[str, str] = {
    "CONCATENATION": "with SLICE in place of MIRROR_PAD, for XNNPACK",
    "DEPTH_TO_SPACE": "in place of RESHAPE, TRANSPOSE, RESHAPE over six dimensions",
    "MEAN": "in FP16 files in place of a SUM that overflows",
    "RELU": "with RELU_N1_TO_1 fused before it, in place of RELU_0_TO_1",
    "SPACE_TO_DEPTH": "in place of RESHAPE, TRANSPOSE, RESHAPE over six dimensions",
}


class FastNeuralStyle(nn.Module):
    """Johnson et al. (2016) as later published: instance norms, reflection, nearest upsampling."""

    def __init__(self, width: int = 32, blocks: int = 5) -> None:
        super().__init__()
        w = width
        self.down = nn.Sequential(
            self._layer(3, w, 9), self._layer(w, 2 * w, 3, 2), self._layer(2 * w, 4 * w, 3, 2)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(self._layer(4 * w, 4 * w, 3), self._layer(4 * w, 4 * w, 3, relu=False))
            for _ in range(blocks)
        )
        self.up = nn.ModuleList([self._layer(4 * w, 2 * w, 3), self._layer(2 * w, w, 3)])
        self.last = nn.Sequential(nn.ReflectionPad2d(4), nn.Conv2d(w, 3, 9))

    @staticmethod
    def _layer(inputs: int, outputs: int, side: int, stride: int = 1, relu: bool = True) -> Any:
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(side // 2),
            nn.Conv2d(inputs, outputs, side, stride),
            nn.InstanceNorm2d(outputs, affine=True),
        ]
        return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))

    def forward(self, content: Tensor) -> Tensor:
        x = self.down(content)
        for block in self.blocks:
            x = x + block(x)
        for layer in self.up:
            x = layer(F.interpolate(x, scale_factor=2, mode="nearest"))
        result: Tensor = self.last(x)
        return result.clamp(0.0, 1.0)


class _OneDepth:
    """A module without styles as a `StyleNetwork`."""

    depths, size_multiple_px = (1,), 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def __init__(self, module: nn.Module) -> None:
        self._module = module.eval()

    def cut(self, depth: int) -> nn.Module:
        return self._module

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


@dataclass
class Operator:
    """How often each network has an operator, and why the delegate refuses it; empty: taken."""

    counts: dict[str, int] = field(default_factory=dict)
    refusals: set[str] = field(default_factory=set)


def networks() -> dict[str, Callable[[Path], object]]:
    """What writes each network's file, by the name of its column."""

    def transfer(network: Any, depth: int) -> Callable[[Path], object]:
        return lambda path: convert_fp32(network, (Tier(depth, SIDE_PX),), path)

    packaged, foreign = packaged_network(), adain.factory(adain.WEIGHTS)
    torch.manual_seed(0)
    return {
        "packaged": transfer(packaged, max(packaged.depths)),
        "its style encoder": lambda path: convert_style_encoder(packaged, path),
        "AdaIN fixture": transfer(foreign, 1),
        "fast neural style": transfer(_OneDepth(FastNeuralStyle()), 1),
    }


def ask(files: Mapping[str, Path]) -> dict[str, Operator]:
    """The operators of some files of one signature, and the delegate's word on each.

    Raises:
        ToolError: there is no GPU, or the delegate fails.
    """
    found: dict[str, Operator] = {}
    for name, path in files.items():
        ((_, counts),) = tf.operator_counts(tf.read_model(path)).items()
        for kind, count in counts.items():
            found.setdefault(kind, Operator()).counts[name] = count
        for refusal in next(iter(refused_by_gpu(path).values())):
            found.setdefault(refusal.operator, Operator()).refusals.add(refusal.reason)
    return dict(sorted(found.items()))


def table(found: Mapping[str, Operator], names: Sequence[str]) -> str:
    """The operators as a table in Markdown."""
    rows = [
        ("operator", *names, "on the GPU", "form"),
        *[("---",) * (len(names) + 3)],
        *[
            (
                kind,
                *[str(one.counts.get(name, "")) for name in names],
                "; ".join(sorted(one.refusals)) or "taken",
                FORMS.get(kind, ""),
            )
            for kind, one in found.items()
        ],
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write(page: Path, made: str) -> None:
    """Puts the table between the page's marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    write_atomic(page, f"{before}{MARKS[0]}\n{made}\n{MARKS[1]}{after}".encode())


def main() -> None:
    """Converts, asks and writes."""
    with tempfile.TemporaryDirectory() as folder:
        makers = networks()
        files = {name: Path(folder, f"{i}.tflite") for i, name in enumerate(makers)}
        for name, path in files.items():
            makers[name](path)
        write(PAGE, table(ask(files), list(files)))


if __name__ == "__main__":
    main()
