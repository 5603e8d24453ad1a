"""Text from outside: decoded or refused by name, and shown so that it passes for nothing else."""

from __future__ import annotations

import codecs
import difflib
import math
import re
import reprlib
from collections.abc import Iterable, Iterator

from iast_export.errors import IastExportError

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# difflib's ratio, 0 to 1, from which a name is suggested. Its default of 0.6 misses words that
# changed places (int8_dynamic for dynamic_int8, 0.58) or were cut (onnx for onnxruntime, 0.53).
_ALIKE = 0.5
# Levels of nesting; chosen: far more than any file of ours has, and readers recurse.
_DEEPEST = 32
_LARGEST_INTEGER = 2**63 - 1
_BYTE = range(0xDC80, 0xDD00)  # how Python holds a byte of a name that is not UTF-8
# What a terminal obeys instead of showing it: controls, separators of lines, turns of direction.
_UNSHOWN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


class _Short(reprlib.Repr):
    """Reprs of bounded length and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 80
        self.maxlevel = 3


_short = _Short()


def decode(data: bytes, name: str, form: str, error: type[IastExportError], remedy: str) -> str:
    """The text of a file called `name` that should hold `form` ("TOML", "JSON"), without a mark.

    Raises:
        error: another encoding, named where its marks tell it, or a byte that is not UTF-8.
    """
    remedy = f"save it as UTF-8, or {remedy}"
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            raise error(f"{name} is not valid {form}: it is {encoding} text", remedy)
    if b"\x00" in data:
        wide = data[1:2] == b"\x00" or data[:1] == b"\x00"
        found = "UTF-16 or UTF-32 text" if wide else "not text: it holds zero bytes"
        raise error(f"{name} is not valid {form}: it is {found}", remedy)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        raise error(
            f"{name} is not valid {form}: the byte 0x{data[cause.start]:02x} in line {line} is not "
            "UTF-8",
            remedy,
        ) from cause


def check_values(value: object, name: str, error: type[IastExportError], remedy: str) -> None:
    """Refuses what no file of this project needs and what breaks those who go on with it.

    That is: nesting beyond 32, integers beyond 64 bits, NaN, infinity, and text with half a
    surrogate.

    Raises:
        error: names the place, as `tiers.0.depth`.
    """
    if _is_plain(value):
        return
    for place, found, depth in _values(value):
        problem = _problem(found, depth)
        if problem:
            where = ".".join(str(part) for part in place[:8]) or "the whole"
            raise error(f"{name}: {visible(where)}: {problem}", remedy)


def _is_plain(root: object) -> bool:
    """Whether `_problem` finds nothing in it, level by level and without places: nearly always."""
    level = [root]
    for _ in range(_DEEPEST + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
                if not "".join(value).isascii() and any(_problem(key, 0) for key in value):
                    return False
            elif isinstance(value, list):
                below += value
            elif _problem(value, 0):
                return False
        if not below:
            return True
        level = below
    return False


def _problem(found: object, depth: int) -> str:
    if depth > _DEEPEST:
        return f"nested deeper than {_DEEPEST} levels"
    if isinstance(found, int) and not -_LARGEST_INTEGER - 1 <= found <= _LARGEST_INTEGER:
        return "an integer of more than 64 bits"
    if isinstance(found, float) and not math.isfinite(found):
        return f"{found} is not a finite number"
    if (
        isinstance(found, str)
        and not found.isascii()
        and any("\ud800" <= c <= "\udfff" for c in found)
    ):
        return "text with half of a surrogate pair"
    return ""


def _values(root: object) -> Iterator[tuple[tuple[object, ...], object, int]]:
    """Every key and value with its place and depth, without recursion."""
    waiting: list[tuple[tuple[object, ...], object, int]] = [((), root, 0)]
    while waiting:
        place, value, depth = waiting.pop()
        yield place, value, depth
        if isinstance(value, dict):
            yield from ((place, key, depth) for key in value)
            waiting += [((*place, key), one, depth + 1) for key, one in value.items()]
        elif isinstance(value, list):
            waiting += [((*place, i), one, depth + 1) for i, one in enumerate(value)]


def visible(text: str, *, one_line: bool = True) -> str:
    r"""`text` with everything that a terminal would obey written out, as `\x1b`.

    A byte of a file name that is not UTF-8 becomes `\xe9`. Line feeds are kept unless `one_line`.
    """
    text = _UNSHOWN.sub(lambda found: _written_out(ord(found[0])), text)
    return text.replace("\n", r"\n") if one_line else text


def _written_out(code: int) -> str:
    if code in _BYTE:
        return f"\\x{code - 0xDC00:02x}"
    short = {9: r"\t", 13: r"\r"}
    return short.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def shown(value: object) -> str:
    """The repr of a value from outside, of bounded length, on one line."""
    return visible(_short.repr(value))


def perhaps(word: str, known: Iterable[str]) -> str:
    """`perhaps you meant 'depth'; ` where a known word is like this one, otherwise nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=_ALIKE)
    return f"perhaps you meant {near[0]!r}; " if near else ""
