"""The one rule for which precision a bundle uses unasked, and what is against the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from iast_export.bundle.belonging import load_own
from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.families import FAMILIES
from iast_export.lanes.figures import (
    MAX_PADDING_LOSS_DB,
    Fidelity,
    LaneFigures,
    Speed,
    bundle_figures,
    is_padded,
)
from iast_export.reports.base import BENCHMARK_PATH, PSNR_CAP_DB, VERIFY_PATH
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.verify import Drop, VerifyReport
from iast_export.specs import PRECISION_LABELS, AnyPrecision, Precision, Runtime, is_shipped

# Chosen by the packaged rules for INT8 (data/default_rules.toml): their largest drop, and their
# least mean PSNR and one more, so that no default lane stands at the edge.
MAX_DROP = 0.02
FLOOR_DB = 33.0
# Chosen: nobody sees 5 % of a picture's time, and two measurements of one lane by processor time
# differ by 1 to 3 %, so that noise does not decide either.
AS_FAST = 0.05
DEFAULT_RULE = (
    "The default lane of a runtime and tier is the fastest whose speed over FP32 is proven (its "
    f"interval lies above 1), whose mean PSNR to FP32 is {FLOOR_DB:.0f} dB or more and whose "
    f"judged scores all drop by at most {MAX_DROP:.0%}, unless it computes exactly what FP32 does; "
    f"of lanes that are at most {AS_FAST:.0%} slower than the fastest, the closest to FP32; FP32 "
    "where no lane is proven faster. How wide an interval is chooses nothing: a busy machine would."
)
SHAPE_RULE = (
    "A picture that is not its tier's square goes to a LiteRT file that can't be re-shaped, and so "
    "pads it, only where pictures in their own shape were found at most "
    f"{MAX_PADDING_LOSS_DB:.0f} dB further from FP32 than squares; else to ONNX Runtime, which "
    "pads by less than a multiple of the network's."
)


def default_lane(figures: Sequence[LaneFigures]) -> Precision:
    """The default precision of one runtime at one tier, by `DEFAULT_RULE`.

    Args:
        figures: of the lanes that can be chosen, all of that runtime and tier.
    """
    fit = _fit(figures)
    if not fit:
        return "fp32"
    least = max(speed for speed, *_ in fit) * (1 - AS_FAST)
    return max((psnr_db, name) for speed, psnr_db, name in fit if speed >= least)[1]


def _fit(figures: Sequence[LaneFigures]) -> list[tuple[float, float, Precision]]:
    """Speed over FP32, mean PSNR and precision of the lanes that the rule chooses from."""
    return [
        (one.speed.ratio.value, one.fidelity.psnr_db, one.precision)
        for one in figures
        if is_shipped(one.precision) and one.speed and one.speed.ratio and one.fidelity
        if one.speed.ratio.low > 1.0 and not _damage(one.fidelity)
    ]


def choice_words(figures: Sequence[LaneFigures]) -> list[str]:
    """A line for each runtime and tier whose default is not its fastest lane, and why."""
    lines = []
    for (runtime, tier), group in _grouped(figures).items():
        fit, chosen = _fit(group), default_lane(group)
        fastest = max(fit, default=None)
        if fastest is None or fastest[2] == chosen:
            continue
        near = {name: (speed, psnr_db) for speed, psnr_db, name in fit}[chosen]
        lines.append(
            f"{FAMILIES[runtime].label} at {tier} draws in {PRECISION_LABELS[chosen]} unasked: at "
            f"{near[0]:.2f}x FP32's speed as fast as {PRECISION_LABELS[fastest[2]]} at "
            f"{fastest[0]:.2f}x, and closer to FP32, {near[1]:.1f} for {fastest[1]:.1f} dB"
        )
    return lines


def _grouped(
    figures: Sequence[LaneFigures],
) -> dict[tuple[Runtime, str], list[LaneFigures]]:
    groups: dict[tuple[Runtime, str], list[LaneFigures]] = {}
    for one in figures:
        groups.setdefault((one.runtime, one.tier), []).append(one)
    return groups


def default_lanes(figures: Sequence[LaneFigures]) -> dict[tuple[Runtime, str], Precision]:
    """The default precision of each runtime and tier id."""
    return {key: default_lane(group) for key, group in _grouped(figures).items()}


def load_defaults(
    folder: Path, manifest: Manifest | None = None
) -> dict[tuple[Runtime, str], Precision]:
    """`default_lanes` of a bundle, by its reports; `manifest` is its own, where loaded already.

    Raises:
        InputError: a report is missing, altered or of other files.
    """
    reports = _own_reports(folder, manifest or load_manifest(folder))
    return default_lanes(bundle_figures(*reports))


def load_warnings(folder: Path) -> list[str]:
    """`lane_warnings` of a bundle, by its reports.

    Raises:
        InputError: a report is missing, altered or of other files.
    """
    return lane_warnings(*_own_reports(folder, load_manifest(folder)))


def _own_reports(folder: Path, manifest: Manifest) -> tuple[BenchmarkReport, VerifyReport]:
    return (
        load_own(BenchmarkReport, folder / BENCHMARK_PATH, manifest),
        load_own(VerifyReport, folder / VERIFY_PATH, manifest),
    )


def load_hops(folder: Path) -> list[str]:
    """A line for each file of a bundle that LiteRT's GPU delegate would not run whole, and why.

    Raises:
        InputError: the manifest or a file is missing or altered.
    """
    from iast_export.runtimes.gpu_operators import left_to_cpu, list_kinds

    lines, manifest = [], load_manifest(folder)
    seals = Seals.of_bundle(folder, manifest)
    for entry in manifest.files:
        off = [key for key, ways in entry.accelerators.items() if "gpu" not in ways]
        if off:
            path = folder / entry.path
            kinds = Counter(
                (one.operator, one.reason) for one in left_to_cpu(seals.read(path), path)[off[0]]
            )
            where = "" if len(off) == len(entry.signatures) else f" at {', '.join(off)}"
            what = f"{entry.path} is not known to run whole on a GPU{where}"
            lines.append(f"{what}: {list_kinds(kinds)} would hop to the CPU")
    return lines


def load_overflows(folder: Path) -> list[str]:
    """A line for each place of a bundle that a GPU's FP16 would not hold, as verify foretold it.

    Raises:
        InputError: the manifest or the report is missing, altered or of other files.
    """
    manifest = load_manifest(folder)
    layout = Layout(folder, manifest.name)
    verified = load_own(VerifyReport, folder / VERIFY_PATH, manifest)
    file = layout.relative(layout.tflite("fp32"))
    held = {True: "fp16 holds it", False: "nor does fp16 hold it"}
    return [
        f"{file} at {row.tier} on a GPU: {one}; {held[one.held]}"
        for row in verified.half or ()
        for one in row.overflows
    ]


def padding_fault(
    verified: VerifyReport | None, runtime: Runtime, precision: Precision, tier: str
) -> str | None:
    """Why a runtime should not pad a picture to a tier's square (`SHAPE_RULE`); None: it may.

    What was not measured, or stands in no report that can be read, is against it.
    """
    key, rows = (runtime, precision, tier), verified.rows if verified else ()
    row = next((one for one in rows if (one.runtime, one.precision, one.tier) == key), None)
    if verified is None or row is None or row.own_shape is None:
        return "what that loses was not measured"
    if not is_padded(row, verified):
        return None
    kept, squares = row.own_shape.psnr_db.mean, row.psnr_db.mean
    return f"such pictures were {kept:.1f} dB from FP32 where squares were {squares:.1f} dB"


def shape_warning(verified: VerifyReport) -> str | None:
    """A line where a runtime of fixed shapes loses by padding, with the precisions that do."""
    rows = [row for row in verified.rows if is_padded(row, verified)]
    means = [row.own_shape.psnr_db.mean for row in rows if row.own_shape]
    if not means:
        return None
    losing = ", ".join(
        PRECISION_LABELS[name] for name in dict.fromkeys(row.precision for row in rows)
    )
    return (
        f"LiteRT pads pictures that are not square and is then {min(means):.1f} to "
        f"{max(means):.1f} dB from FP32 in {losing} (mean by lane; less where edges differ from "
        "the rest): `iast-export stylize` takes ONNX Runtime for them where it would compute so"
    )


def lane_warnings(benchmark: BenchmarkReport, verified: VerifyReport) -> list[str]:
    """A line for each lane that is slower than FP32 or loses its picture; and for a default that
    is not the fastest, why.
    """
    figures = bundle_figures(benchmark, verified)
    defaults = default_lanes(figures)
    lines = []
    for one in figures:
        faults = [
            *(_slowness(one.precision, one.speed) if one.speed else []),
            *(_damage(one.fidelity) if one.fidelity else []),
        ]
        if one.precision != "fp32" and faults:
            chosen = PRECISION_LABELS[defaults[one.runtime, one.tier]]
            what = (
                f"{PRECISION_LABELS[one.precision]} in {FAMILIES[one.runtime].label} at {one.tier}"
            )
            lines.append(f"{what} {' and '.join(faults)}: {chosen} is the default there")
    shape = shape_warning(verified)
    return [*lines, *choice_words(figures), *([shape] if shape else [])]


def _slowness(precision: AnyPrecision, speed: Speed) -> list[str]:
    ratio = speed.ratio
    if ratio is None or ratio.low > 1.0:
        return []
    if ratio.high < 1.0:
        return [f"takes {100 * (1 / ratio.value - 1):.1f}% longer than FP32"]
    # FP16 is there for its size.
    same = precision == "fp16"
    return [] if same else [f"is not proven faster, {ratio.value:.2f}x the speed of FP32"]


def holds_floors(found: Fidelity) -> bool:
    """Whether a lane's pictures are good enough for a default, whatever its speed."""
    return not _losses(found)


def _damage(found: Fidelity) -> list[str]:
    """What keeps a lane from being a default, whatever its speed."""
    faults = []
    if found.psnr_db >= PSNR_CAP_DB:
        faults.append("computes nothing in integers")
    return faults + _losses(found)


def _losses(found: Fidelity) -> list[str]:
    """What a lane loses more of than a default may."""
    faults = []
    if found.psnr_db < FLOOR_DB:
        faults.append(f"is {found.psnr_db:.1f} dB from FP32, below {FLOOR_DB:.0f} dB")
    if found.drop:
        worst, score = _worst_drop(found.drop)
        if worst > MAX_DROP:
            faults.append(f"has {score} {worst:.1%} worse")
    return faults


def _worst_drop(drop: Drop) -> tuple[float, str]:
    named = (
        (drop.ssim_content, "SSIM to the photograph"),
        (drop.style_distance, "style distance"),
        (drop.lpips_content, "perceptual distance"),
        (drop.identity, "identity"),
    )
    return max((score, name) for score, name in named if score is not None)
