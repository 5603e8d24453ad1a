"""The golden pictures, which whoever runs the bundle must draw again."""

from __future__ import annotations

import base64

from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import render
from iast_export.pages.sections.section import Section
from iast_export.pictures.images import encode_webp, fit_longest_side, load_image

# Shown to tell them apart; what is judged lies in the bundle.
_SIDE_PX, _QUALITY = 256, 75


def section(parts: ReportParts) -> Section | None:
    """One row per tier: the photograph, then what each lane made of it."""
    rows = []
    for golden in parts.manifest.golden:
        pictures = [("photograph", _encoded(parts, golden.content))]
        for name, path in sorted(golden.outputs.items()):
            runtime, _, precision = name.partition("-")
            pictures.append((fmt.lane_name(runtime, precision), _encoded(parts, path)))
        title = f"{golden.tier}, style {golden.style}, strength {golden.strength:g}"
        rows.append((title, pictures))
    if not rows:
        return None
    return Section("goldens", "Golden pictures", render("sections/goldens.html.j2", rows=rows))


def _encoded(parts: ReportParts, path: str) -> str:
    rgb = load_image(parts.folder / path)
    small = fit_longest_side(rgb, _SIDE_PX) if max(rgb.shape[:2]) > _SIDE_PX else rgb
    return base64.b64encode(encode_webp(small, _QUALITY)).decode("ascii")
