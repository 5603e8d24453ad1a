"""Lanes side by side: each file is what it claims, gaps are said, a ceiling is never chosen."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from pydantic import ValidationError

from iast_export.build.pipeline import Build, Request
from iast_export.cli.main import run
from iast_export.errors import ToolError
from iast_export.formats import tflite_file as tf
from iast_export.lanes.lane import Lane
from iast_export.pages import write_html
from iast_export.pages.plots import Mark, Point, scatter_chart
from iast_export.pages.side_by_side import ceiling_lines, gap_lines
from iast_export.quantize.onnx import lanes as onnx_lanes
from iast_export.quantize.onnx.qdq import runtime_operators
from iast_export.reports.base import SetFacts
from iast_export.reports.benchmark import Ratio
from iast_export.reports.lanes import LANE_KINDS, LANES_PATH, LaneRow, LanesReport
from iast_export.reports.verify import Spread
from iast_export.runtimes.litert import open_litert
from iast_export.side_by_side import TimingOptions, compare_lanes
from iast_export.side_by_side.compare import mark_front
from iast_export.side_by_side.make import Recipe, write_if_stale, write_litert_ceiling
from iast_export.side_by_side.measure import _hopeless
from iast_export.specs import RUNTIMES, Tier
from tests.conftest import SMALL_RECIPE
from tests.litert_cases import feeds, foreign

TIER = "d4-32px"
QUICK = TimingOptions(warmup=1, blocks=2)


@pytest.fixture(scope="module")
def compared(
    small_bundle: Path, small_request: Request, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, LanesReport]:
    """A bundle of its own with the lanes of its smaller tier compared; not to be written to."""
    folder = Path(shutil.copytree(small_bundle, tmp_path_factory.mktemp("lanes") / "bundle"))
    return folder, compare_lanes(_build(folder, small_request), [TIER], QUICK)


def _build(folder: Path, request: Request) -> Build:
    return Build(
        Request(folder, request.recipe, checkpoint=request.checkpoint, styles=request.styles)
    )


def onnx_file(folder: Path, kind: str) -> onnx.ModelProto:
    return onnx.load(str(folder / "lanes" / f"tiny-{TIER}-{kind}.onnx"))


def weights_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def litert_operators(folder: Path, kind: str) -> list[tuple[str, list[str]]]:
    """Operators of the tier's signature, each with the types of what it reads."""
    model = tf.read_model(folder / "lanes" / f"tiny-{kind}.tflite")
    graph = model.subgraphs[tf.find_signature(model, Tier(4, 32).signature).subgraph]
    return [
        (tf.op_name(model, op), [tf.dtype_name(graph.tensors[int(t)]) for t in op.inputs])
        for op in graph.operators
    ]


def test_every_lane_of_both_runtimes_has_a_row_with_figures_or_a_reason(
    compared: tuple[Path, LanesReport],
) -> None:
    folder, report = compared
    assert [(row.runtime, row.lane) for row in report.rows] == [
        (r, k) for r in RUNTIMES for k in LANE_KINDS
    ]
    assert {row.lane for row in report.rows if row.not_run} == {"mixed"}
    assert all("iast-export search" in line for line in gap_lines(report))
    for row in report.rows:
        if row.not_run:
            continue
        assert row.computes and (folder / str(row.path)).stat().st_size == row.file_bytes
        assert (row.ratio_to_fp32 is None) == (row.lane == "fp32")
        reference = (row.runtime, row.lane) == ("onnxruntime", "fp32")
        assert (row.psnr_db is None) == (reference or row.lane == "ceiling")
    shares = {
        (row.runtime, row.lane): row.convolution_share
        for row in report.rows
        if row.convolution_share
    }
    assert list(shares) == [("onnxruntime", "int8")] and 0 < shares["onnxruntime", "int8"] < 1
    assert LanesReport.load(folder / LANES_PATH) == report


