"""What a section of the page is."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading.

    Attributes:
        id: its anchor, letters and `-`.
        title: its heading, and its link at the top.
        body: markup below the heading.
    """

    id: str
    title: str
    body: Markup
