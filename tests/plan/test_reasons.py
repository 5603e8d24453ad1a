"""Where measured cost speaks against a decision: by its interval, and only where it matters."""

from __future__ import annotations

from typing import Any

import pytest

from iast_export.plan.reasons import flag_of
from iast_export.reports.benchmark import Ratio
from iast_export.reports.plan import Int8Facts, PlanGroup

FASTER, SLOWER = Ratio(value=2.0, low=1.8, high=2.2), Ratio(value=0.5, low=0.4, high=0.6)
UNSURE = Ratio(value=1.05, low=0.9, high=1.2)


def row(**values: Any) -> PlanGroup:
    given: dict[str, Any] = {
        "kind": "dense convolution",
        "role": "",
        "followed_by": (),
        "shape": "1x16x8x8",
        "count": 1,
        "names": ("y",),
        "operators": ("Conv",),
        "macs": 9,
        "int8": Int8Facts(kernel="integer", operators={"Conv": 1}),
        "fp32_ms": 2.0,
        "int8_ms": 1.0,
        "speed": FASTER,
        "decision": "fp32",
        "rewrite": None,
        "reason": "a head of few channels",
        "flag": "",
    }
    return PlanGroup.model_validate({**given, **values})


@pytest.mark.parametrize(
    ("values", "flag"),
    [
        ({}, "faster in INT8 here"),
        ({"decision": "int8"}, ""),
        (
            {"decision": "int8", "speed": SLOWER},
            "slower in INT8 here",
        ),
        ({"speed": SLOWER}, ""),
        ({"speed": UNSURE}, ""),
        ({"decision": "int8", "speed": UNSURE}, ""),
        ({"decision": "mixed"}, ""),
    ],
    ids=["faster", "is int8", "slower", "is float", "unsure float", "unsure int8", "mixed"],
)
def test_a_flag_needs_an_interval_beside_1_on_the_other_side(
    values: dict[str, Any], flag: str
) -> None:
    assert flag_of(row(**values), 10.0) == flag


@pytest.mark.parametrize("kind", ["normalization", "gate", "residual sum", "pooling", "sigmoid"])
def test_what_is_float_for_the_picture_is_never_flagged(kind: str) -> None:
    assert flag_of(row(kind=kind), 10.0) == ""


@pytest.mark.parametrize(
    "reason",
    [
        "moves values between float operators",
        "part of a float island, which is quantized whole or not at all",
    ],
)
def test_what_follows_its_neighbors_is_never_flagged(reason: str) -> None:
    assert flag_of(row(reason=reason), 10.0) == ""


@pytest.mark.parametrize(
    ("count", "total_ms", "flagged"), [(1, 200.0, True), (1, 201.0, False), (2, 400.0, True)]
)
def test_a_saving_below_half_a_percent_of_the_tier_is_left_alone(
    count: int, total_ms: float, flagged: bool
) -> None:
    assert bool(flag_of(row(count=count), total_ms)) is flagged


@pytest.mark.parametrize("missing", ["speed", "fp32_ms", "int8_ms"])
def test_what_was_not_measured_is_not_flagged(missing: str) -> None:
    assert flag_of(row(**{missing: None}), 10.0) == ""
