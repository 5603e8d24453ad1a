"""The styles of the bundle: a thumbnail each, with title and license."""

from __future__ import annotations

import base64

from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import render
from iast_export.pages.sections.section import Section
from iast_export.pictures.images import encode_webp, load_image

# Small, as a bundle may have many: 100 of about 3 kB are a tenth of the page.
_QUALITY = 75
_MOST = 100


def section(parts: ReportParts) -> Section | None:
    """Thumbnails, drawn by the bundle, of the first hundred; the names of all."""
    styles = parts.manifest.styles
    if not styles:
        return None
    thumbnails = {}
    for style in styles[:_MOST]:
        if style.thumbnail is not None and (parts.folder / style.thumbnail).is_file():
            rgb = load_image(parts.folder / style.thumbnail)
            thumbnails[style.id] = base64.b64encode(encode_webp(rgb, _QUALITY)).decode("ascii")
    body = render("sections/styles.html.j2", styles=styles, thumbnails=thumbnails)
    return Section("styles", "Styles and their licenses", body)
