"""The error tree: its exit codes are a contract with CI jobs."""

from __future__ import annotations

import pytest

from iast_export import errors

CODES = {
    "UsageError": 2,
    "RecipeError": 2,
    "InputError": 3,
    "ToolError": 4,
    "AccuracyError": 5,
    "RegressionError": 6,
    "CannotJudgeError": 7,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_each_class_has_its_documented_exit_code(name: str, code: int) -> None:
    error = getattr(errors, name)("what happened", "what to do")
    assert isinstance(error, errors.IastExportError)
    assert error.exit_code == code


def test_every_class_is_in_the_table_and_in_the_drawn_tree() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.IastExportError)
    }
    assert found == {*CODES, "IastExportError"}
    assert errors.__doc__ is not None
    for name, code in CODES.items():
        assert any(name in line and str(code) in line for line in errors.__doc__.splitlines())


def test_an_error_says_what_happened_and_what_to_do() -> None:
    error = errors.InputError("model.onnx is missing", "run export again")
    assert (error.message, error.remedy) == ("model.onnx is missing", "run export again")
    assert str(error).splitlines() == ["model.onnx is missing", "  → run export again"]
