"""Pictures as 8-bit RGB: PNG files, and the exact way from pixels to tensors and back.

Everywhere a picture is a uint8 array [H, W, 3] in RGB order; a tensor is float32 [1, 3, H, W] in
[0, 1]. Both directions are part of a bundle's contract: level / 255, and floor(x * 255 + 0.5)
clipped to 0..255.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, write_atomic
from iast_export.pictures.picture_reader import read_picture
from iast_export.pictures.resize import resize

Rgb = npt.NDArray[np.uint8]
FloatImage = npt.NDArray[np.float32]

# Of a sheet; chosen by eye.
_LABEL_HEIGHT_PX = 24
_LABEL_PX = 13
_GAP_PX = 4


def load_image(path: Path) -> Rgb:
    """The picture in a file, upright, in sRGB, alpha over white: `picture_reader.read_picture`.

    Returns:
        [H, W, 3] RGB.

    Raises:
        InputError: missing, or not a picture that can be decoded whole.
    """
    return read_picture(read_bytes(path), str(path))


def encode_png(rgb: Rgb) -> bytes:
    """`rgb` as PNG bytes; the same pixels give the same bytes.

    Raises:
        InputError: not uint8 [H, W, 3], or empty.
    """
    _check_rgb(rgb)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_STRATEGY, 0]
    done, encoded = cv2.imencode(".png", bgr, settings)
    if not done:
        raise InputError("a picture can't be encoded as PNG", "check its size")
    return encoded.tobytes()


def encode_webp(rgb: Rgb, quality: int) -> bytes:
    """`rgb` as lossy WebP, a third smaller than JPEG of that look; `quality` from 1 to 100.

    Raises:
        InputError: not uint8 [H, W, 3], or empty.
    """
    _check_rgb(rgb)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise InputError("a picture can't be encoded as WebP", "check its size")
    return encoded.tobytes()


def save_png(path: Path, rgb: Rgb) -> None:
    """Writes `rgb` [H, W, 3] as PNG, whole or not at all, deterministically.

    Raises:
        InputError: not uint8 [H, W, 3], empty, or the folder can't be written.
    """
    write_atomic(path, encode_png(rgb))


def to_tensor(rgb: Rgb) -> FloatImage:
    """[H, W, 3] levels -> float32 [1, 3, H, W] in [0, 1]: level / 255.

    Raises:
        InputError: not uint8 [H, W, 3], or empty.
    """
    _check_rgb(rgb)
    planes = rgb.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
    return np.ascontiguousarray(planes / np.float32(255.0))


def to_levels(image: npt.NDArray[np.floating[Any]]) -> Rgb:
    """Float [1, 3, H, W] -> levels [H, W, 3]: floor(x * 255 + 0.5) in float32, clipped to 0..255.

    Raises:
        InputError: NaN or infinity in it, another shape, or empty.
    """
    if image.ndim != 4 or image.shape[:2] != (1, 3) or image.size == 0:
        raise InputError(
            f"an image tensor of shape {image.shape}, [1, 3, H, W] was needed", "report this"
        )
    if not np.isfinite(image).all():
        raise InputError(
            "the model's output holds NaN or infinity",
            "the model or its weights are damaged; inspect it, then export or train again",
        )
    scaled = np.floor(image[0].astype(np.float32) * np.float32(255.0) + np.float32(0.5))
    return np.ascontiguousarray(np.clip(scaled, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def pad_to(rgb: Rgb, height_px: int, width_px: int) -> Rgb:
    """`rgb` padded at the bottom and the right to the size asked, by reflection.

    The border pixel is not repeated (numpy's "reflect", continued where the pad is longer than the
    picture); a side of 1 px is repeated ("edge").

    Raises:
        InputError: the picture is empty, or larger than the size asked.
    """
    _check_rgb(rgb)
    height, width = rgb.shape[:2]
    if height > height_px or width > width_px:
        raise InputError(
            f"a picture of {width}x{height} px can't be padded to {width_px}x{height_px} px",
            "scale it down first, or use a larger tier",
        )
    rows = ((0, height_px - height), (0, 0), (0, 0))
    columns = ((0, 0), (0, width_px - width), (0, 0))
    padded = np.pad(rgb, rows, mode="reflect") if height > 1 else np.pad(rgb, rows, mode="edge")
    return (
        np.pad(padded, columns, mode="reflect")
        if width > 1
        else np.pad(padded, columns, mode="edge")
    )


def padded_side_px(side_px: int, multiple_px: int) -> int:
    """The next multiple of `multiple_px`, at least two: one is one pixel inside a network."""
    return max(2, -(-side_px // multiple_px)) * multiple_px


def pad_to_multiple(rgb: Rgb, multiple_px: int) -> Rgb:
    """`rgb` padded as by `pad_to` up to `padded_side_px` of either side."""
    height, width = rgb.shape[:2]
    return pad_to(rgb, padded_side_px(height, multiple_px), padded_side_px(width, multiple_px))


def fit_longest_side(rgb: Rgb, side_px: int) -> Rgb:
    """`rgb` scaled so that its longest side is `side_px`, by `resize.resize`.

    Raises:
        InputError: the picture is empty or `side_px` is below 1.
    """
    _check_rgb(rgb)
    if side_px < 1:
        raise InputError(f"a longest side of {side_px} px was asked", "ask for at least 1 px")
    return resize(rgb, *fit_size(rgb.shape[0], rgb.shape[1], side_px))


def fit_size(height_px: int, width_px: int, side_px: int) -> tuple[int, int]:
    """Height and width once the longest side is `side_px`, rounded half up, at least 1."""
    longest = max(height_px, width_px)
    return max(1, _round(height_px * side_px, longest)), max(1, _round(width_px * side_px, longest))


def center_square(rgb: Rgb, side_px: int) -> Rgb:
    """The largest centered square of `rgb`, scaled to `side_px` by `resize.resize`.

    Raises:
        InputError: the picture is empty or `side_px` is below 1.
    """
    _check_rgb(rgb)
    if side_px < 1:
        raise InputError(f"a square of {side_px} px was asked", "ask for at least 1 px")
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(rgb[top : top + side, left : left + side], side_px, side_px)


def sheet(rows: Sequence[Sequence[Rgb]], labels: Sequence[Sequence[str]] | None = None) -> Rgb:
    """Pictures in a grid on white, each at its own size in its cell, with an optional line of text.

    Args:
        rows: at least one picture; rows may differ in length.
        labels: a text per picture, same structure as `rows`; "" for none.

    Raises:
        InputError: there is no picture, or labels and pictures differ in number.
    """
    if not any(len(row) for row in rows):
        raise InputError("a sheet needs at least one picture", "give it pictures")
    if labels is not None and [len(row) for row in rows] != [len(row) for row in labels]:
        raise InputError("a sheet's labels don't match its pictures", "give one label per picture")
    text_px = _LABEL_HEIGHT_PX if labels is not None else 0
    columns = max(len(row) for row in rows)
    widths = [
        max((row[c].shape[1] for row in rows if c < len(row)), default=0) for c in range(columns)
    ]
    heights = [max((picture.shape[0] for picture in row), default=0) + text_px for row in rows]
    size = (sum(heights) + _GAP_PX * (len(rows) + 1), sum(widths) + _GAP_PX * (columns + 1), 3)
    canvas = np.full(size, 255, np.uint8)
    top = _GAP_PX
    for r, row in enumerate(rows):
        left = _GAP_PX
        for c, picture in enumerate(row):
            if labels is not None:
                _write(canvas, labels[r][c], left, top, widths[c])
            _check_rgb(picture)
            y = top + text_px
            canvas[y : y + picture.shape[0], left : left + picture.shape[1]] = picture
            left += widths[c] + _GAP_PX
        top += heights[r] + _GAP_PX
    return canvas


def _write(canvas: Rgb, text: str, left: int, top: int, width_px: int) -> None:
    """Draws what fits of a line; what can't be printed, such as foreign bytes, is a `?`."""
    font = _font()
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    while text and font.getlength(text) > width_px:
        text = text[:-1]
    strip = canvas[top : top + _LABEL_HEIGHT_PX, left : left + width_px]
    drawn = Image.fromarray(np.ascontiguousarray(strip))
    ImageDraw.Draw(drawn).text(
        (0, _LABEL_HEIGHT_PX - 8), text, fill=(0, 0, 0), font=font, anchor="ls"
    )
    strip[:] = np.asarray(drawn)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans from the wheel of matplotlib, which is found without being imported."""
    spec = find_spec("matplotlib")
    assert spec is not None and spec.origin is not None  # a dependency
    path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(io.BytesIO(read_bytes(path)), _LABEL_PX)


def _round(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _check_rgb(rgb: Rgb) -> None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise InputError(
            f"a picture of shape {rgb.shape} {rgb.dtype}, uint8 [H, W, 3] was needed", "report this"
        )
    if rgb.size == 0:
        raise InputError("a picture is empty", "use a real picture")
