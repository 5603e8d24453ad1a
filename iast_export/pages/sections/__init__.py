"""The sections of the page, a file each; another one becomes a part of it by its line here.

A file makes a `Section` of the parts, or None where there is nothing to show. Its words and markup
lie in `templates/sections/`, its tables are `rendering.Table`.
"""

from __future__ import annotations

from collections.abc import Callable

from iast_export.pages.parts import ReportParts
from iast_export.pages.sections import (
    against,
    clips,
    depths,
    devices,
    fidelity,
    files,
    goldens,
    ladder,
    lanes,
    left_out,
    made_with,
    pictures,
    side_by_side,
    speed,
    styles,
    verdict,
    worst,
)
from iast_export.pages.sections.section import Section

__all__ = ["SECTIONS", "Section"]

# From top to bottom.
SECTIONS: tuple[Callable[[ReportParts], Section | None], ...] = (
    pictures.section,
    worst.section,
    styles.section,
    verdict.section,
    against.section,
    lanes.section,
    depths.section,
    speed.section,
    fidelity.section,
    clips.section,
    side_by_side.section,
    ladder.section,
    devices.section,
    goldens.section,
    left_out.section,
    files.section,
    made_with.section,
)
