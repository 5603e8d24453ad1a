"""Places of files: what lies inside a bundle, and that no result takes the place of an input."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from iast_export.errors import InputError, UsageError

STAGES_DIR = ".stages"
MANIFEST_NAME = "manifest.json"
NOTICE_NAME = "NOTICE"
# Folders of a bundle that verbs write to; what lies elsewhere in it is never overwritten or
# deleted.
MADE_FOLDERS = (
    "models",
    "styles",
    "calibration",
    "golden",
    "reports",
    "lanes",
    "search",
    STAGES_DIR,
)


def inside(path: str) -> str:
    """`path`, if it is a plain relative POSIX path that stays inside the bundle.

    Raises:
        ValueError: it is absolute, leads outside, or has characters that some systems take for
            more.
    """
    parts = path.split("/")
    if (
        any(part in ("", ".", "..") for part in parts)
        or any(c in path for c in "\\:")
        or not path.isprintable()
    ):
        raise ValueError(f"{path!r} is not a relative path inside the bundle")
    return path


def all_inside(root: Path, names: Iterable[str]) -> bool:
    """Whether relative paths stay inside of a bundle, also by where the links on their way lead."""
    try:
        folders = {inside(name).rpartition("/")[0] for name in names}
    except ValueError:
        return False
    real = _real(root)
    return all(_real(root / folder) == real / folder for folder in folders)


def is_made_place(root: Path, name: str) -> bool:
    """Whether a relative path is one that verbs write to, and stays inside."""
    first, _, rest = name.partition("/")
    return all_inside(root, [name]) and (first in MADE_FOLDERS if rest else _is_top(name))


def _is_top(name: str) -> bool:
    """Whether it is a file that verbs write beside those folders."""
    return name in (MANIFEST_NAME, NOTICE_NAME) or name.startswith(f"{NOTICE_NAME}-")


def check_folders(root: Path) -> None:
    """Refuses a bundle's folder that is none, or whose own folders lead somewhere else.

    Raises:
        InputError: names the place.
    """
    if os.path.lexists(root) and not root.is_dir():
        raise InputError(f"{root} is not a folder", "give --out a folder, or a name that is free")
    for name in MADE_FOLDERS:
        folder = root / name
        if folder.is_symlink():
            raise InputError(
                f"{folder} is a link to {os.readlink(folder)}: results would land outside of "
                f"{root}",
                f"make {name} a plain folder, or link the whole of {root} instead",
            )


def check_inputs_apart(root: Path, inputs: Iterable[Path]) -> None:
    """Refuses inputs that lie among a bundle's outputs, where they could be overwritten.

    Raises:
        UsageError: names the first.
    """
    real = _real(root)
    for given in inputs:
        for place in (_real(given.parent) / given.name, _real(given)):
            if not place.is_relative_to(real) or place == real:
                continue
            first = place.relative_to(real).parts[0]
            if first in (*MADE_FOLDERS, MANIFEST_NAME):
                raise UsageError(
                    f"{given} lies in {root / first}, which the build writes itself",
                    "choose another --out, or move your files out of it",
                )


def check_not_overwriting(outputs: Iterable[Path], kept: Iterable[Path]) -> None:
    """Refuses results in the place of an input, of another result or of a bundle's file.

    Args:
        outputs: where results go.
        kept: inputs and files of a bundle, only gone through where there is something in the way.

    Raises:
        UsageError: names the first.
    """
    taken: set[tuple[int, int] | None] | None = None
    places: set[Path] = set()
    for path in outputs:
        place = _real(path.parent) / path.name
        found = _identity(place)
        if found is not None and taken is None:
            taken = {_identity(one) for one in kept}
        if found is not None and taken is not None and found in taken:
            raise UsageError(
                f"{path} would be overwritten: it is an input or a file of the bundle",
                "choose another place for the result",
            )
        if place in places:
            raise UsageError(f"two results would be written to {path}", "choose a place for each")
        places.add(place)


def _real(path: Path) -> Path:
    """A path without links; as it is where no disk takes it, which is for its reader to say."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path


def _identity(path: Path) -> tuple[int, int] | None:
    """What is the same for all names of one file; None where there is no file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
