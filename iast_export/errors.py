"""The one error tree. The command line maps every class to its documented exit code.

    IastExportError
    ├── UsageError          2   wrong option or argument
    │   └── RecipeError     2   a recipe, rules or depth plan that can't be used
    ├── InputError          3   an input or artifact is missing, unreadable or altered
    ├── ToolError           4   a wrapped tool failed
    ├── AccuracyError       5   accuracy below the rule
    ├── RegressionError     6   slower or larger than the rule
    └── CannotJudgeError    7   no baseline, another machine, too few samples

Exit code 1 is left to bugs of ours, which keep their traceback.
"""

from __future__ import annotations


class IastExportError(Exception):
    """Base of every error that a user can cause or must know.

    Args:
        message: where, what was found, what was needed.
        remedy: what to do next, one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}\n  → {remedy}")
        self.message = message
        self.remedy = remedy


class UsageError(IastExportError):
    """A wrong option or argument."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe, rules file or depth plan that can't be used."""


class InputError(IastExportError):
    """An input or artifact is missing, unreadable or altered."""

    exit_code = 3


class ToolError(IastExportError):
    """A wrapped tool (exporter, converter, runtime) failed."""

    exit_code = 4


class AccuracyError(IastExportError):
    """Accuracy is below the rule."""

    exit_code = 5


class RegressionError(IastExportError):
    """Slower or larger than the rule."""

    exit_code = 6


class CannotJudgeError(IastExportError):
    """There is nothing to judge by: no baseline, another machine, too few samples."""

    exit_code = 7
