"""What each way to set INT8 ranges and weights gains: one row per switch, all else as the recipe has it.

    python -m benchmarks.quantization_ablation dist/demo --out benchmarks/quantization

Takes the FP32 files of a bundle of the packaged network and quantizes them anew for ONNX Runtime, the
smallest and the largest tier. Judged on the evaluation pictures and the held-out styles, which calibrate
nothing. Written: ablation.md and ablation.json. One thread.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from iast_export.artifacts import write_atomic, write_json
from iast_export.build import Build, Request
from iast_export.calibrate import collect, pairs_at, tier_feeds
from iast_export.console import progress_bar
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import IastExportError, InputError
from iast_export.lanes import Lane
from iast_export.observers import Feeds, observe_onnx
from iast_export.quantize.onnx_qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.patches import Layer, Moments, integer_layers, observe_patches
from iast_export.quantize.rounding import Adjustment, adjust_onnx, bias_shifts, learn_filters
from iast_export.ranges import Histogram, Range, method_of, minmax
from iast_export.recipe import load_recipe
from iast_export.reports import SetFacts, VerifyRow
from iast_export.specs import Tier, onnx_name
from iast_export.stages import evaluation_pairs
from iast_export.styles import feeds_of
from iast_export.verify import verify


@dataclass(frozen=True)
class Variant:
    """One row: what differs from plain static INT8 with the packaged percentile."""

    label: str
    method: str = "percentile"
    share: float | None = None
    trim_sums: bool = True
    bias_correction: bool = False
    learned: bool = False


VARIANTS = (
    Variant("percentile 99.99, rectified sums not trimmed", share=99.99, trim_sums=False),
    Variant("packaged percentile, rectified sums not trimmed", trim_sums=False),
    Variant("packaged percentile"),
    Variant("percentile 99.99", share=99.99),
    Variant("minmax", method="minmax"),
    Variant("mse", method="mse"),
    Variant("packaged percentile, bias correction", bias_correction=True),
    Variant("packaged percentile, learned rounding", learned=True),
    Variant("packaged percentile, both", bias_correction=True, learned=True),
)


_NOTES = """A drop is relative to FP32's score, positive is worse. Up to 20 pictures, the 5th percentile is
the worst. Seconds are those of calibrating, learning and writing. Trimmed: ranges around relu(a + b) without
what the ReLU removes. Cross-layer equalisation has no row: its scales per channel would have to be the same
in every tier, which shares its weights with the others."""


@dataclass(frozen=True)
class Row:
    """A variant at a tier. Drops are relative to FP32's score; positive is worse.

    Attributes:
        seconds: calibrating, learning and writing, as this variant alone would take.
    """

    tier: str
    variant: str
    images: int
    psnr_mean_db: float
    psnr_p5_db: float
    drop_ssim_content: float
    drop_style_distance: float
    seconds: float


@dataclass
class Calibrated:
    """A tier's histograms and, from the packaged ranges, its layers' moments; each with its seconds."""

    tier: Tier
    fp32: Path
    histograms: dict[str, Histogram]
    histogram_s: float
    layers: list[Layer]
    moments: dict[str, Moments]
    moments_s: float

    def ranges(self, method: str, share: float) -> dict[str, Range]:
        """Ranges by a method from what was seen."""
        chosen = method_of(method, share)
        return {name: chosen(histogram) for name, histogram in self.histograms.items()}


def calibrate(build: Build, tier: Tier, bundle: Path) -> Calibrated:
    """Both passes over a tier's calibration pairs.

    Raises:
        InputError: the bundle has no FP32 file of the tier, or a picture can't be used.
    """
    fp32 = bundle / "models" / onnx_name(build.recipe.name, tier, "fp32")
    if not fp32.is_file():
        raise InputError(f"{fp32} is missing", "run `iast-export build` for this bundle first")
    codes = [feeds_of(style, build.network.code_shapes) for style in build.styles if not style.held_out]
    chosen = build.recipe.calibration
    pairs = pairs_at(tier, chosen.max_pairs)

    def feeds(what: str) -> Iterator[Feeds]:
        multiple_px = build.network.size_multiple_px
        for i, feed in enumerate(tier_feeds(tier, build.calibration_set, codes, pairs, multiple_px)):
            build.progress(f"{what} {tier.id}", i + 1, pairs)
            yield feed

    started, histograms = time.perf_counter(), dict[str, Histogram]()

    def keep(histogram: Histogram) -> Range:
        histograms[histogram.name] = histogram
        return minmax(histogram)

    collect(observe_onnx(fp32, tensors_to_calibrate(fp32)), feeds("ranges"), keep)
    histogram_s, started = time.perf_counter() - started, time.perf_counter()
    found = Calibrated(tier, fp32, histograms, histogram_s, [], {}, 0.0)
    found.layers = integer_layers(fp32, found.ranges("percentile", chosen.percentile))
    found.moments = observe_patches(fp32, found.layers, feeds("moments"))
    found.moments_s = time.perf_counter() - started
    return found


def ablate(build: Build, bundle: Path, variants: Sequence[Variant] = VARIANTS) -> list[Row]:
    """Every variant at the smallest and the largest tier.

    Raises:
        IastExportError: a missing file, a picture that can't be used, a runtime that failed.
    """
    ends = dict.fromkeys((build.tiers[0], build.tiers[-1]))
    found = [calibrate(build, tier, bundle) for tier in ends]
    learned: dict[bool, tuple[dict[str, NDArray[Any]], float]] = {}
    for centered in sorted({variant.bias_correction for variant in variants if variant.learned}):
        started = time.perf_counter()
        filters = learn_filters([(one.layers, one.moments) for one in found], centered)
        learned[centered] = filters, time.perf_counter() - started
    rows = []
    for one in found:
        rows += _tier_rows(build, one, variants, learned)
    return rows


def _tier_rows(
    build: Build,
    one: Calibrated,
    variants: Sequence[Variant],
    learned: Mapping[bool, tuple[dict[str, NDArray[Any]], float]],
) -> list[Row]:
    lanes, seconds = [Lane("onnxruntime", "fp32", one.tier, one.fp32)], []
    with tempfile.TemporaryDirectory() as folder:
        for number, variant in enumerate(variants):
            path = Path(folder) / f"{number}.onnx"
            seconds.append(_write(build, one, variant, learned, path))
            lanes.append(Lane("onnxruntime", "int8", one.tier, path))
        pairs, chosen = evaluation_pairs(build), build.evaluation_set
        facts = SetFacts(name=chosen.name, sha256=chosen.sha256, images=len(pairs))
        report = verify(lanes, pairs, facts, progress=build.progress)
    return [_row(*each) for each in zip(variants, report.rows, seconds, strict=True)]


def _write(
    build: Build,
    one: Calibrated,
    variant: Variant,
    learned: Mapping[bool, tuple[dict[str, NDArray[Any]], float]],
    path: Path,
) -> float:
    """Writes a variant's INT8 file; the seconds that it takes from the FP32 file on."""
    started, share = time.perf_counter(), variant.share or build.recipe.calibration.percentile
    filters, learning_s = learned[variant.bias_correction] if variant.learned else ({}, 0.0)
    shifts = bias_shifts(one.layers, one.moments, filters) if variant.bias_correction else {}
    adjust = partial(adjust_onnx, adjustment=Adjustment(filters, shifts))
    quantize_onnx(one.fp32, one.ranges(variant.method, share), path, adjust, variant.trim_sums)
    observing = one.moments_s if variant.learned or variant.bias_correction else 0.0
    return time.perf_counter() - started + one.histogram_s + observing + learning_s


