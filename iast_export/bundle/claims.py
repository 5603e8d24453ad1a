"""Whose the files of a bundle's folder are: what verbs made there, and who works there now.

A build notes the places that it is going to write before it writes the first, and refuses a file
there that nobody made. So a build that was killed half way knows its own files from the user's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from iast_export.errors import InputError
from iast_export.files.artifacts import StageRecord, read_json, write_json
from iast_export.files.paths import MADE_FOLDERS, STAGES_DIR, inside
from iast_export.files.system_errors import of_system
from iast_export.files.temporary import make_folder, only_one, remove_leftovers
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.manifest import load_manifest

_CLAIMS = f"{STAGES_DIR}/claims.json"
_NAMED = 3  # files in the way that a message names


@contextmanager
def working(root: Path, *, make: bool = False) -> Iterator[None]:
    """Keeps other processes from working in a bundle's folder; what killed ones left is removed.

    A folder that isn't there is made only where `make` says so.

    Raises:
        InputError: the folder can't be made or opened.
    """
    with ExitStack() as stack:
        try:
            if make:
                make_folder(root)
            if root.is_dir():
                stack.enter_context(only_one(root))
        except OSError as error:
            raise of_system(error) or error from error
        for name in (*MADE_FOLDERS, "."):
            remove_leftovers(root / name)
        yield


def claim(root: Path, places: Sequence[Path]) -> None:
    """Notes that `places` in a bundle's folder are written by its build, before any of them is.

    Raises:
        InputError: a file that nobody made is in the way, or the folder can't be written.
    """
    names, made = {path.relative_to(root).as_posix() for path in places}, _made(root)
    there = {name for name in names - made if os.path.lexists(root / name)}
    foreign = sorted(name for name in there if not _is_unsaid(root, name))
    if foreign:
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        raise InputError(
            f"{root} holds {', '.join(foreign[:_NAMED])}{more}, not made by a build, which would "
            "replace it",
            "move it away, or choose another --out",
        )
    body = {"paths": sorted(names | {name for name in made if os.path.lexists(root / name)})}
    if _claimed(root) != set(body["paths"]):
        write_json(root / _CLAIMS, body)


def made_files(root: Path) -> Iterator[Path]:
    """The files of a bundle's folder that verbs made, by its records and its manifest."""
    yield from (root / name for name in sorted(_made(root)))


def _made(root: Path) -> set[str]:
    return {*(_claimed(root) or ()), *_recorded(root), *_listed(root)}


def _is_unsaid(root: Path, name: str) -> bool:
    """Whether a file is ours though nothing lists it: what did was lost, or not copied."""
    if _claimed(root) is not None:
        return False
    records = _records(root)
    if os.path.lexists(root / _CLAIMS) or any(
        StageRecord.load(root, one) is None for one in records
    ):
        return True
    copied = not records and bool(_listed(root))
    return copied and not name.startswith("styles/")


def _claimed(root: Path) -> set[str] | None:
    try:
        found = read_json(root / _CLAIMS)["paths"]
        return {inside(name) for name in found}
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _records(root: Path) -> list[str]:
    folder = root / STAGES_DIR
    return [path.stem for path in folder.glob("*.json") if path.name != Path(_CLAIMS).name]


def _recorded(root: Path) -> set[str]:
    found = (StageRecord.load(root, name) for name in _records(root))
    return {name for one in found if one is not None for name in one.outputs}


def _listed(root: Path) -> set[str]:
    """What the manifest of a bundle lists."""
    try:
        manifest = load_manifest(root)
    except InputError:
        return set()
    return {MANIFEST_NAME, *manifest.hashes(), *manifest.reports.values()}
