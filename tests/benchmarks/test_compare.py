"""The comparison with other tools: every tool one row, a failure said and never a figure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from benchmarks.compare import __main__ as command
from benchmarks.compare import rows as module
from benchmarks.compare.environments import Environment, interpreter
from benchmarks.compare.fast_neural_style import FastNeuralStyle, factory
from benchmarks.compare.rows import FP32, USUAL, Row, compare
from benchmarks.compare.subjects import ADAIN, Picture, Subject, sources
from benchmarks.compare.table import as_json, cells, markdown, slower
from benchmarks.compare.tools import NNCF, OLIVE, TOOLS, Made, Tool, last_word, quantize
from benchmarks.compare.worker import TOOLS as FUNCTIONS
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.lanes.timing import TimingOptions
from iast_export.metrics.bootstrap import Interval
from iast_export.runtimes import onnx as sessions
from iast_export.specs import Tier

SIDE_PX = 32
STATIC = next(tool for tool in TOOLS if tool.function == "onnxruntime_static")
OURS = next(tool for tool in TOOLS if tool.function == "ours_onnx")


def small_onnx(path: Path) -> None:
    """content -> 3x3 convolution, ReLU, 3x3 convolution, clamp -> stylized."""
    random = np.random.default_rng(0)
    first = random.normal(0.1, 0.2, (8, 3, 3, 3)).astype(np.float32)
    last = random.normal(0.02, 0.05, (3, 8, 3, 3)).astype(np.float32)
    shape = ["1", 3, SIDE_PX, SIDE_PX]
    shape[0] = 1
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["content", "w1"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Clip", ["c", "zero", "one"], ["stylized"]),
        ],
        "small",
        [helper.make_tensor_value_info("content", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("stylized", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(first, "w1"),
            numpy_helper.from_array(last, "w2"),
            numpy_helper.from_array(np.float32(0), "zero"),
            numpy_helper.from_array(np.float32(1), "one"),
        ],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path
    )


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    """A small network in ONNX, with four pairs to calibrate and two pictures to judge on."""
    small_onnx(tmp_path / "fp32.onnx")
    (tmp_path / "calibration").mkdir()
    random = np.random.default_rng(1)
    for i in range(4):
        content = random.random((1, 3, SIDE_PX, SIDE_PX), np.float32)
        np.savez(tmp_path / "calibration" / f"{i:03d}.npz", content=content)
    pictures = [
        Picture(random.integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8), {}, None)
        for _ in range(2)
    ]
    files = {"onnxruntime": tmp_path / "fp32.onnx"}
    return Subject("small", Tier(1, SIDE_PX), files, tmp_path / "calibration", pictures)  # type: ignore[arg-type]


@pytest.fixture
def onnx_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RUNTIMES", ("onnxruntime",))


@pytest.mark.usefixtures("onnx_alone")
def test_each_tool_has_a_row_measured_beside_fp32(subject: Subject, tmp_path: Path) -> None:
    missing = Tool("not there", "onnxruntime", "no_such_tool")
    said: list[str] = []
    timing = TimingOptions(warmup=1, blocks=3, min_blocks=2)
    found = compare(
        subject, [STATIC, OURS, missing], tmp_path / "made", tmp_path / "envs", timing, said.append
    )
    assert [row.tool for row in found] == [FP32, STATIC.label, OURS.label, "not there"]
    base, static, ours, broken = found
    assert base.median_ms and base.psnr_db is None and base.seconds is None and base.ratio is None
    for row in (static, ours):
        assert row.problem is None and row.median_ms and row.seconds and row.psnr_db
        assert row.ratio and row.ratio.low <= row.ratio.value <= row.ratio.high
        assert 20 < row.psnr_db[1] <= row.psnr_db[0] < 100
        assert row.file_bytes and row.peak_bytes and row.peak_bytes > 10e6
        assert set(row.drops) == {"ssim_content"}
    assert broken.problem and "no_such_tool" in broken.problem and broken.median_ms is None
    page = markdown(found, {"machine": "a test"})
    assert page.count("**does not run**") == 1 and "- ONNX Runtime, not there: KeyError" in page
    assert json.loads(as_json(found, {}))["rows"][1]["ratio"]["value"] == static.ratio.value  # type: ignore[union-attr]
    assert any("time" in line for line in said)


@pytest.mark.usefixtures("onnx_alone")
def test_a_file_that_does_not_load_or_gives_nan_does_not_run(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load(subject.files["onnxruntime"])
    monkeypatch.setattr(module, "has_vnni", lambda: False)
    bad = numpy_helper.from_array(np.full((3, 8, 3, 3), np.nan, np.float32), "w2")
    kept = [bad if one.name == "w2" else one for one in model.graph.initializer]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.graph.node.pop()
    model.graph.node[-1].output[0] = "stylized"
    onnx.save(model, tmp_path / "nan.onnx")
    (tmp_path / "cut.onnx").write_bytes(b"cut")

    def made(tool: Tool, *_: object) -> Made:
        return Made(tmp_path / tool.function, 1.0, 1)

    monkeypatch.setattr(module, "quantize", made)
    tools = [Tool(name, "onnxruntime", f"{name}.onnx") for name in ("nan", "cut")]
    timing = TimingOptions(warmup=0, blocks=2)
    _, nan, cut = compare(subject, tools, tmp_path, tmp_path, timing, lambda _: None)
    assert nan.problem and "NaN" in nan.problem and nan.ratio is None
    assert cut.problem and "can't load" in cut.problem


@pytest.mark.usefixtures("onnx_alone")
def test_a_network_that_draws_nothing_is_refused(subject: Subject, tmp_path: Path) -> None:
    model = onnx.load(subject.files["onnxruntime"])
    model.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.zeros((3, 8, 3, 3), np.float32), "w2")
    )
    onnx.save(model, subject.files["onnxruntime"])
    with pytest.raises(InputError, match="small draws a flat picture in FP32") as error:
        compare(subject, [STATIC], tmp_path, tmp_path, USUAL, lambda _: None)
    assert "train_adain" in error.value.remedy


@pytest.mark.usefixtures("onnx_alone")
def test_a_file_that_loads_only_where_nothing_saturates_is_judged_there_and_noted(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = quantize(STATIC, subject, tmp_path / "made", tmp_path / "envs")
    model = onnx.load(made.path)
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[2] == "w2_zero_point":
            node.input[2] = "w1_zero_point"
    onnx.save(model, made.path)
    for place in (module, sessions):  # what this machine's own processor has does not matter
        monkeypatch.setattr(place, "has_vnni", lambda: True)
    _, note = module.pictures_of(subject, "onnxruntime", made.path)
    assert note == module.UNSAFE
    monkeypatch.setattr(module, "has_vnni", lambda: False)
    with pytest.raises(ToolError, match="can't load it"):
        module.pictures_of(subject, "onnxruntime", made.path)


def test_the_tools_of_litert_run_on_our_file_as_their_authors_mean_them(tmp_path: Path) -> None:
    network, tier = FastNeuralStyle(width=4), Tier(1, SIDE_PX)
    convert_fp32(network, [tier], tmp_path / "fp32.tflite")
    export_tier(network, tier, tmp_path / "fp32.onnx")
    (tmp_path / "calibration").mkdir()
    for i in range(3):
        content = np.random.default_rng(i).random((1, 3, SIDE_PX, SIDE_PX), np.float32)
        np.savez(tmp_path / "calibration" / f"{i:03d}.npz", content=content)
    files = {"litert": tmp_path / "fp32.tflite", "onnxruntime": tmp_path / "fp32.onnx"}
    subject = Subject("tiny", tier, files, tmp_path / "calibration", [])  # type: ignore[arg-type]
    for tool in (tool for tool in TOOLS if tool.runtime == "litert"):
        made = quantize(tool, subject, tmp_path / "made", tmp_path / "envs")
        assert made.path.stat().st_size < files["litert"].stat().st_size, tool.label


def test_a_tool_beyond_its_time_is_stopped(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"took longer than 0 s"):
        quantize(STATIC, subject, tmp_path / "made", tmp_path / "envs", timeout_s=0.01)


def test_an_environment_that_cannot_be_installed_is_a_reason_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command_line: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        if "venv" in command_line:
            (Path(command_line[-1]) / "bin").mkdir(parents=True)
            return subprocess.CompletedProcess(command_line, 0, "", "")
        return subprocess.CompletedProcess(
            command_line, 1, "", "trying\nERROR: No matching distribution\n"
        )

    monkeypatch.setattr(subprocess, "run", run)
    environment = Environment("peer", ("peer==1.0",))
    with pytest.raises(ToolError, match="not installed: ERROR: No matching distribution"):
        interpreter(environment, tmp_path)
    assert not environment.folder(tmp_path).exists()
    folder = environment.folder(tmp_path)
    folder.mkdir()
    (folder / "installed").touch()
    assert interpreter(environment, tmp_path) == folder / "bin" / "python"
    assert Environment("peer", ("peer==1.1",)).folder(tmp_path) != folder


def test_every_tool_is_one_of_the_worker_s_and_every_environment_is_pinned() -> None:
    assert {tool.function for tool in TOOLS} == set(FUNCTIONS)
    assert {tool.environment for tool in TOOLS} == {None, OLIVE, NNCF}
    assert all("==" in pin for environment in (OLIVE, NNCF) for pin in environment.pins)


def test_the_worker_needs_numpy_alone(tmp_path: Path) -> None:
    code = (
        "import sys, benchmarks.compare.worker; print([m for m in sys.modules if 'onnx' in m "
        "or 'iast' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=command.ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_last_word_of_a_failure_is_its_exception() -> None:
    trace = "Traceback\n  File x\nValueError: zero point: not 0\nleaked 3 objects\n"
    assert last_word(trace, 1) == "ValueError: zero point: not 0"
    assert last_word("", -11) == "killed by signal 11"
    assert last_word("", 3) == "exit code 3"


def test_a_slower_file_is_found_by_its_whole_interval() -> None:
    made = [
        Row("n", "litert", name, ratio=Interval(0.8, 0.7, high))
        for name, high in (("a", 0.9), ("b", 1.1))
    ]
    assert [row.tool for row in slower(made)] == ["a"]
    assert cells(made[0])[3] == "0.80× (0.70 to 0.90)"


def test_the_one_style_network_is_compared_where_its_weights_are(tmp_path: Path) -> None:
    assert [source.network for source in sources(tmp_path, 64)][1:] == [ADAIN]
    weights = tmp_path / "weights" / "fast_neural_style" / "candy.npz"
    weights.parent.mkdir(parents=True)
    state = FastNeuralStyle().transfer.state_dict()
    arrays = {
        name.replace(".1.", "."): value.numpy().astype(np.float16) for name, value in state.items()
    }
    np.savez(weights, allow_pickle=False, **arrays)
    found = sources(tmp_path, 64)[-1]
    assert found.checkpoint == weights
    picture = torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        result = factory(weights).cut(1)(picture)
    assert result.shape == picture.shape and 0 <= float(result.min()) <= float(result.max()) <= 1
    np.savez(weights, allow_pickle=False, conv1=np.zeros(3))
    with pytest.raises(InputError, match="holds other tensors"):
        factory(weights)
    with pytest.raises(InputError, match="or leave this network out"):
        factory(None)


def test_an_unknown_network_is_refused_with_those_there_are() -> None:
    assert command.pick("--network", [], ["IAST"]) == ["IAST"]
    with pytest.raises(UsageError, match="--network x is not known") as error:
        command.pick("--network", ["x"], ["IAST", "AdaIN fixture"])
    assert error.value.remedy == "choose of IAST, AdaIN fixture"
