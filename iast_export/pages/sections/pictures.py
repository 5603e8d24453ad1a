"""What the bundle draws: photographs x styles, and one of them large with a slider."""

from __future__ import annotations

from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import render
from iast_export.pages.sections.section import Section


def section(parts: ReportParts) -> Section:
    """The sheet; without pictures it says how to get them."""
    gallery = parts.gallery
    if gallery is None:
        body = render("sections/no_pictures.html.j2", left_out=bool(parts.left_out))
        return Section("pictures", "Pictures", body)
    sheet = gallery.sheet
    titles = {style.id: style.title or style.id for style in parts.manifest.styles}
    styles = list(dict.fromkeys(cell.style for cell in sheet.cells))
    cells = {(cell.content, cell.style): cell.picture for cell in sheet.cells}
    body = render(
        "sections/pictures.html.j2",
        sheet=sheet,
        pictures=gallery.pictures,
        cells=cells,
        styles=styles,
        titles=titles,
        tier=next(one for one in parts.manifest.tiers if one.id == sheet.tier),
    )
    return Section("pictures", "Pictures", body)
