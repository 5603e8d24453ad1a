"""Lanes side by side: those far slower are timed apart, a ceiling is never chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from pydantic import ValidationError
from skimage import data

from iast_export.errors import InputError
from iast_export.lanes import compare
from iast_export.lanes.compare import (
    ComparisonOptions,
    compare_tier,
    hopeless,
    mark,
    time_lanes,
)
from iast_export.lanes.forms import Entrant
from iast_export.lanes.judge import Scorers
from iast_export.lanes.lane import Lane
from iast_export.lanes.timing import ratio_interval
from iast_export.lanes.views import EvaluationPair, View
from iast_export.metrics.style import style_statistics
from iast_export.pictures.images import center_square
from iast_export.reports.benchmark import Ratio
from iast_export.reports.lanes import LaneRow
from iast_export.specs import AnyPrecision, Runtime, Tier
from tests.lane_rows import TIER, row
from tests.tiny_networks import tiny_codes, tiny_onnx


def test_a_ceiling_is_on_no_front_and_no_default_however_fast() -> None:
    rows = [
        row("fp32", 9.0, 90.0),
        row("int8", 3.0, 45.0),
        row("int16x8", 10.0, 50.0),
        row("ceiling", 1.0, None),
    ]
    assert [one.on_front for one in mark(rows)] == [True, True, False, False]
    for claim in ("is_default", "on_front"):
        with pytest.raises(ValidationError, match="ceiling"):
            row("ceiling", 1.0, None, shipped=True, **{claim: True})
    with pytest.raises(ValidationError, match="one of the bundle"):
        row("int16x8", 1.0, 50.0, is_default=True)
    with pytest.raises(ValidationError, match="figures, or a reason"):
        LaneRow.model_validate({"runtime": "litert", "tier": TIER, "lane": "int8", "shipped": True})


def test_a_lane_far_slower_than_fp32_is_timed_apart() -> None:
    clock = {"ns": 0}
    spends: Mapping[AnyPrecision, int] = {"fp32": 10, "int8": 3, "int16x8": 200}
    lanes = {name: Lane("litert", name, Tier(4, 32), Path(name)) for name in spends}
    calls: Counter[str] = Counter()

    def running(name: AnyPrecision) -> Any:
        def go() -> None:
            calls[name] += 1
            first_is_slow = 100 if name == "int8" and calls[name] == 1 else 0
            clock["ns"] += spends[name] + first_is_slow

        return go

    runs = {lane: running(name) for name, lane in lanes.items()}
    bases = dict.fromkeys(lanes.values(), lanes["fp32"])
    assert hopeless(runs, bases, lambda: clock["ns"]) == [lanes["int16x8"]]


class Machine:
    """A clock that only moves when a lane runs, each by its own milliseconds."""

    def __init__(self, cost_ms: Mapping[tuple[Runtime, AnyPrecision], float]) -> None:
        self.cost_ms, self.now_ns, self.order = cost_ms, 0, ""

    def open_runs(self, lanes: Any, *_: Any) -> dict[Lane, Any]:
        return {lane: lambda lane=lane: self.run(lane) for lane in lanes}

    def run(self, lane: Lane) -> None:
        self.order += f"{lane.runtime[0]}{lane.precision[0]} "
        self.now_ns += int(1e6 * self.cost_ms[lane.runtime, lane.precision])

    @property
    def lanes(self) -> list[Lane]:
        return [Lane(*key, Tier(4, 32), Path(" ".join(key))) for key in self.cost_ms]


def test_lanes_are_compared_with_fp32_of_their_runtime_and_far_slower_ones_with_that_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(
        {
            ("onnxruntime", "fp32"): 10.0,
            ("onnxruntime", "int8"): 5.0,
            ("litert", "fp32"): 12.0,
            ("litert", "int16x8"): 240.0,
        }
    )
    monkeypatch.setattr(compare, "open_runs", machine.open_runs)
    pair = EvaluationPair("cat", "cup", np.zeros((32, 32, 3), np.uint8), {}, np.zeros(1))
    options = ComparisonOptions(warmup=0, blocks=3, clock_ns=lambda: machine.now_ns)
    timed = time_lanes(machine.lanes, View(pair, pair.rgb), options)
    found = {
        (lane.runtime, lane.precision): (len(own.blocks_ms), ratio_interval(base, own).value)
        for lane, (own, base) in timed.items()
    }
    assert found == {
        ("onnxruntime", "fp32"): (3, 1.0),
        ("onnxruntime", "int8"): (3, 2.0),
        ("litert", "fp32"): (3, 1.0),
        ("litert", "int16x8"): (2, pytest.approx(0.05)),
    }
    assert machine.order.endswith("of oi lf lf oi of " * 3 + "lf li li lf " * 2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[AnyPrecision, Lane]]:
    """A folder with FP32 of a tiny network and rougher files that are called other lanes."""
    folder = tmp_path_factory.mktemp("lanes")
    lanes: dict[AnyPrecision, Lane] = {}
    levels: dict[AnyPrecision, int] = {"fp32": 0, "fp16": 64, "int8": 128, "ceiling": 2}
    for name, steps in levels.items():
        model = onnx.load(tiny_onnx("iast", 2, 32))
        for tensor in model.graph.initializer if steps else ():
            values = numpy_helper.to_array(tensor)
            if values.dtype == np.float32 and values.ndim == 4:
                step = np.abs(values).max() * 2 / steps
                rounded = (np.round(values / step) * step).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
        onnx.save(model, folder / f"{name}.onnx")
        lanes[name] = Lane("onnxruntime", name, Tier(2, 32), folder / f"{name}.onnx")
    return folder, lanes


def pairs() -> list[EvaluationPair]:
    statistics = style_statistics(center_square(data.coffee(), 64))
    pictures = {"cat": data.chelsea(), "rocket": data.rocket()}
    codes = tiny_codes("iast")
    return [EvaluationPair(name, "cup", rgb, codes, statistics) for name, rgb in pictures.items()]


def test_a_row_holds_what_was_found_of_a_lane_or_why_nothing_was(
    tiny: tuple[Path, dict[AnyPrecision, Lane]],
) -> None:
    folder, lanes = tiny
    shipped: tuple[AnyPrecision, ...] = ("fp32", "int8")
    entrants = [Entrant(lane, name in shipped, f"as {name}") for name, lane in lanes.items()]
    gone = Lane("onnxruntime", "mixed", Tier(2, 32), folder / "mixed.onnx")
    entrants.append(Entrant(gone, False, not_run="not searched yet"))
    told: list[tuple[str, int, int]] = []
    options = ComparisonOptions(warmup=1, blocks=2)
    rows = compare_tier(
        entrants, pairs(), Scorers(), folder, options, lambda *step: told.append(step)
    )
    assert [row.lane for row in rows] == ["fp32", "fp16", "int8", "ceiling", "mixed"]
    found = {row.lane: row for row in rows}
    for name, lane in lanes.items():
        row = found[name]
        assert row.path == f"{name}.onnx" and row.file_bytes == lane.path.stat().st_size
        assert row.computes == f"as {name}" and row.shipped == (name in shipped)
        assert len(row.samples_ms) == 4 and (row.ratio_to_fp32 is None) == (name == "fp32")
        assert (row.psnr_db is None) == (row.drop is None) == (name in ("fp32", "ceiling"))
        assert (row.convolution_share is not None) == (name == "int8")
    assert found["int8"].psnr_db.mean > found["fp16"].psnr_db.mean > 20
    assert found["mixed"].not_run == "not searched yet" and found["mixed"].path is None
    assert [row.is_default for row in rows].count(True) == 1
    assert found["fp32"].on_front and not found["ceiling"].on_front
    assert told[0][0] == "time lanes of d2-32px" and told[-1] == ("judge lanes", 2, 2)


def test_a_file_that_was_altered_since_it_was_tried_is_refused(
    tiny: tuple[Path, dict[AnyPrecision, Lane]], tmp_path: Path
) -> None:
    _, lanes = tiny
    altered = Lane("onnxruntime", "int8", Tier(2, 32), lanes["int8"].path, "0" * 64)
    entrants = [Entrant(lanes["fp32"], True), Entrant(altered, True)]
    with pytest.raises(InputError, match="was altered"):
        compare_tier(entrants, pairs(), Scorers(), tmp_path, ComparisonOptions(blocks=2))


def proven(value: float) -> dict[str, Any]:
    return {"ratio_to_fp32": Ratio(value=value, low=value - 0.1, high=value + 0.1)}


def test_only_a_shipped_lane_is_a_default_however_good_another_is() -> None:
    rows = [
        row("fp32", 9.0, 90.0, shipped=True),
        row("int8", 4.0, 45.0, shipped=True, **proven(2.2)),
        row("fp16", 3.0, 60.0, **proven(3.0)),
        row("mixed", 3.5, 50.0, **proven(2.6)),
    ]
    marked = mark(rows)
    assert [one.is_default for one in marked] == [False, True, False, False]
    assert [one.on_front for one in marked] == [True, False, True, False]


def test_where_no_shipped_lane_is_proven_faster_fp32_is_the_default_of_its_runtime() -> None:
    rows = [
        row("fp32", 9.0, 90.0, shipped=True),
        row("int8", 9.0, 45.0, shipped=True, **proven(1.05)),
        row("int8", 3.0, 45.0, shipped=True, runtime="onnxruntime", **proven(3.0)),
    ]
    assert [one.is_default for one in mark(rows)] == [True, False, True]


def test_a_lane_that_runs_is_judged_unless_its_picture_means_nothing() -> None:
    with pytest.raises(ValidationError, match="a lane that runs is judged"):
        row("int8", 3.0, None)
    with pytest.raises(ValidationError, match="a lane that runs is judged"):
        row("ceiling", 3.0, 40.0)
    assert row("fp32", 3.0, None, runtime="onnxruntime").psnr_db is None
