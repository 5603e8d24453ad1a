"""The one place that opens files of a bundle, or of a build in progress: altered ones are refused.

A finished bundle's manifest says what its files hash to; before there is one, the records of the
stages that wrote them do. Whoever needs a file reads it here and gives the bytes to the runtime:
what was hashed is what is opened, whoever writes to the folder meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from iast_export.errors import InputError
from iast_export.files.artifacts import StageRecord, read_bytes, sha256_bytes, sha256_file
from iast_export.files.paths import STAGES_DIR
from iast_export.reports.manifest import Manifest, load_manifest

_REBUILD = "build the bundle again, or copy it again from where it was built"


@dataclass(frozen=True)
class Seals:
    """What files hash to: path relative to `root` -> SHA-256.

    Attributes:
        root: the folder of the bundle or build.
        sha256: as `source` says.
        source: for messages, "the manifest" or "the record of its stage".
    """

    root: Path
    sha256: Mapping[str, str]
    source: str

    @classmethod
    def of_bundle(cls, folder: Path, manifest: Manifest | None = None) -> Seals:
        """Those of a finished bundle, as its manifest says.

        Raises:
            InputError: the folder is no bundle.
        """
        return cls(folder, (manifest or load_manifest(folder)).hashes(), "the manifest")

    @classmethod
    def of_build(cls, root: Path) -> Seals:
        """Those of a build in progress, as the stages so far recorded them."""
        hashes: dict[str, str] = {}
        for path in sorted((root / STAGES_DIR).glob("*.json")):
            found = StageRecord.load(root, path.stem)
            hashes |= found.outputs if found is not None else {}
        return cls(root, hashes, "the record of its stage")

    def expected(self, path: Path) -> str:
        """What a file must hash to.

        Raises:
            InputError: nothing vouches for it.
        """
        name = path.relative_to(self.root).as_posix()
        if name not in self.sha256:
            raise InputError(f"{path} is not listed in {self.source}", _REBUILD)
        return self.sha256[name]

    def read(self, path: Path) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: missing, unlisted or altered.
        """
        return read_sealed(path, self.expected(path), self.source)

    def check(self, path: Path) -> None:
        """Refuses a file that `read` would refuse.

        Raises:
            InputError: missing, unlisted or altered.
        """
        if sha256_file(path) != self.expected(path):
            raise altered(path, self.source)

    def check_present(
        self, suffixes: tuple[str, ...] = (".onnx", ".tflite", ".shapes.json", ".statistics.json")
    ) -> None:
        """Refuses a folder in which a file of these kinds was altered; one that is gone is not.

        Raises:
            InputError: one was.
        """
        listed = [self.root / name for name in self.sha256 if name.endswith(suffixes)]
        with ThreadPoolExecutor() as pool:  # hashing lets other threads work
            for _ in pool.map(self.check, (path for path in listed if path.is_file())):
                pass


def read_sealed(path: Path, sha256: str, source: str = "the manifest") -> bytes:
    """The bytes of a file that must hash to `sha256`.

    Raises:
        InputError: missing or altered.
    """
    data = read_bytes(path)
    if sha256_bytes(data) != sha256:
        raise altered(path, source)
    return data


def altered(path: Path, source: str) -> InputError:
    """The error for a file that is not what it was when it was made."""
    return InputError(f"{path} was altered: its SHA-256 is not that of {source}", _REBUILD)
