"""Sides by `int` and `float` stay sides, and everything else is as Python has it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.network.whole_sides import whole_sides


class Resized(nn.Module):
    def __init__(self, side: Callable[[Any], Any]) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, size=(self.side(x.shape[2]), self.side(x.shape[3])))


@pytest.mark.parametrize(
    "side",
    [
        lambda h: int(h / 2),
        lambda h: int(h * 0.75),
        lambda h: int(h // 2),
        lambda h: int(float(h) / 4 + 0.5),
        lambda h: int(round(h / 2)),  # noqa: RUF046  people write it
        lambda h: round(h * 0.75),
    ],
)
def test_a_number_of_a_side_follows_the_side(side: Callable[[Any], Any]) -> None:
    module, rows, columns = (
        Resized(side),
        torch.export.Dim("h", min=8),
        torch.export.Dim("w", min=8),
    )
    with whole_sides():
        program = torch.export.export(
            module, (torch.rand(1, 3, 32, 44),), dynamic_shapes=({2: rows, 3: columns},)
        )
    for picture in (torch.rand(1, 3, 27, 10), torch.rand(1, 3, 9, 61)):
        assert torch.equal(program.module()(picture), module(picture))


def test_other_numbers_are_pythons() -> None:
    with whole_sides():
        assert int("12") == 12 and int("f", 16) == 15 and float("2.5") == 2.5
        assert str(int(3.7)) == "3" and str(float(3)) == "3.0"
        assert isinstance(3, int) and isinstance(3.0, float) and not isinstance(3.0, int)


def test_names_are_given_back_and_no_names_of_an_authors_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = vars(sys.modules[__name__])
    monkeypatch.setitem(names, "float", "an author's")
    with whole_sides():
        assert "int" in names and names["float"] == "an author's"
    assert "int" not in names and names["float"] == "an author's"


def test_names_are_given_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), whole_sides():
        int(1 / 0)
    assert "int" not in vars(sys.modules[__name__])
