import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from iast_export.bundle import inspection
from iast_export.errors import InputError
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.manifest import load_manifest
from tests.litert_cases import converted, quantized


def test_an_fp32_file_lists_signatures_names_shapes_and_shared_bytes() -> None:
    _, path, summary = converted()
    found = inspection.inspect_model(path)
    assert found["runtime"] == "litert"
    assert found["file_bytes"] == path.stat().st_size
    assert list(found["entries"]) == ["d2_32px", "d1_48px"]
    entry = found["entries"]["d1_48px"]
    content = next(item for item in entry["inputs"] if item["name"] == "content")
    assert (content["dtype"], content["shape"], content["scale"]) == (
        "float32",
        [1, 48, 48, 3],
        None,
    )
    assert [item["name"] for item in entry["outputs"]] == ["stylized"]
    assert entry["kinds"] == {
        "integer": 0,
        "hybrid": 0,
        "float": sum(entry["operators"].values()),
        "conversion": 0,
    }
    assert found["unique_weight_bytes"] == summary.unique_weight_bytes
    assert 0 < found["shared_weight_bytes"] <= found["unique_weight_bytes"]


def test_an_int8_file_counts_integer_operators_and_shows_the_edges() -> None:
    found = inspection.inspect_model(quantized("int8", "int8")[0])
    entry = found["entries"]["d2_32px"]
    content = next(item for item in entry["inputs"] if item["name"] == "content")
    assert (content["dtype"], content["zero_point"]) == ("int8", -128)
    assert content["scale"] == pytest.approx(1 / 255)
    assert entry["kinds"]["integer"] > entry["kinds"]["float"] / 2
    assert (
        entry["kinds"]["conversion"]
        == entry["operators"]["QUANTIZE"] + entry["operators"]["DEQUANTIZE"]
    )
    dynamic = inspection.inspect_model(quantized("dynamic_int8")[0])["entries"]["d2_32px"]
    assert dynamic["kinds"]["hybrid"] == dynamic["operators"]["CONV_2D"]


def branching_onnx(path: Path) -> Path:
    """An If whose branches read one pooled weight, and one weight of their own each."""

    def weight(name: str, n: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.ones(n, np.float32), name)

    def branch(name: str, own: int) -> onnx.GraphProto:
        nodes = [
            helper.make_node("Mul", ["x", "pooled"], [f"{name}_m"]),
            helper.make_node("Add", [f"{name}_m", f"{name}_w"], [f"{name}_y"]),
        ]
        out = helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, [own])
        return helper.make_graph(nodes, name, [], [out], [weight(f"{name}_w", own)])

    node = helper.make_node(
        "If", ["flag"], ["y"], then_branch=branch("a", 4), else_branch=branch("b", 4)
    )
    graph = helper.make_graph(
        [node],
        "top",
        [
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
        [weight("pooled", 1)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(path))
    return path


def test_an_onnx_file_shows_its_branches_and_what_they_share(tmp_path: Path) -> None:
    found = inspection.inspect_model(branching_onnx(tmp_path / "two.onnx"))
    assert set(found["entries"]) == {"graph", "graph/then", "graph/else"}
    assert found["unique_weight_bytes"] == 4 + 16 + 16
    assert found["shared_weight_bytes"] == 4
    assert found["entries"]["graph/then"]["weight_bytes"] == 20
    assert found["entries"]["graph"]["inputs"][1]["shape"] == ["N"]
    assert found["entries"]["graph/else"]["operators"] == {"Add": 1, "Mul": 1}


def test_foreign_truncated_and_missing_files_are_refused(tmp_path: Path) -> None:
    good = branching_onnx(tmp_path / "good.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(good[: len(good) // 2])
    (tmp_path / "foreign.onnx").write_bytes(b"hello, world")
    (tmp_path / "foreign.tflite").write_bytes(b"hello, world")
    for name in ("cut.onnx", "foreign.onnx", "foreign.tflite", "none.tflite"):
        with pytest.raises(InputError, match="→"):
            inspection.inspect_model(tmp_path / name)
    with pytest.raises(InputError, match="neither"):
        inspection.inspect_model(tmp_path / "picture.png")


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="manifest"):
        inspection.inspect_bundle(tmp_path)


def test_a_file_that_differs_from_the_manifest_is_refused(bundle_copy: Path) -> None:
    assert inspection.inspect_bundle(bundle_copy)["files"]
    manifest = load_manifest(bundle_copy)
    longer = manifest.files[0].model_copy(update={"bytes": manifest.files[0].bytes + 1})
    manifest.model_copy(update={"files": (longer, *manifest.files[1:])}).save(
        bundle_copy / MANIFEST_NAME
    )
    with pytest.raises(
        InputError, match=rf"{longer.bytes - 1} bytes, the manifest says {longer.bytes}"
    ):
        inspection.inspect_bundle(bundle_copy)
    manifest.save(bundle_copy / MANIFEST_NAME)
    text = (bundle_copy / MANIFEST_NAME).read_text(encoding="utf-8")
    name = manifest.files[0].path
    (bundle_copy / "models" / "other.bin").write_bytes((bundle_copy / name).read_bytes())
    (bundle_copy / MANIFEST_NAME).write_text(text.replace(f'"{name}"', '"models/other.bin"'))
    with pytest.raises(InputError, match=r"other\.bin is neither .tflite nor .onnx"):
        inspection.inspect_bundle(bundle_copy)
    manifest.save(bundle_copy / MANIFEST_NAME)
    for path in (manifest.styles[0].path, manifest.files[-1].path):
        before = (bundle_copy / path).read_bytes()
        (bundle_copy / path).write_bytes(before[:-1] + b"X")
        with pytest.raises(InputError, match="altered"):
            inspection.inspect_bundle(bundle_copy)
        (bundle_copy / path).unlink()
        with pytest.raises(InputError, match="missing"):
            inspection.inspect_bundle(bundle_copy)
        (bundle_copy / path).write_bytes(before)


def test_inspecting_loads_no_torch() -> None:
    path = quantized("int8")[0]
    code = (
        "import sys; from pathlib import Path; from iast_export.bundle import inspection;"
        f"inspection.inspect_model(Path({str(path)!r})); sys.exit('torch' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode
        == 0
    )
