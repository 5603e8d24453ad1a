"""Which precision is used where nobody chose one: never one that is slower, or that loses the
picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iast_export.build.request import Request
from iast_export.cli.main import run
from iast_export.errors import InputError
from iast_export.lanes.default_lane import (
    FLOOR_DB,
    default_lanes,
    lane_warnings,
    load_defaults,
    load_hops,
    load_overflows,
    padding_fault,
)
from iast_export.lanes.figures import bundle_figures
from iast_export.recipe import Recipe
from iast_export.reports.base import VERIFY_PATH, SetFacts
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow, Ratio
from iast_export.reports.half import HalfOverflow
from iast_export.reports.manifest import load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verify import (
    Drop,
    Figures,
    PairScore,
    Spread,
    TaskScores,
    VerifyReport,
    VerifyRow,
)
from iast_export.runtimes import gpu_operators
from iast_export.runtimes.gpu_operators import GpuRefusal
from iast_export.specs import Precision
from iast_export.stylize.engine import BundleEngine

RECIPE = """
name = "flat"
tiers = [{depth = 1, max_side_px = 32}]
[calibration]
max_pairs = 4
[quantize]
fallback = 0
[verify]
images = 4
[benchmark]
warmup = 1
blocks = 5
"""


SCORES = TaskScores(ssim_content=0.9, style_distance=0.1)
PAIR = PairScore(
    content="a",
    style="b",
    width_px=32,
    height_px=32,
    psnr_db=40.0,
    ssim=0.9,
    scores=SCORES,
    reference=SCORES,
)


def timed(precision: Precision, ratio: tuple[float, float, float] | None) -> BenchmarkRow:
    low, value, high = ratio or (1.0, 1.0, 1.0)
    return BenchmarkRow(
        runtime="litert",
        precision=precision,
        tier="d1-32px",
        sha256="0" * 64,
        threads=1,
        median_ms=10.0 / value,
        p90_ms=None,
        samples_ms=(10.0, 10.0),
        warmup_ms=(),
        ratio_to_fp32=Ratio(value=value, low=low, high=high) if ratio else None,
        peak_rss_bytes=None,
        file_bytes=1000,
    )


def judged(
    precision: Precision, psnr_db: float, drop: float = 0.0, own_shape: Figures | None = None
) -> VerifyRow:
    return VerifyRow(
        own_shape=own_shape,
        runtime="litert",
        precision=precision,
        tier="d1-32px",
        sha256="0" * 64,
        reference_sha256="0" * 64,
        images=1,
        psnr_db=Spread(mean=psnr_db, p5=psnr_db),
        ssim=Spread(mean=0.9, p5=0.9),
        drop=Drop(ssim_content=drop, style_distance=0.0),
        not_judged={"lpips_content": "no weights", "identity": "no faces"},
        pairs=(PAIR,),
    )


def reports(*lanes: tuple[BenchmarkRow, VerifyRow]) -> tuple[BenchmarkReport, VerifyReport]:
    rows = (timed("fp32", None), *(row for row, _ in lanes))
    benchmark = BenchmarkReport(machine={}, versions={}, rows=rows)
    facts = SetFacts(name="a set", sha256="0" * 64, images=4)
    return benchmark, VerifyReport(set=facts, styles={}, rows=tuple(row for _, row in lanes))


@pytest.mark.parametrize(
    ("ratio", "psnr_db", "drop", "said"),
    [
        ((0.7, 0.8, 0.9), 45.0, 0.0, "takes 25.0% longer than FP32"),
        ((0.993, 0.996, 0.999), 45.0, 0.0, "takes 0.4% longer than FP32"),
        ((0.9, 1.0, 1.1), 45.0, 0.0, "is not proven faster, 1.00x the speed of FP32"),
        ((2.9, 3.0, 3.1), FLOOR_DB - 1.0, 0.0, "is 32.0 dB from FP32, below 33 dB"),
        ((2.9, 3.0, 3.1), 45.0, 0.05, "has SSIM to the photograph 5.0% worse"),
    ],
)
def test_a_lane_that_is_slower_or_ruined_is_named_and_no_default(
    ratio: tuple[float, float, float], psnr_db: float, drop: float, said: str
) -> None:
    found = reports((timed("int8", ratio), judged("int8", psnr_db, drop)))
    assert default_lanes(bundle_figures(*found)) == {("litert", "d1-32px"): "fp32"}
    (line,) = lane_warnings(*found)
    assert line == f"INT8 in LiteRT at d1-32px {said}: FP32 is the default there"


def test_a_sound_lane_is_the_default_without_a_word() -> None:
    ruined = (timed("int8", (3.9, 4.0, 4.1)), judged("int8", 20.0))
    sound = (timed("dynamic_int8", (1.9, 2.0, 2.1)), judged("dynamic_int8", 40.0))
    found = reports(ruined, sound)
    assert default_lanes(bundle_figures(*found)) == {("litert", "d1-32px"): "dynamic_int8"}
    assert [line.split(":")[1] for line in lane_warnings(*found)] == [
        " dynamic INT8 is the default there"
    ]
    assert lane_warnings(*reports(sound)) == []


@pytest.mark.parametrize(
    ("int8", "chosen"),
    [
        # As found on a busy machine: intervals that overlap, and a lane 1.5 times as fast.
        ((3.06, 4.08, 5.07), "int8"),
        ((2.50, 2.78, 3.50), "dynamic_int8"),
        ((2.77, 2.78, 2.79), "dynamic_int8"),
        ((2.79, 2.80, 2.81), "int8"),
    ],
)
def test_how_wide_an_interval_is_does_not_choose(
    int8: tuple[float, float, float], chosen: Precision
) -> None:
    closer = (timed("dynamic_int8", (2.46, 2.65, 3.41)), judged("dynamic_int8", 46.0))
    found = reports((timed("int8", int8), judged("int8", 45.0)), closer)
    assert default_lanes(bundle_figures(*found)) == {("litert", "d1-32px"): chosen}
    lines = lane_warnings(*found)
    if chosen == "int8":
        assert lines == []
    else:
        assert lines == [
            "LiteRT at d1-32px draws in dynamic INT8 unasked: at 2.65x FP32's speed as fast as "
            "INT8 at 2.78x, and closer to FP32, 46.0 for 45.0 dB"
        ]


def test_a_network_that_int8_gains_nothing_on_builds_says_so_and_stays_float(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flat.toml").write_text(RECIPE)
    folder, network = tmp_path / "flat", "tests.tiny_networks:depthwise_factory"
    options = ["--network", network, "--recipe", str(tmp_path / "flat.toml")]
    assert run(["build", "--out", str(folder), *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "INT8 in ONNX Runtime at d1-32px" in said and "computes nothing in integers" in said
    assert "FP32 is the default there" in said
    assert load_defaults(folder)["onnxruntime", "d1-32px"] == "fp32"
    rows = {r.path: r for r in QuantizeReport.load(folder / "reports/quantize.json").rows}
    assert rows["models/flat-d1-32px-int8.onnx"].quantized_ops == {}
    assert "FP32 is the default there" in (folder / "reports/report.html").read_text()
    engine = BundleEngine(folder, "onnxruntime")
    assert engine.precision(engine.tiers[0]) == "fp32"


def test_a_network_that_int8_ruins_builds_says_so_and_stays_float(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ruined.toml").write_text(RECIPE)
    folder, network = tmp_path / "ruined", "tests.tiny_networks:fragile_factory"
    options = ["--network", network, "--recipe", str(tmp_path / "ruined.toml")]
    assert run(["build", "--out", str(folder), *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "dB from FP32, below 33 dB" in said
    assert load_defaults(folder)["onnxruntime", "d1-32px"] == "fp32"


def shaped(psnr_db: float) -> Figures:
    found = judged("int8", psnr_db)
    return Figures.model_validate({name: getattr(found, name) for name in Figures.model_fields})


def test_litert_pads_a_picture_only_where_that_was_found_to_lose_nothing() -> None:
    for squares, own, fault in (
        (44.0, 43.2, None),
        (44.0, 38.0, "38.0 dB from FP32 where squares were 44.0"),
    ):
        _, verified = reports(
            (timed("int8", (2.9, 3.0, 3.1)), judged("int8", squares, own_shape=shaped(own)))
        )
        found = padding_fault(verified, "litert", "int8", "d1-32px")
        assert found is None if fault is None else fault in str(found)
    for unknown in (None, reports((timed("int8", None), judged("int8", 44.0)))[1]):
        assert "not measured" in str(padding_fault(unknown, "litert", "int8", "d1-32px"))
    assert "not measured" in str(padding_fault(verified, "litert", "fp16", "d1-32px"))


def test_what_fp32_keeps_in_its_own_shape_is_not_lost_by_padding() -> None:
    kept = judged("fp32", 92.0, own_shape=shaped(89.0))
    lanes = [
        (timed("fp32", None), kept),
        (timed("int8", (2.9, 3.0, 3.1)), judged("int8", 44.0, own_shape=shaped(42.0))),
    ]
    benchmark, verified = reports(*lanes)
    assert padding_fault(verified, "litert", "int8", "d1-32px") is None
    assert not any("pads pictures" in line for line in lane_warnings(benchmark, verified))


def test_a_build_says_what_padding_loses() -> None:
    row = timed("int8", (2.9, 3.0, 3.1))
    (line,) = lane_warnings(*reports((row, judged("int8", 44.0, own_shape=shaped(38.0)))))
    assert (
        "pads pictures that are not square and is then 38.0 to 38.0 dB from FP32 in INT8 (" in line
    )
    assert lane_warnings(*reports((row, judged("int8", 44.0, own_shape=shaped(43.5))))) == []


def test_stylize_takes_the_default_of_each_tier_and_says_which(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    style = BundleEngine(small_bundle, "litert").manifest.styles[0].id
    content = next((small_bundle / "styles").glob("*.png"))
    command = ["stylize", str(small_bundle), "--content", str(content), "--style", style, "--json"]
    assert run([*command, "--out", str(tmp_path), "--scale-down"]) == 0
    (made,) = json.loads(capsys.readouterr().out)
    assert made["strength"] == 1.0 and made["milliseconds"] > 0
    assert made["sheet"] == str(tmp_path / "sheet.png") and made["accelerator"] == "cpu"
    assert made["precision"] == load_defaults(small_bundle)["litert", made["tier"]]


def test_without_reports_a_precision_has_to_be_named(bundle_copy: Path) -> None:
    (bundle_copy / "reports" / "benchmark.json").unlink()
    with pytest.raises(InputError, match="--precision"):
        BundleEngine(bundle_copy, "litert")
    assert BundleEngine(bundle_copy, "litert", "int8")


@pytest.mark.parametrize("report", ["verify", "benchmark"])
def test_reports_of_other_files_choose_no_precision(bundle_copy: Path, report: str) -> None:
    path = bundle_copy / "reports" / f"{report}.json"
    raw = json.loads(path.read_text())
    raw["rows"][-1]["sha256"] = "7" * 64
    path.write_text(json.dumps(raw))
    with pytest.raises(InputError, match="is not of this bundle"):
        load_defaults(bundle_copy)
    with pytest.raises(InputError, match="--precision"):
        BundleEngine(bundle_copy, "litert")


def test_the_packaged_plan_is_fitted_to_the_depths_of_a_network() -> None:
    plan = [tier.id for tier in Recipe().fitted((1,), 4).plan]
    assert plan == ["d1-256px", "d1-512px", "d1-1024px"]
    assert [tier.id for tier in Recipe().fitted((1, 2, 3, 4), 4).plan] == [
        t.id for t in Recipe().plan
    ]
    assert [tier.id for tier in Recipe().fitted((3,), 48).plan] == [
        "d3-240px",
        "d3-480px",
        "d3-1008px",
    ]


def test_a_network_of_ones_own_needs_no_recipe(tmp_path: Path) -> None:
    network = "tests.tiny_networks:tiny_adain_factory"
    request = Request.of_options(tmp_path, None, network, None, None, None)
    assert [tier.id for tier in request.recipe.plan] == ["d1-256px", "d1-512px", "d1-1024px"]


def test_a_file_that_would_hop_off_the_gpu_is_named_with_what_hops(
    bundle_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = load_manifest(bundle_copy)
    files = [
        entry.model_copy(update={"accelerators": {"d4_32px": ("cpu",), "d1_64px": ("cpu", "gpu")}})
        if entry.path == "models/tiny-int8.tflite"
        else entry
        for entry in manifest.files
    ]
    assert load_hops(bundle_copy) == []
    manifest.model_copy(update={"files": tuple(files)}).save(bundle_copy / "manifest.json")
    moved = (GpuRefusal("TRANSPOSE", "a tensor of 6 dimensions"),) * 2
    monkeypatch.setattr(gpu_operators, "left_to_cpu", lambda data, where: {"d4_32px": moved})
    assert load_hops(bundle_copy) == [
        "models/tiny-int8.tflite is not known to run whole on a GPU at d4_32px: "
        "2 TRANSPOSE (a tensor of 6 dimensions) would hop to the CPU"
    ]


def test_what_a_gpu_would_not_hold_is_named_as_verify_foretold_it(bundle_copy: Path) -> None:
    assert load_overflows(bundle_copy) == []
    path = bundle_copy / VERIFY_PATH
    report = VerifyReport.load(path)
    places = [
        HalfOverflow(tensor=name, operator="MUL", peak=7e4, of_sum=False, held=name == "a")
        for name in ("a", "b")
    ]
    (row,) = (one for one in report.half or () if one.tier == "d4-32px")
    told = row.model_copy(update={"overflows": tuple(places)})
    report.model_copy(update={"half": (told,)}).save(path)
    what = "models/tiny-fp32.tflite at d4-32px on a GPU: MUL {} reaches up to 70,000, beyond FP16's"
    assert load_overflows(bundle_copy) == [
        f"{what.format('a')} 65,504; fp16 holds it",
        f"{what.format('b')} 65,504; nor does fp16 hold it",
    ]
