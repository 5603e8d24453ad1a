"""Settings that people write by hand: one TOML file into one frozen model, refusals by place."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from iast_export.errors import IastExportError
from iast_export.files.texts import perhaps, shown
from iast_export.files.toml_text import parse_toml

_KEY = "[key]"  # how pydantic marks that a key, not its value, is wrong


class Settings(BaseModel):
    """Base of what a file states: frozen, no unknown key, no NaN, no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


S = TypeVar("S", bound=Settings)


def parse_settings(data: bytes, name: str, kind: type[S], refused: type[IastExportError]) -> S:
    """The model that a TOML file's bytes state; `name` is for messages.

    Raises:
        refused: not TOML, an unknown key (with the nearest known one), or a value that can't be
            used; names the place, as `tiers.0.depth`.
    """
    raw = parse_toml(data, name, refused)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        message, remedy = _refusal(kind, error)
        raise refused(f"{name}: {message}", remedy) from error


def _refusal(kind: type[Settings], error: ValidationError) -> tuple[str, str]:
    """Message and remedy for the first unknown key, or else for the first wrong value."""
    found: list[Any] = error.errors(include_url=False)
    details = next((one for one in found if _is_key(one)), found[0])
    place = [part for part in details["loc"] if part != _KEY]
    where = ".".join(map(str, place)) or "the whole"
    if details["type"] == "missing" and isinstance(place[-1], str):
        known = _known_keys(kind, place[:-1])
        return f"{where}: it is missing", f"write it; keys here: {', '.join(known)}"
    if not _is_key(details):
        said = details["msg"].removeprefix("Value error, ")
        return f"{where}: {said}, found {shown(details['input'])}", "correct the value"
    known = _known_keys(kind, place[:-1])
    remedy = f"{perhaps(str(place[-1]), known)}known here: {', '.join(known)}"
    return f"unknown key {where!r}", remedy


def _is_key(details: Any) -> bool:
    return bool(details["type"] == "extra_forbidden" or details["loc"][-1:] == (_KEY,))


def _known_keys(kind: Any, place: Iterable[object]) -> list[str]:
    """The keys that are allowed in the table at a place of a model, such as ("tiers", 0)."""
    for step in place:
        kind = kind.model_fields[step].annotation if _is_model(kind) else _items(kind)
    return list(kind.model_fields) if _is_model(kind) else list(get_args(get_args(kind)[0]))


def _items(kind: Any) -> Any:
    """What a tuple or a dictionary holds."""
    return next(one for one in reversed(get_args(kind)) if one not in (Ellipsis, NoneType))


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