def _row(variant: Variant, judged: VerifyRow, seconds: float) -> Row:
    ssim, style = judged.drop.ssim_content, judged.drop.style_distance
    if ssim is None or style is None:
        raise InputError(f"{variant.label}: a task score was not judged", "use the packaged evaluation set")
    psnr = judged.psnr_db
    return Row(judged.tier, variant.label, judged.images, psnr.mean, psnr.p5, ssim, style, seconds)


def markdown(rows: Sequence[Row], told: str) -> str:
    """The table, one row per tier and variant."""
    lines = [
        "# What each way to set INT8 ranges and weights gains",
        "",
        "`python -m benchmarks.quantization_ablation dist/demo --out benchmarks/quantization`",
        "",
        told,
        "",
        "| tier | static INT8 with | PSNR mean, 5th percentile | drop of SSIM, style distance | seconds |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        drops = f"{100 * row.drop_ssim_content:+.2f} %, {100 * row.drop_style_distance:+.2f} %"
        psnr = f"{row.psnr_mean_db:.1f}, {row.psnr_p5_db:.1f} dB"
        lines.append(f"| {row.tier} | {row.variant} | {psnr} | {drops} | {row.seconds:.0f} |")
    return "\n".join([*lines, "", _NOTES, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "bundle", type=Path, help="a bundle of the packaged network, from `iast-export build`"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/quantization"))
    given = parser.parse_args(arguments)
    try:
        with progress_bar() as progress:
            build = Build(Request(given.bundle, load_recipe(None)), progress)
            rows = ablate(build, given.bundle)
    except IastExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    machine = machine_fingerprint()
    told = (
        f"ONNX Runtime, one thread, {machine.get('cpu')}; {rows[0].images} pictures of the set "
        f"{build.evaluation_set.name} with held-out styles, against FP32; packaged percentile: "
        f"{build.recipe.calibration.percentile}."
    )
    write_atomic(given.out / "ablation.md", markdown(rows, told).encode())
    facts = {"rows": [asdict(row) for row in rows], "machine": machine, "versions": versions()}
    write_json(given.out / "ablation.json", {"schema_version": 1, **facts})
    print(given.out / "ablation.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
