"""TOML from outside: what editors write is read, what can't be used is refused by its place."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.errors import IastExportError, InputError, RecipeError
from iast_export.files.artifacts import write_atomic
from iast_export.files.toml_text import format_toml, parse_toml
from iast_export.gate import parse_rules
from iast_export.network.checkpoint import card_path, load_card
from iast_export.recipe import Recipe, parse_recipe

PLAIN = "name = 'größe'\n"


def test_a_byte_order_mark_of_utf_8_is_accepted_by_every_reader(tmp_path: Path) -> None:
    assert parse_toml(codecs.BOM_UTF8 + PLAIN.encode(), "x", InputError) == {"name": "größe"}
    assert parse_recipe(codecs.BOM_UTF8 + b"[benchmark]\nblocks = 15\n", "r") == Recipe()
    assert parse_rules(
        codecs.BOM_UTF8 + b"schema_version = 1\n[size]\nmax_file_rise = 0.1\n", "r"
    ).size.max_file_rise
    checkpoint = tmp_path / "x.safetensors"
    checkpoint.write_bytes(b"")
    write_atomic(card_path(checkpoint), codecs.BOM_UTF8 + b"name = 'x'\n")
    with pytest.raises(InputError, match="lacks sha256"):
        load_card(checkpoint)


@pytest.mark.parametrize(
    ("encoding", "named"),
    [("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32", "UTF-32")],
)
def test_another_encoding_is_named_with_what_to_do(encoding: str, named: str) -> None:
    with pytest.raises(
        RecipeError, match=rf"r is not valid TOML: it is {named}[^\n]*\n.*save it as UTF-8"
    ):
        parse_recipe(PLAIN.encode(encoding), "r")


def test_a_byte_that_is_not_utf_8_is_named_with_its_line() -> None:
    with pytest.raises(RecipeError, match=r"the byte 0xf6 in line 2 is not UTF-8"):
        parse_recipe(b"# one\nname = 'gr\xf6\xdfe'", "r")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = " + "[" * 60 + "]" * 60, r"a\.0\..*nested deeper than 32"),
        ("a = " + "[" * 100_000, "nested too deep"),
        (".".join("a" * 40) + " = 1", "nested deeper than 32"),
        ("a = 9223372036854775808", "a: an integer of more than 64 bits"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = {b = [1, nan]}", r"a\.b\.1: nan is not a finite number"),
        ("a = -inf", "a: -inf is not a finite number"),
        ("a = 1e999", "a: inf is not a finite number"),
        ("a = '\\ud800'\nb = \"\\ud800\"", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
        ("[a]\n[a]", "not valid TOML"),
        ("a = 2026-99-99", "not valid TOML"),
        ("a = \x00", "zero bytes"),
    ],
)
def test_a_value_that_nothing_can_take_is_refused_by_its_place(text: str, says: str) -> None:
    for error in (InputError, RecipeError):
        with pytest.raises(error, match=says) as caught:
            parse_toml(text.encode(), "x", error)
        assert type(caught.value) is error


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_whatever_the_bytes_are_they_are_a_table_or_an_error_with_a_remedy(data: bytes) -> None:
    for parse in (parse_recipe, parse_rules):
        try:
            parse(data, "x")
        except IastExportError as error:
            assert error.exit_code == 2 and error.remedy


VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=5)
    | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "name",
    "tiers",
    "calibration",
    "quantize",
    "verify",
    "benchmark",
    "bundle",
    "speed",
    "accuracy",
)
TABLES = st.dictionaries(
    st.sampled_from(KEYS),
    VALUES
    | st.dictionaries(st.sampled_from(("set", "depth", "threads", "images", "int8")), VALUES),
    max_size=4,
)


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
    return str(value).lower()


@given(TABLES)
def test_values_of_any_kind_are_taken_or_refused_as_usage(table: dict[str, Any]) -> None:
    text = "".join(f"{key} = {_written(value)}\n" for key, value in table.items())
    for parse in (parse_recipe, parse_rules):
        try:
            parse(text.encode(), "x")
        except RecipeError as error:
            assert "x" in error.message and len(error.message) < 2000


@pytest.mark.parametrize("value", [float("nan"), None, {1, 2}, [object()]])
def test_a_value_without_a_form_in_toml_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="can't be written in a card"):
        format_toml({"x": value})


def test_what_is_written_is_read_again() -> None:
    table = {"a key": 'q"\n\x7fü', "n": [1, 2.5, True], "t": {"deep": {"x": "y"}}}
    assert parse_toml(format_toml(table).encode(), "x", InputError) == table
