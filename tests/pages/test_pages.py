"""The HTML page, JUnit and Markdown: complete, self-contained, the same for the same reports."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markupsafe import escape

from iast_export.errors import InputError
from iast_export.files.artifacts import write_json
from iast_export.gate import gate, make_baseline
from iast_export.lanes.default_lane import default_lanes
from iast_export.lanes.figures import bundle_figures
from iast_export.lanes.front import front
from iast_export.pages import format as fmt
from iast_export.pages import junit_xml, markdown_text, write_html
from iast_export.pages.lanes import bundle_charts, plan_charts
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow, Ratio
from iast_export.reports.convert import ConvertReport
from iast_export.reports.ladder import LADDER_PATH
from iast_export.reports.lanes import LANES_PATH
from iast_export.reports.manifest import load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verdict import Check, Verdict
from iast_export.reports.verify import VerifyReport
from tests.gate_cases import LANES, TIERS, alter, fidelity, make_bundle, row_of

VOID = {"meta", "img", "input", "link", "br", "rect", "line"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return make_bundle(folder)


@pytest.fixture
def failing(bundle: Path, tmp_path: Path) -> Verdict:
    make_baseline(bundle, tmp_path / "b.json")
    alter(
        bundle,
        "verify",
        row_of(bundle, "verify", "litert", "int8"),
        **fidelity([38.0] * 3, 0.98, (0.5, 0.0)),
    )
    alter(bundle, "benchmark", row_of(bundle, "benchmark", "litert", "int8"), peak_rss_bytes=None)
    return gate(bundle, tmp_path / "b.json")


class _Balance(HTMLParser):
    """Checks that every element is closed in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_shows_every_lane_and_file(bundle: Path) -> None:
    page = write_html(bundle).read_text()
    balance = _Balance()
    balance.feed(page)
    assert balance.open == []
    for runtime, precision in LANES:
        assert f'scope="row">{fmt.lane_name(runtime, precision)}' in page
    for tier in TIERS:
        assert tier in page
    assert "models/litert-int8.bin" in page
    assert "lpips_content was not judged: no weights" in page


def test_the_page_needs_nothing_from_outside(bundle: Path) -> None:
    page = write_html(bundle).read_text()
    links = re.findall(r'\s(?:src|href)="([^"]*)', page)
    assert links and "url(" not in page and "@import" not in page
    assert all(link.startswith(("data:image/webp;base64,", "#")) for link in links)
    assert "default-src &#39;none&#39;" in page and not re.findall(r"\sstyle=|\son\w+=", page)


def test_the_policy_allows_the_style_and_the_script_of_the_page_alone(bundle: Path) -> None:
    page = write_html(bundle).read_text()
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert escape(f"{tag}-src 'sha256-{digest}'") in page


def test_the_same_reports_make_the_same_bytes(bundle: Path) -> None:
    first = write_html(bundle).read_bytes()
    assert write_html(bundle).read_bytes() == first


def test_golden_pictures_are_embedded_small(bundle: Path) -> None:
    page = write_html(bundle).read_text()
    assert page.count("<img ") == 10
    assert "d1-512px, style ink, strength 1" in page
    assert len(page) < 200_000


def test_quantization_and_conversion_are_shown_where_they_are_reported(bundle: Path) -> None:
    facts = {"name": "default", "sha256": "2" * 64, "images": 8}
    held = {entry.path: entry for entry in load_manifest(bundle).files}
    row = {
        "path": "models/litert-int8.bin",
        "sha256": held["models/litert-int8.bin"].sha256,
        "runtime": "litert",
        "precision": "int8",
        "quantized_ops": {"CONV_2D": 12},
        "islands": ["norm/mean"],
        "rewrites": {"edge-pads": 7},
    }
    quantized = QuantizeReport.model_validate({"method": "minmax", "set": facts, "rows": [row]})
    quantized.save(bundle / "reports" / "quantize.json")
    fp32 = held["models/litert-fp32.bin"]
    row = {
        "path": fp32.path,
        "sha256": fp32.sha256,
        "precision": "fp32",
        "role": "transfer",
        "signatures": fp32.signatures,
        "file_bytes": fp32.bytes,
        "unique_bytes": 1500,
        "shared_bytes": 500,
        "parity": {"d2_256px": 2e-6},
        "not_delegated": {"d2_256px": 0},
        "rewrites": {"mean-by-rows": 3},
    }
    ConvertReport.model_validate({"rows": [row]}).save(bundle / "reports" / "convert.json")
    page = write_html(bundle).read_text()
    assert "norm/mean" in page
    assert "CONV_2D 12" in page
    assert "edge-pads 7" in page and "mean-by-rows 3" in page
    assert "2.0e-06" in page


