"""Tiny conversions, ranges and quantized files for the LiteRT tests; each is made once per test
run."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from iast_export.build import convert
from iast_export.formats import tflite_file
from iast_export.network.iast import IAST
from iast_export.quantize.calibrate import collect
from iast_export.quantize.learned import of_signatures
from iast_export.quantize.litert import static as litert
from iast_export.quantize.observers import observe_litert
from iast_export.quantize.ranges import Range
from iast_export.specs import CONTENT, Tier
from tests.tiny_networks import TinyAdaIN, tiny_adain_factory, tiny_iast

TIERS = (Tier(2, 32), Tier(1, 48))


def feeds(network: object, side_px: int, seed: int = 0) -> dict[str, np.ndarray]:
    codes = network.encode_style(picture(64, 64, seed + 50))  # type: ignore[attr-defined]
    names = network.code_shapes  # type: ignore[attr-defined]
    named = {name: c.detach().numpy() for name, c in zip(names, codes, strict=True)}
    return {CONTENT: picture(side_px, side_px, seed).numpy(), **named}


def picture(height_px: int, width_px: int, seed: int) -> torch.Tensor:
    """A smooth random picture with some noise [1, 3, H, W] in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 8, 8, generator=generator)
    smooth = F.interpolate(coarse, (height_px, width_px), mode="bilinear", align_corners=False)
    noise = torch.rand(1, 3, height_px, width_px, generator=generator)
    return (0.85 * smooth + 0.15 * noise).clamp(0.0, 1.0)


@functools.cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="litert-cases-"))


def operators(path: Path, signature: str) -> dict[str, int]:
    """How often each operator occurs in a signature of a file."""
    return tflite_file.operator_counts(tflite_file.read_model(path))[signature]


@functools.cache
def converted() -> tuple[IAST, Path, convert.ConvertSummary]:
    network, path = tiny_iast(), folder() / "tiny-fp32.tflite"
    return network, path, convert.convert_fp32(network, TIERS, path)


@functools.cache
def foreign() -> tuple[TinyAdaIN, Path, convert.ConvertSummary]:
    network, path = tiny_adain_factory(None), folder() / "foreign-fp32.tflite"
    return network, path, convert.convert_fp32(network, (Tier(1, 32),), path)


def measured_ranges(network: object, path: Path, signature: str, side_px: int) -> dict[str, Range]:
    """Plain min-max over two pictures."""
    given = [feeds(network, side_px, seed) for seed in range(2)]
    return collect(observe_litert(path, signature), given)


def activation_tensors(path: Path, signature: str) -> set[str]:
    """Names of the float32 tensors of a signature that are computed or fed."""
    model = tflite_file.read_model(path)
    graph = model.subgraphs[tflite_file.find_signature(model, signature).subgraph]
    float32 = [t for t in graph.tensors if tflite_file.dtype_name(t) == "float32"]
    return {tflite_file.text(t.name) for t in float32 if not tflite_file.buffer_bytes(model, t)}


@functools.cache
def ranges() -> dict[str, dict[str, Range]]:
    """Ranges of every signature of `converted`."""
    network, path, _ = converted()
    return {t.signature: measured_ranges(network, path, t.signature, t.max_side_px) for t in TIERS}


@functools.cache
def quantized(precision: str, edges: str = "float32") -> tuple[Path, litert.LiteRtQuantizeSummary]:
    """The quantized form of `converted`."""
    _, path, _ = converted()
    out = folder() / f"tiny-{precision}-{edges}.tflite"
    given = of_signatures(ranges()) if precision == "int8" else None
    return out, litert.quantize_litert(path, precision, given, out, edges)  # type: ignore[arg-type]
