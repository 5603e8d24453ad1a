"""The selection rule, the depth plan and the names that every stage shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.errors import InputError, RecipeError, UsageError
from iast_export.specs import Tier, check_plan, find_tiers, select_tier

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "testdata" / "tier_cases.json").read_text(encoding="utf-8")
)
DEFAULT = (Tier(4, 256), Tier(3, 384), Tier(2, 512), Tier(1, 1024))


def _outcome(case: dict[str, Any]) -> str:
    tiers = [Tier(tier["depth"], tier["max_side_px"]) for tier in case["tiers"]]
    try:
        return select_tier(tiers, case["width_px"], case["height_px"]).id
    except InputError as error:
        return "empty" if "is empty" in error.message else "too_large"


@pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{len(c['tiers'])}-{c['width_px']}x{c['height_px']}-{c['expect']}"
)
def test_a_picture_gets_the_tier_that_the_shared_cases_expect(case: dict[str, Any]) -> None:
    assert _outcome(case) == case["expect"]


def test_the_shared_cases_cover_every_outcome() -> None:
    assert {"empty", "too_large", *(tier.id for tier in DEFAULT)} <= {
        case["expect"] for case in CASES
    }


def test_a_picture_beyond_the_largest_tier_is_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match="largest tier takes 1024 px") as caught:
        select_tier(DEFAULT, 4032, 3024)
    assert "scale its longest side down to 1024 px" in caught.value.remedy


def test_tiers_that_are_named_come_in_the_plans_order_and_none_means_all() -> None:
    named = find_tiers(DEFAULT, ["d1-1024px", "d4-256px", "d4-256px"], "the recipe")
    assert named == [DEFAULT[0], DEFAULT[3]]
    assert find_tiers(DEFAULT, [], "the recipe") == list(DEFAULT)


def test_a_tier_that_is_not_there_is_a_fault_of_usage_and_those_that_are_there_are_named() -> None:
    with pytest.raises(UsageError, match="the bundle has no tier 'd9-9px'") as caught:
        find_tiers(DEFAULT, ["d4-256px", "d9-9px"], "the bundle")
    assert (caught.value.exit_code, "d2-512px" in caught.value.remedy) == (2, True)


@given(st.integers(1, 1024), st.integers(1, 1024))
def test_the_chosen_tier_is_the_smallest_that_fits_whichever_way_round(
    width: int, height: int
) -> None:
    tier = select_tier(DEFAULT, width, height)
    assert tier == select_tier(DEFAULT, height, width)
    assert tier.max_side_px >= max(width, height)
    assert all(small.max_side_px < max(width, height) for small in DEFAULT[: DEFAULT.index(tier)])


@pytest.mark.parametrize(
    ("tiers", "match"),
    [
        ((), "no tier"),
        ((Tier(5, 256),), "depth 5 is not one of"),
        ((Tier(1, 250),), "not a multiple of 4"),
        ((Tier(1, 0),), "not a multiple"),
        ((Tier(1, 512), Tier(1, 256)), "not larger"),
        ((Tier(1, 256), Tier(1, 256)), "not larger"),
        ((Tier(1, 256), Tier(2, 512)), "is deeper than"),
    ],
)
def test_a_plan_that_cannot_be_built_is_refused(tiers: tuple[Tier, ...], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        check_plan(tiers, (1, 2, 3, 4), 4)


def test_the_default_plan_is_accepted() -> None:
    check_plan(DEFAULT, (1, 2, 3, 4), 4)


def test_a_tier_is_named_by_its_depth_and_side() -> None:
    tier = Tier(3, 384)
    assert (tier.id, tier.signature, tier.shape_px) == ("d3-384px", "d3_384px", (384, 384))