def test_a_verdict_is_shown_with_what_to_do(bundle: Path, failing: Verdict) -> None:
    page = write_html(bundle, verdict=failing).read_text()
    assert escape(failing.headline) in page
    assert escape(failing.worst()[0].remedy) in page


def _ladder(bundle: Path, **changes: object) -> dict[str, object]:
    entry = load_manifest(bundle).files[0]
    step = {"against": "pytorch", "psnr_db": 90.0, "worst_psnr_db": 90.0, "max_levels": 1}
    step |= {"differing_share": 0.0}
    report = {
        "schema_version": 2,
        "set": {"name": "evaluation", "sha256": "3" * 64, "images": 2},
        "pictures": 2,
        "files": {entry.path: entry.sha256},
        "styles": {style.id: style.sha256 for style in load_manifest(bundle).styles},
        "processor": {"cpu": "x", "has": [], "lacks": [], "remark": "none"},
        "limit_levels": {},
        "limit_db": 40.0,
        "rows": [{"tier": "d2-256px", "step": "onnx_fp32", "before": step, "total": step}],
    }
    return report | changes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"files": {"models/litert-int8.bin": "7" * 64}},
            "models/litert-int8.bin is 777777777777 there",
        ),
        (
            {"files": {"models/other.bin": "7" * 64}},
            "models/other.bin is 777777777777 there, not here",
        ),
        ({"styles": {"ink": "7" * 64}}, "the style ink is 777777777777 there"),
        ({"schema_version": 1}, "has schema_version 1"),
        ({"rows": []}, "not a valid report"),
    ],
)
def test_a_ladder_is_shown_where_it_is_of_these_files_and_else_named_as_left_out(
    bundle: Path, changes: dict[str, object], words: str
) -> None:
    write_json(bundle / LADDER_PATH, _ladder(bundle))
    page = write_html(bundle).read_text()
    assert "Parity ladder" in page and "Left out" not in page
    write_json(bundle / LADDER_PATH, _ladder(bundle, **changes))
    page = write_html(bundle).read_text()
    assert "Parity ladder" not in page
    assert "Left out" in page and words in page


def test_lanes_of_other_files_are_left_out(bundle: Path) -> None:
    held = {entry.path: entry.sha256 for entry in load_manifest(bundle).files}
    row = {
        "runtime": "litert",
        "tier": "d2-256px",
        "lane": "int8",
        "shipped": True,
        "median_ms": 3.0,
    }
    row |= {"path": "models/litert-int8.bin", "sha256": held["models/litert-int8.bin"]}
    row |= {"psnr_db": {"mean": 40.0, "p5": 38.0}}
    facts = {"name": "evaluation", "sha256": "3" * 64, "images": 2}
    report = {
        "schema_version": 2,
        "machine": {},
        "threads": 1,
        "set": facts,
        "rule": "",
        "rows": [row],
    }
    report |= {"fp32_sha256": [held["models/litert-fp32.bin"]]}
    write_json(bundle / LANES_PATH, report)
    assert "Every lane side by side" in write_html(bundle).read_text()
    for other in ({"fp32_sha256": ["7" * 64]}, {"rows": [row | {"sha256": "7" * 64}]}):
        write_json(bundle / LANES_PATH, report | other)
        page = write_html(bundle).read_text()
        assert (
            "Every lane side by side" not in page
            and "reports/lanes.json is of another build" in page
        )


@pytest.mark.parametrize("report", ["verify", "benchmark", "quantize", "convert"])
def test_a_report_of_the_build_that_is_of_other_files_is_refused(bundle: Path, report: str) -> None:
    alter(bundle, report, 0, sha256="7" * 64)
    with pytest.raises(
        InputError, match=rf"{report}.json is not of this bundle.*\n.*make it again"
    ):
        write_html(bundle)


