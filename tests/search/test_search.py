"""The search: budgets read and judged by bounds, groups ranked, limits kept, time kept, nothing
twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from iast_export.bundle.layout import Layout
from iast_export.cli.main import run
from iast_export.decide.groups import OperatorGroup
from iast_export.errors import InputError, UsageError
from iast_export.formats.onnx_graph import save_model
from iast_export.lanes.judge import Scorers
from iast_export.lanes.timing import TimingOptions
from iast_export.lanes.views import EvaluationPair
from iast_export.metrics.bootstrap import Interval
from iast_export.metrics.style import style_statistics
from iast_export.pages import write_html
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.qdq import quantize_onnx, runtime_operators, tensors_to_calibrate
from iast_export.reports.base import SetFacts
from iast_export.reports.search import SearchReport, search_name, state_name
from iast_export.runtimes.onnx import open_onnx
from iast_export.search import Options, reason_of, search
from iast_export.search.budgets import parse_budgets
from iast_export.search.greedy import Search, SearchOutcome, Sensitivity
from iast_export.search.measure import Bench, Deadline, OutOfTimeError
from iast_export.search.subjects import Subject
from iast_export.specs import RUNTIMES, Runtime, Tier
from tests.conftest import SMALL_RECIPE
from tests.search_cases import made

TIER = Tier(1, 32)
KEY = "0" * 64
FACTS = SetFacts(name="drawn", sha256=KEY, images=4)


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
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
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
    return Subject("onnxruntime", TIER, path, path, path, Learned(ranges), pairs, Scorers(), 4)


def ticking() -> TimingOptions:
    """A clock by which everything takes the same time, so that decibels alone rank."""
    ticks = itertools.count(step=1000)
    return TimingOptions(warmup=1, blocks=3, clock_ns=lambda: next(ticks))


def test_sensitivity_ranks_the_damaging_group_first_and_a_second_run_measures_nothing(
    subject: Subject, tmp_path: Path
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


def test_only_the_groups_asked_for_stay_in_float(subject: Subject, tmp_path: Path) -> None:
    quantize_onnx(subject.fp32, subject.learned, tmp_path / "mixed.onnx", in_float=["three"])
    ops = runtime_operators(tmp_path / "mixed.onnx")
    assert ops["QLinearConv"] == 3 and ops.get("Conv", 0) + ops.get("FusedConv", 0) == 1


def test_the_result_is_a_file_that_does_what_the_report_says(
    subject: Subject, tmp_path: Path
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


@dataclass
class Counting:
    """A subject that counts how often each form is written."""

    inner: Subject
    written: list[tuple[str, ...]]

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def write(self, in_float: Collection[str], path: Path) -> None:
        self.written.append(tuple(in_float))
        self.inner.write(in_float, path)


def test_each_form_is_written_once_also_the_one_that_all_are_timed_with(
    subject: Subject, tmp_path: Path
) -> None:
    counting = Counting(subject, [])
    bench = Bench(counting, KEY, tmp_path / "state.json", Deadline(60), ticking())
    base, three = bench(()), bench(["three"])
    both, again = bench(["three", "one"]), bench(["one", "three"])
    assert counting.written == [(), ("three",), ("one", "three")]
    assert again is both and both.in_float == ("one", "three") and bench.measured_now == 3
    assert base.blocks_ms == base.base_blocks_ms and len(three.base_blocks_ms) == 3
    assert three.psnr_db > base.psnr_db and len(three.scores) == 4


def test_the_two_ends_are_measured_whatever_the_clock_says(
    subject: Subject, tmp_path: Path
) -> None:
    bench = Bench(subject, KEY, tmp_path / "state.json", Deadline(-1), ticking())
    assert bench(()).in_float == () and bench(bench.everything).in_float == tuple(
        group.name for group in bench.groups
    )
    with pytest.raises(OutOfTimeError):
        bench(["three"])


def test_what_is_measured_after_the_time_is_over_takes_the_fewest_blocks(
    subject: Subject, tmp_path: Path
) -> None:
    over = Bench(subject, KEY, tmp_path / "over.json", Deadline(-1), ticking())
    assert len(over(()).blocks_ms) == 2


def test_the_time_begins_when_it_is_asked_for() -> None:
    asked = Options(minutes=1.0)
    assert Deadline(60.0, lambda: asked.start_s + 50.0, start=asked.start_s).spent == 50.0
    assert Deadline(60.0, lambda: 7.0).spent == 0.0


def test_a_step_that_would_probably_end_outside_its_time_is_not_begun() -> None:
    now = iter([0.0, 4.0, 4.0])
    deadline = Deadline(10.0, lambda: next(now), longest=4.0)
    deadline.check()
    deadline.longest = 4.1
    with pytest.raises(OutOfTimeError):
        deadline.check()


def test_a_network_without_integers_is_not_searched(subject: Subject, tmp_path: Path) -> None:
    model = onnx.load(str(subject.fp32))
    del model.graph.node[:]
    model.graph.node.append(helper.make_node("Identity", ["content"], ["stylized"]))
    onnx.save(model, str(tmp_path / "copy.onnx"))
    copy = tmp_path / "copy.onnx"
    bare = replace(subject, fp32=copy, prepared=copy, reference_fp32=copy)
    with pytest.raises(InputError, match="leave this network in FP32"):
        Bench(bare, KEY, tmp_path / "state.json", Deadline(60))


def test_an_altered_state_is_refused(subject: Subject, tmp_path: Path) -> None:
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


def outcome_with(
    int8_speed: tuple[float, float, float] | None, lost_ms: float = 0.0, gain_db: float = 0.5
) -> SearchOutcome:
    """Where a search ended that found this of the group "one"; its time in INT8 is 10 ms."""
    alone: dict[str, Sensitivity] = {}
    if int8_speed is not None:
        low, value, high = int8_speed
        alone["one"] = Sensitivity(gain_db, lost_ms, Interval(value, low, high), least_ms=0.1)
    return SearchOutcome(made(()), (), "met", True, alone, {"two": "the runtime refuses it"})


ONE, TWO, THREE = (OperatorGroup(name, ("Conv",)) for name in ("one", "two", "three"))
SLOWER, UNCLEAR, FASTER = (0.8, 0.9, 0.95), (0.95, 1.02, 1.1), (1.1, 1.2, 1.3)


@pytest.mark.parametrize(
    ("int8_speed", "lost_ms", "in_float", "why"),
    [
        (SLOWER, -1.0, True, "slower in INT8"),
        (SLOWER, -1.0, False, "slower in INT8 alone; not confirmed, or a budget needs it"),
        (UNCLEAR, 0.05, True, "INT8 is no faster (+0.50 dB)"),
        (UNCLEAR, 0.2, True, "+0.50 dB for 0.20 ms"),
        (UNCLEAR, 0.05, False, "no clear difference alone; the fastest whole has it in INT8"),
        (UNCLEAR, 0.2, False, "INT8 seems faster, not proven alone"),
        (FASTER, 2.0, True, "+0.50 dB for 2.00 ms"),
        (FASTER, 2.0, False, "INT8 is faster"),
    ],
)
def test_a_group_has_a_reason_by_what_it_gains_and_costs(
    int8_speed: tuple[float, float, float], lost_ms: float, in_float: bool, why: str
) -> None:
    assert reason_of(ONE, outcome_with(int8_speed, lost_ms), in_float) == why


def test_a_group_that_was_not_measured_alone_says_so_or_what_the_runtime_said() -> None:
    outcome = outcome_with(None)
    assert reason_of(TWO, outcome, False) == "the runtime refuses it"
    assert reason_of(THREE, outcome, False) == "not measured alone in this time"


def test_files_that_no_search_wrote_are_not_replaced(subject: Subject, tmp_path: Path) -> None:
    budgets = parse_budgets(["psnr_db>=5"])
    for name in ("mixed.onnx", search_name("onnxruntime")):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_bytes(b"the user's")
        with pytest.raises(InputError, match="was not written by a search"):
            search(subject, budgets, FACTS, KEY, folder, "mixed.onnx", Options(1.0, ticking()))
        assert (folder / name).read_bytes() == b"the user's"
    with pytest.raises(UsageError):
        search(subject, budgets, FACTS, KEY, subject.fp32.parent, subject.fp32.name)


def test_the_report_shows_fp32_int8_and_the_chosen_file_beside_each_other(
    subject: Subject, tmp_path: Path
) -> None:
    report = search(
        subject, parse_budgets(["psnr_db>=20"]), FACTS, KEY, tmp_path, "mixed.onnx",
        Options(1.0, ticking()),
    )  # fmt: skip
    fp32, int8, mixed = report.lanes
    assert [one.lane for one in report.lanes] == ["fp32", "int8", "mixed"]
    assert fp32.psnr_db >= mixed.psnr_db > int8.psnr_db and int8.speed_to_int8 == 1.0
    assert all(one.psnr_db_low <= one.psnr_db for one in report.lanes)
    assert mixed.file_bytes == (tmp_path / "mixed.onnx").stat().st_size
    assert report.measured == report.measured_now >= 6
