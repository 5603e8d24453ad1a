"""What a try with something planted came to, read from the decisions of its comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.planted import ITSELF, Case, _accused, _outcome, _slowed, _worse
from iast_export import compare
from iast_export.lanes.opened import OpenBundle

LANE = "onnxruntime int8 d4-32px"
OTHER = "litert int8 d4-32px"


def a_try(**decisions: str) -> dict[str, Any]:
    """A comparison that decided these: `speed` and `psnr` of the lane, `other` of another."""
    names = {"speed": f"speed: {LANE}", "psnr": f"psnr: {LANE}", "other": f"speed: {OTHER}"}
    told = {names.get(what, what): one for what, one in decisions.items()}
    return {"lane": LANE, "style": "ink", "decisions": told}


@pytest.mark.parametrize(
    ("kind", "decisions", "outcome"),
    [
        ("3 % slower", {"speed": "worse", "other": "no difference"}, "caught"),
        ("3 % slower", {"speed": "cannot judge"}, "undecided"),
        ("3 % slower", {"speed": "no difference"}, "missed"),
        ("2 dB worse", {"psnr": "worse", "speed": "cannot judge"}, "caught"),
        ("2 dB worse", {"psnr": "no difference", "speed": "cannot judge"}, "undecided"),
        ("one style worse", {"psnr": "no difference", "speed": "worse"}, "missed"),
    ],
)
def test_what_was_planted_is_caught_undecided_or_missed(
    kind: str, decisions: dict[str, str], outcome: str
) -> None:
    assert _outcome(kind, a_try(**decisions)) == outcome


def test_a_lane_without_a_fault_that_is_called_worse_is_accused() -> None:
    assert _accused("3 % slower", a_try(speed="worse", other="worse")) == [f"speed: {OTHER}"]
    in_styles = {f"psnr: {LANE} in {style}": "worse" for style in ("ink", "cafe")}
    assert _accused("2 dB worse", a_try(**in_styles)) == []
    assert _accused("one style worse", a_try(**in_styles)) == [f"psnr: {LANE} in cafe"]
    assert _accused(ITSELF, a_try(speed="better")) == [f"speed: {LANE}"]
    assert _accused(ITSELF, a_try(speed="cannot judge", psnr="no difference")) == []


def test_a_slower_lane_is_slower_in_every_round_and_no_other_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case("d4-32px", 0)
    case.slower = 0.1
    other = ("litert", "int8", "d4-32px")
    block = ((10.0, 10.0), (10.0, 20.0))
    monkeypatch.setattr(
        "benchmarks.planted.time_round", lambda *given: {case.key: (block,), other: (block,)}
    )
    with _slowed(case):
        found = compare.time_round()  # type: ignore[call-arg]
    assert found[other] == (block,)
    ((base, head),) = found[case.key]
    assert base == (10.0, 10.0) and head == pytest.approx((11.0, 22.0))


def test_planted_noise_costs_the_decibels_that_were_asked(bundle_copy: Path) -> None:
    from benchmarks.planted import _fidelity

    case = Case("d4-32px", 1)
    before = _fidelity(bundle_copy, case)
    _worse(2.0)(bundle_copy, case)
    assert before - _fidelity(bundle_copy, case) == pytest.approx(2.0, abs=0.3)
    OpenBundle.of(bundle_copy)