def test_onnx_files_have_the_precision_that_they_claim(compared: tuple[Path, LanesReport]) -> None:
    folder, _ = compared
    half = weights_of(onnx_file(folder, "fp16"))
    assert {one.dtype for one in half.values() if one.size >= 16 and one.dtype.kind == "f"} == {
        np.dtype("float16")
    }
    packed = onnx_file(folder, "weight_only_int8")
    values, made = weights_of(packed), {node.output[0]: node for node in packed.graph.node}
    for node in (one for one in packed.graph.node if one.op_type == "Conv"):
        weight = values[made[node.input[1]].input[0]]
        assert weight.dtype == np.int8 and values[made[node.input[1]].input[1]].shape == (
            len(weight),
        )
    wide = onnx_file(folder, "int16x8")
    points = {node.input[2] for node in wide.graph.node if node.op_type == "QuantizeLinear"}
    assert {weights_of(wide)[name].dtype for name in points} == {np.dtype("uint16")}
    convolutions = Counter(node.op_type for node in packed.graph.node)["Conv"]
    dynamic, ceiling = (
        runtime_operators(folder / "lanes" / f"tiny-{TIER}-{kind}.onnx")
        for kind in ("dynamic_int8", "ceiling")
    )
    assert dynamic["ConvInteger"] == convolutions and "Conv" not in dynamic
    assert (
        ceiling["QLinearConv"] == convolutions
        and ceiling["QLinearAdd"] > 1
        and ceiling["QLinearMul"] > 1
    )


def test_litert_files_have_the_precision_that_they_claim(
    compared: tuple[Path, LanesReport],
) -> None:
    folder, report = compared
    packed, wide, ceiling = (
        litert_operators(folder, kind) for kind in ("weight_only_int8", "int16x8", "ceiling")
    )
    assert ("DEQUANTIZE", ["int8"]) in packed
    assert all(types[:2] == ["float32", "float32"] for name, types in packed if name == "CONV_2D")
    assert all(types[:2] == ["int16", "int8"] for name, types in wide if name == "CONV_2D")
    assert all(types[0] == "float32" for name, types in wide if name == "MEAN")
    integer = {name for name, types in ceiling if types[0] == "int8"}
    assert {"CONV_2D", "MEAN", "MUL", "RSQRT", "LOGISTIC"} <= integer
    said = {row.lane: row.computes for row in report.rows if row.runtime == "litert"}
    assert (
        "int16 x int8, reference kernel" in said["int16x8"]
        and "dequantized" in said["weight_only_int8"]
    )


def test_a_second_run_makes_no_file_again_and_an_altered_one_is_made_again(tmp_path: Path) -> None:
    made: list[Path] = []

    def write(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"lane")

    (tmp_path / "input").write_bytes(b"fp32")
    recipe = Recipe(
        "fp16", "onnxruntime", tmp_path / "lane.onnx", write, [tmp_path / "input"], {"a": 1}
    )
    assert write_if_stale(tmp_path, recipe) and not write_if_stale(tmp_path, recipe)
    recipe.path.write_bytes(b"altered")
    assert write_if_stale(tmp_path, recipe) and recipe.path.read_bytes() == b"lane"
    (tmp_path / "input").write_bytes(b"other")
    assert write_if_stale(tmp_path, recipe) and len(made) == 3


