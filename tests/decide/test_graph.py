"""The one form of both runtimes' graphs: who reads what, what is a map, what it costs."""

from __future__ import annotations

import pytest

from iast_export.decide.graph import Shape
from tests.drawn_graphs import conv, drawn, op

NETWORK = drawn(
    conv("x", "a"),
    op("Relu", "a", "b"),
    op("Mul", "b b", "c"),
    op("Add", "b c", "y"),
)


def test_each_tensor_knows_its_writer_and_its_readers() -> None:
    assert NETWORK.producers["b"].type == "Relu" and "x" not in NETWORK.producers
    assert [one.type for one in NETWORK.readers["b"]] == ["Mul", "Add"], "a square reads once"
    reader = NETWORK.only_reader("a")
    assert reader is not None and reader.type == "Relu"
    assert NETWORK.only_reader("b") is None, "two read it"
    assert NETWORK.only_reader("y") is None, "nobody inside does"


def test_a_result_that_is_read_inside_too_has_no_only_reader() -> None:
    network = drawn(conv("x", "a"), op("Relu", "a", "y"), outputs="a y")
    assert network.only_reader("a") is None


@pytest.mark.parametrize(
    ("shape", "is_vector"),
    [
        ((1, 16, 1, 1), True),
        ((1, 1, 1, 1), True),
        ((16,), True),
        ((), True),
        ((1, 16, 1, 2), False),
        ((1, 16, 8, 8), False),
    ],
)
def test_a_code_or_a_statistic_has_one_side_above_1(shape: Shape, is_vector: bool) -> None:
    network = drawn(conv("x", "a"), shapes={"a": shape})
    assert network.is_vector("a") is is_vector and network.is_map("a") is not is_vector


def test_an_expanded_code_is_still_one() -> None:
    network = drawn(op("Expand", "x", "a"), shapes={"x": (1, 16, 1, 1), "a": (1, 16, 8, 8)})
    assert network.is_vector("a")


@pytest.mark.parametrize(
    ("kind", "weight", "groups", "macs"),
    [
        ("Conv", (16, 16, 3, 3), 1, 16 * 64 * 16 * 9),
        ("Conv", (16, 1, 3, 3), 16, 16 * 64 * 9),
        ("ConvTranspose", (8, 16, 2, 2), 1, 16 * 64 * 8 * 4),
        ("ConvTranspose", (8, 4, 2, 2), 4, 16 * 64 * 8 * 4 // 4),
        ("Relu", (), 1, 0),
    ],
)
def test_products_cost_their_multiply_adds_and_nothing_else_does(
    kind: str, weight: Shape, groups: int, macs: int
) -> None:
    network = drawn(op(kind, "x", "y", weight=weight, groups=groups))
    assert network.macs(network.ops[0]) == macs


def test_a_tensor_is_called_as_the_file_calls_it() -> None:
    assert NETWORK.file_name("a") == "a"
    assert NETWORK.size("a") == 16 * 64 and NETWORK.size("unknown") == 1


def test_what_follows_from_sizes_and_constants_alone_is_fixed() -> None:
    network = drawn(
        op("Shape", "x", "s"),
        op("Expand", "s", "ones"),
        conv("ones", "count"),
        conv("x", "sum"),
        op("Div", "sum count", "y"),
    )
    assert network.fixed == {"s", "ones", "count"}
