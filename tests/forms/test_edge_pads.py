"""Edges by slices and concatenations as Pad: any width, either mode, one axis or both."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from iast_export.formats.onnx_graph import attribute
from iast_export.forms.edge_pads import fold_edge_pads
from tests.rewrite_cases import Constants, model_of, picture, rewritten_equally, types

_FAR = np.iinfo(np.int64).max


class Graph:
    """Collects nodes that pad a picture the way networks do by hand."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: Constants = {}

    def slice(self, source: str, axis: int, start: int, end: int, step: int = 1) -> str:
        result = f"s{len(self.nodes)}"
        values = {"start": start, "end": end, "axis": axis, "step": step}
        for key, value in values.items():
            self.constants[f"{result}_{key}"] = np.array([value], np.int64)
        self.nodes.append(
            helper.make_node("Slice", [source, *(f"{result}_{k}" for k in values)], [result])
        )
        return result

    def rows(self, source: str, axis: int, before: int, after: int, mode: str, flips: bool) -> str:
        """`source` with its edges joined, by single rows or by a turned block."""
        step = 1 if mode == "reflect" else 0
        if flips and mode == "reflect":
            heads = [self.flip(self.slice(source, axis, 1, 1 + before), axis)] if before else []
            tails = [self.flip(self.slice(source, axis, -1 - after, -1), axis)] if after else []
        else:
            heads = [self.slice(source, axis, i * step, i * step + 1) for i in range(before, 0, -1)]
            ends = [-1 - i * step for i in range(1, after + 1)]
            tails = [self.slice(source, axis, e, e + 1 if e < -1 else _FAR) for e in ends]
        result = f"p{len(self.nodes)}"
        self.nodes.append(helper.make_node("Concat", [*heads, source, *tails], [result], axis=axis))
        return result

    def flip(self, source: str, axis: int) -> str:
        return self.slice(source, axis, -1, -_FAR - 1, -1)

    def model(self, last: str) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Abs", [last], ["y"]))
        return model_of(self.nodes, self.constants, {"x": 2})


widths = st.integers(0, 5)


@settings(max_examples=40, deadline=None)
@given(
    pads=st.tuples(widths, widths, widths, widths),
    mode=st.sampled_from(["reflect", "edge"]),
    flips=st.booleans(),
    first=st.sampled_from([2, 3]),
    sides=st.tuples(st.integers(6, 11), st.integers(6, 11)),
)
def test_any_width_becomes_one_pad(
    pads: tuple[int, int, int, int], mode: str, flips: bool, first: int, sides: tuple[int, int]
) -> None:
    graph, last = Graph(), "x"
    for axis in (first, 5 - first):
        before, after = pads[axis - 2], pads[axis]
        last = graph.rows(last, axis, before, after, mode, flips) if before + after else last
    made = rewritten_equally(fold_edge_pads, graph.model(last), {"x": picture(2, *sides)})
    assert types(made.model) == (["Pad", "Abs"] if any(pads) else ["Abs"])


def test_one_pad_of_both_axes_is_one_place() -> None:
    graph = Graph()
    last = graph.rows(graph.rows("x", 2, 1, 1, "reflect", False), 3, 1, 1, "reflect", False)
    made = fold_edge_pads(graph.model(last))
    assert made.places == (last,)
    assert attribute(made.model.graph.node[0], "mode", "") == "reflect"


@pytest.mark.parametrize(
    "pieces",
    [
        [(2, 0, 1), None],  # the first row is repeated at the front, but the back reflects
        [(2, 2, 3), (2, 1, 2), None, (2, -3, -2), (2, -2, -1)],  # the back in the wrong order
        [(3, 1, 2), None],  # rows of another axis
        [(2, 2, 3), None],  # a row too far inside
        [None, (2, 1, 2)],  # the front joined at the back
    ],
)
def test_other_joints_stay(pieces: list[tuple[int, int, int] | None]) -> None:
    graph = Graph()
    names = ["x" if piece is None else graph.slice("x", *piece) for piece in pieces]
    if pieces == [(2, 0, 1), None]:
        names.append(graph.slice("x", 2, -2, -1))
    graph.nodes.append(helper.make_node("Concat", names, ["c"], axis=2))
    feeds = {"x": picture(2, 6, 1)} if pieces[0] == (3, 1, 2) else {"x": picture(2)}
    model = graph.model("c")
    made = (
        rewritten_equally(fold_edge_pads, model, feeds)
        if pieces[0] != (3, 1, 2)
        else fold_edge_pads(model)
    )
    assert not made.places and "Concat" in types(made.model)
