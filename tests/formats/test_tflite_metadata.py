"""The writer of metadata: equal facts are equal bytes, and the archive holds no date."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

from iast_export.formats.tflite_metadata import (
    EdgeFacts,
    FileFacts,
    SignatureFacts,
    archive_bytes,
    metadata_bytes,
)

PICTURE = EdgeFacts("content", "a picture", (48, 32), 255.0, (0.0, 1.0))
FACTS = FileFacts(
    name="a",
    description="b",
    version="1",
    author="c",
    license="d",
    signatures=(SignatureFacts("s", "first", (PICTURE, EdgeFacts("code", "numbers")), ()),),
    attached={"two.json": (b"{}", "second"), "one.txt": (b"1", "first")},
)


def test_equal_facts_are_equal_bytes_and_others_are_not() -> None:
    assert metadata_bytes(FACTS) == metadata_bytes(replace(FACTS))
    assert metadata_bytes(FACTS) != metadata_bytes(replace(FACTS, author="e"))
    assert metadata_bytes(FACTS)[4:8] == b"M001"


def test_the_archive_is_sorted_plain_and_without_a_date() -> None:
    written = archive_bytes(FACTS.attached)
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        entries = archive.infolist()
        assert [one.filename for one in entries] == ["one.txt", "two.json"]
        assert {one.date_time for one in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("two.json") == b"{}"
    assert written == archive_bytes(dict(reversed(FACTS.attached.items())))


def test_nothing_attached_is_no_archive_and_a_file_without_signatures_is_written() -> None:
    assert archive_bytes({}) == b""
    assert metadata_bytes(replace(FACTS, signatures=(), attached={}))
