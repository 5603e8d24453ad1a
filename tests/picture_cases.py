"""Files of every kind that the one reader of pictures takes, made from known pixels."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

Levels = NDArray[np.integer[Any]]
Matrix = NDArray[np.float64]

# Columns are red, green and blue in XYZ under D50, as ICC profiles hold them.
SRGB: Matrix = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
PRIMARIES: dict[str, Matrix] = {
    "P3": np.array(
        [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
    ),
    "Adobe RGB": np.array(
        [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
    ),
}
GAMMA = 563 / 256


def smooth(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """A picture without symmetry or saturated colors, kind to lossy formats: uint8 [H, W, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    planes = (60 + 3 * x, 200 - 4 * y, 70 + 2 * x + 3 * y)
    return np.stack(planes, 2).astype(np.uint8)


def alpha_of(rgb: Levels) -> NDArray[np.uint8]:
    """Alpha that runs from clear to solid: uint8 [H, W]."""
    ramp = np.linspace(0, 255, rgb.shape[1]).round()
    return np.repeat(ramp[None, :], rgb.shape[0], 0).astype(np.uint8)


def over_white(rgb: Levels, alpha: Levels, largest: int = 255) -> NDArray[np.float64]:
    """The picture over white, 0 to 255, not rounded."""
    share = alpha[:, :, None] / largest
    return np.asarray(rgb * (255.0 / largest) * share + 255.0 * (1 - share))


def saved(image: Image.Image, kind: str, orientation: int = 1, **options: Any) -> bytes:
    """The file of a picture, its EXIF orientation inside."""
    if orientation != 1:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        options["exif"] = exif.tobytes()
    stream = io.BytesIO()
    lossless = {
        "WEBP": {"lossless": True, "exact": True},
        "JPEG": {"quality": 95},
        "AVIF": {"quality": 95},
    }
    image.save(stream, kind, **lossless.get(kind, {}), **options)
    return stream.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its checksum."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(levels: Levels, bits: int, color_type: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of `levels` [H, W] or [H, W, C] in any depth; `chunks` go before the pixels."""
    height, width = levels.shape[:2]
    rows = levels.reshape(height, -1)
    if bits == 16:
        packed = [row.astype(">u2").tobytes() for row in rows]
    else:
        each = (rows[:, :, None] >> np.arange(bits - 1, -1, -1)) & 1
        packed = [np.packbits(row.reshape(-1)).tobytes() for row in each.astype(np.uint8)]
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    parts = [
        (b"IHDR", header),
        *chunks,
        (b"IDAT", zlib.compress(b"".join(b"\0" + p for p in packed))),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in [*parts, (b"IEND", b"")])


def icc_profile(primaries: Matrix | None, gamma: float = GAMMA) -> bytes:
    """A version 2 profile for a monitor of these primaries, or for gray, with one gamma."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, 5) + b"test\0" + bytes(4 + 4 + 2 + 1 + 67),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": _xyz(np.array([0.9642, 1.0, 0.8249])),
    }
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        for i, name in enumerate((b"r", b"g", b"b")):
            tags[name + b"XYZ"] = _xyz(primaries[:, i])
            tags[name + b"TRC"] = curve
    table, body, place = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, place + len(body), len(content))
        body += content
    space = b"GRAY" if primaries is None else b"RGB "
    header = struct.pack(
        ">I4sI4s4s4s12s4s", 0, b"\0\0\0\0", 0x02100000, b"mntr", space, b"XYZ ", b"", b"acsp"
    )
    header += bytes(28) + struct.pack(">iii", 0xF6D6, 0x10000, 0xD32D)
    whole = header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def in_srgb(rgb: Levels, primaries: Matrix, gamma: float = GAMMA) -> NDArray[np.float64]:
    """Levels of a picture in a profile's space as sRGB levels, 0 to 255, not rounded."""
    linear = (rgb / 255.0) ** gamma @ (np.linalg.inv(SRGB) @ primaries).T
    return srgb_levels(linear)


def srgb_levels(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light as levels of sRGB, 0 to 255, not rounded."""
    light = np.clip(linear, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255)


def _xyz(color: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(float(part) * 65536) for part in color))
