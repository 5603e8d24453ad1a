"""What lies in the bundle's folder and is not shown."""

from __future__ import annotations

from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import render
from iast_export.pages.sections.section import Section


def section(parts: ReportParts) -> Section | None:
    """A line each, with the reason."""
    if not parts.left_out:
        return None
    body = render("sections/left_out.html.j2", lines=parts.left_out)
    return Section("left-out", "Left out", body)
