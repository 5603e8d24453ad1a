"""Which operators are integers, each rule alone: convolutions, what feeds them, sums, clamps."""

from __future__ import annotations

import pytest

from iast_export.decide.decide import Decisions, decide
from iast_export.decide.graph import Op, Shape
from iast_export.decide.groups import describe_islands, find_groups
from iast_export.decide.policy import LITERT, ONNX, Policy
from iast_export.decide.roots import SWISH_ZERO, Root
from tests.drawn_graphs import conv, drawn, op

BOTH = pytest.mark.parametrize("policy", [ONNX, LITERT], ids=["onnx", "litert"])


def decided(policy: Policy, *ops: Op, outputs: str = "y", unit: str = "") -> Decisions:
    runtime = "onnxruntime" if policy is ONNX else "litert"
    return decide(drawn(*ops, runtime=runtime, outputs=outputs, unit=unit), policy)


def integers(policy: Policy, *ops: Op, outputs: str = "y") -> set[str]:
    return set(decided(policy, *ops, outputs=outputs).integers)


@BOTH
def test_a_convolution_its_clamp_and_the_movements_around_it_are_integers(policy: Policy) -> None:
    found = integers(
        policy,
        op("Slice", "x", "a"),
        conv("a", "b"),
        op("Relu", "b", "c"),
        op("Slice", "c", "d"),
        op("Sigmoid", "d", "y"),
    )
    assert found == {"a", "b", "c", "d"}, "up to the next float operator"


def test_a_pool_with_integers_on_both_sides_runs_in_them_and_is_no_island() -> None:
    between = (conv("x", "a"), op("AveragePool", "a", "p"), conv("p", "y"))
    beside = (conv("x", "a"), op("AveragePool", "a", "p"), op("Sigmoid", "p", "y"))
    for policy, ops, fused in (
        (ONNX, between, True),
        (ONNX, beside, False),
        (LITERT, between, False),
    ):
        found = decided(policy, *ops)
        assert found.is_fused(ops[1]) is fused and not found.is_integer(ops[1])
        assert found.runs_in_integers(ops[0]) and (found.reason(ops[1]) == "") is fused
        assert bool(describe_islands(found)) is not fused


@pytest.mark.parametrize(
    ("weight", "groups", "onnx", "litert"),
    [
        ((16, 16, 3, 3), 1, True, True),
        ((2, 16, 1, 1), 1, False, True),
        ((2, 16, 3, 3), 1, True, True),
        ((), 1, False, False),
        ((1024, 2, 3, 3), 512, False, False),
    ],
    ids=["dense", "narrow head", "small but wide", "computed weights", "few channels a group"],
)
def test_what_is_worth_integers_differs_by_runtime(
    weight: Shape, groups: int, onnx: bool, litert: bool
) -> None:
    for policy, expected in ((ONNX, onnx), (LITERT, litert)):
        assert ("y" in integers(policy, conv("x", "y", weight, groups))) is expected


@BOTH
def test_a_convolution_that_counts_pixels_stays_in_float(policy: Policy) -> None:
    ops = (op("Shape", "x", "s"), op("Expand", "s", "ones"), conv("ones", "count"))
    assert integers(policy, *ops, conv("x", "sum"), op("Div", "sum count", "y")) == {"sum"}


@pytest.mark.parametrize(("policy", "expected"), [(ONNX, False), (LITERT, True)])
def test_a_transposed_convolution_is_one_for_litert_alone(policy: Policy, expected: bool) -> None:
    made = op("ConvTranspose", "x", "y", weight=(16, 16, 2, 2))
    assert ("y" in integers(policy, made)) is expected


@BOTH
def test_a_depthwise_convolution_follows_the_convolutions_that_read_it(policy: Policy) -> None:
    depthwise = conv("x", "a", (16, 1, 3, 3), 16)
    assert "a" in integers(policy, depthwise, op("Relu", "a", "b"), conv("b", "y"))
    assert "a" not in integers(policy, depthwise, op("Sigmoid", "a", "y"))


