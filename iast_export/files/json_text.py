"""JSON, read strictly: what two readers could take differently is refused."""

from __future__ import annotations

import json
from typing import Any

from iast_export.errors import IastExportError
from iast_export.files.texts import check_values, decode, shown


def parse_json(data: bytes, name: str, error: type[IastExportError], remedy: str) -> dict[str, Any]:
    """The object in a JSON file's bytes. A UTF-8 byte-order mark is accepted.

    Raises:
        error: another encoding than UTF-8, not JSON, not an object, a key that comes twice, NaN or
            infinity (also as 1e999), an integer beyond 64 bits, nesting beyond 32, half a
            surrogate.
    """
    text = decode(data, name, "JSON", error, remedy)
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except ValueError as cause:  # a JSONDecodeError, or an integer of too many digits
        raise error(f"{name} is not valid JSON: {cause}", remedy) from cause
    except RecursionError as cause:
        raise error(f"{name} is not valid JSON: it is nested too deep", remedy) from cause
    if not isinstance(value, dict):
        raise error(f"{name} holds a JSON {type(value).__name__}, an object was needed", remedy)
    check_values(value, name, error, remedy)
    return value


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a finite number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)} comes twice in one object")
    return found
