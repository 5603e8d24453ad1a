"""The search: budgets read and judged by bounds, groups ranked, limits kept, time kept, nothing
twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from iast_export.bundle.layout import Layout
from iast_export.cli.main import run
from iast_export.errors import CannotJudgeError, InputError, UsageError
from iast_export.formats.onnx_graph import save_model
from iast_export.lanes.judge import EvaluationPair, Scorers
from iast_export.lanes.timing import TimingOptions
from iast_export.metrics.style import style_statistics
from iast_export.pages import write_html
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.qdq import quantize_onnx, runtime_operators, tensors_to_calibrate
from iast_export.reports.base import SetFacts
from iast_export.reports.search import Candidate, SearchReport, search_name, state_name
from iast_export.runtimes.onnx import open_onnx
from iast_export.search import Options, search
from iast_export.search.budgets import judge, parse_budgets
from iast_export.search.greedy import Search, SearchOutcome
from iast_export.search.measure import Bench, Deadline, OutOfTimeError
from iast_export.search.subjects import OnnxSubject
from iast_export.specs import RUNTIMES, Runtime, Tier
from tests.conftest import SMALL_RECIPE

TIER = Tier(1, 32)
KEY = "0" * 64
FACTS = SetFacts(name="drawn", sha256=KEY, images=4)


@pytest.mark.parametrize(
    ("texts", "remedy"),
    [
        ([], "give at least one"),
        (["psnr_db=42"], "write NAME>=VALUE"),
        (["sharpness>=1"], "choose of psnr_db"),
        (["psnr_db<=42"], "higher is better: psnr_db>=VALUE"),
        (["latency_ms>=9"], "lower is better: latency_ms<=VALUE"),
        (["psnr_db>=nan"], "write a number"),
        (["psnr_db>=101"], "up to 100"),
        (["bytes<=0"], "lies above 0"),
        (["bytes<=9", "bytes<=8"], "give each name once"),
    ],
)
def test_a_budget_that_means_nothing_is_refused_with_a_remedy(
    texts: list[str], remedy: str
) -> None:
    with pytest.raises(UsageError, match=remedy):
        parse_budgets(texts)


def test_budgets_keep_name_direction_and_value() -> None:
    found = parse_budgets(["psnr_db >= 42.5", "drop.style_distance<=0.01", "bytes<=7e5"])
    assert [(b.name, b.operator, b.limit) for b in found] == [
        ("psnr_db", ">=", 42.5),
        ("drop.style_distance", "<=", 0.01),
        ("bytes", "<=", 7e5),
    ]


GAINS = {"a": 0.2, "b": 6.0, "c": 3.0, "d": 0.1}
COSTS_MS = {"a": 1.0, "b": 1.0, "c": 3.0, "d": -0.5}
SPREAD = np.array([-1.0, -0.5, 0.5, 1.0])
REFERENCE = [{"style_distance": 0.2, "identity": None}] * 4


def made(in_float: Collection[str]) -> Candidate:
    """A candidate whose decibels, milliseconds and bytes are sums over its groups."""
    names = tuple(name for name in GAINS if name in in_float)
    time = 10.0 + sum(COSTS_MS[name] for name in names)
    drift = [1.0, 1.001, 1.0, 0.999, 1.0]
    return Candidate(
        in_float=names,
        psnr_db=tuple(35.0 + sum(GAINS[name] for name in names) + SPREAD),
        ssim=(0.9,) * 4,
        scores=({"style_distance": 0.21, "identity": None},) * 4,
        blocks_ms=tuple((time * d, time * d) for d in drift),
        base_blocks_ms=tuple((10.0 * d, 10.0 * d) for d in drift),
        file_bytes=1000 + 100 * len(names),
    )


def found_with(*texts: str, limit: int = 99) -> tuple[SearchOutcome, list[tuple[str, ...]]]:
    """A search over the drawn-up groups that ends after `limit` measurements."""
    order: list[tuple[str, ...]] = []

    def measure(in_float: Collection[str]) -> Candidate:
        candidate = made(in_float)
        if candidate.in_float not in order:
            if len(order) >= limit:
                raise OutOfTimeError
            order.append(candidate.in_float)
        return candidate

    return Search(list(GAINS), measure, parse_budgets(texts), REFERENCE).run(), order


def test_the_bound_decides_and_not_the_mean() -> None:
    budget = parse_budgets(["psnr_db>=35"])[0]
    judged = judge(budget, made(()), made(()), REFERENCE)
    assert judged.value == pytest.approx(35.0) and 34.0 < judged.bound < 34.9 and not judged.holds
    drop = judge(parse_budgets(["drop.style_distance<=0.06"])[0], made(()), made(()), REFERENCE)
    assert drop.value == pytest.approx(0.05) and drop.holds
    slow = judge(parse_budgets(["latency_ms<=10"])[0], made(()), made(()), REFERENCE)
    drifted = made(("b",)).model_copy(
        update={"base_blocks_ms": ((20.0, 20.0),) * 5, "blocks_ms": ((22.0, 22.0),) * 5}
    )
    wanted = judge(parse_budgets(["latency_ms<=12"])[0], drifted, made(()), REFERENCE)
    assert wanted.value == pytest.approx(11.0) and wanted.holds, (
        "twice as slow a machine weighs on both"
    )
    assert slow.value == pytest.approx(10.0) and slow.bound > 10.0 and not slow.holds


def test_too_few_pictures_and_unjudged_scores_are_no_verdict() -> None:
    few = made(()).model_copy(update={"psnr_db": (40.0,) * 3})
    with pytest.raises(CannotJudgeError, match="judge on at least 4"):
        judge(parse_budgets(["psnr_db>=30"])[0], few, made(()), REFERENCE)
    with pytest.raises(UsageError, match="leave this budget out"):
        found_with("drop.identity<=0.1")


def test_budgets_that_hold_leave_everything_faster_in_integers() -> None:
    outcome, _ = found_with("psnr_db>=30")
    assert outcome.verdict == "met" and outcome.complete
    assert outcome.best.in_float == ("d",), "d is slower in INT8 and never quantized for nothing"
    assert outcome.sensitivity["d"].slower_in_int8 and outcome.sensitivity["b"].faster_in_int8


def test_the_group_with_most_decibels_per_millisecond_goes_first() -> None:
    outcome, order = found_with("psnr_db>=39")
    assert max(outcome.sensitivity, key=lambda name: outcome.sensitivity[name].worth) == "b"
    assert outcome.best.in_float == ("b", "d")
    assert order == [(), ("a", "b", "c", "d"), ("a",), ("b",), ("c",), ("d",), ("b", "d")]


def test_a_cost_budget_stops_what_accuracy_asks_and_the_best_found_is_told() -> None:
    outcome, _ = found_with("psnr_db>=43", "latency_ms<=11")
    assert outcome.verdict == "not met" and outcome.complete
    assert outcome.best.in_float == ("b", "d")
    assert [one.holds for one in outcome.judged] == [False, True]
    full, _ = found_with("psnr_db>=43")
    assert full.verdict == "met" and set(full.best.in_float) >= {"b", "c", "d"}


def test_a_cheaper_group_takes_the_place_of_a_costly_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COSTS_MS, "b", 3.0)
    monkeypatch.setitem(COSTS_MS, "c", 2.0)
    outcome, order = found_with("psnr_db>=36.5", "drop.style_distance<=0.06")
    assert ("b", "d") in order, "b gives most decibels per millisecond"
    assert outcome.best.in_float == ("c", "d") and outcome.verdict == "met"


def test_out_of_time_is_said_with_the_best_so_far() -> None:
    outcome, order = found_with("psnr_db>=40", "latency_ms<=20", limit=4)
    assert (outcome.verdict, outcome.complete, len(order)) == ("met", False, 4)
    stopped, _ = found_with("psnr_db>=43", "latency_ms<=11", limit=4)
    assert stopped.verdict == "out of time" and set(stopped.sensitivity) == {"a", "b"}


@pytest.mark.parametrize("limit", [2, 4])
def test_a_file_with_everything_in_float_is_no_result_of_a_search_that_the_clock_ended(
    limit: int,
) -> None:
    outcome, _ = found_with("psnr_db>=43", "latency_ms<=20", limit=limit)
    assert outcome.best.in_float == tuple(GAINS) and all(one.holds for one in outcome.judged)
    assert outcome.verdict == "out of time"
    whole, _ = found_with("psnr_db>=44.2")
    assert whole.best.in_float == tuple(GAINS) and whole.complete and whole.verdict == "not met"


@dataclass(frozen=True)
class Span:
    low: float
    high: float


def damaged_network(path: Path) -> None:
    """Four convolutions; the third has a huge weight on a channel that is always zero.

    In float it does nothing. In INT8 it sets the scale of its row, and the other weights become
    zero.
    """
    random = np.random.default_rng(0)
    shapes = {"one": (8, 3, 3, 3), "two": (8, 8, 3, 3), "three": (8, 8, 3, 3), "four": (3, 8, 3, 3)}
    weights = {
        name: (random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        for name, shape in shapes.items()
    }
    weights["two"][0] = 0.0
    weights["three"][:, 0] = 200.0
    nodes, source = [], "content"
    for name in shapes:
        result = "stylized" if name == "four" else f"{name}_clamped"
        nodes.append(helper.make_node("Conv", [source, f"{name}_weight"], [name], pads=[1] * 4))
        low_high = ["zero", "unit"] if name == "four" else []
        nodes.append(helper.make_node("Clip" if low_high else "Relu", [name, *low_high], [result]))
        source = result
    constants = {f"{name}_weight": value for name, value in weights.items()}
    constants |= {"zero": np.float32(0.0), "unit": np.float32(1.0)}
    edges = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "H", "W"])
        for name in ("content", "stylized")
    ]
    graph = helper.make_graph(
        nodes,
        "damaged",
        edges[:1],
        edges[1:],
        [numpy_helper.from_array(v, n) for n, v in constants.items()],
    )
    save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path
    )


def pictures() -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(1)
    small = random.integers(0, 256, (4, 8, 8, 3), np.uint8)
    return [np.kron(one, np.ones((4, 4, 1), np.uint8)) for one in small]


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> OnnxSubject:
    path = tmp_path_factory.mktemp("damaged") / "net.onnx"
    damaged_network(path)
    model = onnx.load(str(path))
    names = tensors_to_calibrate(path)
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = open_onnx(model.SerializeToString(), outputs=names)
    tensors = [one.transpose(2, 0, 1)[None].astype(np.float32) / 255 for one in pictures()]
    runs = [session.run({"content": tensor}) for tensor in tensors]
    ranges = {
        name: Span(float(min(r[name].min() for r in runs)), float(max(r[name].max() for r in runs)))
        for name in names
    }
    pairs = [
        EvaluationPair(f"drawn{i}", "none", one, {}, style_statistics(one))
        for i, one in enumerate(pictures())
    ]
    return OnnxSubject(path, path, TIER, Learned(ranges), pairs, Scorers())


def ticking() -> TimingOptions:
    """A clock by which everything takes the same time, so that decibels alone rank."""
    ticks = itertools.count(step=1000)
    return TimingOptions(warmup=1, blocks=3, clock_ns=lambda: next(ticks))


def test_sensitivity_ranks_the_damaging_group_first_and_a_second_run_measures_nothing(
    subject: OnnxSubject, tmp_path: Path
) -> None:
    bench = Bench(subject, KEY, tmp_path / state_name("onnxruntime"), Deadline(60), ticking())
    names = [group.name for group in bench.groups]
    assert names == ["one", "two", "three", "four"]
    outcome = Search(names, bench, parse_budgets(["psnr_db>=20"]), bench.state.reference).run()
    ranked = sorted(names, key=lambda name: -outcome.sensitivity[name].worth)
    assert ranked[0] == "three" and outcome.sensitivity["three"].gain_db > 5
    assert bench.measured_now >= 6
    again = Bench(subject, KEY, tmp_path / state_name("onnxruntime"), Deadline(0), ticking())
    assert (
        Search(names, again, parse_budgets(["psnr_db>=20"]), again.state.reference).run() == outcome
    )
    assert again.measured_now == 0
    assert (
        Bench(subject, "1" * 64, tmp_path / state_name("onnxruntime"), Deadline(60)).candidates
        == ()
    )


def test_only_the_groups_asked_for_stay_in_float(subject: OnnxSubject, tmp_path: Path) -> None:
    quantize_onnx(subject.fp32, subject.learned, tmp_path / "mixed.onnx", in_float=["three"])
    ops = runtime_operators(tmp_path / "mixed.onnx")
    assert ops["QLinearConv"] == 3 and ops.get("Conv", 0) + ops.get("FusedConv", 0) == 1


def test_the_result_is_a_file_that_does_what_the_report_says(
    subject: OnnxSubject, tmp_path: Path
) -> None:
    report = search(
        subject, parse_budgets(["psnr_db>=30", "bytes<=1e6"]), FACTS, KEY, tmp_path, "mixed.onnx",
        Options(1.0, ticking()),
    )  # fmt: skip
    assert (
        report.verdict == "met"
        and SearchReport.load(tmp_path / search_name("onnxruntime")) == report
    )
    assert {row.name: row.precision for row in report.groups}["three"] == "fp32"
    assert all(row.reason for row in report.groups)
    assert open_onnx(tmp_path / "mixed.onnx").input_names == ("content",)


def test_an_altered_state_is_refused(subject: OnnxSubject, tmp_path: Path) -> None:
    (tmp_path / state_name("onnxruntime")).write_text("{}")
    with pytest.raises(InputError, match="to measure anew"):
        Bench(subject, KEY, tmp_path / state_name("onnxruntime"), Deadline(60))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_budget_that_no_file_keeps_exits_5_in_its_time(
    runtime: Runtime, bundle_copy: Path, tiny_checkpoint: Path, style_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(SMALL_RECIPE)
    common = [
        "search",
        str(bundle_copy),
        "--tier",
        "d4-32px",
        "--runtime",
        runtime,
        "--recipe",
        str(recipe),
    ]
    inputs = ["--checkpoint", str(tiny_checkpoint), "--styles", str(style_folder)]
    impossible = [
        "--budget",
        "psnr_db>=99",
        "--budget",
        "latency_ms<=0.0001",
        "--minutes",
        "0.05",
        "--json",
    ]
    assert run([*common, *inputs, *impossible]) == 5
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] in ("not met", "out of time") and told["seconds"] < 60
    assert (
        told["file"] == Layout(bundle_copy, "tiny").mixed(runtime, Tier(4, 32)).name
        and told["runtime"] == runtime
    )
    assert (bundle_copy / "search" / "d4-32px" / told["file"]).is_file()
    code = run([*common, *inputs, "--budget", "psnr_db>=5", "--minutes", "0.05"])
    words = capsys.readouterr().out
    assert (
        f"d4-32px: budgets {'met' if code == 0 else 'out of time'}" in words
    )  # as the clock has it
    assert ("only everything in FP32 holds" in words) == (code == 5) and code in (0, 5)
    name = {"onnxruntime": "ONNX Runtime", "litert": "LiteRT"}[runtime]
    assert f"{name} searched mixed" in write_html(bundle_copy).read_text()
    assert run([*common, *inputs, "--budget", "psnr>=5"]) == 2
    assert run([*common, "--budget", "psnr_db>=5"]) == 3
    assert "options that it was built with" in capsys.readouterr().err
