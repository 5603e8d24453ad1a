"""What the system refuses or lacks has its words and its exit code; a bug keeps its traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from iast_export.cli import mishaps, streams
from iast_export.cli.main import run
from iast_export.errors import IastExportError, ToolError

NUMBERS = (
    "ENOSPC",
    "EDQUOT",
    "EFBIG",
    "EIO",
    "EACCES",
    "EROFS",
    "ENAMETOOLONG",
    "EMFILE",
    "ESTALE",
    "ELOOP",
)


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a verb whose work ends in `error`."""

    def fails() -> None:
        raise error

    monkeypatch.setattr("iast_export.environment.doctor", fails)
    return run(["doctor"])


@pytest.mark.parametrize("name", NUMBERS)
def test_what_the_system_refuses_is_3_with_path_and_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = getattr(errno, name)
    error = OSError(number, os.strerror(number), "some/[red]file")
    assert raising(error, monkeypatch) == 3
    said = capsys.readouterr().err
    assert f"error: some/[red]file: {os.strerror(number)}\n  → " in said


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (MemoryError("2 GiB"), 3, "not enough memory: 2 GiB"),
        (UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates"), 3, "is not UTF-8"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "ordinal"), 3, "PYTHONUTF8=1"),
        (ModuleNotFoundError("x", name="litert_torch.odml"), 2, "'iast-export[build]'"),
        (ModuleNotFoundError("x", name="tensorboard"), 2, "'iast-export[train]'"),
        (ModuleNotFoundError("x", name="skimage.data"), 2, "scikit-image is not installed"),
        (ImportError("libGL.so.1: cannot open", name="cv2"), 4, "does not load: libGL"),
        (SystemExit(0), 4, "called sys.exit(0)"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 3, "Broken pipe"),
    ],
)
def test_what_is_no_bug_of_ours_has_its_code(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert raising(error, monkeypatch) == code
    assert says in capsys.readouterr().err


def test_a_missing_package_is_found_behind_the_error_of_a_wrapped_tool() -> None:
    wrapped = ToolError("the LiteRT tools failed", "check")
    wrapped.__cause__ = ModuleNotFoundError("x", name="ai_edge_quantizer")
    found = mishaps.known(wrapped)
    assert isinstance(found, IastExportError) and found.exit_code == 2
    assert "ai-edge-quantizer" in found.message


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), KeyError("x"), OSError("no number"), ModuleNotFoundError("x", name="nobody")],
)
def test_a_bug_of_ours_keeps_its_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(type(error)):
        raising(error, monkeypatch)


def test_a_path_too_long_is_3_in_every_verb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = str(tmp_path / ("a" * 300))
    for arguments in (
        ["gate", long],
        ["inspect", long],
        ["style", "list", long],
        ["build", "--out", long],
    ):
        assert run(arguments) == 3, arguments
    assert capsys.readouterr().err.count("use a shorter name or path") == 4


def test_output_that_is_lost_is_3_unless_the_verdict_is_worse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(streams, "finish", lambda: lost)
    assert run(["--version"]) == 3
    assert run(["nothing"]) == 2


def test_causes_in_a_ring_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert mishaps.known(first) is None
