"""Damage to texts: JSON trees, TOML lines, and whatever editors do to any of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any

from benchmarks.trust.fuzz.mutate_bytes import mutate_bytes

_STRINGS = (
    "",
    " ",
    "x" * 5000,
    "\ud800",
    "\udfff\ud800",
    "\x00",
    "\x1b[31m",
    "[red]x[/red]",
    "[/x]",
    "../victim.txt",
    "/etc/passwd",
    "a/../../b",
    "..",
    "C:\\x",
    "~",
    "NaN",
    "1e999",
    "-1",
    "caf\u00e9",
    "\u202eabc",
    "\ufeff",
    "a" * 300 + ".onnx",
    "$HOME",
    "%s%n",
    "{0}",
    "null",
    "True",
    "0" * 64,
    "f" * 64,
    "d4-256px",
    "int8",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    1e308,
    -1e-320,
    0.5,
    float("nan"),
    float("inf"),
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"a": {}}},
    [0] * 1000,
    [-1, -1, -1, -1],
    *_STRINGS,
)


def mutate_text(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """What editors and careless writers do to a text, whatever its language."""
    kind = rng.randrange(9)
    if kind == 0:
        return b"\xef\xbb\xbf" + data
    if kind == 1:
        return data.decode("utf-8", "replace").encode(
            rng.choice(("utf-16", "utf-16-le", "utf-32", "cp037"))
        )
    if kind == 2:
        return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\x0b", b"\x00", b"")))
    if kind == 3:
        at = rng.randint(0, len(data))
        return (
            data[:at]
            + rng.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\xf5"))
            + data[at:]
        )
    if kind == 4:
        depth = rng.choice((50, 1000, 20000, 200000))
        return rng.choice((b"[", b'{"a":', b"[{", b"(")) * depth
    if kind == 5:
        at = [found.span() for found in re.finditer(rb"-?\d+(\.\d+)?", data)] or [(0, 0)]
        start, end = rng.choice(at)
        return data[:start] + rng.choice(_NUMBER_TEXTS) + data[end:]
    if kind == 6:
        at2 = [found.span() for found in re.finditer(rb'"[^"\n]*"', data)] or [(0, 0)]
        start, end = rng.choice(at2)
        return data[:start] + rng.choice(_STRING_TEXTS) + data[end:]
    return mutate_bytes(data, rng, others)


_NUMBER_TEXTS = (
    b"9" * 5000,
    b"-" + b"9" * 400,
    b"1e999",
    b"-1e999",
    b"NaN",
    b"nan",
    b"inf",
    b"-inf",
    b"Infinity",
    b"1e308",
    b"0x10",
    b"1_000",
    b"00",
    b"1979-05-27",
    b"07:32:00",
    b"true",
    b'"7"',
    b"-0.0",
    b"5e-324",
    b"9" * 19,
)
_STRING_TEXTS = (
    rb'"\ud800"',
    rb'"\udcff\ud800"',
    rb'"\u0000"',
    rb'"\UFFFFFFFF"',
    rb'"\x41"',
    b'"' + b"a" * 5000 + b'"',
    rb'"../../x"',
    rb'"\u001b[2J"',
    b"''",
    b'"""\n"""',
    b"1",
    b"[]",
    b"{}",
    b"null",
    b"true",
    b"[" * 500 + b"]" * 500,
    b"{a={a={a={}}}}",
    b"1979-05-27T07:32:00Z",
)


def mutate_json(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A JSON file with one or a few wrong values, keys or structures, or broken as a text."""
    if rng.random() < 0.3:
        return mutate_text(data, rng, others)
    tree = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        tree = mutate_tree(tree, rng)
    return json.dumps(tree, ensure_ascii=rng.random() < 0.9).encode("utf-8", "surrogatepass")


def mutate_tree(tree: Any, rng: Random) -> Any:
    """Plain values with one changed, dropped, doubled or added; in place where that can be."""
    places = list(_places(tree))
    if not places:
        return deepcopy(rng.choice(_VALUES))
    holder, key = rng.choice(places)
    kind = rng.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice(("", "x", "__class__", "\ud800", "schema_version", "a" * 3000))] = (
            deepcopy(rng.choice(_VALUES))
        )
    elif kind == 2 and isinstance(holder, list):
        holder.append(holder[key])
    elif kind == 3:
        other, where = rng.choice(places)
        holder[key] = deepcopy(other[where])
    elif kind == 4 and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
        holder[key] = rng.choice(
            (-holder[key], holder[key] * 1000, holder[key] + 1, str(holder[key]), [holder[key]])
        )
    else:
        holder[key] = deepcopy(rng.choice(_VALUES))
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in list(items):
        yield tree, key
        yield from _places(value)


def mutate_toml(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A TOML file with a line changed, dropped, doubled or added, or broken as a text."""
    if rng.random() < 0.35:
        return mutate_text(data, rng, others)
    lines = data.decode().splitlines()
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(lines)) if lines else 0
        kind = rng.randrange(6)
        if kind == 0 and lines:
            del lines[at]
        elif kind == 1 and lines:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif kind == 2:
            lines.insert(at, rng.choice(_TOML_LINES))
        elif lines:
            key, mark, _ = lines[at].partition("=")
            lines[at] = f"{key}= {rng.choice(_TOML_VALUES)}" if mark else rng.choice(_TOML_LINES)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


_TOML_VALUES = (
    "true",
    "-1",
    "0",
    "1",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9223372036854775808",
    "9" * 5000,
    "0xffffffffffffffff",
    '""',
    '"x"',
    "[]",
    "{}",
    "[[[]]]",
    "[1, 2, 3]",
    "[-1, -1, -1, -1]",
    "[1.5, nan, inf, 0]",
    '["a", "b"]',
    '"\\ud800"',
    '"\\U00110000"',
    '"\\u0000"',
    '"../x"',
    '"/etc/passwd"',
    '"skimage:../../x"',
    '"skimage:"',
    '"matplotlib:nothing"',
    "1979-05-27",
    "07:32:00",
    "1979-05-27T07:32:00Z",
    "[" * 400 + "]" * 400,
    "[" * 5000 + "]" * 5000,
    "{a = {b = {c = 1}}}",
    '"' + "a" * 10000 + '"',
    "'''\n'''",
    '"[red]x[/red]"',
    "1e-400",
    "[{}]",
    "[[]]",
    "-9223372036854775808",
    "0b1",
    "1_0",
    "18446744073709551616",
    '"\\u001b[2J"',
    "4096",
    "2.0",
)
_TOML_LINES = (
    "[",
    "]",
    "[a]",
    "[[a]]",
    "[images]",
    "[[images]]",
    "x = 1",
    "= 1",
    "x",
    "a.b.c = 1",
    "a" * 3000 + " = 1",
    '"\\ud800" = 1',
    '"" = 1',
    "name = 1",
    "tiers = []",
    "tiers = 1",
    "images = 1",
    "images = [1, 2]",
    "images = {}",
    ".".join("a" * 400) + " = 1",
    ".".join("a" * 5000) + " = 1",
    "[" + ".".join("a" * 3000) + "]",
    "# \x01",
    "calibration = 1",
    "gate = []",
    "[tiers]",
    "quantize = {edges = 1}",
    "\x00",
    "\ud800",
    "__proto__ = {}",
)
