"""Concatenations in INT8: what leads there alone is written at their scale, in both runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from iast_export.decide.decide import Decisions, decide_onnx
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import load_model
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.qdq import runtime_operators, settled_parameters
from tests.equalize_cases import Branches, Files, Mixed, Nested, Network, Skips, write_files


def decided(files: Files) -> tuple[Decisions, list[str]]:
    """What is decided over the first tier, and its concatenations' results."""
    (fp32,) = files.onnx.values()
    decisions = decide_onnx(load_model(fp32))
    return decisions, [op.name for op in decisions.network.ops if op.type == "Concat"]


def onnx_operators(files: Files) -> dict[str, int]:
    (int8,) = files.onnx_int8.values()
    return runtime_operators(int8)


def requantized(files: Files) -> int:
    """How many tensors the TFLite file requantizes; the picture's own entry is not one."""
    model = tf.read_model(files.litert_int8)
    (graph,) = model.subgraphs
    found = [op for op in graph.operators if tf.op_name(model, op) == "QUANTIZE"]
    return sum(tf.dtype_name(graph.tensors[int(op.inputs[0])]) == "int8" for op in found)


@pytest.mark.parametrize("module", [Branches, Nested])
def test_what_is_joined_alone_is_not_requantized(module: type[nn.Module], tmp_path: Path) -> None:
    files = write_files(Network(module), tmp_path)
    decisions, concatenations = decided(files)
    outer, roots = concatenations[-1], decisions.roots
    joined = [name for name, root in decisions.root_of.items() if root == outer and name in roots]
    assert len(joined) == (3 if module is Branches else 4) and outer in joined
    found = settled_parameters(decisions, Learned(files.ranges["onnxruntime"]))
    assert len({found[name] for name in joined}) == 1
    operators = onnx_operators(files)
    assert operators["Concat"] == len(concatenations) and "QLinearConcat" not in operators
    assert operators["QuantizeLinear"] == operators["DequantizeLinear"] == 1
    assert requantized(files) == 0
    assert min(files.db.values()) > 30


def test_a_branch_that_others_read_keeps_its_own_scale(tmp_path: Path) -> None:
    files = write_files(Network(Skips), tmp_path, equalize=False)
    decisions, (result,) = decided(files)
    up, skip = decisions.network.producers[result].inputs
    assert decisions.root_of[up] == result != decisions.root_of[skip] == skip
    operators = onnx_operators(files)
    assert operators["QLinearConcat"] == 1 and "Concat" not in operators
    assert requantized(files) <= 1
    assert min(files.db.values()) > 30


def test_unlike_bounds_and_float_branches_are_joined_in_integers(tmp_path: Path) -> None:
    files = write_files(Network(Mixed), tmp_path, equalize=False)
    decisions, (result,) = decided(files)
    assert result in decisions.integers
    bounded = [
        name
        for name, root in decisions.roots.items()
        if root.low == 0.0 and decisions.root_of[name] == name
    ]
    assert (
        len(bounded) == 3
    )  # the picture, and two results that a ReLU bounds: one of them is joined
    assert onnx_operators(files)["QLinearConcat"] == 1
    assert min(files.db.values()) > 30
