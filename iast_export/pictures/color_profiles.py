"""Colors as they were meant: from a file's color profile to sRGB, by Pillow's Little CMS."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from iast_export.files.notes import note

Levels = npt.NDArray[np.uint8]
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
# Of each channel, 15 apart: 5832 colors in all.
_GRID_LEVELS = 18
# A profile that moves no color of the grid by more than this is sRGB under another name.
_SAME_LEVELS = 1


# Of a picture that is worked on at a time; chosen: a megabyte or two.
STRIP_ROWS = 64


class UnusableProfile(Exception):  # noqa: N818 - caught and turned into a note
    """A profile that can't be applied; its text says why."""


def to_srgb(picture: Image.Image | Levels, mode: str, profile: bytes | None, name: str) -> Levels:
    """A picture of 8 bits as levels of sRGB: [H, W, 3], or [H, W] where gray needs no conversion.

    Without a profile gray and RGB count as sRGB. A profile that can't be applied is named and left
    out. CMYK without a usable one becomes 255 - ink per channel, which is said too.

    Args:
        picture: its alpha, if any, is left out; an array that needs no conversion is not copied.
        mode: of its colors: L, RGB, CMYK or LAB.
        profile: the ICC profile in the file.
        name: of the picture, for notes.
    """
    transform = None
    if profile:
        try:
            transform = _transform(profile, mode)
        except UnusableProfile as error:
            note("profile", f"{name}: its color profile is left out: {error}")
    if transform is None and mode == "LAB":
        transform = _lab()
    if transform is None and mode in ("L", "RGB"):
        return by_strips(picture, mode, np.asarray) if isinstance(picture, Image.Image) else picture
    if transform is None:
        note("cmyk", f"{name}: CMYK without a usable color profile, its colors are a guess")
        return by_strips(picture, mode, lambda strip: np.asarray(strip.convert("RGB")))
    found = transform
    return by_strips(picture, mode, lambda strip: np.asarray(_applied(strip, found)))


def by_strips(
    picture: Image.Image | Levels, mode: str, of_strip: Callable[[Image.Image], Levels]
) -> Levels:
    """What is made of a picture strip by strip, as a whole copy of it would take its memory again.

    Args:
        picture: with or without alpha.
        mode: that strips have.
        of_strip: makes [rows, W] or [rows, W, channels] of a strip, each pixel by itself.
    """
    shape = picture.size[::-1] if isinstance(picture, Image.Image) else picture.shape
    height, width = shape[0], shape[1]
    made: Levels | None = None
    for top in range(0, height, STRIP_ROWS):
        end = min(top + STRIP_ROWS, height)
        strip = (
            picture.crop((0, top, width, end))
            if isinstance(picture, Image.Image)
            else Image.fromarray(picture[top:end], mode)
        )
        part = of_strip(strip if strip.mode == mode else strip.convert(mode))
        if made is None:
            made = np.empty((height, *part.shape[1:]), np.uint8)
        made[top:end] = part
    assert made is not None  # no picture is empty
    return made


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    made = ImageCms.applyTransform(image, transform)
    assert made is not None  # only `inPlace` returns none
    return made


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB; None for a profile that is sRGB itself.

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
