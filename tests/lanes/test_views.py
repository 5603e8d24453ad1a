"""What a tier is judged on: squares, and a third or more of the pictures in their own shape."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iast_export.lanes.judge import Reference, drawn_unpadded
from iast_export.lanes.lane import Lane
from iast_export.lanes.views import (
    EvaluationPair,
    own_shape_pairs,
    own_shape_places,
    seen_at,
    views_of,
)
from iast_export.reports.verify import TaskScores
from iast_export.specs import Runtime, Tier

TIER = Tier(2, 32)


def pair(name: str, height: int, width: int) -> EvaluationPair:
    rgb = np.zeros((height, width, 3), np.uint8)
    return EvaluationPair(name, f"style of {name}", rgb, {}, np.zeros(1))


CAT, COFFEE, SQUARE, MILD = (
    pair("cat", 300, 451),
    pair("coffee", 400, 600),
    pair("square", 300, 300),
    pair("mild", 300, 310),
)


def test_own_shapes_are_at_least_a_third_and_the_longest_come_first() -> None:
    assert own_shape_pairs([SQUARE, replace(SQUARE, content="other")], 256) == []
    for given in ([CAT, COFFEE, SQUARE], [SQUARE, MILD, CAT], [SQUARE] * 3 + [CAT], [CAT]):
        found = own_shape_pairs([replace(one, style=f"s{i}") for i, one in enumerate(given)], 32)
        assert 2 * len(found) >= len(given), "half as many again are a third of all"
        assert len({(one.content, one.style) for one in found}) == len(found)
        assert not any(one.content == "square" for one in found)
    assert own_shape_pairs([SQUARE, MILD, CAT], 32)[0].content == "cat"


def test_what_is_too_narrow_to_be_judged_at_the_smallest_tier_is_left_out() -> None:
    ribbon = np.zeros((10, 1000, 3), np.uint8)
    assert own_shape_places([MILD.rgb, ribbon, CAT.rgb], 32) == [2, 0]


def test_views_are_squares_and_then_pictures_as_they_are() -> None:
    shapes = [one.content.shape[:2] for one in views_of([CAT, SQUARE], [CAT], TIER)]
    assert shapes == [(32, 32), (32, 32), (21, 32)]
    assert seen_at(CAT.rgb, TIER, own_shape=True).shape[:2] == (21, 32)


@pytest.mark.parametrize("runtime, judged", [("onnxruntime", 2), ("litert", 1)])
def test_a_lane_that_pads_is_judged_on_squares_alone(runtime: Runtime, judged: int) -> None:
    views = views_of([CAT], [CAT], TIER)
    scores = TaskScores(ssim_content=1.0, style_distance=1.0)
    references = [Reference(view, view.content, scores, "0" * 64) for view in views]
    lane = Lane(runtime, "int8", TIER, Path("model"))
    assert lane.keeps_shape == (runtime == "onnxruntime")
    assert drawn_unpadded(lane, references) == references[:judged]