@BOTH
def test_a_rectifier_that_leaks_is_an_integer_where_one_reads_it(policy: Policy) -> None:
    leak = (conv("x", "a"), op("LeakyRelu", "a", "b"))
    assert integers(policy, *leak, op("Slice", "b", "c"), conv("c", "y")) == {"a", "b", "c", "y"}
    shared = (conv("b", "d"), op("Sigmoid", "b", "s"), op("Mul", "d s", "y"))
    assert "b" in integers(policy, *leak, *shared), "a float reads it, too"
    assert "b" not in integers(policy, *leak, op("Sigmoid", "b", "y"))
    assert "b" not in integers(
        policy, op("Tanh", "x", "a"), op("LeakyRelu", "a", "b"), conv("b", "y")
    )


@BOTH
def test_who_asks_for_float_gets_it_and_what_only_fed_it_follows(policy: Policy) -> None:
    ops = (conv("x", "a"), op("Sigmoid", "a", "s"), op("Slice", "s", "b"), conv("b", "y"))
    runtime = "onnxruntime" if policy is ONNX else "litert"
    network = drawn(*ops, runtime=runtime)
    assert {"a", "b", "y"} <= decide(network, policy).integers
    assert decide(network, policy, in_float=["y"]).integers == {"a"}


def test_a_sum_is_in_integers_for_onnx_where_it_is_clamped_among_integers() -> None:
    two = (conv("x", "a"), conv("x", "b"), op("Add", "a b", "s"))
    clamped = (*two, op("Relu", "s", "r"), conv("r", "y"))
    assert {"s", "r"} <= integers(ONNX, *clamped)
    assert "s" not in integers(ONNX, *two, conv("s", "y")), "unclamped: as fast in float, closer"
    assert "s" not in integers(ONNX, *two, op("Relu", "s", "r"), op("Sigmoid", "r", "y"))


def test_a_sum_is_in_integers_for_litert_where_both_sides_were() -> None:
    two = (conv("x", "a"), conv("x", "b"), op("Add", "a b", "y"))
    assert "y" in integers(LITERT, *two)
    trunk = (conv("x", "a"), op("Sigmoid", "x", "b"), op("Add", "a b", "y"))
    assert "y" not in integers(LITERT, *trunk)


@BOTH
def test_a_tensor_plus_itself_is_no_sum_of_two(policy: Policy) -> None:
    ops = (conv("x", "a"), op("Add", "a a", "s"), op("Relu", "s", "r"), conv("r", "y"))
    assert "s" not in integers(policy, *ops)


def test_sums_that_rest_on_one_another_fall_together() -> None:
    ops = (
        conv("x", "a"),
        op("Sigmoid", "x", "b"),
        op("Add", "a b", "s"),
        op("Relu", "s", "r"),
        op("Add", "r a", "t"),
        op("Relu", "t", "u"),
        conv("u", "y"),
    )
    assert not {"s", "t"} & integers(ONNX, *ops)


@pytest.mark.parametrize(("policy", "expected"), [(ONNX, True), (LITERT, False)])
def test_a_hard_swish_between_integers_is_one_in_onnx(policy: Policy, expected: bool) -> None:
    ops = (conv("x", "a"), op("HardSwish", "a", "b"), conv("b", "y"))
    assert ("b" in integers(policy, *ops)) is expected
    alone = (conv("x", "a"), op("HardSwish", "a", "y"))
    assert "y" not in integers(policy, *alone)


def test_joined_branches_are_integers_where_integers_alone_read_them() -> None:
    joined = (conv("x", "a"), op("Sigmoid", "x", "b"), op("Concat", "a b", "c"))
    assert "c" in integers(ONNX, *joined, conv("c", "y"))
    both = (*joined, conv("c", "y"), op("Sigmoid", "c", "z"))
    assert "c" not in integers(ONNX, *both, outputs="y z")
    assert "c" in integers(LITERT, *both, outputs="y z")


@BOTH
def test_a_movement_shares_the_scale_of_what_it_moves(policy: Policy) -> None:
    found = decided(policy, conv("x", "a"), op("Slice", "a", "b"), conv("b", "y"))
    assert found.root_of["b"] == "a" and set(found.roots) == {"x", "a", "y"}


