"""An ONNX graph is read with its constants left out, and its clamps stand where they fold."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from iast_export.decide.decide import decide_onnx
from iast_export.decide.graph import Network, Op
from iast_export.decide.read_onnx import is_movement, pull_clamps, read_onnx
from iast_export.specs import CONTENT, SIZE_MULTIPLE_KEY


def node(kind: str, reads: str, writes: str, **given: object) -> onnx.NodeProto:
    return helper.make_node(kind, reads.split(), [writes], **given)


def model_of(
    *nodes: onnx.NodeProto, outputs: str = "y", multiple: int = 1, **held: np.ndarray
) -> onnx.ModelProto:
    """A model that reads the picture; constants by name."""
    edges = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
        for names in ([CONTENT], outputs.split())
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in held.items()]
    graph = helper.make_graph(list(nodes), "drawn", *edges, constants)
    made = helper.make_model(graph)
    helper.set_model_props(made, {SIZE_MULTIPLE_KEY: str(multiple)})
    return made


def weight(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def only(network: Network, kind: str) -> Op:
    (found,) = [op for op in network.ops if op.type == kind]
    return found


def test_constants_are_no_inputs_but_a_concatenation_moves_them() -> None:
    network = read_onnx(
        model_of(
            node("Conv", "content w b", "a"),
            node("Concat", "a k", "y", axis=1),
            w=weight(8, 3, 3, 3),
            b=weight(8),
            k=weight(1, 8, 4, 4),
        )
    )
    convolution, joined = only(network, "Conv"), only(network, "Concat")
    assert convolution.inputs == (CONTENT,) and convolution.weight == (8, 3, 3, 3)
    assert joined.inputs == ("a",) and joined.moved == ("a", "k")
    assert network.unit == (CONTENT,) and network.outputs == ("y",)


@pytest.mark.parametrize(
    ("value", "mode"), [(0.5, "constant"), (-np.inf, "endless"), (-65504.0, "endless")]
)
def test_a_pad_is_told_by_what_it_fills_with(value: float, mode: str) -> None:
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    filled = np.array(value, np.float32)
    network = read_onnx(model_of(node("Pad", "content p v", "y"), p=pads, v=filled))
    assert only(network, "Pad").mode == mode


@pytest.mark.parametrize(
    ("nodes", "held"),
    [
        ([node("Conv", "content content", "y")], {}),
        ([node("Conv", "content w content", "y")], {"w": weight(8, 3, 3, 3)}),
    ],
    ids=["weights", "a bias"],
)
def test_a_convolution_with_something_computed_has_no_weight(
    nodes: list[onnx.NodeProto], held: dict[str, np.ndarray]
) -> None:
    assert only(read_onnx(model_of(*nodes, **held)), "Conv").weight == ()


def test_a_transposed_convolution_s_weight_is_told_outputs_first() -> None:
    made = node("ConvTranspose", "content w", "y", group=2)
    assert only(read_onnx(model_of(made, w=weight(8, 3, 2, 2))), "ConvTranspose").weight == (
        6,
        4,
        2,
        2,
    )


def test_bounds_are_what_a_clamp_says() -> None:
    zero, six = np.float32(0), np.float32(6)
    for made, bounds in (
        (node("Relu", "content", "y"), (0.0, None)),
        (helper.make_node("Clip", [CONTENT, "zero", "six"], ["y"]), (0.0, 6.0)),
        (helper.make_node("Clip", [CONTENT, "", "six"], ["y"]), (None, 6.0)),
        (node("Sigmoid", "content", "y"), None),
    ):
        (op,) = read_onnx(model_of(made, zero=np.array(zero), six=np.array(six))).ops
        assert op.bounds == bounds


@pytest.mark.parametrize(
    ("made", "moves"),
    [
        (node("Pad", "x p", "y", mode="reflect"), True),
        (node("Pad", "x p", "y"), False),
        (node("Resize", "x", "y"), True),
        (node("Resize", "x", "y", mode="linear"), False),
        (node("Transpose", "x", "y"), True),
        (node("Relu", "x", "y"), False),
    ],
)
def test_movements_are_those_that_exist_for_integers(made: onnx.NodeProto, moves: bool) -> None:
    assert is_movement(made) is moves


def test_a_clamp_behind_movements_folds_into_the_convolution_before_them() -> None:
    model = model_of(
        node("Conv", "content w", "a"),
        node("DepthToSpace", "a", "b", blocksize=2),
        node("Transpose", "b", "c"),
        node("Relu", "c", "y"),
        w=weight(8, 8, 3, 3),
    )
    assert pull_clamps(model.graph) == {"a_clamped": "y"}
    assert [(one.op_type, *one.output) for one in model.graph.node] == [
        ("Conv", "a"),
        ("Relu", "a_clamped"),
        ("DepthToSpace", "b"),
        ("Transpose", "y"),
    ]


@pytest.mark.parametrize("read", ["a", "b"])
def test_a_clamp_stays_where_something_else_reads_what_it_clamps(read: str) -> None:
    model = model_of(
        node("Conv", "content w", "a"),
        node("Transpose", "a", "b"),
        node("Relu", "b", "y"),
        node("Sigmoid", read, "z"),
        outputs="y z",
        w=weight(8, 8, 3, 3),
    )
    given = model.SerializeToString()
    assert pull_clamps(model.graph) == {} and model.SerializeToString() == given


def test_a_pulled_clamp_has_the_range_of_the_tensor_that_the_file_holds() -> None:
    model = model_of(
        node("Conv", "content w", "a"),
        node("Transpose", "a", "b"),
        node("Relu", "b", "c"),
        node("Conv", "c w", "y"),
        w=weight(8, 8, 3, 3),
    )
    decisions = decide_onnx(model)
    assert decisions.roots["a_clamped"].range_name == "c"
    assert decisions.root_of["c"] == "a_clamped"


@pytest.mark.parametrize(("multiple", "mode"), [(2, "blocks"), (1, "")])
def test_a_large_first_kernel_is_an_integer_where_it_can_read_blocks(
    multiple: int, mode: str
) -> None:
    first = node("Conv", "content w", "y", pads=[4, 4, 4, 4])
    decisions = decide_onnx(model_of(first, multiple=multiple, w=weight(16, 3, 9, 9)))
    (op,) = decisions.network.ops
    assert op.mode == mode and decisions.is_integer(op) is bool(mode)
    assert decisions.reason(op) == (
        "" if mode else "a large kernel on few channels is slower in INT8"
    )
