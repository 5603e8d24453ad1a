"""Files at the rim: hashes, JSON, writes that are whole or absent, freshness records of stages."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from iast_export import __version__
from iast_export.errors import InputError
from iast_export.files.json_text import parse_json
from iast_export.files.paths import STAGES_DIR, all_inside, is_made_place
from iast_export.files.temporary import make_folder, private_folder, remove_leftovers, sync_folder
from iast_export.files.texts import visible

Progress = Callable[[str, int, int], None]
# Read at a time, so that memory stays small.
_CHUNK_BYTES = 1 << 20
_SURROGATE = re.compile("[\ud800-\udfff]")
_HASH = re.compile("[0-9a-f]{64}")
# A disk or its limits, whether or not the system names the file.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


def no_progress(what: str, done: int, total: int) -> None:
    """The default `Progress`: says nothing."""


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of `data`, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 lower-case hexadecimal digits.

    Raises:
        InputError: the file is missing or can't be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def read_bytes(path: Path) -> bytes:
    """All bytes of a file.

    Raises:
        InputError: the file is missing or can't be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` on success and is deleted on failure.

    It has the name of `path` in a private folder beside it, since writers choose formats by names.
    The folder is made when absent. A reader sees the old file or the new one whole, never a part.

    Raises:
        InputError: the folder can't be written, or the block wrote nothing.
    """
    with _beside(path) as temporary:
        yield temporary
        if not temporary.is_file():
            raise InputError(f"nothing was written for {path}", "check the disk, then run it again")
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        _take_place(temporary, path)


def write_atomic(path: Path, data: bytes) -> None:
    """Writes `data` aside, flushes it to the disk and renames it to `path`.

    Raises:
        InputError: the folder can't be made or written.
    """
    with _beside(path) as temporary:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        _take_place(temporary, path)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InputError: missing, or see `json_text.parse_json`.
    """
    return parse_json(
        read_bytes(path), str(path), InputError, "make it again with the stage that wrote it"
    )


def json_bytes(obj: Mapping[str, Any]) -> bytes:
    """`obj` as deterministic JSON: sorted keys, indent 2, UTF-8, a final newline.

    Raises:
        InputError: a number is NaN or infinite.
    """
    try:
        text = json.dumps(obj, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False)
    except ValueError as error:
        raise InputError(
            f"a result can't be written as JSON: {error}",
            "a measurement was not finite; check the model and the images that it was measured on",
        ) from error
    # The bytes of a file name that is not UTF-8 have no form in JSON: they are written as they are
    # shown.
    return (_SURROGATE.sub(_as_shown, text) + "\n").encode("utf-8")


def _as_shown(found: re.Match[str]) -> str:
    return json.dumps(visible(found[0]))[1:-1]


def write_json(path: Path, obj: Mapping[str, Any]) -> None:
    """Writes `obj` as deterministic JSON, whole or not at all.

    Raises:
        InputError: a number is NaN or infinite (the old file stays), or the folder can't be
            written.
    """
    write_atomic(path, json_bytes(obj))


