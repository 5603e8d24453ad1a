"""Operator groups of a TFLite graph: each alone can stay in float, with the weights that it was
given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.decide.decide import decide_litert
from iast_export.decide.groups import litert_groups
from iast_export.errors import InputError, UsageError
from iast_export.formats import tflite_file as tf
from iast_export.quantize.learned import of_signatures
from iast_export.quantize.litert.static import quantize_litert
from iast_export.runtimes.litert import open_litert
from tests.litert_cases import converted, feeds, foreign, measured_ranges, ranges
from tests.quantize.litert.test_learned import layers_and_filters

KEY = "d2_32px"


def weight_types(path: Path, key: str) -> dict[str, str]:
    """Type of each convolution's weight in a file, in the order of the graph."""
    model = tf.read_model(path)
    graph = model.subgraphs[tf.find_signature(model, key).subgraph]
    convolutions = [op for op in graph.operators if tf.op_name(model, op) == "CONV_2D"]
    return {
        str(n): tf.dtype_name(graph.tensors[int(op.inputs[1])]) for n, op in enumerate(convolutions)
    }


def test_every_integer_operator_belongs_to_one_group() -> None:
    groups = litert_groups(converted()[1], KEY)
    model = tf.read_model(converted()[1])
    decisions = decide_litert(model, tf.find_signature(model, KEY))
    assert sum(len(one.operators) for one in groups) == len(decisions.integers)
    assert {"CONV_2D", "ADD"} == {one.name.split("_", 2)[2] for one in groups}
    with pytest.raises(InputError, match="no signature"):
        litert_groups(converted()[1], "d9_9px")


@pytest.mark.parametrize("position", [0, 3, 9, -1])
def test_a_group_in_float_keeps_its_weights_and_the_others_do_not(
    position: int, tmp_path: Path
) -> None:
    name = litert_groups(converted()[1], KEY)[position].name
    summary = quantize_litert(
        converted()[1], "int8", of_signatures(ranges()), tmp_path / "mixed.tflite", in_float=[name]
    )
    whole = quantize_litert(
        converted()[1], "int8", of_signatures(ranges()), tmp_path / "whole.tflite"
    )
    kind = name.split("_", 2)[2]
    assert whole.quantized_ops[KEY][kind] - summary.quantized_ops[KEY].get(kind, 0) == 1
    assert summary.quantized_ops["d1_48px"] == whole.quantized_ops["d1_48px"]
    assert list(weight_types(tmp_path / "mixed.tflite", KEY).values()).count("float32") == (
        kind == "CONV_2D"
    )


def test_with_every_group_in_float_nothing_is_lost(tmp_path: Path) -> None:
    names = [one.name for tier in (KEY, "d1_48px") for one in litert_groups(converted()[1], tier)]
    _, filters = layers_and_filters()
    out = tmp_path / "float.tflite"
    summary = quantize_litert(
        converted()[1], "int8", of_signatures(ranges(), filters), out, in_float=names
    )
    assert summary.quantized_ops[KEY] == {}
    fed = feeds(converted()[0], 32, seed=8)
    wanted = open_litert(converted()[1], KEY).run(fed)["stylized"]
    assert np.abs(open_litert(out, KEY).run(fed)["stylized"] - wanted).max() < 1e-5


def test_a_foreign_network_s_groups_can_stay_in_float_too(tmp_path: Path) -> None:
    network, fp32, _ = foreign()
    given = {"d1_32px": measured_ranges(network, fp32, "d1_32px", 32)}
    for group in litert_groups(fp32, "d1_32px"):
        out = tmp_path / "foreign.tflite"
        quantize_litert(fp32, "int8", of_signatures(given), out, in_float=[group.name])
        stylized = open_litert(out, "d1_32px").run(feeds(network, 32))["stylized"]
        assert np.isfinite(stylized).all()


def test_a_sum_left_in_float_keeps_the_trimmed_ranges_of_its_integer_terms() -> None:
    model = tf.read_model(converted()[1])
    signature = tf.find_signature(model, KEY)
    sums = [one.name for one in litert_groups(converted()[1], KEY) if one.name.endswith("ADD")]
    found = [decide_litert(model, signature, left).rectified for left in ((), sums)]
    assert found[0] == found[1] != ()


def test_a_group_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="litert_groups"):
        quantize_litert(
            converted()[1],
            "int8",
            of_signatures(ranges()),
            tmp_path / "no.tflite",
            in_float=["d2_32px/content"],
        )
