"""Lanes side by side: each file is what it claims, gaps are said, a ceiling is never chosen."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from iast_export.build import compare
from iast_export.build.compare import compare_build
from iast_export.build.pipeline import Build, Request
from iast_export.cli.main import run
from iast_export.errors import ToolError
from iast_export.formats import tflite_file as tf
from iast_export.lanes.compare import ComparisonOptions
from iast_export.pages import write_html
from iast_export.pages.lanes import gap_lines
from iast_export.quantize.onnx import lanes as onnx_lanes
from iast_export.quantize.onnx.qdq import runtime_operators
from iast_export.reports.lanes import LANES_PATH, LanesReport
from iast_export.runtimes.gpu import GpuDevice
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.litert_target import LiteRtTarget
from iast_export.runtimes.session import Session
from iast_export.specs import ANY_PRECISIONS, RUNTIMES, Tier
from tests.conftest import SMALL_RECIPE
from tests.gpu_driver import use_software_gpu

TIER = "d4-32px"
QUICK = ComparisonOptions(warmup=1, blocks=2)


@pytest.fixture(scope="module")
def compared(
    small_bundle: Path, small_request: Request, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, LanesReport]:
    """A bundle of its own with the lanes of its smaller tier compared; not to be written to."""
    folder = Path(shutil.copytree(small_bundle, tmp_path_factory.mktemp("lanes") / "bundle"))
    return folder, compare_build(_build(folder, small_request), [TIER], QUICK)


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
        (r, k) for r in RUNTIMES for k in ANY_PRECISIONS
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


def test_lanes_of_a_gpu_are_judged_beside_those_of_the_cpu_and_a_software_one_has_no_times(
    compared: tuple[Path, LanesReport],
    small_request: Request,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_software_gpu(monkeypatch)
    folder = Path(shutil.copytree(compared[0], tmp_path / "bundle"))
    report = compare_build(_build(folder, small_request), [TIER], QUICK, "gpu")
    rows = {row.lane: row for row in report.rows if row.accelerator == "gpu"}
    assert list(rows) == ["fp32", "fp16", "dynamic_int8", "int8"] and "llvmpipe" in str(report.gpu)
    for row in rows.values():
        assert row.median_ms is None and not row.samples_ms and not row.on_front
        assert row.psnr_db is not None and row.psnr_db.mean > 30.0 and "FP16 on" in row.computes
    assert len(report.rows) == len(compared[1].rows) + len(rows)
    write_html(folder)
    assert "LiteRT FP16 on the GPU" in (folder / "reports" / "report.html").read_text()


def test_a_gpu_that_is_real_is_timed_against_the_cpu_and_a_refusal_is_a_row(
    compared: tuple[Path, LanesReport],
    small_request: Request,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The CPU stands in for the GPU, and refuses FP16."""

    def opened(self: LiteRtTarget, data: bytes, tier: Tier, **given: Any) -> Session:
        if given["accelerator"] == "gpu" and "fp16" in str(given["where"]):
            raise ToolError("it leaves operators to the CPU", "take another file")
        return open_litert(data, tier.signature, given["threads"], given["where"])

    monkeypatch.setattr(LiteRtTarget, "open", opened)
    monkeypatch.setattr(compare, "find_gpu", lambda: GpuDevice("a real one", software=False))
    folder = Path(shutil.copytree(compared[0], tmp_path / "bundle"))
    report = compare_build(_build(folder, small_request), [TIER], QUICK, "gpu")
    rows = {row.lane: row for row in report.rows if row.accelerator == "gpu"}
    assert rows["int8"].median_ms is not None and rows["int8"].ratio_to_fp32 is None
    assert "leaves operators to the CPU" in rows["fp16"].not_run and report.gpu == "a real one"


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
