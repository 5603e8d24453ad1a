"""The bundle's report as one self-contained HTML page: no script, no font, no file beside it."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

import cv2
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from iast_export.bundle.added import added_strangers, check_result_belongs
from iast_export.bundle.belonging import load_own, said
from iast_export.errors import InputError
from iast_export.files.artifacts import write_atomic
from iast_export.lanes.default_lane import DEFAULT_RULE, lane_warnings
from iast_export.pages import format as fmt
from iast_export.pages.clips import clips_chart, clips_table
from iast_export.pages.half import half_table, half_words
from iast_export.pages.lanes import (
    bundle_charts,
    ceiling_lines,
    comparison_charts,
    lane_name,
    remark,
)
from iast_export.pages.plots import Bar, BarGroup, bar_chart
from iast_export.pictures.images import Rgb, fit_longest_side, load_image
from iast_export.reports.base import (
    BENCHMARK_PATH,
    CONVERT_PATH,
    HTML_PATH,
    QUANTIZE_PATH,
    VERIFY_PATH,
    Report,
)
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow
from iast_export.reports.convert import ConvertReport
from iast_export.reports.device import DEVICE_FOLDER, DeviceBenchmarkRow, DeviceResult
from iast_export.reports.ladder import LADDER_PATH, STEP_NAMES, LadderReport
from iast_export.reports.lanes import LANES_PATH, LanesReport
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.search import SearchReport, search_name
from iast_export.reports.verdict import Verdict
from iast_export.reports.verify import VerifyReport, VerifyRow
from iast_export.specs import RUNTIMES

R = TypeVar("R", bound=Report)
A = TypeVar("A", LadderReport, LanesReport, SearchReport)
# Of an embedded picture; chosen for the size of the page.
_PICTURE_PX = 512
_JPEG_QUALITY = 88


@dataclass(frozen=True)
class Picture:
    """A picture of the page with its caption."""

    caption: str
    rgb: Rgb


@dataclass(frozen=True)
class ReportParts:
    """Everything the page shows.

    `picture_rows` are (heading, pictures) from top to bottom; `left_out` says what lies in the
    bundle's folder and is not shown, and why.
    """

    manifest: Manifest
    verify: VerifyReport
    benchmark: BenchmarkReport
    quantize: QuantizeReport | None = None
    convert: ConvertReport | None = None
    picture_rows: Sequence[tuple[str, Sequence[Picture]]] = field(default_factory=tuple)
    verdict: Verdict | None = None
    devices: Sequence[DeviceResult] = ()
    ladder: LadderReport | None = None
    searches: Sequence[SearchReport] = ()
    lanes: LanesReport | None = None
    left_out: Sequence[str] = ()


@dataclass(frozen=True)
class DeviceLane:
    """A lane and tier on a phone; the ratio is to the CPU's FP32 of the same runtime and result."""

    row: DeviceBenchmarkRow
    median_ms: float | None
    ratio: str


def write_html(
    folder: Path,
    *,
    picture_rows: Sequence[tuple[str, Sequence[Picture]]] = (),
    verdict: Verdict | None = None,
) -> Path:
    """Writes DIR/reports/report.html from the bundle's manifest, reports and golden pictures.

    Args:
        folder: the bundle; the reports on quantization and conversion may be absent.
        picture_rows: shown above the golden pictures, such as a sheet of contents and styles.
        verdict: of the gate, shown at the top.

    Raises:
        InputError: the manifest, a report or a golden picture is missing or can't be read, or a
            report of the build is of other files.
    """
    manifest = load_manifest(folder)
    extras = _Extras(folder, manifest)
    parts = ReportParts(
        manifest=manifest,
        verify=load_own(VerifyReport, folder / VERIFY_PATH, manifest),
        benchmark=load_own(BenchmarkReport, folder / BENCHMARK_PATH, manifest),
        quantize=_own_if_there(QuantizeReport, folder / QUANTIZE_PATH, manifest),
        convert=_own_if_there(ConvertReport, folder / CONVERT_PATH, manifest),
        picture_rows=[*picture_rows, *golden_rows(folder, manifest)],
        verdict=verdict,
        devices=extras.devices(),
        ladder=extras.one(LadderReport, LADDER_PATH),
        searches=[
            found
            for name in map(search_name, RUNTIMES)
            for path in sorted(folder.glob(f"search/*/{name}"))
            if (found := extras.one(SearchReport, path.relative_to(folder).as_posix()))
        ],
        lanes=extras.one(LanesReport, LANES_PATH),
        left_out=extras.left_out,
    )
    path = folder / HTML_PATH
    write_atomic(path, html_report(parts).encode("utf-8", "replace"))
    return path


