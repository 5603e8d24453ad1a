"""TOML, read and written in one place: recipes, rules, sets, cards, the list of styles."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from typing import Any

from iast_export.errors import IastExportError, InputError
from iast_export.files.texts import check_values, decode, shown


def parse_toml(
    data: bytes,
    name: str,
    error: type[IastExportError],
    remedy: str = "correct it at the place named",
) -> dict[str, Any]:
    """The table in a TOML file's bytes. A UTF-8 byte-order mark is accepted.

    Every value is of a plain kind that the callers' checks and JSON can take: no nesting beyond 32,
    integers of 64 bits, finite numbers.

    Args:
        name: of the file, for messages.
        error: what to raise.
        remedy: what to do about a file that is not TOML.

    Raises:
        error: another encoding than UTF-8, not TOML (a key that comes twice included), or a value
            of another kind.
    """
    text = decode(data, name, "TOML", error, remedy)
    try:
        table = tomllib.loads(text)
    except ValueError as cause:  # a TOMLDecodeError, or an integer of too many digits
        raise error(f"{name} is not valid TOML: {cause}", remedy) from cause
    except RecursionError as cause:
        raise error(f"{name} is not valid TOML: it is nested too deep", remedy) from cause
    check_values(table, name, error, remedy)
    return table


def format_toml(table: Mapping[str, Any]) -> str:
    """A table of strings, numbers, lists of them and nested tables as TOML, keys in given order.

    Raises:
        InputError: a number is not finite, or a value has no form in TOML.
    """
    return "\n".join(_lines(table, "")).strip() + "\n"


def _lines(table: Mapping[str, Any], prefix: str) -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, Mapping):
            name = f"{prefix}{_key(key)}"
            lines += ["", f"[{name}]", *_lines(value, f"{name}.")]
    return lines


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else _value(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(one) for one in value)}]"
    raise InputError(
        f"{shown(value)} can't be written in a card", "use text, finite numbers and lists of them"
    )
