"""A gallery of drawn pictures for a bundle, as the last stage of a build leaves one."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from iast_export.pictures.images import encode_webp
from iast_export.reports.gallery import GALLERY_PATH, GalleryReport
from iast_export.reports.manifest import load_manifest

TIER = "d2-256px"


def webp(seed: int, height_px: int = 96, width_px: int = 96) -> str:
    """A picture of soft stripes, different for each seed, in Base64."""
    rows, columns = np.mgrid[:height_px, :width_px]
    waves = [np.sin((rows * (1 + seed % 3) + columns * (i + 1)) / 17 + seed) for i in range(3)]
    rgb = (127.5 + 127.5 * np.stack(waves, axis=2)).astype(np.uint8)
    return base64.b64encode(encode_webp(rgb, 80)).decode("ascii")


def gallery_of(folder: Path, **changes: Any) -> GalleryReport:
    """Two photographs in the bundle's style, two pairs of one lane, one of another."""
    manifest = load_manifest(folder)
    style = manifest.styles[0].id
    contents = {name: f"content-{name}" for name in ("photo0", "photo1")}
    cells = [{"content": name, "style": style, "picture": f"cell-{name}"} for name in contents]
    pictures = {
        name: webp(i) for i, name in enumerate([*contents.values(), *(c["picture"] for c in cells)])
    }
    worst = []
    for lane, psnrs in (("int8", (38.0, 39.5)), ("dynamic_int8", (41.0,))):
        for i, psnr in enumerate(psnrs):
            ids = {kind: f"{lane}-{i}-{kind}" for kind in ("reference", "drawn", "difference")}
            pictures |= {name: webp(i, 72, 96) for name in ids.values()}
            worst.append(
                {
                    **ids,
                    "runtime": "litert",
                    "precision": lane,
                    "tier": TIER,
                    "content": f"photo{i}",
                    "style": style,
                    "width_px": 256,
                    "height_px": 192,
                    "psnr_db": psnr,
                }
            )
    told = {
        "made_at": "2026-01-31T12:00:00Z",
        "command": "iast-export build --out 'a bundle'",
        "files": {entry.path: entry.sha256 for entry in manifest.files},
        "styles": {one.id: one.sha256 for one in manifest.styles},
        "gain": 8,
        "sheet": {
            "runtime": "litert",
            "precision": "int8",
            "tier": TIER,
            "contents": contents,
            "cells": cells,
        },
        "worst": worst,
        "left_out": ["onnxruntime int8 d1-512px"],
        "pictures": pictures,
    }
    return GalleryReport.model_validate({**told, **changes})


def add_gallery(folder: Path, **changes: Any) -> GalleryReport:
    """`gallery_of`, saved into the bundle."""
    gallery = gallery_of(folder, **changes)
    gallery.save(folder / GALLERY_PATH)
    return gallery
