r"""What each way to set INT8 ranges and weights gains, a row per switch, all else as it is.

    python -m benchmarks.quantization.ablation dist/demo --out benchmarks/quantization
    python -m benchmarks.quantization.ablation dist/adain \
        --network benchmarks.fixtures.adain:factory --out /tmp/adain

Takes the FP32 files of a bundle and quantizes them anew for ONNX Runtime and LiteRT, the smallest
and the largest tier unless others are named. Options that the bundle was built with are given
again. Judged on the evaluation pictures and the held-out styles, which calibrate nothing. Written:
ablation.md and ablation.json. One thread.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmarks.quantization.calibrated import Calibrated, Calibrator
from iast_export.build.request import Build, Request
from iast_export.build.samples import evaluation_pairs
from iast_export.bundle.layout import Layout
from iast_export.cli.console import progress_bar
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import IastExportError, InputError
from iast_export.files.artifacts import write_atomic, write_json
from iast_export.lanes.lane import Lane
from iast_export.lanes.verify import verify
from iast_export.network.adapters import PACKAGED
from iast_export.pages.format import runtime_name
from iast_export.quantize.learned import Learned, of_signatures
from iast_export.quantize.litert.static import quantize_litert
from iast_export.quantize.onnx.qdq import quantize_onnx
from iast_export.quantize.rounding import bias_shifts, learn_filters
from iast_export.reports.base import SetFacts
from iast_export.reports.verify import VerifyRow
from iast_export.specs import RUNTIMES, Runtime, Tier, find_tiers


@dataclass(frozen=True)
class Variant:
    """One row: what differs from plain static INT8 with the packaged percentile.

    Attributes:
        factors: of cross-layer equalization, "weights" or "values"; none where empty.
    """

    label: str
    method: str = "percentile"
    share: float | None = None
    trim_sums: bool = True
    bias_correction: bool = False
    learned: bool = False
    factors: str = ""

    @property
    def runtimes(self) -> tuple[Runtime, ...]:
        """Where it exists."""
        return ("onnxruntime",) if self.bias_correction else RUNTIMES


VARIANTS = (
    Variant("percentile 99.99, rectified sums not trimmed", share=99.99, trim_sums=False),
    Variant("packaged percentile, rectified sums not trimmed", trim_sums=False),
    Variant("packaged percentile"),
    Variant("percentile 99.99", share=99.99),
    Variant("minmax", method="minmax"),
    Variant("mse", method="mse"),
    Variant("packaged percentile, bias correction", bias_correction=True),
    Variant("packaged percentile, learned rounding", learned=True),
    Variant("packaged percentile, equalized by weights", factors="weights"),
    Variant("packaged percentile, equalized by values", factors="values"),
    Variant("packaged percentile, both", bias_correction=True, learned=True),
    Variant(
        "packaged percentile, learned rounding, equalized by weights",
        learned=True,
        factors="weights",
    ),
    Variant(
        "packaged percentile, learned rounding, equalized by values", learned=True, factors="values"
    ),
)


_COMMAND = "python -m benchmarks.quantization.ablation dist/demo --out benchmarks/quantization"
_NOTES = """A drop is relative to FP32's score, positive is worse. Up to 20 pictures, the 5th
percentile is the worst. Seconds are those of calibrating, learning and writing. Trimmed: ranges
around relu(a + b) without what the ReLU removes. Both: bias correction and learned rounding.
Equalized: scales of channels moved from a convolution to the next one; by values as the product
does it, where channels are unlike, here from one tier; by weights is the published rule, for
all pairs. Bias correction exists in ONNX Runtime only.
"""


@dataclass(frozen=True)
class Row:
    """A variant at a tier. Drops are relative to FP32's score; positive is worse.

    Attributes:
        seconds: calibrating, learning and writing, as this variant alone would take.
    """

    runtime: str
    tier: str
    variant: str
    images: int
    psnr_mean_db: float
    psnr_p5_db: float
    drop_ssim_content: float
    drop_style_distance: float
    seconds: float


Filters = tuple[dict[str, NDArray[Any]], float]


def ablate(
    build: Build,
    bundle: Path,
    variants: Sequence[Variant] = VARIANTS,
    tiers: Sequence[Tier] = (),
    runtimes: Sequence[Runtime] = RUNTIMES,
) -> list[Row]:
    """Every variant at some tiers in some runtimes.

    Args:
        tiers: by default the smallest and the largest.

    Raises:
        IastExportError: a missing file, a picture that can't be used, a runtime that failed.
    """
    chosen = tuple(dict.fromkeys(tiers or (build.tiers[0], build.tiers[-1])))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        calibrator = Calibrator(build, bundle, Path(folder))
        found = {
            factors: [calibrator.calibrate(tier, tuple(runtimes), factors) for tier in chosen]
            for factors in dict.fromkeys(variant.factors for variant in variants)
        }
        learned = {
            (variant.factors, variant.bias_correction): _learned(
                found[variant.factors], variant.bias_correction
            )
            for variant in dict.fromkeys(replace(one, label="") for one in variants if one.learned)
        }
        for n, runtime in ((n, runtime) for n in range(len(chosen)) for runtime in runtimes):
            taken = [one for one in variants if runtime in one.runtimes]
            rows += _judged(
                build, {k: v[n] for k, v in found.items()}, runtime, taken, learned, bundle
            )
    return rows


def _learned(tiers: Sequence[Calibrated], centered: bool) -> Filters:
    started = time.perf_counter()
    filters = learn_filters([(one.layers, one.moments) for one in tiers], centered)
    return filters, time.perf_counter() - started


def _judged(
    build: Build,
    found: Mapping[str, Calibrated],
    runtime: Runtime,
    variants: Sequence[Variant],
    learned: Mapping[tuple[str, bool], Filters],
    bundle: Path,
) -> list[Row]:
    """The rows of one tier in one runtime, against the bundle's FP32 in ONNX Runtime."""
    tier = next(iter(found.values())).tier
    fp32 = Layout(bundle, build.recipe.name).onnx(tier, "fp32")
    lanes, seconds = [Lane("onnxruntime", "fp32", tier, fp32)], []
    with tempfile.TemporaryDirectory() as folder:
        for number, variant in enumerate(variants):
            path = Path(folder) / f"{number}.{'onnx' if runtime == 'onnxruntime' else 'tflite'}"
            filters = (
                learned[variant.factors, variant.bias_correction] if variant.learned else ({}, 0.0)
            )
            seconds.append(_write(build, found[variant.factors], runtime, variant, filters, path))
            lanes.append(Lane(runtime, "int8", tier, path))
        pairs, chosen = evaluation_pairs(build), build.evaluation_set
        facts = SetFacts(name=chosen.name, sha256=chosen.sha256, images=len(pairs))
        report = verify(lanes, pairs, facts, progress=build.progress)
    return [_row(*each) for each in zip(variants, report.rows, seconds, strict=True)]


