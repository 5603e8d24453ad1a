"""The styles of the bundle: a thumbnail each, with title and license."""

from __future__ import annotations

from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import render
from iast_export.pages.sections.section import Section
from iast_export.pages.thumbnails import thumbnails

# 100 of about 3 kB are a tenth of the page.
_MOST = 100


def section(parts: ReportParts) -> Section | None:
    """Thumbnails, drawn by the bundle, of the first hundred; the names of all."""
    styles = parts.manifest.styles
    if not styles:
        return None
    drawn = thumbnails(parts.folder, styles[:_MOST])
    body = render("sections/styles.html.j2", styles=styles, thumbnails=drawn)
    return Section("styles", "Styles and their licenses", body)