def sets_dir() -> Path:
    """The folder of the packaged image sets: inside the wheel, or `calibration/sets` of a checkout.

    Raises:
        InputError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "data" / "sets", package.parent / "calibration" / "sets"):
        if folder.is_dir():
            return folder
    raise InputError("the packaged image sets are missing", "install iast-export again")


@dataclass(frozen=True)
class StageRecord:
    """What a stage last made: the key of its inputs and the hash of each output.

    Attributes:
        stage: the stage's name, also the record's file name.
        key: from `stage_key`.
        outputs: path relative to the bundle's root -> SHA-256.
        network: hash of the network that it was made from; empty where nothing told.
    """

    stage: str
    key: str
    outputs: Mapping[str, str]
    network: str = ""

    @classmethod
    def load(cls, root: Path, stage: str) -> StageRecord | None:
        """The record of a stage; None when none can be believed (then it runs again).

        A record of files outside of the bundle is not ours.
        """
        path = _record_path(root, stage)
        if not path.is_file():
            return None
        try:
            raw = read_json(path)
            outputs = {name: _digest(digest) for name, digest in raw["outputs"].items()}
            if not all_inside(root, outputs):
                return None
            network = str(raw.get("network", ""))
            return cls(str(raw["stage"]), str(raw["key"]), outputs, network)
        except (InputError, KeyError, AttributeError, TypeError, ValueError):
            return None

    def save(self, root: Path) -> None:
        """Writes the record to DIR/.stages/STAGE.json."""
        body = {
            "stage": self.stage,
            "key": self.key,
            "outputs": dict(self.outputs),
            "network": self.network,
        }
        write_json(_record_path(root, self.stage), body)


def stage_key(stage: str, params: Mapping[str, Any], inputs: Sequence[Path]) -> str:
    """A SHA-256 over everything that decides a stage's outputs.

    Args:
        stage: the stage's name.
        params: plain JSON values; part of the key in any order of keys.
        inputs: files that the stage reads; their names and bytes count, their folders don't.

    Raises:
        InputError: an input is missing, or a parameter is NaN or infinite.
    """
    body = {
        "stage": stage,
        "version": __version__,
        "code": _code_sha256(),
        "params": dict(params),
        "inputs": [[path.name, sha256_file(path)] for path in inputs],
    }
    return sha256_bytes(json_bytes(body))


def is_fresh(root: Path, stage: str, key: str) -> bool:
    """Whether the stage ran with this key and every output is still there, byte for byte."""
    found = StageRecord.load(root, stage)
    if found is None or found.stage != stage or found.key != key or not found.outputs:
        return False
    for name, digest in found.outputs.items():
        path = root / name
        if not path.is_file() or sha256_file(path) != digest:
            return False
    return True


def record(root: Path, stage: str, key: str, outputs: Sequence[Path], network: str = "") -> None:
    """Records that the stage made `outputs` (inside `root`) for `key`. Call it last.

    Args:
        root: the bundle.
        stage: its name.
        key: of all its inputs (`stage_key`).
        outputs: what it made.
        network: hash of the network that they come from.

    Raises:
        InputError: no output at all, or one is missing.
        ValueError: an output lies outside `root`.
    """
    if not outputs:
        raise InputError(f"the stage {stage} made nothing", "run it again with -v")
    hashes = {path.relative_to(root).as_posix(): sha256_file(path) for path in outputs}
    StageRecord(stage, key, hashes, network).save(root)


def remove_made(root: Path, made: Mapping[str, str]) -> None:
    """Deletes files that verbs made in a bundle, by path and SHA-256.

    Left alone is what is no longer as it was made, what lies where no verb writes, and links.
    """
    for name, digest in made.items():
        path = root / name
        plain = is_made_place(root, name) and path.is_file() and not path.is_symlink()
        if plain and sha256_file(path) == digest:
            path.unlink(missing_ok=True)


@cache
def _code_sha256() -> str:
    """Hash of this package's own sources: changed code makes every stage stale."""
    package = Path(__file__).resolve().parents[1]
    return sha256_bytes("".join(sha256_file(p) for p in sorted(package.rglob("*.py"))).encode())


def _record_path(root: Path, stage: str) -> Path:
    return root / STAGES_DIR / f"{stage}.json"


def _digest(digest: str) -> str:
    if not _HASH.fullmatch(digest):
        raise ValueError("not a SHA-256")
    return digest


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """The name of `path` in a private folder beside it; what the disk refuses is said of `path`."""
    with ExitStack() as stack:
        try:
            _check_name(path)
            make_folder(path.parent)
            _tidy(os.path.realpath(path.parent))
            folder = stack.enter_context(private_folder(path.parent))
        except (OSError, ValueError) as error:
            raise _unwritable(path, error) from error
        try:
            yield folder / path.name
        except OSError as error:
            if error.errno not in _DISK and not _concerns(error, folder):
                raise
            raise _unwritable(path, error) from error


@cache
def _tidy(folder: str) -> None:
    """Removes what killed processes left where this one is going to write, once."""
    remove_leftovers(Path(folder))


def _take_place(temporary: Path, path: Path) -> None:
    os.replace(temporary, path)
    sync_folder(path.parent)


def _check_name(path: Path) -> None:
    if b"\0" in os.fsencode(path):
        raise ValueError("a name with a null character")


def _concerns(error: OSError, folder: Path) -> bool:
    names = (error.filename, error.filename2)
    return any(isinstance(name, str | Path) and Path(name).is_relative_to(folder) for name in names)


def _unreadable(path: Path, error: OSError | ValueError) -> InputError:
    what = (
        "is missing" if isinstance(error, FileNotFoundError) else f"can't be read: {_said(error)}"
    )
    return InputError(f"{path} {what}", "check the path and its permissions")


def _unwritable(path: Path, error: OSError | ValueError) -> InputError:
    return InputError(
        f"{path} can't be written: {_said(error)}",
        "choose a folder that can be written, with free space",
    )


def _said(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
