"""The thumbnails of a bundle's styles, as a page holds them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from iast_export.pictures.images import encode_webp, load_image
from iast_export.reports.manifest import StyleEntry

# Small, as a bundle may have many: about 3 kB each.
_QUALITY = 75


def thumbnails(folder: Path, styles: Sequence[StyleEntry]) -> dict[str, str]:
    """Base64 of a WebP by style id; none of a style whose file is not there.

    Raises:
        InputError: a thumbnail is no picture.
    """
    return {
        style.id: base64.b64encode(
            encode_webp(load_image(folder / style.thumbnail), _QUALITY)
        ).decode("ascii")
        for style in styles
        if style.thumbnail is not None and (folder / style.thumbnail).is_file()
    }
