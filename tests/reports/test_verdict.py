"""Of several findings the strongest decides the exit code, and nothing judged is no pass."""

from __future__ import annotations

from itertools import permutations

import pytest

from iast_export.reports.verdict import PRECEDENCE, Check, CheckKind, Outcome, Verdict


def check(kind: CheckKind, outcome: Outcome) -> Check:
    return Check(name=f"{kind} {outcome}", kind=kind, outcome=outcome, measured="1", rule="2")


def verdict(*checks: Check) -> Verdict:
    return Verdict(bundle="b", checks=checks)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("integrity", 3), ("accuracy", 5), ("speed", 6), ("size", 6), ("coverage", 7)],
)
def test_a_failure_has_the_code_of_its_kind(kind: CheckKind, code: int) -> None:
    assert check(kind, "fail").exit_code == code
    assert check(kind, "cannot judge").exit_code == 7
    assert check(kind, "pass").exit_code == 0


def test_the_strongest_code_wins_in_any_order() -> None:
    found = [check(kind, "fail") for kind in ("coverage", "speed", "accuracy", "integrity")]
    for count in range(1, len(found) + 1):
        for some in permutations(found[:count]):
            strongest = min((one.exit_code for one in some), key=PRECEDENCE.index)
            judged = verdict(check("size", "pass"), *some)
            assert judged.exit_code == strongest and not judged.passed
            assert [one.exit_code for one in judged.worst()] == sorted(
                (one.exit_code for one in some), key=PRECEDENCE.index
            )


def test_a_pass_needs_every_check_to_pass_and_at_least_one() -> None:
    assert verdict(check("size", "pass"), check("speed", "pass")).exit_code == 0
    assert verdict().exit_code == 7 and not verdict().passed


@pytest.mark.parametrize(
    ("checks", "headline"),
    [
        ([check("size", "pass")], "pass (exit 0): 1 passed, 0 failed, 0 can't be judged"),
        (
            [check("accuracy", "fail"), check("speed", "fail"), check("size", "cannot judge")],
            "accuracy below the rule (exit 5): 0 passed, 2 failed, 1 can't be judged",
        ),
        ([check("integrity", "fail")], "altered (exit 3): 0 passed, 1 failed, 0 can't be judged"),
        ([], "cannot judge (exit 7): 0 passed, 0 failed, 0 can't be judged"),
    ],
)
def test_the_headline_says_verdict_and_numbers(checks: list[Check], headline: str) -> None:
    assert verdict(*checks).headline == headline
