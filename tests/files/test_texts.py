"""Text from outside: refused by name, shown so that it passes for nothing else."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.errors import InputError, RecipeError
from iast_export.files.texts import check_values, decode, perhaps, shown, visible

PLAIN = st.none() | st.floats() | st.text()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


def test_words_that_changed_places_are_suggested_and_others_are_not() -> None:
    known = ("fp32", "fp16", "dynamic_int8", "int8")
    assert perhaps("int8_dynamic", known) == "perhaps you meant 'dynamic_int8'; "
    assert perhaps("photograph", known) == ""


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain, größe, 絵", "plain, größe, 絵"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\tb\rc\nd", r"a\tb\rc\nd"),
        ("a\u202eb\u2066c\ufeff", r"a\u202eb\u2066c\ufeff"),
        ("caf\udce9", r"caf\xe9"),
        ("\ud800", r"\ud800"),
        ("\x00\x7f\x9f", r"\x00\x7f\x9f"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_lines_are_kept_where_they_are_asked_for() -> None:
    assert visible("a\nb\x07", one_line=False) == "a\nb\\x07"


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000, [["a"] * 100] * 100, {"k": {"k": {"k": {"k": 1}}}}, 10**500, b"\x1b" * 999],
)
def test_a_value_from_outside_is_shown_short_and_on_one_line(value: object) -> None:
    said = shown(value)
    assert 0 < len(said) < 4000 and said.isprintable()


@given(VALUES)
def test_showing_never_fails_and_stays_on_its_line(value: object) -> None:
    assert "\n" not in shown(value) and "\x1b" not in shown(value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (codecs.BOM_UTF16_LE + "a".encode("utf-16-le"), "it is UTF-16 text"),
        (codecs.BOM_UTF32_BE + "a".encode("utf-32-be"), "it is UTF-32 text"),
        ("ab".encode("utf-16-le"), "it is UTF-16 or UTF-32 text"),
        (b"abc\x00", "it holds zero bytes"),
        (b"one\ntwo \xe9", "the byte 0xe9 in line 2 is not UTF-8"),
    ],
)
def test_another_encoding_is_named(data: bytes, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        decode(data, "f", "TOML", RecipeError, "correct it")
    assert caught.value.remedy == "save it as UTF-8, or correct it"


def test_the_mark_of_utf_8_is_no_part_of_the_text() -> None:
    assert decode(codecs.BOM_UTF8 + "ä".encode(), "f", "JSON", InputError, "") == "ä"


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value", [None, True, 1.5, 2**63 - 1, -(2**63), "ä", {"a": [1, {"b": "x"}]}, nested(32)]
)
def test_plain_values_pass(value: object) -> None:
    check_values(value, "f", InputError, "")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": [0, {"b": 2**63}]}, "f: a.1.b: an integer of more than 64 bits"),
        ({"a": float("nan")}, "f: a: nan is not a finite number"),
        ([1.0, float("-inf")], "f: 1: -inf is not a finite number"),
        ({"a": "x\ud800"}, "f: a: text with half of a surrogate pair"),
        ({"\ud800": 1}, r"f: the whole: text with half of a surrogate pair"),
        (nested(33), "nested deeper than 32 levels"),
        (float("inf"), "f: the whole: inf is not a finite number"),
    ],
)
def test_what_nothing_can_take_is_refused_by_its_place(value: object, said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_values(value, "f", InputError, "correct it")
    assert said in caught.value.message
