"""The registry of rewrites: one order, one report of what fired where, a note in the file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from iast_export.errors import InputError
from iast_export.formats.onnx_graph import load_model
from iast_export.forms import REWRITES, note, noted, rewrite
from tests.rewrite_cases import model_of, types, weight
from tests.tiny_networks import tiny_onnx


def narrow_head() -> onnx.ModelProto:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    return model_of([node], {"w": weight(2, 16, side=1)}, {"x": 16})


def test_every_rewrite_has_a_name_and_a_reason_of_one_sentence() -> None:
    names = [one.name for one in REWRITES]
    assert len(set(names)) == len(names)
    assert all(one.reason.endswith(".") and one.reason.count(". ") == 0 for one in REWRITES)


def test_the_report_names_what_fired_and_the_operators_that_it_took() -> None:
    model, fired = rewrite(narrow_head())
    assert [(one.rewrite.name, one.places) for one in fired] == [("narrow-heads", ("y",))]
    assert "Conv" not in types(model)
    assert [one.name for one in REWRITES if one.find(narrow_head())] == ["narrow-heads"]


def test_a_rewritten_graph_is_not_rewritten_again() -> None:
    for kind in ("iast", "adain"):
        model = load_model(tiny_onnx(kind, 2 if kind == "iast" else 1, 32))
        again, fired = rewrite(model)
        assert not fired and types(again) == types(model)


def test_the_divisor_of_a_hard_swish_is_not_folded_away_before_it_is_seen() -> None:
    held = {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6), "w": weight(8, 4)}
    nodes = [
        helper.make_node("Add", ["x", "three"], ["a"]),
        helper.make_node("Clip", ["a", "zero", "six"], ["g"]),
        helper.make_node("Mul", ["x", "g"], ["m"]),
        helper.make_node("Div", ["m", "six"], ["h"]),
        helper.make_node("Conv", ["h", "w"], ["y"]),
    ]
    assert types(rewrite(model_of(nodes, held, {"x": 4}))[0]) == ["HardSwish", "Conv"]


def test_the_counts_are_noted_in_the_file() -> None:
    model, fired = rewrite(narrow_head())
    assert noted(model) == {}
    note(model, fired)
    assert noted(onnx.load_from_string(model.SerializeToString())) == {"narrow-heads": 1}


@pytest.mark.parametrize("told", ["nonsense", "[1]", '{"narrow-heads": "many"}', '{"x": -1}'])
def test_a_note_that_was_altered_is_refused(told: str) -> None:
    model = onnx.ModelProto()
    onnx.helper.set_model_props(model, {"rewrites": told})
    with pytest.raises(InputError, match="the model's note of its rewrites"):
        noted(model)
