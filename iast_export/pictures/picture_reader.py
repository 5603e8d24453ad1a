"""The one reader of pictures: any picture file -> upright sRGB of 8 bits, alpha over white.

Pillow reads headers, orientation and color profiles, and decodes all formats but JPEG. JPEG goes
through simplejpeg, the same libjpeg-turbo, since Pillow keeps its warnings to itself and then a
damaged picture passes as gray. Colors of 16 bits come from OpenCV, as Pillow keeps their high bytes
only.
"""

from __future__ import annotations

import importlib
import io
import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, cast

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import ExifTags, Image

from iast_export.errors import InputError
from iast_export.files.notes import note
from iast_export.pictures.color_profiles import STRIP_ROWS, by_strips, to_srgb
from iast_export.pictures.picture_formats import (
    READ,
    check_whole,
    coded_colors,
    cut_short,
    damaged,
    format_of,
    png_chunks,
)

Rgb = npt.NDArray[np.uint8]
Channels = npt.NDArray[np.uint16]
Depth = Literal[8, 12, 16]

# Chosen: decoded, such a picture takes 0.4 GB.
LARGEST_MEGAPIXELS = 128
_DNG_VERSION, _SUB_FILES, _NEW_SUB_FILE, _BITS, _PHOTOMETRIC = 50706, 330, 254, 258, 262
_WHITE_IS_ZERO, _REDUCED = 0, 1
_TRANSPARENCY = "transparency"
# Of ITU-T H.273.
_SRGB_PRIMARIES = 1
_HDR = {16: "PQ", 18: "HLG"}
_PLUGINS = {"WEBP": "WebP"}
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}


@dataclass(frozen=True)
class _Decoded:
    """A decoded picture: 8-bit colors in their own space, alpha apart, not yet turned."""

    colors: Image.Image | Rgb
    mode: str
    alpha: Rgb | None = None
    orientation: int = 1


def read_picture(data: bytes, name: str) -> Rgb:
    """The picture in an encoded file, as the photographer saw it.

    Turned upright, colors converted from the file's profile to sRGB, alpha laid over white in sRGB,
    the first of several pictures; values of 1 to 16 bits are scaled from their own depth and
    rounded. What of this a user may not expect is said by `notes.note`.

    Args:
        data: the whole file.
        name: for messages.

    Returns:
        uint8 [H, W, 3].

    Raises:
        InputError: not a picture that is read here (named where it is known), cut short, damaged,
            or of more than `LARGEST_MEGAPIXELS` by its header, which is looked at first.
    """
    decoder = format_of(data, name)
    check_whole(data, name, decoder)
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, and of sizes that are checked here.
            warnings.simplefilter("ignore")
            return _read(data, name, decoder)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{name} needs more memory than there is", "scale the picture down first"
        ) from error
    except Exception as error:  # decoders raise whatever they stumble over, without a common base
        _refuse(name, decoder, error)


def _read(data: bytes, name: str, decoder: str) -> Rgb:
    # The one plug-in that is needed, as Image.init() loads dozens.
    importlib.import_module(f"PIL.{_PLUGINS.get(decoder, decoder.capitalize())}ImagePlugin")
    # Not Image.open(): it refuses large pictures in words of its own, before it tells their size.
    opened = Image.OPEN[decoder][0](io.BytesIO(data), name)
    assert isinstance(opened, Image.Image)
    with opened as image:
        _check_size(image, name)
        _check_raw(image, data, name)
        _tell_frames(image, name, decoder)
        _check_coded_colors(image, data, name, decoder)
        decoded = _jpeg(image, data, name) if decoder == "JPEG" else _other(image, data, name)
        profile = image.info.get("icc_profile")
    colors = to_srgb(decoded.colors, decoded.mode, profile, name)
    rgb = np.repeat(colors[:, :, None], 3, axis=2) if colors.ndim == 2 else colors
    if decoded.alpha is not None and decoded.alpha.min() < 255:
        note("alpha", f"{name}: what is transparent is laid over white")
        rgb = _over_white(rgb, decoded.alpha)
    return np.ascontiguousarray(_upright(rgb, decoded.orientation))


def _check_size(image: Image.Image, name: str) -> None:
    width, height = image.size
    if width * height > LARGEST_MEGAPIXELS * 1_000_000:
        raise InputError(
            f"{name} is {width}x{height} px by its header, at most {LARGEST_MEGAPIXELS} megapixels "
            "are read",
            "scale the picture down first",
        )
    if min(width, height) < 1:
        raise InputError(f"{name} is {width}x{height} px, which is empty", "use a real picture")