def test_lanes_that_can_not_be_made_or_do_not_run_are_rows_that_say_why(
    compared: tuple[Path, LanesReport], tiny_checkpoint: Path, style_folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = Path(shutil.copytree(compared[0], tmp_path / "bundle"))
    for kind in ("fp16", "dynamic_int8"):
        (folder / "lanes" / f"tiny-{TIER}-{kind}.onnx").unlink()

    def refuses(fp32: Path, path: Path) -> None:
        raise ToolError("this network is too odd", "leave it out")

    def breaks(fp32: Path, path: Path) -> None:
        path.write_bytes(b"no model")

    monkeypatch.setattr(onnx_lanes, "write_dynamic_int8", refuses)
    monkeypatch.setattr(onnx_lanes, "write_fp16", breaks)
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(SMALL_RECIPE)
    command = ["lanes", str(folder), "--recipe", str(recipe), "--blocks", "2"]
    inputs = ["--checkpoint", str(tiny_checkpoint), "--styles", str(style_folder), "--tier"]
    assert run([*command, *inputs, TIER, "--json"]) == 0
    rows = {
        (row["runtime"], row["lane"]): row for row in json.loads(capsys.readouterr().out)["rows"]
    }
    assert rows["onnxruntime", "dynamic_int8"]["not_run"] == "does not run: this network is too odd"
    assert (
        "no model" not in rows["onnxruntime", "fp16"]["not_run"]
        and rows["onnxruntime", "fp16"]["not_run"]
    )
    assert sum(row["is_default"] for row in rows.values()) == 2
    page = write_html(folder).read_text()
    assert "this network is too odd" in page and "Every lane side by side" in page
    assert run([*command, *inputs, "d9-9px"]) == 2
    assert run([*command, "--tier", TIER]) == 3
    assert "options that it was built with" in capsys.readouterr().err


def row(lane: str, median_ms: float, psnr_db: float | None, **more: Any) -> LaneRow:
    facts = {
        "runtime": "litert",
        "tier": TIER,
        "lane": lane,
        "shipped": False,
        "median_ms": median_ms,
    }
    spread = Spread(mean=psnr_db, p5=psnr_db) if psnr_db else None
    return LaneRow.model_validate({**facts, "psnr_db": spread, **more})


def test_a_ceiling_is_on_no_front_and_no_default_however_fast() -> None:
    rows = [
        row("fp32", 9.0, 90.0),
        row("int8", 3.0, 45.0),
        row("int16x8", 10.0, 50.0),
        row("ceiling", 1.0, None),
    ]
    assert [one.on_front for one in mark_front(rows)] == [True, True, False, False]
    for claim in ("is_default", "on_front"):
        with pytest.raises(ValidationError, match="ceiling"):
            row("ceiling", 1.0, None, shipped=True, **{claim: True})
    with pytest.raises(ValidationError, match="one of the bundle"):
        row("int16x8", 1.0, 50.0, is_default=True)
    with pytest.raises(ValidationError, match="figures, or a reason"):
        LaneRow.model_validate({"runtime": "litert", "tier": TIER, "lane": "int8", "shipped": True})


def ratio(value: float) -> dict[str, Ratio]:
    return {"ratio_to_fp32": Ratio(value=value, low=value, high=value)}


def test_the_distance_to_the_ceiling_is_said_and_a_slower_ceiling_too() -> None:
    def lines(ceiling: float) -> list[str]:
        rows = (
            row("int8", 3.0, 45.0, convolution_share=0.75, **ratio(3.6)),
            row("ceiling", 2.0, None, **ratio(ceiling)),
        )
        facts = SetFacts(name="drawn", sha256="0" * 64, images=4)
        return ceiling_lines(
            LanesReport(machine={}, threads=1, set=facts, rule="", fp32_sha256=(), rows=rows)
        )

    assert (
        "is at 90% of the ceiling" in lines(4.0)[0] and "4.80× were all else free" in lines(4.0)[0]
    )
    assert "is itself the ceiling" in lines(3.0)[0]


def test_a_lane_far_slower_than_fp32_is_timed_apart() -> None:
    clock = {"ns": 0}
    spends: Mapping[str, int] = {"litert fp32": 10, "litert int8": 3, "litert int16x8": 200}
    calls: Counter[str] = Counter()

    def running(name: str) -> Any:
        def go() -> None:
            calls[name] += 1
            first_is_slow = 100 if name == "litert int8" and calls[name] == 1 else 0
            clock["ns"] += spends[name] + first_is_slow

        return go

    runs = {name: running(name) for name in spends}
    bases = dict.fromkeys(spends, "litert fp32")
    assert _hopeless(runs, bases, lambda: clock["ns"]) == ["litert int16x8"]


def test_the_ceiling_of_a_foreign_network_leaves_in_float_what_does_not_run(tmp_path: Path) -> None:
    network, fp32, _ = foreign()
    path, tier = tmp_path / "ceiling.tflite", Tier(1, 32)
    shapes = {name: value.shape for name, value in feeds(network, 32).items() if name != "content"}
    write_litert_ceiling(fp32, tier, shapes, path)
    session = open_litert(path, tier.signature)
    assert np.isfinite(session.run(feeds(network, 32))["stylized"]).all()
    assert Lane("litert", "int8", tier, path).path.stat().st_size < fp32.stat().st_size


def test_a_plot_draws_ceilings_as_lines_and_far_lanes_at_the_edge() -> None:
    points = [
        Point("a", 10.0, 50.0, "int8"),
        Point("b", 12.0, 60.0, "fp16"),
        Point("far", 2000.0, 50.0, "int16x8"),
    ]
    chart = scatter_chart("tier", points, [], "ms", "dB", [Mark("ceiling of it", 8.0)])
    assert "ceiling of it" in chart and 'class="interval"' in chart and ">far<" in chart
    assert ">500<" not in chart
