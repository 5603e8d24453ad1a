"""A file that differs from PyTorch is refused by the operator where that begins."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from iast_export.build.export import export_tier
from iast_export.errors import ToolError
from iast_export.forms import Rewrite
from iast_export.forms.edit import Rewritten
from iast_export.network.brought import Brought
from iast_export.specs import Tier
from tests.tiny_networks import one_style_factory


def _wrong(model: onnx.ModelProto) -> Rewritten:
    """Takes the magnitude where ReLU cuts off."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for node in made.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Abs"
    return Rewritten(made, ())


def test_the_first_operator_that_differs_is_named_with_its_line(tmp_path: Path) -> None:
    wrong = Rewrite("wrong", "a planted error", _wrong)
    with pytest.raises(ToolError, match=r"begins at aten\.relu at tiny_networks\.py:\d+"):
        export_tier(Brought(one_style_factory(None)), Tier(1, 32), tmp_path / "t.onnx", (), [wrong])
    assert not (tmp_path / "t.onnx").exists()