def _check_raw(image: Image.Image, data: bytes, name: str) -> None:
    """Raw files in TIFF's clothes open as their small preview."""
    tags: Any = getattr(image, "tag_v2", {})
    preview = tags.get(_NEW_SUB_FILE) == _REDUCED and _SUB_FILES in tags
    canon = image.format == "TIFF" and data[8:10] == b"CR"
    if _DNG_VERSION in tags or preview or canon:
        raise InputError(
            f"{name} is a camera's raw file (DNG, NEF, ARW, CR2 or alike)",
            "develop it, then export it as JPEG or PNG",
        )


def _tell_frames(image: Image.Image, name: str, decoder: str) -> None:
    frames = int(getattr(image, "n_frames", 1)) if decoder != "JPEG" else 1
    if frames > 1:
        note("frames", f"{name}: the first of its {frames} pictures is used")
        image.seek(0)


def _check_coded_colors(image: Image.Image, data: bytes, name: str, decoder: str) -> None:
    primaries, transfer = coded_colors(data, decoder) or (_SRGB_PRIMARIES, 0)
    if transfer in _HDR:
        raise InputError(
            f"{name} is an HDR picture ({_HDR[transfer]}), which has no one look in sRGB",
            "export it for standard displays (SDR, sRGB)",
        )
    if primaries in _WIDE and not image.info.get("icc_profile"):
        note(
            "primaries",
            f"{name}: its colors are {_WIDE[primaries]} without a color profile, taken as sRGB",
        )


def _jpeg(image: Image.Image, data: bytes, name: str) -> _Decoded:
    """A JPEG, by libjpeg-turbo, which says what it had to invent: any such word is damage."""
    mode = image.mode
    wanted = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[mode]
    try:
        pixels = simplejpeg.decode_jpeg(data, wanted, strict=True)
    except ValueError as error:
        said = str(error)
        if "subsampling" not in said:  # TurboJPEG knows the common ones only
            if "end of JPEG file" in said:
                raise cut_short(name) from error
            raise damaged(name, said) from error
        image.load()
        return _Decoded(image, mode, orientation=_orientation(image, name))
    if mode == "L":
        pixels = pixels[:, :, 0]
    elif mode == "CMYK":  # kept inverted in files, as Photoshop does
        pixels = 255 - pixels
    return _Decoded(pixels, mode, orientation=_orientation(image, name))


def _other(image: Image.Image, data: bytes, name: str) -> _Decoded:
    tags: Any = getattr(image, "tag_v2", {})
    tiles = getattr(image, "tile", None)
    rawmode = str(tiles[0].args) if tiles else ""
    wide = ";16" in rawmode and image.mode in ("RGB", "RGBA")
    # First, as OpenCV holds the pixels twice while it decodes, and Pillow loads them for EXIF.
    values = _wide_values(data) if wide else None
    before = _orientation(image, name)
    image.load()
    # Pillow turns a TIFF as it loads it; a PNG may tell its orientation behind the pixels.
    after = _orientation(image, name)
    if image.mode == "I" or image.mode.startswith("I;16"):
        decoded = _gray_16(image, tags, name)
    elif wide:
        decoded = _colors_16(image, values, before)
    else:
        decoded = _colors_8(image, data, name)
    return replace(decoded, orientation=after)


def _colors_8(image: Image.Image, data: bytes, name: str) -> _Decoded:
    keyed = image.info.get(_TRANSPARENCY)
    if image.mode in ("1", "L", "RGB") and keyed is not None:
        colors = image.convert("L") if image.mode == "1" else image
        step = _gray_step(data)
        alpha = by_strips(colors, colors.mode, lambda part: _keyed(np.asarray(part), keyed, step))
        return _Decoded(colors, colors.mode, alpha)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    made = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
    image = image.convert(made[image.mode]) if image.mode in made else image
    if image.mode in ("LA", "RGBA"):
        return _Decoded(image, image.mode[:-1], _alpha_of(image))
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        kind = {"F": "float32", "I": "32-bit"}.get(image.mode, image.mode)
        raise InputError(f"{name} holds {kind} values", "save it with 8 or 16 bits per channel")
    return _Decoded(image, image.mode)


def _gray_16(image: Image.Image, tags: Any, name: str) -> _Decoded:
    """Gray of 9 to 16 bits, by the largest value of its own depth."""
    if image.mode == "I" and image.format != "PPM":
        raise InputError(
            f"{name} holds 32-bit or signed values", "save it with 8 or 16 bits per channel"
        )
    bits = tags.get(_BITS, (16,))[0]
    values = np.asarray(image)
    gray = _to_8_bits(values, 2**bits - 1)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        gray = 255 - gray
    keyed = image.info.get(_TRANSPARENCY)
    alpha = None if keyed is None else _keyed(values, keyed, 1)
    return _Decoded(gray, "L", alpha)


