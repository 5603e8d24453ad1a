"""What the gate decided: one row per check, and the exit code that follows from them."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from iast_export.errors import (
    AccuracyError,
    CannotJudgeError,
    IastExportError,
    InputError,
    RegressionError,
)
from iast_export.reports.base import Model

CheckKind = Literal["integrity", "accuracy", "speed", "size", "coverage"]
Outcome = Literal["pass", "fail", "cannot judge"]

# Strongest first: altered files make every figure worthless; what is known to be bad outranks what
# is not known; a wrong picture is worse than a slow one.
_FAILURES: dict[CheckKind, type[IastExportError]] = {
    "integrity": InputError,
    "accuracy": AccuracyError,
    "speed": RegressionError,
    "size": RegressionError,
    "coverage": CannotJudgeError,
}
PRECEDENCE: tuple[int, ...] = (
    InputError.exit_code,
    AccuracyError.exit_code,
    RegressionError.exit_code,
    CannotJudgeError.exit_code,
)


class Check(Model):
    """One thing that was judged.

    Attributes:
        name: what and where, such as `psnr mean: litert int8 d3-256px`.
        kind: decides the exit code of a failure.
        outcome: pass, fail, or cannot judge.
        measured: what was found, with its unit.
        rule: what was needed, with its unit.
        remedy: what to do next; empty for a pass.
    """

    name: str
    kind: CheckKind
    outcome: Outcome
    measured: str
    rule: str
    remedy: str = ""

    @property
    def exit_code(self) -> int:
        """The code that this check alone would end with."""
        if self.outcome == "pass":
            return 0
        return (
            CannotJudgeError.exit_code
            if self.outcome == "cannot judge"
            else _FAILURES[self.kind].exit_code
        )


class Verdict(Model):
    """All checks of one gate run.

    Attributes:
        bundle: name of the bundle that was judged.
        checks: in the order they were made; never empty.
        notes: what a reader should know that is no check, such as another machine.
    """

    bundle: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 only where every check passed; else the first in `PRECEDENCE` (3, 5, 6, 7) found."""
        if not self.checks:
            return CannotJudgeError.exit_code
        found = {check.exit_code for check in self.checks}
        return next((code for code in PRECEDENCE if code in found), 0)

    @property
    def passed(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == 0

    def count(self, outcome: Outcome) -> int:
        """How many checks ended so."""
        return Counter(check.outcome for check in self.checks)[outcome]

    def worst(self) -> tuple[Check, ...]:
        """The checks that did not pass, strongest code first."""
        bad = [check for check in self.checks if check.exit_code]
        return tuple(sorted(bad, key=lambda check: PRECEDENCE.index(check.exit_code)))

    @property
    def headline(self) -> str:
        """One line: the verdict and the numbers."""
        word = {
            0: "pass",
            3: "altered",
            5: "accuracy below the rule",
            6: "slower or larger than the rule",
        }
        said = word.get(self.exit_code, "cannot judge")
        counts = f"{self.count('pass')} passed, {self.count('fail')} failed"
        return (
            f"{said} (exit {self.exit_code}): {counts}, {self.count('cannot judge')} can't be "
            "judged"
        )
