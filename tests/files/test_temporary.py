"""Temporary files lie in private folders, and what killed processes left is removed, nothing
else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from iast_export.files.temporary import PREFIX, only_one, private_folder, remove_leftovers, scratch

LEFT = f"{PREFIX}0123456789abcdef"


@contextmanager
def elsewhere(code: str, *words: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs `code`, said "ready", and is killed at the end."""
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom iast_export.files.temporary import *\n"
    )
    program += textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_private_folder_is_for_its_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    with private_folder(tmp_path) as folder:
        (folder / "part").write_bytes(b"half")
        assert folder.stat().st_mode & 0o777 == 0o700 and folder.parent == tmp_path
        assert folder.name.startswith(PREFIX)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_uses_is_not(
    tmp_path: Path,
) -> None:
    code = """
        with private_folder(Path(sys.argv[1])) as folder:
            (folder / "part").write_bytes(b"half")
            print("ready", flush=True)
            time.sleep(600)
    """
    with elsewhere(code, tmp_path):
        remove_leftovers(tmp_path)
        assert [path.name for path in tmp_path.glob("*/*")] == ["part"]
    assert len(list(tmp_path.iterdir())) == 1, "SIGKILL lets nobody tidy up"
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", [".gitlab-ci.yml", ".env-local", ".m-abc123.onnx", f"{PREFIX}notes", PREFIX, LEFT + "0"]
)
def test_no_other_name_is_taken_for_a_leftover(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("mine")
    remove_leftovers(tmp_path)
    assert (tmp_path / name / "mine.txt").read_text() == "mine"


def test_a_file_or_a_link_of_such_a_name_is_left_alone(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / LEFT).write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.txt").write_text("mine")
    (inside / f"{PREFIX}{'f' * 16}").symlink_to(tmp_path / "elsewhere")
    remove_leftovers(inside)
    assert (inside / LEFT).read_text() == "a file" and len(list(inside.iterdir())) == 2
    assert (tmp_path / "elsewhere" / "mine.txt").read_text() == "mine"


def test_all_that_is_temporary_lies_in_one_folder_and_a_killed_runs_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    code = """
        import tempfile
        with scratch():
            tempfile.mkdtemp()
            print("ready", flush=True)
            time.sleep(600)
    """
    with elsewhere(code):
        pass
    assert len(list(tmp_path.iterdir())) == 1
    with scratch():
        (held,) = tmp_path.iterdir()
        assert Path(tempfile.mkdtemp()).parent == held == Path(os.environ["TMPDIR"])
    assert list(tmp_path.iterdir()) == [] and os.environ["TMPDIR"] == str(tmp_path)


def test_two_processes_take_turns_in_a_folder_and_the_second_says_that_it_waits(
    tmp_path: Path,
) -> None:
    waits = """
        sys.stderr = sys.stdout
        folder = Path(sys.argv[1])
        print("ready", flush=True)
        with only_one(folder):
            print((folder / "first").read_text(), flush=True)
    """
    with ExitStack() as turn:
        turn.enter_context(only_one(tmp_path))
        with elsewhere(waits, tmp_path) as second:
            assert (
                second.stdout is not None
                and "waiting until it has ended" in second.stdout.readline()
            )
            (tmp_path / "first").write_text("done")
            turn.close()
            assert second.stdout.readline() == "done\n"


def test_the_turn_of_a_killed_process_is_over(tmp_path: Path) -> None:
    holds = """
        with only_one(Path(sys.argv[1])):
            print("ready", flush=True)
            time.sleep(600)
    """
    with elsewhere(holds, tmp_path):
        pass
    with only_one(tmp_path):
        pass
