"""Sessions of all runtimes behave alike: names, layouts, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from iast_export import environment
from iast_export.build.tracing import pseudo_photograph
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.pictures.images import to_levels
from iast_export.runtimes import litert
from iast_export.runtimes import onnx as onnx_runtime
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.onnx import open_onnx
from iast_export.runtimes.pytorch import TorchSession
from iast_export.runtimes.session import stylize_rgb
from tests.tiny_networks import tiny_codes, tiny_iast, tiny_onnx


def feeds(height_px: int = 32, width_px: int = 24) -> dict[str, np.ndarray]:
    return {"content": pseudo_photograph(height_px, width_px), **tiny_codes("iast")}


def test_onnx_and_torch_sessions_agree() -> None:
    session = open_onnx(tiny_onnx("iast", 2, 32))
    reference = TorchSession(tiny_iast().cut(2), ("style_code", "strength"))
    assert session.input_names == reference.input_names == ("content", "style_code", "strength")
    got, expected = session.run(feeds()), reference.run(feeds())
    assert list(got) == list(expected) == ["stylized"]
    np.testing.assert_allclose(got["stylized"], expected["stylized"], atol=1e-4)


def test_missing_and_unknown_inputs_are_named() -> None:
    session = open_onnx(tiny_onnx("iast", 2, 32))
    wrong = {"content": pseudo_photograph(32, 32), "style": np.zeros(1, np.float32)}
    with pytest.raises(InputError, match=r"missing: strength, style_code, unknown: style"):
        session.run(wrong)


def test_a_size_that_the_model_does_not_take_is_a_tool_error() -> None:
    session = open_onnx(tiny_onnx("iast", 2, 32))
    with pytest.raises(ToolError, match="multiples"):
        session.run(feeds(4, 32))


def test_missing_files_and_outputs_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="export"):
        open_onnx(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="convert"):
        open_litert(tmp_path / "none.tflite", "d4_256px")
    with pytest.raises(InputError, match="ask for a graph output"):
        open_onnx(tiny_onnx("iast", 2, 32), outputs=["nothing"])


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(tiny_onnx("iast", 2, 32).read_bytes()[:500])
    with pytest.raises(InputError, match="truncated or damaged"):
        open_onnx(damaged)
    with pytest.raises(ToolError, match="can't load"):
        open_litert(damaged, "d4_256px")


def test_saturation_is_prevented_only_where_it_can_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "session.x64quantprecision"
    given: dict[str, list[str]] = {}
    monkeypatch.setattr(environment, "machine_fingerprint", lambda: given)
    for flags, expected in (
        (["avx2"], True),
        (["avx2", "avx_vnni"], False),
        (["avx512_vnni"], False),
    ):
        given["flags"] = flags
        try:
            found = onnx_runtime.onnx_session_options(1).get_session_config_entry(key) == "1"
        except RuntimeError:
            found = False
        assert found is expected


def test_stylize_pads_and_crops_odd_sizes() -> None:
    session = open_onnx(tiny_onnx("iast", 2, 32))
    rgb = to_levels(pseudo_photograph(32, 32))[:29, :18]
    result = stylize_rgb(session, rgb, tiny_codes("iast"), multiple_px=4)
    assert result.shape == rgb.shape and result.dtype == np.uint8
    fixed = stylize_rgb(session, rgb, tiny_codes("iast"), fixed_shape_px=(32, 32))
    assert fixed.shape == rgb.shape


def test_stylize_refuses_what_does_not_fit() -> None:
    session = open_onnx(tiny_onnx("iast", 2, 32))
    rgb = np.zeros((40, 16, 3), np.uint8)
    with pytest.raises(InputError, match="16x40 px, the model takes 32x32 px"):
        stylize_rgb(session, rgb, tiny_codes("iast"), fixed_shape_px=(32, 32))
    with pytest.raises(UsageError, match="exactly one"):
        stylize_rgb(session, rgb, tiny_codes("iast"))


def test_edges_in_integers_are_converted() -> None:
    detail = {"dtype": np.int8, "quantization": (1 / 255, -128)}
    levels = litert._quantize_edge(np.array([-1.0, 0.0, 0.6, 1.0, 2.0], np.float32), detail)
    assert levels.tolist() == [-128, -128, 25, 127, 127]
    back = litert._dequantize_edge(levels, detail)
    np.testing.assert_allclose(back, [0, 0, 0.6, 1, 1], atol=1e-6)


def test_a_session_opens_from_bytes() -> None:
    path = tiny_onnx("iast", 2, 32)
    assert (
        open_onnx(onnx.load(str(path)).SerializeToString()).input_names
        == open_onnx(path).input_names
    )
