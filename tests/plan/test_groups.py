"""What each part of a network is called, whichever the runtime: every operator is in one group."""

from __future__ import annotations

import pytest

from iast_export.decide.decide import decide
from iast_export.decide.graph import Op, Shape
from iast_export.decide.policy import LITERT, ONNX, Policy
from iast_export.plan.groups import Group, find_groups
from iast_export.plan.reasons import decision_of, reason_of
from tests.drawn_graphs import conv, drawn, op

STATISTIC = (1, 16, 1, 1)


def groups_of(
    *ops: Op, policy: Policy = ONNX, outputs: str = "y", shapes: dict[str, Shape] | None = None
) -> list[Group]:
    runtime = "onnxruntime" if policy is ONNX else "litert"
    network = drawn(*ops, runtime=runtime, outputs=outputs, shapes=shapes)
    found = find_groups(decide(network, policy))
    members = [one.name for group in found for one in group.ops]
    assert sorted(members) == sorted(one.name for one in network.ops), "each in exactly one"
    return found


def kinds(*ops: Op, outputs: str = "y", shapes: dict[str, Shape] | None = None) -> list[str]:
    return [group.kind for group in groups_of(*ops, outputs=outputs, shapes=shapes)]


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (conv("x", "y"), "dense convolution"),
        (conv("x", "y", (16, 1, 3, 3), 16), "depthwise convolution"),
        (conv("x", "y", (32, 4, 3, 3), 4), "grouped convolution"),
        (conv("x", "y", (2, 16, 1, 1)), "narrow head"),
        (op("ConvTranspose", "x", "y", weight=(16, 16, 2, 2)), "transposed convolution"),
        (op("Pad", "x", "y", mode="reflect"), "reflection pad"),
        (op("Pad", "x", "y", mode="constant"), "zero pad"),
        (op("Resize", "x", "y", mode="linear"), "resize"),
        (op("DepthToSpace", "x", "y"), "pixel shuffle"),
        (op("Transpose", "x", "y"), "layout change"),
        (op("MaxPool", "x", "y"), "pooling"),
        (op("Tanh", "x", "y"), "smooth function"),
        (op("HardSwish", "x", "y"), "hard-swish"),
        (op("BatchNormalization", "x", "y"), "batch normalization"),
        (op("Sigmoid", "x", "y"), "sigmoid"),
        (op("HardSigmoid", "x", "y"), "hard sigmoid"),
        (op("Relu", "x", "y"), "clamp"),
        (op("Neg", "x", "y"), "arithmetic"),
        (op("GridSample", "x", "y"), "other"),
        (op("MatMul", "x", "y"), "matrix product"),
        (conv("", "y"), "dense convolution"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_operator_alone_is_called_by_its_type(made: Op, kind: str) -> None:
    assert kinds(made) == [kind]


def test_a_convolution_takes_in_its_clamp_and_its_pixel_shuffle() -> None:
    (group,) = groups_of(
        conv("x", "a"),
        op("Relu", "a", "b"),
        op("DepthToSpace", "b", "c"),
        op("Slice", "c", "y"),
    )
    assert group.followed_by == ("clamp", "pixel shuffle") and group.main.type == "Conv"
    assert [one.type for one in group.ops] == ["Conv", "Relu", "DepthToSpace", "Slice"]


def test_a_convolution_that_reads_blocks_side_by_side_takes_them_in() -> None:
    (group,) = groups_of(op("SpaceToDepth", "x", "a"), conv("a", "y"))
    assert group.unfolds and group.kind == "dense convolution"
    first, second, _ = groups_of(
        op("SpaceToDepth", "x", "a"), conv("a", "y"), op("Tanh", "a", "z"), outputs="y z"
    )
    assert first.kind == "pixel shuffle" and not second.unfolds


def test_the_first_and_the_last_layer_are_known_through_movements() -> None:
    found = groups_of(
        op("Pad", "x", "p", mode="reflect"),
        conv("p", "a"),
        op("Relu", "a", "b"),
        conv("b", "c"),
        conv("c", "d", (3, 16, 3, 3)),
        op("Sigmoid", "d", "y"),
    )
    assert [(group.kind, group.role) for group in found] == [
        ("reflection pad", ""),
        ("dense convolution", "first layer"),
        ("dense convolution", ""),
        ("dense convolution", "last layer"),
        ("sigmoid", ""),
    ]


def normalization(code: bool) -> tuple[list[Op], dict[str, Shape]]:
    """(x - mean) * rsqrt(var), scaled by a code where asked."""
    ops = [
        op("ReduceMean", "x", "m"),
        op("Sub", "x m", "c"),
        op("Mul", "c c", "q"),
        op("ReduceMean", "q", "v"),
        op("Sqrt", "v", "s"),
        op("Reciprocal", "s", "r"),
    ]
    scale = "r"
    if code:
        ops.append(op("Mul", "r style", "g"))
        scale = "g"
    ops.append(op("Mul", f"c {scale}", "y"))
    vectors = dict.fromkeys(("m", "v", "s", "r", "g", "style"), STATISTIC)
    return ops, vectors


@pytest.mark.parametrize(
    ("code", "kind"), [(False, "normalization"), (True, "adaptive normalization")]
)
def test_a_normalization_is_one_thing_from_its_first_mean_to_its_last_product(
    code: bool, kind: str
) -> None:
    ops, shapes = normalization(code)
    assert kinds(*ops, shapes=shapes) == [kind]


def test_a_mean_without_a_root_is_pooling() -> None:
    assert kinds(op("ReduceMean", "x", "m"), shapes={"m": STATISTIC}) == ["pooling"]


@pytest.mark.parametrize(("clamped", "kind"), [(False, "residual sum"), (True, "rectified sum")])
def test_sums_of_two_maps_are_told_apart_by_their_clamp(clamped: bool, kind: str) -> None:
    ops = [conv("x", "a"), conv("x", "b"), op("Add", "a b", "s")]
    ops += [op("Relu", "s", "y")] if clamped else [op("Tanh", "s", "y")]
    assert kind in kinds(*ops)


def test_a_gate_multiplies_two_maps() -> None:
    ops = [conv("x", "a"), conv("x", "b"), op("Sigmoid", "b", "s"), op("Mul", "a s", "y")]
    assert kinds(*ops) == ["dense convolution", "dense convolution", "gate"]


def test_a_hard_swish_written_out_is_one() -> None:
    ops = [conv("x", "a"), op("Clip", "a", "c", bounds=(0.0, 6.0)), op("Mul", "a c", "y")]
    assert kinds(*ops) == ["dense convolution", "hard-swish"]


def test_what_computes_codes_goes_with_who_reads_them() -> None:
    shapes = {"style": STATISTIC, "k": STATISTIC, "l": STATISTIC}
    (group,) = groups_of(
        op("Neg", "style", "k"), op("Neg", "k", "l"), op("Mul", "x l", "y"), shapes=shapes
    )
    assert [one.name for one in group.ops] == ["k", "l", "y"]


def test_a_reflection_by_slices_and_concatenations_is_one() -> None:
    ops = [
        op("Slice", "x", "top"),
        op("Concat", "top x", "rows", mode="space"),
        op("Slice", "rows", "left"),
        op("Concat", "left rows", "y", mode="space"),
    ]
    assert kinds(*ops) == ["reflection pad"]
    joined = [conv("x", "a"), conv("x", "b"), op("Concat", "a b", "y", mode="channels")]
    assert kinds(*joined)[-1] == "concat"


@pytest.mark.parametrize("policy", [ONNX, LITERT], ids=["onnx", "litert"])
def test_each_group_says_what_is_done_with_it_and_why(policy: Policy) -> None:
    ops = (conv("x", "a"), op("Slice", "a", "b"), op("Sigmoid", "b", "y"))
    runtime = "onnxruntime" if policy is ONNX else "litert"
    decisions = decide(drawn(*ops, runtime=runtime), policy)
    found = find_groups(decisions)
    said = {
        group.kind: (decision_of(decisions, group), reason_of(decisions, group)) for group in found
    }
    assert said["dense convolution"] == ("int8", "dense convolutions are what INT8 makes faster")
    assert said["sigmoid"][0] == "fp32" and said["sigmoid"][1]
    assert all(reason for _, reason in said.values())
