"""The share of ONNX Runtime's time that its convolutions take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from iast_export.errors import InputError, ToolError
from iast_export.lanes.lane import Lane
from iast_export.lanes.profile import onnx_convolution_share
from iast_export.lanes.views import EvaluationPair, View, squares
from iast_export.specs import Tier
from tests.tiny_networks import tiny_codes, tiny_onnx

TIER = Tier(2, 32)


@pytest.fixture(scope="module")
def view() -> View:
    pair = EvaluationPair("cat", "cup", data.chelsea(), tiny_codes("iast"), np.zeros(1))
    return squares([pair], TIER)[0]


def test_convolutions_take_a_part_of_the_time_and_leave_no_profile_behind(
    view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lane = Lane("onnxruntime", "fp32", TIER, tiny_onnx("iast", 2, 32))
    assert 0.0 < onnx_convolution_share(lane, view, 1) < 1.0
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_profiled_is_named(view: View, tmp_path: Path) -> None:
    gone = Lane("onnxruntime", "int8", TIER, tmp_path / "gone.onnx")
    with pytest.raises(InputError, match="is missing"):
        onnx_convolution_share(gone, view, 1)
    lane = Lane("onnxruntime", "int8", TIER, tiny_onnx("iast", 2, 32))
    other = View(EvaluationPair("cat", "cup", data.chelsea(), {}, np.zeros(1)), view.content)
    with pytest.raises(ToolError, match="ONNX Runtime can't profile"):
        onnx_convolution_share(lane, other, 1)


def test_a_profile_without_an_operator_is_refused(
    view: View, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "profile.json"
    empty.write_text('[{"name": "model_run", "dur": 3}]')

    class Silent:
        raw = property(lambda self: self)

        def run(self, *_: Any) -> None: ...

        def end_profiling(self) -> str:
            return str(empty)

    monkeypatch.setattr(Lane, "open_onnx", lambda self, options: Silent())
    lane = Lane("onnxruntime", "int8", TIER, tmp_path / "net.onnx")
    with pytest.raises(ToolError, match=r"profile of .*net.onnx is empty"):
        onnx_convolution_share(lane, view, 1)
