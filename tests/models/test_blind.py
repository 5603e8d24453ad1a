"""A blind comparison: certain where there is a difference, at chance where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.errors import InputError
from models.evaluation.blind import (
    answers,
    over_photographs,
    rule,
    strength_at,
    style_at,
    table,
    told,
)

NAMES = [f"p{i // 3}" for i in range(60)]
ALIKE = np.ones(60)


def pictures(shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Features of both on the same pairs: noise, and one direction in which they differ."""
    rng = np.random.default_rng(4)
    one, other = rng.normal(size=(2, 60, 40))
    one[:, 7] += shift
    return one, other


def test_two_that_differ_are_told_apart_and_two_that_do_not_are_not() -> None:
    one, other = pictures(4.0)
    assert answers(rule(one - other, NAMES), ALIKE).mean() > 0.9
    one, other = pictures(0.0)
    assert 0.25 < answers(rule(one - other, NAMES), ALIKE).mean() < 0.75


def test_a_pair_taken_the_other_way_round_is_answered_the_other_way_round() -> None:
    one, other = pictures(1.0)
    signs = np.where(np.arange(60) % 2, 1.0, -1.0)
    turned = answers(rule((one - other) * signs[:, None], NAMES), ALIKE)
    assert turned.tolist() == answers(rule(one - other, NAMES), signs).tolist()


def test_a_photograph_is_judged_by_the_others_alone() -> None:
    """A mark that only one photograph's pictures carry teaches nothing about it."""
    differences = np.zeros((6, 3))
    differences[:2, 0] = 1.0
    differences[2:4, 1], differences[4:, 1] = 1.0, 1.0
    found = answers(rule(differences, ["a", "a", "b", "b", "c", "c"]), np.ones(6))
    assert found.tolist() == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]


def test_what_was_told_stands_beside_chance_and_who_is_nearer_to_the_artwork() -> None:
    one, other = pictures(4.0)
    found = told(("d4", "d1"), (0.6, 0.7), (one, other), one + 0.1, NAMES)
    assert found.right.value > 0.9 and found.nearer.value == 1.0
    mean, most = found.by_chance
    assert 0.4 < mean < 0.6 and mean < most < found.right.low
    row = table([found], 60).splitlines()[-1]
    assert row.startswith("| d4, d1 | 0.60, 0.70 | ") and "100% (100% to 100%)" in row


def test_photographs_weigh_alike_however_many_pairs_they_have() -> None:
    values = np.array([1.0, 1.0, 1.0, 0.0])
    assert over_photographs(values, ["a", "a", "a", "b"]).value == pytest.approx(0.5)


def test_a_strength_is_read_between_those_that_were_judged() -> None:
    rows = [
        {"method": "d4", "strength": s, "scores": {"style": v}}
        for s, v in ((0.5, 0.12), (0.7, 0.10), (1.0, 0.09))
    ]
    assert strength_at(rows, "d4", 0.11) == pytest.approx(0.6)
    assert style_at(rows, "d4", 0.7) == 0.10
    with pytest.raises(InputError, match=r"d4 was not judged at strength 0\.6"):
        style_at(rows, "d4", 0.6)
    with pytest.raises(InputError, match=r"d4 has no style distance of 0\.080"):
        strength_at(rows, "d4", 0.08)
    with pytest.raises(InputError, match="d9 has no"):
        strength_at(rows, "d9", 0.11)
