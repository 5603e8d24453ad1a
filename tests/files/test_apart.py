"""Work on foreign files in a process of its own: results come back, and so does every way to
fail."""

from pathlib import Path

import pytest

from iast_export.errors import AccuracyError, InputError, ToolError
from iast_export.files.apart import call_apart, read_foreign

FILE = Path("some [red]model.onnx")


def test_the_result_comes_back_whatever_else_is_printed() -> None:
    found = read_foreign("tests.apart_cases:double", FILE, number=21)
    assert found == {"path": str(FILE), "twice": 42}


def test_a_crash_names_the_file_and_the_signal() -> None:
    with pytest.raises(
        InputError, match=r"some \[red\]model.onnx ended the process .* by signal 11"
    ):
        read_foreign("tests.apart_cases:crash", FILE)


def test_too_much_memory_is_an_error_and_not_the_machines_end() -> None:
    with pytest.raises(InputError, match="needs more memory than a model file may"):
        read_foreign("tests.apart_cases:take_all_memory", FILE)


def test_a_hang_is_ended() -> None:
    with pytest.raises(InputError, match=r"some .* was not done after 1 s"):
        call_apart("tests.apart_cases:hang", {"path": "x"}, FILE, timeout_s=1.0)


def test_a_refusal_is_passed_on_as_it_is() -> None:
    with pytest.raises(AccuracyError, match="is bad") as caught:
        read_foreign("tests.apart_cases:refuse", FILE)
    assert caught.value.remedy == "make a better one"


def test_another_failure_is_told_with_its_last_words() -> None:
    with pytest.raises(ToolError, match="ZeroDivisionError: a bug of ours"):
        read_foreign("tests.apart_cases:break_down", FILE)


def test_a_stray_module_of_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "importlib", "resource", "numpy"):
        (tmp_path / f"{name}.py").write_text("import sys; sys.exit('a stray file ran')")
    monkeypatch.chdir(tmp_path)
    assert read_foreign("tests.apart_cases:double", FILE, number=1)["twice"] == 2
