"""Thumbnails stand in a page as small pictures; a style without one has none."""

from __future__ import annotations

import base64
from pathlib import Path

from iast_export.pages.thumbnails import thumbnails
from iast_export.pictures.images import load_image
from iast_export.pictures.picture_reader import read_picture
from iast_export.reports.manifest import load_manifest


def test_every_style_of_a_bundle_has_one_and_one_without_a_file_has_none(
    small_bundle: Path,
) -> None:
    styles = load_manifest(small_bundle).styles
    found = thumbnails(small_bundle, styles)
    assert set(found) == {style.id for style in styles}
    rgb = read_picture(base64.b64decode(found[styles[0].id]), "it")
    assert rgb.shape == load_image(small_bundle / str(styles[0].thumbnail)).shape
    bare = styles[0].model_copy(update={"thumbnail": None, "thumbnail_sha256": None})
    assert thumbnails(small_bundle, [bare]) == {}