def _write(
    build: Build, one: Calibrated, runtime: Runtime, variant: Variant, learned: Filters, path: Path
) -> float:
    """Writes a variant's INT8 file; the seconds that it takes from the FP32 file on."""
    started, share = time.perf_counter(), variant.share or build.recipe.calibration.percentile
    filters, learning_s = learned
    ranges, trim_sums = one.ranges(runtime, variant.method, share), variant.trim_sums
    if runtime == "onnxruntime":
        shifts = bias_shifts(one.layers, one.moments, filters) if variant.bias_correction else {}
        quantize_onnx(one.fp32[runtime], Learned(ranges, filters, shifts, trim_sums), path)
    else:
        by_signature = {one.tier.signature: ranges}
        learned = of_signatures(by_signature, filters, trim_sums)
        quantize_litert(one.fp32[runtime], "int8", learned, path)
    observing = one.moments_s if variant.learned or variant.bias_correction else 0.0
    return time.perf_counter() - started + one.histogram_s[runtime] + observing + learning_s


def _row(variant: Variant, judged: VerifyRow, seconds: float) -> Row:
    ssim, style = judged.drop.ssim_content, judged.drop.style_distance
    if ssim is None or style is None:
        raise InputError(
            f"{variant.label}: a task score was not judged", "use the packaged evaluation set"
        )
    psnr = judged.psnr_db
    facts = (judged.runtime, judged.tier, variant.label, judged.images)
    return Row(*facts, psnr.mean, psnr.p5, ssim, style, seconds)


def markdown(rows: Sequence[Row], told: str, command: str = _COMMAND) -> str:
    """The table, one row per tier, runtime and variant."""
    lines = [
        "# What each way to set INT8 ranges and weights gains",
        "",
        f"`{command}`",
        "",
        told,
        "",
        "| tier | runtime | static INT8 with | PSNR mean, 5th percentile | drop of SSIM, style "
        "distance | seconds |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        drops = f"{100 * row.drop_ssim_content:+.2f} %, {100 * row.drop_style_distance:+.2f} %"
        psnr = f"{row.psnr_mean_db:.1f}, {row.psnr_p5_db:.1f} dB"
        runtime = runtime_name(row.runtime)
        lines.append(
            f"| {row.tier} | {runtime} | {row.variant} | {psnr} | {drops} | {row.seconds:.0f} |"
        )
    return "\n".join([*lines, "", _NOTES, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="from `iast-export build`")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/quantization"))
    parser.add_argument(
        "--tier", action="append", default=[], help="an ID; default: smallest and largest"
    )
    parser.add_argument("--runtime", action="append", choices=RUNTIMES, help="default: both")
    built = "that the bundle was built with"
    parser.add_argument("--network", default=PACKAGED, help=built)
    parser.add_argument("--checkpoint", type=Path, help=built)
    parser.add_argument("--recipe", type=Path, help=built)
    parser.add_argument("--calibration", help=built)
    parser.add_argument("--styles", type=Path, help=built)
    given = parser.parse_args(arguments)
    try:
        with progress_bar() as progress:
            own = (given.network, given.checkpoint, given.calibration, given.styles)
            build = Build(Request.of_options(given.bundle, given.recipe, *own), progress)
            tiers = find_tiers(build.tiers, given.tier, "the recipe") if given.tier else []
            rows = ablate(build, given.bundle, VARIANTS, tiers, given.runtime or RUNTIMES)
    except IastExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    machine = machine_fingerprint()
    told = (
        f"One thread, {machine.get('cpu')}; {rows[0].images} pictures of the set "
        f"{build.evaluation_set.name} with held-out styles, against FP32; packaged percentile: "
        f"{build.recipe.calibration.percentile}."
    )
    words = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.quantization.ablation", *words])
    write_atomic(given.out / "ablation.md", markdown(rows, told, command).encode())
    facts = {"rows": [asdict(row) for row in rows], "machine": machine, "versions": versions()}
    write_json(given.out / "ablation.json", {"schema_version": 2, **facts})
    print(given.out / "ablation.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
