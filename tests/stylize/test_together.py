"""Pictures that share their statistics: one tone, whatever each shows."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from iast_export.errors import UsageError
from iast_export.pictures.images import Rgb
from iast_export.specs import Tier
from iast_export.stylize.together import TogetherRun, tier_together
from tests.clip_cases import pan
from tests.stylize.test_large import CODES, Painter, photograph

TIER = Tier(1, 128)


def together(*pictures: Rgb) -> list[Rgb]:
    loads = [partial(np.copy, one) for one in pictures]
    with TogetherRun(Painter(), TIER, loads, 2) as run:
        moments = run.moments(CODES, 1.0)
        return [run.draw(one, CODES, 1.0, moments) for one in pictures]


def test_what_two_views_share_looks_alike_together_and_not_apart() -> None:
    left, right = photograph(120, 260)[:, :180].copy(), photograph(120, 260)[:, 80:].copy()
    right[:, 120:] = 255 - right[:, 120:]  # what else a view shows moves its own statistics
    both = together(left, right)
    apart = [together(one)[0] for one in (left, right)]
    inner = np.s_[30:90, 110:150], np.s_[30:90, 30:70]
    differ = [np.abs(a[inner[0]].astype(int) - b[inner[1]]).mean() for a, b in (both, apart)]
    assert differ[0] <= 0.5 < 2 * differ[0] + 1 < differ[1]


def test_one_picture_together_is_itself_whatever_its_size() -> None:
    for rgb in (photograph(60, 90), photograph(130, 200)):
        (made,) = together(rgb)
        whole = Painter().draw(rgb, Painter().feeds(CODES, 1.0), TIER)
        assert np.abs(made.astype(int) - whole).max() <= 1


def test_the_tier_is_that_of_the_largest() -> None:
    tiers = [Tier(4, 32), Tier(1, 64)]
    assert tier_together(tiers, [(20, 10), (30, 31)]).id == "d4-32px"
    assert tier_together(tiers, [(20, 10), (30, 33)]).id == "d1-64px"
    assert tier_together(tiers, [(200, 100)]).id == "d1-64px"


def test_a_network_that_cannot_be_lifted_is_refused() -> None:
    frame = next(pan(1))
    with pytest.raises(UsageError, match="leave --together out"):
        TogetherRun(Painter(can_be_lifted=False), TIER, [lambda: frame], 1)