def test_a_missing_report_is_refused_and_the_old_page_stays(bundle: Path) -> None:
    path = write_html(bundle)
    before = path.read_bytes()
    (bundle / "reports" / "verify.json").unlink()
    with pytest.raises(InputError, match="is missing"):
        write_html(bundle)
    assert path.read_bytes() == before


def test_junit_has_a_case_per_check_and_hides_nothing(failing: Verdict) -> None:
    (suite,) = ElementTree.fromstring(junit_xml(failing))
    cases = suite.findall("testcase")
    assert len(cases) == len(failing.checks) == int(suite.attrib["tests"])
    assert (
        len(suite.findall("testcase/failure"))
        == failing.count("fail")
        == int(suite.attrib["failures"])
    )
    assert (
        len(suite.findall("testcase/error"))
        == failing.count("cannot judge")
        == int(suite.attrib["errors"])
    )
    assert suite.find("testcase/skipped") is None
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "50 %; needed at most 2 %" in failure.attrib["message"]


NASTY = "a|b `c` *d* _e_ [f](g) ![h](i) <j> &amp; @k #1 ~~l~~ $m$\nn \x00\x1b[31m\ufffe \ud800 é"


@pytest.fixture
def nasty() -> Verdict:
    """A verdict whose every word is a user's, and markup of all kinds."""
    check = Check(
        name=NASTY, kind="speed", outcome="fail", measured=NASTY, rule=NASTY, remedy=NASTY
    )
    return Verdict.model_construct(bundle=NASTY, checks=(check,), notes=(NASTY,))


def test_junit_holds_any_words(nasty: Verdict) -> None:
    (suite,) = ElementTree.fromstring(junit_xml(nasty))
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.text is not None
    assert "a|b `c` *d* _e_ [f](g) ![h](i) <j> &amp; @k" in failure.text
    assert "\\x00\\x1b[31m\\ufffe \\ud800 é" in failure.text


def test_nothing_of_a_users_is_markup_in_markdown(nasty: Verdict) -> None:
    text = markdown_text(nasty)
    assert text.encode() and text.isprintable() is False
    told = [line for line in text.splitlines() if "&#124;b" in line]
    assert len(told) == 4
    for line in told:
        inner = line.removeprefix("## ❌").removeprefix("- ").replace("&#", "")
        assert not set("`*_[]<>!~@$") & set(inner.replace("**fail**", "")) and "\x1b" not in inner
    assert all(line.count("|") in (5, 6) for line in text.splitlines() if line.startswith("|"))


def test_markdown_says_the_verdict_first_and_keeps_its_tables_whole(failing: Verdict) -> None:
    text = markdown_text(failing)
    assert text.startswith("## ❌ small: ")
    assert "can't judge" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    assert len(rows) == 4 + len(failing.checks) + len(failing.worst())


def test_markdown_of_a_pass_lists_no_failure(bundle: Path, tmp_path: Path) -> None:
    make_baseline(bundle, tmp_path / "b.json")
    text = markdown_text(gate(bundle, tmp_path / "b.json"))
    assert text.startswith("## ✅ small: pass (exit 0)")
    assert "**" not in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (fmt.milliseconds(None), "–"),
        (fmt.milliseconds(3.14159), "3.14 ms"),
        (fmt.milliseconds(1234.5), "1,234 ms"),
        (fmt.size(624_000), "624 kB"),
        (fmt.size(1_330_000), "1.33 MB"),
        (fmt.ratio(Ratio(value=3.3, low=3.1, high=3.4)), "3.30× (3.10 to 3.40)"),
        (fmt.percent(0.0123), "+1.23 %"),
        (fmt.percent(None), "–"),
    ],
)
def test_numbers_read_well(text: str, wanted: str) -> None:
    assert text == wanted


