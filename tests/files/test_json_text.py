"""JSON from outside: one reading or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.errors import InputError
from iast_export.files.artifacts import json_bytes
from iast_export.files.json_text import parse_json


def parse(data: bytes) -> dict[str, Any]:
    return parse_json(data, "x", InputError, "make it again")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"a": "\\ud800"}', "a: text with half of a surrogate pair"),
        (b'{"a": {"\\udfff": 1}}', "half of a surrogate pair"),
        (b'{"a": 1, "a": 2}', "'a' comes twice"),
        (b'{"a": [{"b": 1, "b": 1}]}', "'b' comes twice"),
        (b'{"a": 1e999}', "a: inf is not a finite number"),
        (b'{"a": -Infinity}', "not a finite number"),
        (b'{"a": ' + b"1" * 30 + b"}", "a: an integer of more than 64 bits"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not valid JSON"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", "nested deeper than 32"),
        (b'{"a": ' + b"[" * 300_000, "nested too deep"),
        (b'{"a":' * 300_000, "nested too deep"),
        (b'{"a": "\xff"}', "the byte 0xff in line 1 is not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "it is UTF-16 text"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16 or UTF-32"),
        (b"[1]", "holds a JSON list"),
        (b"null", "holds a JSON NoneType"),
    ],
)
def test_what_two_readers_could_take_differently_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse(data)
    assert "make it again" in caught.value.remedy


def test_a_byte_order_mark_is_accepted_and_whole_pairs_are_text() -> None:
    assert parse(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}') == {"a": "\N{GRINNING FACE}"}


def test_a_name_that_is_not_utf_8_is_written_as_it_is_shown() -> None:
    assert parse(json_bytes({"caf\udce9": "a\ud800"})) == {"caf\\xe9": "a\\ud800"}


@given(
    st.binary(max_size=40)
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_whatever_the_bytes_are_they_are_an_object_or_an_error(data: bytes) -> None:
    try:
        assert isinstance(parse(data), dict)
    except InputError as error:
        assert error.remedy


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**63 - 1) | st.text()
    )
)
def test_what_is_written_is_read_again(table: dict[str, Any]) -> None:
    assert parse(json_bytes(table)) == json.loads(json_bytes(table))
