"""Colors as they were meant: from the profile in a picture's file to sRGB, by Little CMS (in Pillow)."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from iast_export.notes import note

_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
_GRID_LEVELS = 18
# A profile that moves no color of the grid by more than this is sRGB under another name.
_SAME_LEVELS = 1


class UnusableProfile(Exception):  # noqa: N818 - caught and turned into a note
    """A profile that can't be applied; its text says why."""


def to_srgb(image: Image.Image, profile: bytes | None, name: str) -> Image.Image:
    """`image` (L, RGB, CMYK or LAB, 8 bits) as sRGB: mode RGB, or L where there is nothing to convert.

    Without a profile gray and RGB count as sRGB. A profile that can't be applied is named and left
    out. CMYK without a usable one becomes 255 - ink per channel, which is said too.

    Args:
        image: without alpha.
        profile: the ICC profile in the file.
        name: of the picture, for notes.
    """
    if profile:
        try:
            transform = _transform(profile, image.mode)
            return image if transform is None else _applied(image, transform)
        except UnusableProfile as error:
            note("profile", f"{name}: its color profile is left out: {error}")
    if image.mode == "LAB":
        return _applied(image, _lab())
    if image.mode == "CMYK":
        note("cmyk", f"{name}: CMYK without a usable color profile, its colors are a guess")
    return image if image.mode == "L" else image.convert("RGB")


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    made = ImageCms.applyTransform(image, transform)
    assert made is not None  # only `inPlace` returns none
    return made


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """To sRGB; None for a profile that is sRGB itself.

    Raises:
        UnusableProfile: broken, or of another color space than the picture.
    """
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = str(opened.profile.xcolor_space).strip()
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise UnusableProfile("it is damaged") from error
    if space != _SPACES[mode]:
        raise UnusableProfile(f"it is for {space}, the picture is {_SPACES[mode]}")
    try:
        transform = ImageCms.buildTransform(opened, _srgb(), mode, "RGB")
    except (ImageCms.PyCMSError, ValueError) as error:
        raise UnusableProfile(f"Little CMS refuses it ({error})") from error
    return None if mode in ("L", "RGB") and _is_srgb(transform, mode) else transform


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    levels = np.linspace(0, 255, _GRID_LEVELS).round().astype(np.uint8)
    grid: Any = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 3)
    if mode == "L":
        levels = np.arange(256, dtype=np.uint8)
        grid = np.repeat(levels[None, :, None], 3, axis=2)
    given = Image.fromarray(np.ascontiguousarray(grid[:, :, 0] if mode == "L" else grid))
    moved = np.asarray(_applied(given, transform)).astype(np.int16) - grid
    return bool(np.abs(moved).max() <= _SAME_LEVELS)


@lru_cache(maxsize=1)
def _srgb() -> Any:
    return ImageCms.createProfile("sRGB")


@lru_cache(maxsize=1)
def _lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