def _wide_values(data: bytes) -> npt.NDArray[Any] | None:
    """What OpenCV makes of a file; None: nothing."""
    coded = np.frombuffer(data, np.uint8)
    return cast("npt.NDArray[Any] | None", cv2.imdecode(coded, cv2.IMREAD_UNCHANGED))


def _colors_16(image: Image.Image, found: npt.NDArray[Any] | None, orientation: int) -> _Decoded:
    """All 16 bits where OpenCV's values have the high bytes that Pillow found, else those bytes."""
    if found is not None and found.dtype == np.uint16 and found.ndim == 3:
        colors = found[:, :, 2::-1]
        alpha = _to_8_bits(found[:, :, 3], 65535) if found.shape[2] == 4 else None
        for turn in (1, orientation):
            turned = _upright(colors, turn)
            if turned.shape[1::-1] == image.size and _has_high_bytes(turned, image):
                image.close()  # its pixels are not needed any more
                rgb = np.ascontiguousarray(_to_8_bits(turned, 65535))
                return _Decoded(rgb, "RGB", None if alpha is None else _upright(alpha, turn))
    rgba = image.convert("RGBA")
    return _Decoded(rgba, "RGB", _alpha_of(rgba))


def _has_high_bytes(values: npt.NDArray[Any], image: Image.Image) -> bool:
    """Whether 16-bit values begin with the bytes that Pillow found."""
    width, height = image.size

    def bytes_of(top: int) -> npt.NDArray[Any]:
        strip = image.crop((0, top, width, min(top + STRIP_ROWS, height)))
        return np.asarray(strip)[:, :, :3]

    tops = range(0, height, STRIP_ROWS)
    return all(np.array_equal(values[top : top + STRIP_ROWS] >> 8, bytes_of(top)) for top in tops)


def _alpha_of(image: Image.Image) -> Rgb:
    return by_strips(image, image.mode, lambda part: np.asarray(part.getchannel("A")))


def _to_8_bits(values: npt.NDArray[Any], largest: int) -> Rgb:
    """By rows, so that wide integers take no memory to speak of."""
    made = np.empty(values.shape, np.uint8)
    for top in range(0, len(made), STRIP_ROWS):
        rows = values[top : top + STRIP_ROWS].astype(np.uint32)
        made[top : top + STRIP_ROWS] = (rows * 255 * 2 + largest) // (2 * largest)
    return made


def _keyed(values: npt.NDArray[Any], key: Any, step: int) -> Rgb:
    """Alpha where one color counts as transparent; `step` scales a key of few bits."""
    wanted = np.asarray(key) * step
    same = values == wanted
    return np.where(same.all(axis=2) if values.ndim == 3 else same, 0, 255).astype(np.uint8)


def _gray_step(data: bytes) -> int:
    """Levels between two values of a gray PNG, as Pillow spreads them; its key it does not."""
    for kind, content in png_chunks(data) if data.startswith(b"\x89PNG") else ():
        if kind == b"IHDR" and content[9] == 0:
            return {2: 85, 4: 17}.get(content[8], 1)
    return 1


def _over_white(rgb: Rgb, alpha: Rgb) -> Rgb:
    """`rgb` itself, its rows replaced."""
    for top in range(0, len(rgb), STRIP_ROWS):
        rows = rgb[top : top + STRIP_ROWS]
        share = alpha[top : top + STRIP_ROWS, :, None].astype(np.uint32)
        rows[:] = (rows * share + 255 * (255 - share) + 127) // 255
    return rgb


def _orientation(image: Image.Image, name: str) -> int:
    """EXIF's orientation, 1 (upright) to 8; 1 where there is none or it makes no sense."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a broken EXIF block says nothing of the pixels
        note("exif", f"{name}: its EXIF data is damaged, so it is taken as upright")
        return 1
    return found if found in range(1, 9) else 1


def _upright(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    pixels = pixels[::-1] if flip_rows else pixels
    return pixels[:, ::-1] if flip_columns else pixels


def _refuse(name: str, decoder: str, error: Exception) -> NoReturn:
    said = " ".join(str(error).split()) or type(error).__name__
    if "truncated" in said or isinstance(error, EOFError):
        raise cut_short(name) from error
    if "unknown pixel mode" in said or isinstance(error, NotImplementedError):
        raise InputError(
            f"{name} is a {decoder} of a kind that is not read: {said}",
            "save it as PNG or TIFF with 8 or 16 bits per channel",
        ) from error
    raise InputError(
        f"{name} is not a picture that can be decoded: {said}", f"use a whole {READ} file"
    ) from error
