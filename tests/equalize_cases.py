"""A small network in FP32 and INT8, equalized or not, and networks whose branches are
concatenated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.tracing import pseudo_photograph
from iast_export.quantize.calibrate import collect
from iast_export.quantize.equalize.factors import (
    Equalization,
    learn_equalization,
    write_equalized_onnx,
)
from iast_export.quantize.learned import Learned, of_signatures
from iast_export.quantize.litert.static import quantize_litert
from iast_export.quantize.litert.weights import write_equalized_litert
from iast_export.quantize.observers import observe_litert, observe_onnx
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.ranges import Range
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import CONTENT, STYLIZED, Tier

WIDTH = 16
FEEDS = {CONTENT: pseudo_photograph(32, 32)}


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    made = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    return made


@torch.no_grad()
def scaled(made: nn.Conv2d, factor: float) -> nn.Conv2d:
    made.weight *= factor
    made.bias *= factor
    return made


class Branches(nn.Module):
    """Two branches, 100:1, and `depth` times a layer that reads them both; widths may differ."""

    def __init__(self, depth: int, widths: tuple[int, int] = (WIDTH, WIDTH)) -> None:
        super().__init__()
        self.wide, self.narrow = scaled(conv(3, widths[0]), 10.0), scaled(conv(3, widths[1]), 0.1)
        self.both = conv(sum(widths), WIDTH)
        with torch.no_grad():
            self.both.weight[:, : widths[0]] *= 0.1
            self.both.weight[:, widths[0] :] *= 10.0
        self.last = scaled(conv(WIDTH, 3), 0.2)
        nn.init.constant_(self.last.bias, 0.5)
        self.more = nn.ModuleList(conv(WIDTH, WIDTH) for _ in range(depth - 1))

    def forward(self, content: Tensor) -> Tensor:
        x = torch.cat([F.relu(self.wide(content)), F.relu(self.narrow(content))], 1)
        x = F.relu(self.both(x))
        for one in self.more:
            x = F.relu(one(x))
        return self.last(x).clamp(0.0, 1.0)


class Skips(nn.Module):
    """A pixel shuffle and the skip beside it, which the path below reads as well."""

    def __init__(self) -> None:
        super().__init__()
        self.skip, self.below, self.up = conv(3, 8), conv(8, 16, 2), conv(16, 32)
        self.both, self.last = conv(16, 8), conv(8, 3)
        scaled(self.up, 0.2)

    def forward(self, content: Tensor) -> Tensor:
        skip = F.relu(self.skip(content))
        up = F.relu(F.pixel_shuffle(self.up(F.relu(self.below(skip))), 2))
        return self.last(F.relu(self.both(torch.cat([up, skip], 1)))).sigmoid()


class Nested(nn.Module):
    """A concatenation, pooled, within another."""

    def __init__(self) -> None:
        super().__init__()
        self.parts, self.both, self.last = (
            nn.ModuleList(conv(3, 8) for _ in range(3)),
            conv(24, 8),
            conv(8, 3),
        )

    def forward(self, content: Tensor) -> Tensor:
        a, b, c = (F.relu(one(content)) for one in self.parts)
        inner = F.max_pool2d(torch.cat([a, b], 1), 3, 1, 1)
        return self.last(F.relu(self.both(torch.cat([inner, c], 1)))).sigmoid()


class Mixed(nn.Module):
    """Branches that a ReLU bounds, that nothing bounds, that float operators make, and the
    picture."""

    def __init__(self) -> None:
        super().__init__()
        self.free, self.bounded, self.normal = conv(3, 8), conv(3, 8), conv(3, 8)
        self.both, self.last = conv(27, 8), conv(8, 3)

    def forward(self, content: Tensor) -> Tensor:
        x = self.normal(content)
        x = (x - x.mean((2, 3), keepdim=True)) * torch.rsqrt(x.var((2, 3), keepdim=True) + 1e-3)
        parts = [self.free(content), F.relu(self.bounded(content)), x, content]
        return self.last(F.relu(self.both(torch.cat(parts, 1)))).sigmoid()


class Network:
    """A module by depth, or one module of one depth, without styles."""

    size_multiple_px = 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def __init__(
        self,
        module: type[nn.Module],
        depths: tuple[int, ...] = (1,),
        seed: int = 0,
        **given: object,
    ) -> None:
        self.module, self.depths, self.seed, self.given = module, depths, seed, given

    def cut(self, depth: int) -> nn.Module:
        depths = {"depth": depth} if self.module is Branches else {}
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(self.seed)
            return self.module(**depths, **self.given).eval().requires_grad_(False)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


@dataclass(frozen=True)
class Files:
    """FP32, prepared and INT8 of a network in both runtimes; ONNX by tier.

    Attributes:
        ranges: of the first tier, by runtime.
        wanted: its picture in FP32.
        changed: the largest change that equalizing makes to it, by runtime.
        db: INT8 to FP32, of the first tier, by runtime.
    """

    onnx: dict[Tier, Path]
    prepared_onnx: dict[Tier, Path]
    onnx_int8: dict[Tier, Path]
    litert: Path
    prepared_litert: Path
    litert_int8: Path
    factors: Equalization
    ranges: dict[str, dict[str, Range]]
    wanted: np.ndarray
    changed: dict[str, float]
    db: dict[str, float]


def write_files(network: Network, folder: Path, equalize: bool = True) -> Files:
    """All that a build writes, with ranges of one picture."""
    tiers = tuple(Tier(depth, 32) for depth in network.depths)
    onnx, int8 = (
        {tier: folder / f"{kind}-{tier.id}.onnx" for tier in tiers} for kind in ("fp32", "int8")
    )
    litert, litert_int8, equal = (folder / f"{kind}.tflite" for kind in ("fp32", "int8", "equal"))
    equal_onnx = {tier: folder / f"equal-{tier.id}.onnx" for tier in tiers}
    convert_fp32(network, tiers, litert)
    for tier in tiers:
        export_tier(network, tier, onnx[tier])
    seen = [(onnx[tier], [FEEDS]) for tier in tiers]
    factors = learn_equalization(seen) if equalize else Equalization()
    seen_in_onnx = {}
    for tier in tiers:
        write_equalized_onnx(onnx[tier], equal_onnx[tier], factors)
        observe = observe_onnx(equal_onnx[tier], tensors_to_calibrate(equal_onnx[tier]))
        seen_in_onnx[tier] = collect(observe, [FEEDS])
        quantize_onnx(equal_onnx[tier], Learned(seen_in_onnx[tier]), int8[tier])
    write_equalized_litert(litert, equal, factors)
    found = {t.signature: collect(observe_litert(equal, t.signature), [FEEDS]) for t in tiers}
    quantize_litert(equal, "int8", of_signatures(found), litert_int8)
    first = tiers[0]
    wanted = open_onnx(onnx[first]).run(FEEDS)[STYLIZED]

    def pictures(onnx_file: Path, litert_file: Path) -> dict[str, np.ndarray]:
        sessions = {
            "onnxruntime": open_onnx(onnx_file),
            "litert": open_litert(litert_file, first.signature),
        }
        return {runtime: session.run(FEEDS)[STYLIZED] for runtime, session in sessions.items()}

    same = pictures(equal_onnx[first], equal)
    changed = {runtime: float(np.abs(made - wanted).max()) for runtime, made in same.items()}
    made = pictures(int8[first], litert_int8)
    db = {runtime: psnr_db(wanted, one) for runtime, one in made.items()}
    ranges = {"onnxruntime": seen_in_onnx[first], "litert": found[first.signature]}
    files = (onnx, equal_onnx, int8, litert, equal, litert_int8)
    return Files(*files, factors, ranges, wanted, changed, db)


def psnr_db(wanted: np.ndarray, got: np.ndarray) -> float:
    """By the spread of what was wanted."""
    return float(10 * np.log10(np.ptp(wanted) ** 2 / np.mean((wanted - got) ** 2)))


def both_ways(module: type[nn.Module], folder: Path) -> tuple[Files, Files]:
    """Of one module: not equalized, and equalized.

    Its weights leave no channel dead behind a ReLU.
    """
    folders, network = (folder / "plain", folder / "equal"), Network(module, seed=1)
    for one in folders:
        one.mkdir()
    return write_files(network, folders[0], equalize=False), write_files(network, folders[1])