def timed(
    precision: str, median_ms: float, ratio: tuple[float, float, float] | None
) -> BenchmarkRow:
    found = None if ratio is None else Ratio(low=ratio[0], value=ratio[1], high=ratio[2])
    return BenchmarkRow.model_validate(
        {
            "runtime": "litert",
            "precision": precision,
            "tier": "d1-32px",
            "sha256": "0" * 64,
            "threads": 1,
            "median_ms": median_ms,
            "p90_ms": None,
            "samples_ms": [median_ms] * 4,
            "warmup_ms": [],
            "ratio_to_fp32": found,
            "peak_rss_bytes": None,
            "file_bytes": 1000,
        }
    )


@pytest.mark.parametrize(
    ("int8", "dynamic", "drop", "wanted"),
    [
        ((3.0, 3.2, 3.4), (2.0, 2.1, 2.2), 0.001, "int8"),
        ((3.0, 3.2, 3.4), (3.0, 3.1, 3.2), 0.001, "dynamic_int8"),
        ((3.0, 3.2, 3.4), (2.0, 2.1, 2.2), 0.021, "dynamic_int8"),
        ((0.9, 1.1, 1.2), (0.8, 0.9, 1.0), 0.001, "fp32"),
    ],
)
def test_the_default_lane_is_the_fastest_proven_one_that_keeps_its_scores(
    bundle: Path,
    int8: tuple[float, float, float],
    dynamic: tuple[float, float, float],
    drop: float,
    wanted: str,
) -> None:
    rows = (
        timed("fp32", 30.0, None),
        timed("int8", 10.0, int8),
        timed("dynamic_int8", 12.0, dynamic),
    )
    benchmark = BenchmarkReport.load(bundle / "reports" / "benchmark.json").model_copy(
        update={"rows": rows}
    )
    verified = VerifyReport.load(bundle / "reports" / "verify.json")
    row = next(one for one in verified.rows if one.drop.lpips_content is None)
    judged = [
        row.model_copy(
            update={
                "runtime": "litert",
                "precision": precision,
                "tier": "d1-32px",
                "psnr_db": row.psnr_db.model_copy(update={"mean": psnr}),
                "drop": row.drop.model_copy(update={"ssim_content": loss, "style_distance": 0.0}),
            }
        )
        for precision, psnr, loss in (
            ("int8", 40.0, drop),
            ("dynamic_int8", 45.0, 0.0),
            ("fp32", 90.0, 0.0),
        )
    ]
    verified = verified.model_copy(update={"rows": tuple(judged)})
    found = bundle_figures(benchmark, verified)
    assert default_lanes(found) == {("litert", "d1-32px"): wanted}
    assert {one.precision for one in front(found)} == {one.precision for one in found}
    (plot,) = bundle_charts(benchmark, verified)
    ElementTree.fromstring(plot.svg)
    assert [point.is_default for point in plot.points].count(True) == 1 and len(plot.points) == 3
    assert plan_charts(benchmark, verified) == []


def test_the_page_shows_the_plan_of_each_runtime(bundle: Path) -> None:
    benchmark = BenchmarkReport.load(bundle / "reports" / "benchmark.json")
    verified = VerifyReport.load(bundle / "reports" / "verify.json")
    charts = plan_charts(benchmark, verified)
    assert [chart.title for chart in charts] == ["ONNX Runtime", "LiteRT"]
    defaults = default_lanes(bundle_figures(benchmark, verified))
    for chart, runtime in zip(charts, ("onnxruntime", "litert"), strict=True):
        own = [label for label, _ in LANES if label == runtime]
        assert len(chart.points) == len(TIERS) * len(own)
        ringed = [point.label.split(",")[0] for point in chart.points if point.is_default]
        wanted = [f"{tier} {fmt.precision_name(defaults[runtime, tier])}" for tier in TIERS]
        assert sorted(ringed) == sorted(wanted)
        label = ElementTree.fromstring(chart.svg).get("aria-label") or ""
        assert all(point.label in label for point in chart.points)
    page = write_html(bundle).read_text()
    assert all(chart.svg in page for chart in charts)


def test_the_page_shows_the_lanes_and_the_rule_of_the_default(bundle: Path) -> None:
    page = write_html(bundle).read_text()
    assert "Latency against fidelity" in page and "The default lane" in page
    assert page.count('<span class="badge">default</span>') >= 4