@BOTH
def test_what_leads_to_a_concatenation_alone_is_written_at_its_scale(policy: Policy) -> None:
    ops = (conv("x", "a"), conv("x", "b"), op("Concat", "a b", "c"), conv("c", "y"))
    found = decided(policy, *ops)
    assert found.root_of["a"] == found.root_of["b"] == found.root_of["c"] == "c"
    assert set(found.roots) == {"x", "a", "b", "c", "y"}, "still quantized, at that scale"
    more = decided(policy, *ops, conv("a", "z"), outputs="y z")
    assert more.root_of["a"] == "a" and more.root_of["b"] == "c"


def test_a_folded_clamp_bounds_the_range_and_a_picture_is_exact() -> None:
    clip = op("Clip", "b", "y", bounds=(0.0, 1.0))
    found = decided(ONNX, conv("x", "a"), op("Relu", "a", "r"), conv("r", "b"), clip, unit="x")
    assert found.roots["r"] == Root("r", 0.0, None)
    assert found.roots["y"] == Root("y", 0.0, 1.0, exact=True)
    assert found.roots["x"] == Root("x", 0.0, 1.0, exact=True)
    assert "a" not in found.roots, "the clamp is folded into what it reads"


def test_a_hard_swish_needs_no_levels_below_its_zero() -> None:
    found = decided(ONNX, conv("x", "a"), op("HardSwish", "a", "b"), conv("b", "y"))
    assert found.roots["a"].low == SWISH_ZERO


@BOTH
def test_the_terms_of_a_rectified_sum_are_known(policy: Policy) -> None:
    ops = (conv("x", "a"), conv("x", "b"), op("Add", "a b", "s"), op("Relu", "s", "r"))
    assert decided(policy, *ops, conv("r", "y")).rectified == (("a", "b"),)
    shared = decided(policy, *ops, conv("r", "y"), op("Sigmoid", "a", "z"), outputs="y z")
    assert shared.rectified == (), "another reads a term"


@BOTH
def test_groups_are_convolutions_with_what_lies_around_them(policy: Policy) -> None:
    found = find_groups(
        decided(
            policy,
            op("Slice", "x", "a"),
            conv("a", "b"),
            op("Relu", "b", "c"),
            conv("c", "d"),
            op("Slice", "d", "e"),
            op("Sigmoid", "e", "y"),
        )
    )
    assert [(group.name, group.operators) for group in found] == [
        ("b", ("Slice", "Conv", "Relu")),
        ("d", ("Conv", "Slice")),
    ]


def test_islands_are_told_whole_with_their_reasons() -> None:
    found = decided(
        ONNX,
        conv("x", "a"),
        op("ReduceMean", "a", "m"),
        op("Sub", "a m", "c"),
        conv("c", "d"),
        op("Sigmoid", "d", "y"),
    )
    one, two = describe_islands(found)
    assert one.startswith("m to c (2 operators: ReduceMean, Sub): normalization statistics")
    assert two.startswith("y to y (1 operator: Sigmoid): smooth functions")


@BOTH
def test_an_integer_has_no_reason_to_stay_in_float_and_every_other_has_one(policy: Policy) -> None:
    found = decided(policy, conv("x", "a"), op("Sigmoid", "a", "y"))
    first, second = found.network.ops
    assert found.reason(first) == "" and found.is_integer(first)
    assert not found.is_integer(second)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (op("MatMul", "x", "y", mode="head"), "a head of few channels"),
        (op("MatMul", "x", "y"), "a product of matrices"),
        (conv("x", "y", ()), "weights that are not constant"),
        (conv("x", "y", (2, 16, 1, 1)), "a head of few channels"),
        (conv("x", "y", (16, 1, 3, 3), 16), "depthwise convolution that float operators read"),
        (op("Add", "x z", "y"), "sums without ReLU"),
        (op("Resize", "x", "y", mode="linear"), "interpolation falls back to float"),
        (op("InstanceNormalization", "x", "y"), "do not survive 8 bits"),
    ],
)
def test_what_stays_in_float_in_onnx_says_why(made: Op, reason: str) -> None:
    found = decided(ONNX, made)
    assert reason in found.reason(found.network.ops[0])
