"""What LiteRT's converter refuses, or makes otherwise, is named by the author's own line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from iast_export.build import converter
from iast_export.build.convert import convert_fp32
from iast_export.errors import ToolError
from iast_export.formats import tflite_file as tf
from iast_export.specs import Tier
from tests.tiny_networks import OneTier


class _Cubic(nn.Module):
    def forward(self, content: Tensor) -> Tensor:
        places = content[:, :2].permute(0, 2, 3, 1)
        return nn.functional.grid_sample(content, places, "bicubic", align_corners=True)


def test_an_operator_without_a_kernel_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        ToolError, match=r"grid_sampl.* \(test_converter\.py:\d+, in forward: "
    ) as e:
        convert_fp32(OneTier(_Cubic()), (Tier(1, 16),), tmp_path / "cubic.tflite")
    assert "\n" not in e.value.message


class _Bent(nn.Module):
    def forward(self, content: Tensor) -> Tensor:
        doubled = content + content
        bent = torch.sigmoid(doubled)
        return bent * 0.5


def _wrong(model: tf.Model) -> None:
    """Writes another function where a sigmoid was."""
    for code in model.operatorCodes:
        if tf.code_name(code) == "LOGISTIC":
            code.builtinCode = tf.schema().BuiltinOperator.TANH
            code.deprecatedBuiltinCode = code.builtinCode


def test_a_file_that_differs_is_refused_by_the_operator_where_that_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter.tflite_forms, "reform", _wrong)
    with pytest.raises(ToolError, match=r"begins at aten\.sigmoid at test_converter\.py:\d+"):
        convert_fp32(OneTier(_Bent()), (Tier(1, 16),), tmp_path / "bent.tflite")
    assert not (tmp_path / "bent.tflite").exists()
