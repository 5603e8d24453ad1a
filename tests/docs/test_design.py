"""DESIGN.md: numbered without a gap, short entries, every one in the index."""

from __future__ import annotations

import re

from docs.pages import ROOT, links

TEXT = (ROOT / "DESIGN.md").read_text(encoding="utf-8")
HEAD, *ENTRIES = re.split(r"^(?=## )", TEXT, flags=re.MULTILINE)
MOST_LINES = 15


def test_entries_are_numbered_in_their_order() -> None:
    numbers = [int(re.match(r"## (\d+)\. \S", entry)[1]) for entry in ENTRIES]
    assert numbers == list(range(1, len(ENTRIES) + 1))


def test_an_entry_has_three_parts_in_fifteen_lines() -> None:
    for entry in ENTRIES:
        title, *lines = [line for line in entry.splitlines() if line.strip()]
        parts = re.findall(r"^\*\*(\w+)\.\*\* ", entry, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequence"], title
        text = [line for line in lines if not line.startswith("*Superseded")]
        assert len(text) <= MOST_LINES, title


def test_the_index_names_every_entry() -> None:
    found = {int(link.anchor.split("-")[0]) for link in links("DESIGN.md", HEAD) if link.anchor}
    assert found == set(range(1, len(ENTRIES) + 1))


def test_what_supersedes_an_entry_comes_later() -> None:
    for number, entry in enumerate(ENTRIES, 1):
        for mark in re.findall(r"^\*Superseded[^*]*\*$", entry, re.MULTILINE):
            named = [int(one) for one in re.findall(r"(?:by|and) (\d+)", mark)]
            assert named and all(number < one <= len(ENTRIES) for one in named), mark
    assert any("*Superseded by 25" in entry for entry in ENTRIES[8:9])
