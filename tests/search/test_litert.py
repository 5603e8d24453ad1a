"""The search over LiteRT: its own groups and files, the same budgets, the same end in time."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iast_export.formats import tflite_file as tf
from iast_export.lanes.judge import Scorers
from iast_export.lanes.views import EvaluationPair
from iast_export.metrics.style import style_statistics
from iast_export.quantize.learned import Learned
from iast_export.reports.base import SetFacts
from iast_export.reports.search import SearchReport, search_name, state_name
from iast_export.search import Options, Subject, TimingOptions, parse_budgets, search
from iast_export.search.measure import Bench, Deadline
from iast_export.specs import CONTENT, Tier
from tests.litert_cases import TIERS, converted, feeds, ranges
from tests.tiny_networks import tiny_onnx

TIER: Tier = TIERS[0]
KEY = "0" * 64
FACTS = SetFacts(name="drawn", sha256=KEY, images=4)


@pytest.fixture(scope="module")
def subject() -> Subject:
    network, fp32, _ = converted()
    fed = {name: value for name, value in feeds(network, 32).items() if name != CONTENT}
    pictures = np.random.default_rng(3).integers(0, 256, (4, 8, 8, 3), np.uint8)
    pairs = [
        EvaluationPair(f"drawn{i}", "none", np.kron(one, np.ones((4, 4, 1), np.uint8)), fed,
                       style_statistics(np.kron(one, np.ones((4, 4, 1), np.uint8))))
        for i, one in enumerate(pictures)
    ]  # fmt: skip
    reference = tiny_onnx("iast", TIER.depth, TIER.max_side_px)
    learned = Learned(ranges()[TIER.signature])
    return Subject("litert", TIER, fp32, fp32, reference, learned, pairs, Scorers(), 4)


def ticking() -> TimingOptions:
    """A clock by which everything takes the same time, so that decibels alone rank."""
    ticks = itertools.count(step=1000)
    return TimingOptions(warmup=1, blocks=3, clock_ns=lambda: next(ticks))


def test_candidates_are_judged_in_own_shapes_too_and_are_as_near_there(
    subject: Subject, tmp_path: Path
) -> None:
    wide = [replace(pair, rgb=pair.rgb[:20]) for pair in subject.pairs]
    shaped = replace(subject, pairs=wide, multiple_px=converted()[0].size_multiple_px)
    bench = Bench(shaped, KEY, tmp_path / state_name("litert"), Deadline(60), ticking())
    found = bench(())
    assert len(found.psnr_db) == 6 and min(found.psnr_db[4:]) > min(found.psnr_db[:4]) - 6
    sizes = {one.view.content.shape[:2] for one in bench.references}
    assert sizes == {(32, 32), (20, 32)}


def weight_types(path: Path) -> list[str]:
    model = tf.read_model(path)
    graph = model.subgraphs[0]
    convolutions = [op for op in graph.operators if tf.op_name(model, op) == "CONV_2D"]
    return [tf.dtype_name(graph.tensors[int(op.inputs[1])]) for op in convolutions]


def test_a_met_search_writes_one_signature_that_is_as_the_report_says(
    subject: Subject, tmp_path: Path
) -> None:
    report = search(
        subject, parse_budgets(["psnr_db>=20"]), FACTS, KEY, tmp_path, "mixed.tflite",
        Options(60.0, ticking()),
    )  # fmt: skip
    assert (report.verdict, report.runtime) == ("met", "litert")
    assert SearchReport.load(tmp_path / search_name("litert")) == report
    got = {row.name: row.precision for row in report.groups if "CONV_2D" in row.name}
    wanted = {"fp32": "float32", "int8": "int8"}
    assert weight_types(tmp_path / "mixed.tflite") == [wanted[one] for one in got.values()]
    made = tf.read_model(tmp_path / "mixed.tflite")
    assert [one.key for one in tf.signatures(made)] == [TIER.signature]
    again = search(
        subject,
        parse_budgets(["psnr_db>=20"]),
        FACTS,
        KEY,
        tmp_path,
        "mixed.tflite",
        Options(60.0, ticking()),
    )
    assert again.measured_now == 0 and again.groups == report.groups


def test_a_budget_that_can_not_be_met_ends_in_its_time_and_goes_on_when_run_again(
    subject: Subject, tmp_path: Path
) -> None:
    impossible = parse_budgets(["psnr_db>=99.9", "latency_ms<=0.000001"])
    first = search(
        subject, impossible, FACTS, KEY, tmp_path, "mixed.tflite", Options(1e-6, ticking())
    )
    assert first.verdict == "out of time" and not first.complete and first.measured_now == 2
    assert not all(one.holds for one in first.budgets)
    assert (tmp_path / "mixed.tflite").is_file() and (tmp_path / state_name("litert")).is_file()
    second = search(
        subject, impossible, FACTS, KEY, tmp_path, "mixed.tflite", Options(60.0, ticking())
    )
    assert second.verdict == "not met" and second.complete
    assert second.measured == first.measured + second.measured_now > first.measured
