"""Whether files that people write by hand can be used: recipes, gate rules, picture sets.

Needs no torch and no bundle, so that an editor or a pre-commit hook can ask at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iast_export.errors import IastExportError, InputError, RecipeError
from iast_export.files.artifacts import read_bytes
from iast_export.files.texts import visible
from iast_export.files.toml_text import parse_toml
from iast_export.gate.rules import Rules, parse_rules
from iast_export.pictures.imagesets import parse_set
from iast_export.recipe import Recipe, parse_recipe

SettingsKind = Literal["recipe", "rules", "set"]

# Keys of the outermost table. A set has a name too, and may leave it out.
_KEYS: Mapping[SettingsKind, frozenset[str]] = {
    "recipe": frozenset(Recipe.model_fields),
    "rules": frozenset(Rules.model_fields),
    "set": frozenset({"name", "images"}),
}
KINDS: tuple[SettingsKind, ...] = tuple(_KEYS)
_PARSERS: Mapping[SettingsKind, Callable[[bytes, Path], object]] = {
    "recipe": lambda data, path: parse_recipe(data, str(path)),
    "rules": lambda data, path: parse_rules(data, str(path)),
    "set": parse_set,
}


@dataclass(frozen=True)
class Found:
    """What one file is.

    Attributes:
        path: as given, in printable letters.
        kind: what it is, or was told to be; None where that can't be told.
        exit_code: 0 usable, 2 not usable, 3 missing or unreadable.
        message: what is wrong with it; empty for a usable one.
        remedy: what to do next; empty for a usable one.
    """

    path: str
    kind: SettingsKind | None
    exit_code: int = 0
    message: str = ""
    remedy: str = ""


def check_files(paths: Sequence[Path], kind: SettingsKind | None = None) -> list[Found]:
    """What each file is and whether it can be used, in the order given; a bad one ends nothing.

    Args:
        paths: TOML files. Pictures that a set names are not opened.
        kind: what all of them are; None: told from the keys of their outermost table.
    """
    return [_checked(path, kind) for path in paths]


def exit_code(found: Sequence[Found]) -> int:
    """0 where all are usable, else the highest code."""
    return max((one.exit_code for one in found), default=0)


def _checked(path: Path, kind: SettingsKind | None) -> Found:
    told = kind
    name = visible(str(path))
    try:
        data = read_bytes(path)
    except InputError as error:
        return Found(name, told, error.exit_code, error.message, error.remedy)
    try:
        told = kind or kind_of(data, name)
        _PARSERS[told](data, path)
    except IastExportError as error:
        return Found(name, told, RecipeError.exit_code, error.message, error.remedy)
    return Found(name, told)


def kind_of(data: bytes, name: str) -> SettingsKind:
    """What a file is, from the keys of its outermost table that only one kind has.

    Args:
        data: the file's bytes.
        name: of the file, for messages.

    Raises:
        RecipeError: not TOML, or no such key, or as many of two kinds.
    """
    keys = set(parse_toml(data, name, RecipeError))
    own = {kind: len(keys & known - _others(kind)) for kind, known in _KEYS.items()}
    most = max(own.values())
    likely = [kind for kind, count in own.items() if count == most]
    if most and len(likely) == 1:
        return likely[0]
    held = ", ".join(sorted(visible(key) for key in keys)[:8]) or "no key"
    raise RecipeError(
        f"{name}: a recipe, rules or a set? It holds {held}",
        "say which with --as, or write a key of only one, such as tiers, accuracy or images",
    )


def _others(kind: SettingsKind) -> frozenset[str]:
    """The keys of all other kinds."""
    return frozenset().union(*(known for other, known in _KEYS.items() if other != kind))
