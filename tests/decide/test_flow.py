"""Values are followed through what only moves them, in each runtime's own terms."""

from __future__ import annotations

import pytest

from iast_export.decide.flow import Flow
from iast_export.decide.graph import Op
from iast_export.decide.policy import LITERT, ONNX, Policy
from tests.drawn_graphs import conv, drawn, op

BOTH = pytest.mark.parametrize("policy", [ONNX, LITERT], ids=["onnx", "litert"])


def flow_of(policy: Policy, *ops: Op, outputs: str = "y") -> Flow:
    return Flow(drawn(*ops, outputs=outputs), policy)


@BOTH
def test_a_moved_tensor_holds_the_values_of_its_root(policy: Policy) -> None:
    flow = flow_of(
        policy,
        conv("x", "a"),
        op("Slice", "a", "b"),
        op("Transpose", "b", "c"),
        op("Relu", "c", "y"),
    )
    assert [flow.root(name) for name in ("x", "a", "b", "c", "y")] == ["x", "a", "a", "a", "y"]


@BOTH
def test_a_concatenation_of_two_is_a_root_and_one_of_the_same_is_none(policy: Policy) -> None:
    flow = flow_of(
        policy,
        conv("x", "a"),
        conv("x", "b"),
        op("Slice", "a", "c"),
        op("Concat", "a c", "same"),
        op("Concat", "a b", "both"),
    )
    same, both = flow.network.ops[3:]
    assert flow.root("same") == "a" and not flow.joins(same)
    assert flow.root("both") == "both" and flow.joins(both)


@BOTH
def test_edges_of_infinity_are_moved_by_nothing(policy: Policy) -> None:
    """Before a largest value; they have no range, so that what follows is quantized behind it."""
    flow = flow_of(
        policy,
        conv("x", "a"),
        op("Pad", "a", "b", mode="endless"),
        op("MaxPool", "b", "c"),
        conv("c", "y"),
    )
    assert flow.root("c") == "c" and not any(flow.moves(one) for one in flow.network.ops)


@pytest.mark.parametrize(
    ("kind", "mode", "onnx", "litert"),
    [
        ("Pad", "reflect", True, False),
        ("Pad", "edge", True, False),
        ("Pad", "constant", False, True),
        ("Resize", "nearest", True, True),
        ("Resize", "linear", False, False),
        ("Relu", "", False, False),
        ("DepthToSpace", "", True, True),
    ],
)
def test_what_moves_differs_by_what_exists_for_integers(
    kind: str, mode: str, onnx: bool, litert: bool
) -> None:
    for policy, moves in ((ONNX, onnx), (LITERT, litert)):
        flow = flow_of(policy, op(kind, "x", "y", mode=mode))
        assert flow.moves(flow.network.ops[0]) is moves


def test_a_clamp_folds_into_what_it_alone_reads_where_the_runtime_folds() -> None:
    ops = (conv("x", "a"), op("Relu", "a", "y"))
    for policy, result in ((ONNX, "y"), (LITERT, "a")):
        flow = flow_of(policy, *ops)
        assert flow.result(flow.network.ops[0]).name == result
    shared = flow_of(ONNX, *ops, op("Sigmoid", "a", "z"), outputs="y z")
    assert shared.result(shared.network.ops[0]).name == "a", "another reads it unclamped"


@BOTH
def test_a_way_leads_only_to_its_targets_through_movements(policy: Policy) -> None:
    ops = (conv("x", "a"), op("Slice", "a", "b"), conv("b", "c"), op("Shape", "a", "sides"))
    flow = flow_of(policy, *ops, outputs="c")
    assert flow.only_leads_to("a", {"c"}), "Shape reads no values"
    assert not flow.only_leads_to("a", {"other"})
    elsewhere = flow_of(policy, *ops, op("Sigmoid", "b", "y"), outputs="c y")
    assert not elsewhere.only_leads_to("a", {"c"})


@BOTH
def test_a_result_and_a_tensor_that_nobody_reads_lead_nowhere(policy: Policy) -> None:
    flow = flow_of(policy, conv("x", "a"), conv("a", "y"), conv("x", "lost"), outputs="a y")
    assert not flow.only_leads_to("a", {"y"}) and not flow.only_leads_to("lost", {"y"})


def test_clamps_that_do_not_fold_may_lie_on_the_way_where_asked() -> None:
    ops = (conv("x", "a"), op("Relu", "a", "b"), conv("b", "y"))
    litert, onnx = flow_of(LITERT, *ops), flow_of(ONNX, *ops)
    assert litert.only_leads_to("a", {"y"}, clamped=True)
    assert not litert.only_leads_to("a", {"y"})
    assert not onnx.only_leads_to("a", {"y"}, clamped=True), "there it is asked of the clamp"


def test_a_loop_of_movements_over_one_tensor_ends() -> None:
    flow = flow_of(
        ONNX,
        conv("x", "a"),
        op("Slice", "a", "b"),
        op("Slice", "a", "c"),
        op("Concat", "b c", "d"),
        conv("d", "y"),
    )
    assert flow.only_leads_to("a", {"y"})
