"""The plan: groups are named rightly, decisions are the exporter's own, costs are kept and
renewed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.plan_sums import compare
from iast_export.build.request import Build, Request
from iast_export.cli.main import run
from iast_export.decide.decide import decide_onnx
from iast_export.decide.groups import find_groups
from iast_export.errors import InputError, UsageError
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import add_property, load_model, save_model
from iast_export.forms import noted
from iast_export.plan import MeasureOptions, cache, groups, measure, onnx_micro, plan_tier
from iast_export.plan.exports import fp32_files
from iast_export.plan.planned import plan_litert, plan_onnx
from iast_export.plan.reasons import decision_of, flag_of
from iast_export.plan.rewrites import LISTS, RECOGNIZERS, rewrite_of
from iast_export.quantize.litert.final_clamp import decide_unclamped
from iast_export.reports.benchmark import Ratio
from iast_export.reports.plan import GroupMeasurement, Int8Facts, PlanGroup, PlanReport
from iast_export.specs import RUNTIMES, SIZE_MULTIPLE_KEY, Runtime, Tier
from tests.plan_cases import QUICK, RECIPE, build_of, kinds, planned

KEY = "0" * 64
NAMES = ("adain", "grouped", "iast", "mobile")


@pytest.fixture(scope="module", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def rows(report: PlanReport, runtime: Runtime) -> tuple[PlanGroup, ...]:
    return next(plan.groups for plan in report.runtimes if plan.runtime == runtime)


EVERYWHERE = {
    "adain": {
        "adaptive normalization",
        "dense convolution",
        "depthwise convolution",
        "reflection pad",
        "residual sum",
        "resize",
    },
    "grouped": {"dense convolution", "grouped convolution"},
    "iast": {
        "adaptive normalization",
        "dense convolution",
        "gate",
        "narrow head",
        "rectified sum",
        "reflection pad",
        "residual sum",
        "sigmoid",
    },
    "mobile": {
        "concat",
        "dense convolution",
        "grouped convolution",
        "hard-swish",
        "resize",
        "sigmoid",
    },
}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_group_is_found_in_both_runtimes(name: str, runtime: Runtime) -> None:
    assert EVERYWHERE[name] <= kinds(planned(name), runtime)


def test_groups_that_are_alike_are_one_row_with_a_count() -> None:
    wide = [row for row in rows(planned("iast"), "onnxruntime") if row.shape == "8→8, 3×3, 8×8"]
    assert sum(row.count for row in wide) == 2 and all(row.count == len(row.names) for row in wide)
    assert {row.macs for row in wide} == {8 * 8 * 8 * 8 * 9}
    first, last = (
        next(row for row in rows(planned("mobile"), "litert") if row.role == role)
        for role in ("first layer", "last layer")
    )
    assert (first.shape, last.shape) == ("3→16, 3×3 /2, 16×16", "24→12, 4×4 /2, 16×16")


@pytest.mark.parametrize("name", NAMES)
def test_onnx_decisions_are_those_of_the_exporters_plan(name: str) -> None:
    build = build_of(name)
    model = load_model(fp32_files(build, Tier(1, 32))["onnxruntime"])
    decisions, graph = decide_onnx(model), model.graph
    found = {one: row for row in rows(planned(name), "onnxruntime") for one in row.names}
    assert "mixed" not in {row.decision for row in found.values()}
    assert all(
        (one in decisions.integers) == (row.decision == "int8") for one, row in found.items()
    )
    convolutions = sum(node.op_type == "Conv" for node in graph.node)
    assert sum("Conv" in row.operators for row in found.values()) == convolutions
    integer = sum(
        row.decision == "int8" and row.operators[0] in ("Add", "Conv") for row in found.values()
    )
    assert integer == len(find_groups(decisions))


def test_conversions_stand_where_floats_meet_integers() -> None:
    edges = [
        (row.direction, row.shape, row.count)
        for plan in planned("mobile").runtimes
        if plan.runtime == "onnxruntime"
        for row in plan.conversions
    ]
    # content, what the grouped convolution and the transposed one read, what the last one reads;
    # all results
    assert sorted(edges) == [
        ("dequantize", "16, 16×16", 2),
        ("dequantize", "3, 32×32", 1),
        ("quantize", "16, 16×16", 2),
        ("quantize", "16, 32×32", 1),
        ("quantize", "3, 32×32", 1),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_is_in_one_group(name: str) -> None:
    tier, files = Tier(1, 32), fp32_files(build_of(name), Tier(1, 32))
    onnx = plan_onnx(files["onnxruntime"], tier, build_of(name).network.code_shapes)
    for network in (onnx.network, plan_litert(files["litert"], tier).network):
        counts = [row.count * len(row.operators) for row in rows(planned(name), network.runtime)]
        assert sum(counts) == len(network.ops)


@pytest.mark.parametrize("name", NAMES)
def test_litert_decisions_are_those_of_the_exporters_operators(name: str) -> None:
    tier = Tier(1, 32)
    model = tf.extract_signature(
        tf.read_model(fp32_files(build_of(name), tier)["litert"]), tier.signature
    )
    decisions = decide_unclamped(model, tf.find_signature(model, tier.signature))
    integers = {decisions.network.file_name(name) for name in decisions.integers}
    for row in rows(planned(name), "litert"):
        assert all((one in integers) == (row.decision == "int8") for one in row.names), row


def test_a_reason_and_the_rewrite_stand_in_every_row() -> None:
    assert all(
        row.reason for name in NAMES for plan in planned(name).runtimes for row in plan.groups
    )
    onnx = {row.kind: row for row in rows(planned("iast"), "onnxruntime")}
    assert [
        rewritten(onnx[kind])
        for kind in ("reflection pad", "adaptive normalization", "narrow head")
    ] == ["edge-pads", "adaptive-normalization", "narrow-heads"]
    own = {row.kind: row for row in rows(planned("adain"), "onnxruntime")}
    assert own["reflection pad"].rewrite is None  # the network itself pads by reflection
    hard = {row.kind: row for row in rows(planned("mobile"), "onnxruntime")}["hard-swish"]
    assert hard.rewrite is None  # the network itself has the operator
    mirrored = {row.kind: row for row in rows(planned("adain"), "litert")}["reflection pad"]
    assert rewritten(mirrored) == "edge-pads"
    joined = next(row for row in rows(planned("mobile"), "onnxruntime") if row.kind == "concat")
    assert joined.decision == "int8" and joined.int8.kernel == "integer"
    assert joined.reason.startswith(
        "only moves values: what leads here alone is written at its scale"
    )
    assert "all inputs unbounded" in joined.reason


def test_the_plan_says_whether_a_gpu_takes_a_group() -> None:
    for name in ("iast", "adain", "mobile"):
        assert all(row.off_gpu == () for row in rows(planned(name), "litert"))
        assert all(row.off_gpu is None for row in rows(planned(name), "onnxruntime"))


def rewritten(row: PlanGroup) -> str:
    return row.rewrite.name if row.rewrite else ""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_the_plan_has_no_name_for_has_a_time_all_the_same(runtime: Runtime) -> None:
    found = rows(planned("unusual"), runtime)
    assert {"matrix product", "other"} <= {row.kind for row in found}
    assert all(row.fp32_ms is not None for row in found)


SILENT = {
    "average-pools",
    "broadcasts",
    "constants",
    "filled-pictures",
    "fold-affine",
    "nearest-places",
    "normalization",
    "positions",
    "splits",
    "turns",
    "unbiased-normalization",
}
"""Forms that leave no group of their own: what they made looks like any other."""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_rewrite_of_the_export_is_recognized_by_its_name(runtime: Runtime) -> None:
    assert list(RECOGNIZERS[runtime]) == [one.name for one in LISTS[runtime]]
    reasons = {one.name: one.reason.removesuffix(".") for one in LISTS[runtime]}
    for name in NAMES:
        plan = next(plan for plan in planned(name).runtimes if plan.runtime == runtime)
        fired = {one.name for one in plan.rewrites}
        assert all(one.why == reasons[one.name] and one.places > 0 for one in plan.rewrites)
        assert {rewritten(row) for row in plan.groups} - {""} == fired - SILENT


def test_a_group_is_the_work_of_a_rewrite_only_where_the_file_notes_it() -> None:
    tier = Tier(1, 32)
    tiny = plan_onnx(
        fp32_files(build_of("iast"), tier)["onnxruntime"],
        tier,
        build_of("iast").network.code_shapes,
    )
    network, found = tiny.network, groups.find_groups(tiny.decisions)
    padded = next(one for one in found if one.kind == "reflection pad")
    assert rewrite_of(network, padded, noted(tiny.model)) is not None
    assert rewrite_of(network, padded, {**noted(tiny.model), "edge-pads": 0}) is None
    assert rewrite_of(network, padded, {"narrow-heads": 2}) is None


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_large_kernels_are_timed_in_the_form_that_is_written(runtime: Runtime) -> None:
    first, last = (
        next(row for row in rows(planned("adain"), runtime) if row.role == role)
        for role in ("first layer", "last layer")
    )
    assert first.decision == last.decision == "int8"
    assert first.int8.kernel == last.int8.kernel == "integer"
    assert rewritten(last) == "large-kernels" and last.shape == "8→48, 12×12 /4, 32×32"
    if runtime == "onnxruntime":  # unfolded by the quantizer, for integers alone
        assert (rewritten(first), first.shape) == ("", "3→8, 9×9, 32×32")
        assert first.int8.operators["SpaceToDepth"] == first.int8.operators["QLinearConv"] == 1
    else:
        assert (rewritten(first), first.shape) == ("large-kernels", "12→32, 5×5, 32×32")


def test_depthwise_layers_among_integers_are_timed_as_the_exporter_writes_them() -> None:
    found = [
        row for row in rows(planned("adain"), "onnxruntime") if row.kind == "depthwise convolution"
    ]
    assert found and {row.decision for row in found} == {"int8"}
    assert all(row.int8.operators == {"QLinearConv": 1} for row in found)


@pytest.mark.parametrize(
    ("runtime", "kernel"), [("onnxruntime", "QLinearConv"), ("litert", "CONV_2D")]
)
def test_groups_are_timed_as_the_dense_convolutions_that_are_written(
    runtime: Runtime, kernel: str
) -> None:
    found = {
        row.shape: row
        for row in rows(planned("grouped"), runtime)
        if row.kind == "grouped convolution"
    }
    assert sorted(found) == ["16→16, 3×3, 32×32", "16→32, 3×3 /2, 16×16"]
    for row in found.values():
        assert row.decision == "int8" and "one dense convolution with zeros" in row.reason
        assert row.int8.operators == {kernel: 1} and not row.int8.not_delegated
    assert [row.macs for _, row in sorted(found.items())] == [
        16 * 32 * 32 * 4 * 9,
        32 * 16 * 16 * 9,
    ]


def test_a_large_first_layer_that_can_not_be_unfolded_stays_in_float(tmp_path: Path) -> None:
    tier, build = Tier(1, 32), build_of("adain")
    model = load_model(fp32_files(build, tier)["onnxruntime"])
    add_property(model, SIZE_MULTIPLE_KEY, "1")
    save_model(model, tmp_path / "odd.onnx")
    decisions = plan_onnx(tmp_path / "odd.onnx", tier, build.network.code_shapes).decisions
    first = next(one for one in groups.find_groups(decisions) if one.role == "first layer")
    assert decision_of(decisions, first) == "fp32"


def test_a_hard_swish_among_integers_is_timed_as_a_sum_and_a_product(tmp_path: Path) -> None:
    tier, build = Tier(1, 32), build_of("swish")
    tiny = plan_onnx(fp32_files(build, tier)["onnxruntime"], tier, {})
    swish = next(one for one in groups.find_groups(tiny.decisions) if one.kind == "hard-swish")
    assert decision_of(tiny.decisions, swish) == "int8"
    assert rewrite_of(tiny.network, swish, noted(tiny.model)) is not None
    operators = onnx_micro.int8_operators(onnx_micro.int8_model(tiny, swish))
    assert "HardSigmoid" not in operators and "QLinearConv" not in operators
    assert any(name.startswith("QLinear") for name in operators), operators


def test_what_int8_would_run_as_is_asked_of_the_runtime() -> None:
    onnx = {row.kind: row.int8 for row in rows(planned("mobile"), "onnxruntime")}
    assert (onnx["dense convolution"].kernel, onnx["hard-swish"].kernel) == ("integer", "float")
    assert (
        "QLinearConv" in onnx["dense convolution"].operators
        and "HardSigmoid" in onnx["hard-swish"].operators
    )
    assert "transposed convolution" not in onnx  # a convolution and a pixel shuffle
    litert = {row.kind: row.int8 for row in rows(planned("mobile"), "litert")}
    assert (litert["dense convolution"].not_delegated, litert["hard-swish"].not_delegated) == (0, 1)


def test_times_are_finite_and_positive_and_totals_are_their_sums() -> None:
    for plan in planned("adain").runtimes:
        times = [row.fp32_ms for row in plan.groups] + [row.int8_ms for row in plan.groups]
        assert all(np.isfinite(time) and time > 0 for time in times if time is not None)
        assert plan.fp32_ms == pytest.approx(
            sum(row.count * (row.fp32_ms or 0) for row in plan.groups)
        )
        chosen = [row.int8_ms if row.decision == "int8" else row.fp32_ms for row in plan.groups]
        counts = [row.count for row in plan.groups]
        between = sum(row.count * (row.ms or 0) for row in plan.conversions)
        assert 0 < between < np.inf
        assert plan.planned_ms == pytest.approx(
            np.dot(counts, [time or 0 for time in chosen]) + between
        )


def test_a_second_plan_measures_nothing_and_a_damaged_entry_alone_is_measured_again(
    cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = planned("mobile")
    measured: list[str] = []
    real = measure.time_in_turn
    monkeypatch.setattr(
        measure, "time_in_turn", lambda runs, *a, **k: measured.append("x") or real(runs, *a, **k)
    )
    assert plan_tier(build_of("mobile"), options=QUICK) == first and not measured
    victim = sorted((cache_home / "iast-export" / "plan").glob("*.json"))
    damaged = {path: path.read_bytes() for path in victim}
    for path in victim:
        path.write_bytes(damaged[path][: len(damaged[path]) // 2])
    plan_tier(build_of("mobile"), options=QUICK)
    number = sum(len(plan.groups) + len(plan.conversions) for plan in first.runtimes)
    assert len(measured) == number
    plan_tier(build_of("mobile"), options=MeasureOptions("again", warmup=0, blocks=2))
    assert len(measured) == 2 * number


def test_another_version_machine_or_thread_count_is_another_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tier = Tier(1, 32)
    decisions = plan_litert(fp32_files(build_of("mobile"), tier)["litert"], tier).decisions
    group = groups.find_groups(decisions)[0]
    keys = [measure.cache_key(decisions, group, threads) for threads in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]
    with monkeypatch.context() as patch:
        patch.setattr(measure, "versions", lambda: {"ai-edge-litert": "0"})
        assert measure.cache_key(decisions, group, 1) not in keys
    with monkeypatch.context() as patch:
        patch.setattr(measure, "machine_fingerprint", lambda: {"cpu": "another"})
        assert measure.cache_key(decisions, group, 1) not in keys


def entry(key: str = KEY) -> GroupMeasurement:
    facts = Int8Facts(kernel="integer", operators={"QLinearConv": 1}, not_delegated=None)
    blocks = ((2.0, 2.0), (2.0, 2.0))
    return GroupMeasurement(key=key, int8=facts, fp32_blocks_ms=blocks, int8_blocks_ms=None)


def test_the_cache_gives_back_what_was_saved_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.load(KEY, GroupMeasurement) is None
    cache.save(entry())
    assert cache.load(KEY, GroupMeasurement) == entry()
    path = tmp_path / "iast-export" / "plan" / f"{KEY}.json"
    path.rename(path.with_name(f"{'1' * 64}.json"))
    assert cache.load("1" * 64, GroupMeasurement) is None  # an entry under another's name
    path.write_text("{")
    assert cache.load(KEY, GroupMeasurement) is None


def test_a_relative_cache_home_is_ignored_and_an_unwritable_one_has_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_dir().is_absolute() and cache.cache_dir().is_relative_to(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        cache.save(entry())


def test_without_a_home_that_can_be_written_the_cache_lies_among_temporary_files_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", staticmethod(nobody))
    assert "no home folder" in cache.fallback()
    assert cache.cache_dir().parent == tmp_path and cache.cache_dir().stat().st_mode & 0o077 == 0
    cache.save(entry())
    assert cache.load(KEY, GroupMeasurement) == entry()
    cache.cache_dir().chmod(0o777)
    with pytest.raises(InputError, match=r"not this user's own folder\n.*XDG_CACHE_HOME"):
        cache.cache_dir()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(cache.Path, "home", staticmethod(lambda: tmp_path / "file"))
    assert "can't be written" in cache.fallback()


def row_of(decision: str, speed: float, kind: str = "dense convolution") -> PlanGroup:
    ratio = Ratio(value=speed, low=speed * 0.95, high=speed * 1.05)
    return rows(planned("mobile"), "onnxruntime")[0].model_copy(
        update={
            "kind": kind,
            "decision": decision,
            "speed": ratio,
            "fp32_ms": 1.0,
            "int8_ms": 1 / speed,
            "count": 1,
        }
    )


def test_a_row_is_flagged_where_its_cost_contradicts_the_decision() -> None:
    assert flag_of(row_of("int8", 0.5), 10.0) == "slower in INT8 here"
    assert flag_of(row_of("fp32", 2.0), 10.0) == "faster in INT8 here"
    assert flag_of(row_of("fp32", 2.0, "normalization"), 10.0) == ""  # kept for the picture
    assert flag_of(row_of("int8", 0.98), 10.0) == ""  # the interval holds 1
    assert flag_of(row_of("int8", 0.5), 1000.0) == ""  # a thousandth of the whole
    assert flag_of(row_of("int8", 2.0), 10.0) == flag_of(row_of("fp32", 0.5), 10.0) == ""


def test_plan_speaks_json_of_a_stable_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_bytes(RECIPE)
    options = [
        "--network",
        "tests.plan_cases:mobile_factory",
        "--recipe",
        str(tmp_path / "tiny.toml"),
    ]
    assert run(["plan", *options, "--no-measure", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    report = PlanReport.model_validate_json(json.dumps(found))
    assert [tier.tier for tier in report.tiers] == ["d1-32px"] and not report.measured
    assert all(
        row.speed is None and row.fp32_ms is None for plan in report.runtimes for row in plan.groups
    )
    needed = {
        "kind",
        "shape",
        "count",
        "macs",
        "int8",
        "fp32_ms",
        "int8_ms",
        "speed",
        "decision",
        "rewrite",
    }
    assert needed | {"reason", "flag"} <= set(found["runtimes"][0]["groups"][0])
    assert run(["plan", *options, "--out", str(tmp_path / "none"), "--no-measure"]) == 0
    text = capsys.readouterr().out
    assert "not measured" in text and "hard-swish" in text and "depth plan" in text
    assert not (tmp_path / "none").exists()


def test_what_can_not_be_planned_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="d1-32px"):
        plan_tier(build_of("mobile"), "d9-9px", QUICK)
    assert run(["plan", "--no-measure", "--measure", "again"]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_the_sums_stand_beside_the_whole(small_bundle: Path, small_request: Request) -> None:
    build = Build(small_request)
    rows_of = list(compare(build, build.tiers[0], QUICK, blocks=2))
    lanes = [(runtime, precision) for runtime in RUNTIMES for precision in ("fp32", "int8")]
    assert [(row.runtime, row.precision) for row in rows_of] == lanes
    assert all(row.sum_ms > 0 and row.whole_ms > 0 and " ms | " in row.text for row in rows_of)


def test_a_plan_says_what_can_be_lifted_for_large_pictures() -> None:
    for name, lifted in (("iast", True), ("mobile", False)):
        found = planned(name).statistics
        assert found is not None and not found.not_lifted
        assert bool(found.lifted) == bool(found.passes) == lifted
        assert "onnxruntime" not in found.limits and found.halo_px is not None