def _own_if_there(kind: type[R], path: Path, manifest: Manifest) -> R | None:
    return load_own(kind, path, manifest) if path.is_file() else None


@dataclass
class _Extras:
    """Reports that were added to a bundle later: those of this very bundle.

    Attributes:
        folder: the bundle.
        manifest: of the bundle.
        left_out: what was not shown, and why.
    """

    folder: Path
    manifest: Manifest
    left_out: list[str] = field(default_factory=list)

    def one(self, kind: type[A], name: str) -> A | None:
        """The report at a path of the bundle, if it is there, valid and its own."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            report = kind.load(path)
        except InputError as error:
            self.left_out.append(f"{name}: {error.message.removeprefix(f'{path} ')}")
            return None
        found = added_strangers(self.manifest, report)
        if found:
            self.left_out.append(f"{name} is of another build of this bundle: {said(found)}")
            return None
        return report

    def devices(self) -> list[DeviceResult]:
        """Results of phones that carried this very bundle."""
        own = []
        for path in sorted((self.folder / DEVICE_FOLDER).glob("*.json")):
            name = path.relative_to(self.folder).as_posix()
            try:
                result = DeviceResult.load(path)
                check_result_belongs(self.folder, result)
                own.append(result)
            except InputError as error:
                self.left_out.append(f"{name}: {error.message.removeprefix(f'{path} ')}")
        return own


def golden_rows(folder: Path, manifest: Manifest) -> list[tuple[str, Sequence[Picture]]]:
    """The golden pictures, one row per tier: the photograph, then what each runtime made of it."""
    rows: list[tuple[str, Sequence[Picture]]] = []
    for golden in manifest.golden:
        pictures = [Picture("photograph", load_image(folder / golden.content))]
        for name, path in sorted(golden.outputs.items()):
            runtime, _, precision = name.partition("-")
            caption = f"{fmt.runtime_name(runtime)} {fmt.precision_name(precision)}"
            pictures.append(Picture(caption, load_image(folder / path)))
        rows.append(
            (f"{golden.tier}, style {golden.style}, strength {golden.strength:g}", pictures)
        )
    return rows


def html_report(parts: ReportParts) -> str:
    """The page. The same parts give the same bytes."""
    return _template().render(
        parts=parts,
        fmt=fmt,
        cards=_cards(parts),
        speed_chart=Markup(speed_chart(parts.benchmark)),
        lane_charts=Markup(_lane_charts(parts)),
        lane_name=lane_name,
        lane_remark=remark,
        ceiling_lines=ceiling_lines,
        default_rule=DEFAULT_RULE,
        warnings=lane_warnings(parts.benchmark, parts.verify),
        fidelity_chart=Markup(fidelity_chart(parts.verify)),
        half_lines=half_words(parts.verify.half) if parts.verify.half is not None else [],
        half_table=half_table(parts.verify.half or ()),
        clips_table=clips_table(parts.verify.video),
        clips_chart=Markup(clips_chart(parts.verify.video)),
        picture_rows=[
            (title, [(one.caption, _data_uri(one.rgb)) for one in pictures])
            for title, pictures in parts.picture_rows
        ],
        device_lanes=device_lanes,
        step_names=STEP_NAMES,
        total_bytes=sum(entry.bytes for entry in parts.manifest.files),
    )


def _lane_charts(parts: ReportParts) -> str:
    """The plots of `iast-export lanes`, and of the benchmark for tiers that it left out."""
    compared = {row.tier for row in parts.lanes.rows} if parts.lanes else set()
    rest = parts.benchmark.model_copy(
        update={"rows": tuple(row for row in parts.benchmark.rows if row.tier not in compared)}
    )
    searches = [one for one in parts.searches if one.tier not in compared]
    first = comparison_charts(parts.lanes) if parts.lanes else ""
    return "\n".join([first, bundle_charts(rest, parts.verify, searches)])


def device_lanes(result: DeviceResult) -> list[DeviceLane]:
    """A phone's benchmark, formatted; a ratio needs the CPU's FP32 of that runtime and tier."""
    measured = [row for row in result.benchmark if row.samples_ms]
    medians = {
        (r.runtime, r.precision, r.tier, r.asked, r.files): statistics.median(r.samples_ms)
        for r in measured
    }
    lanes = []
    for row in result.benchmark:
        own = medians.get((row.runtime, row.precision, row.tier, row.asked, row.files))
        base = medians.get((row.runtime, "fp32", row.tier, "cpu", "tiers"))
        is_base = (row.precision, row.asked, row.files) == ("fp32", "cpu", "tiers")
        ratio = "–" if base is None or own is None or is_base else f"{base / own:.2f}×"
        lanes.append(DeviceLane(row, own, ratio))
    return lanes


def speed_chart(report: BenchmarkReport) -> str:
    """Ratios to FP32 with their intervals, by runtime and tier."""
    groups = []
    for runtime, tier in dict.fromkeys((row.runtime, row.tier) for row in report.rows):
        rows = [row for row in report.rows if (row.runtime, row.tier) == (runtime, tier)]
        bars = [_speed_bar(row) for row in rows if row.ratio_to_fp32 is not None]
        if bars:
            groups.append(BarGroup(f"{fmt.runtime_name(runtime)}, {tier}", bars))
    return bar_chart(groups, "× FP32", mark=1.0)


def fidelity_chart(report: VerifyReport) -> str:
    """Mean PSNR to FP32 by tier, with a line from the 5th percentile to the mean."""
    groups = []
    for tier in dict.fromkeys(row.tier for row in report.rows):
        groups.append(
            BarGroup(tier, [_fidelity_bar(row) for row in report.rows if row.tier == tier])
        )
    return bar_chart(groups, "dB")


def _speed_bar(row: BenchmarkRow) -> Bar:
    ratio = row.ratio_to_fp32
    assert ratio is not None
    label = fmt.precision_name(row.precision)
    return Bar(label, ratio.value, f"{ratio.value:.2f}×", row.precision, ratio.low, ratio.high)


def _fidelity_bar(row: VerifyRow) -> Bar:
    label = f"{fmt.runtime_name(row.runtime)} {fmt.precision_name(row.precision)}"
    text = f"{row.psnr_db.mean:.1f} dB, p5 {row.psnr_db.p5:.1f}"
    low = min(row.psnr_db.p5, row.psnr_db.mean)
    return Bar(label, row.psnr_db.mean, text, row.precision, low, row.psnr_db.mean)


def _cards(parts: ReportParts) -> list[tuple[str, str, str]]:
    """Headline figures (title, value, remark): what INT8 reaches, worst to best tier."""
    cards = []
    for runtime in dict.fromkeys(row.runtime for row in parts.benchmark.rows):
        rows = [
            row for row in parts.benchmark.rows if (row.runtime, row.precision) == (runtime, "int8")
        ]
        ratios = sorted(row.ratio_to_fp32.value for row in rows if row.ratio_to_fp32)
        if ratios:
            title = f"{fmt.runtime_name(runtime)} INT8 speed"
            cards.append((title, _span(ratios, "×", 1), "of FP32, over the tiers"))
    for runtime in dict.fromkeys(row.runtime for row in parts.verify.rows):
        found = [
            row for row in parts.verify.rows if (row.runtime, row.precision) == (runtime, "int8")
        ]
        means = sorted(row.psnr_db.mean for row in found)
        if means:
            worst = min(row.psnr_db.p5 for row in found)
            title = f"{fmt.runtime_name(runtime)} INT8 fidelity"
            cards.append(
                (title, _span(means, " dB", 0), f"mean PSNR to FP32; p5 from {worst:.0f} dB")
            )
    return cards


def _span(ordered: Sequence[float], unit: str, digits: int) -> str:
    low, high = f"{ordered[0]:.{digits}f}", f"{ordered[-1]:.{digits}f}"
    return f"{low}{unit}" if low == high else f"{low} – {high}{unit}"


def _data_uri(rgb: Rgb) -> str:
    small = fit_longest_side(rgb, _PICTURE_PX) if max(rgb.shape[:2]) > _PICTURE_PX else rgb
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("iast_export.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
