"""What a picture's file holds, by its content: formats that are read, others by name; whole or not.

The ending of a name says nothing. What no decoder here takes is named with what to do; what lost
bytes is refused before it is decoded, since decoders fill the rest with gray and say nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from iast_export.errors import InputError

READ = "JPEG, PNG, WebP, AVIF, TIFF, GIF, BMP or PNM"
_SAVE_AS = "save or export it as JPEG or PNG"
_PNG = b"\x89PNG\r\n\x1a\n"

# First bytes -> the name of the decoder.
_READ: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (_PNG, "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    *(
        (b"P%d" % digit + space, "PPM")
        for digit in range(1, 7)
        for space in (b" ", b"\n", b"\r", b"\t")
    ),
)
# First bytes -> what it is, and what to do.
_NAMED: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\x0a", "a JPEG XL picture", _SAVE_AS),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", _SAVE_AS),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture", _SAVE_AS),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture", _SAVE_AS),
    (b"8BPS", "a Photoshop document", _SAVE_AS),
    (b"v/1\x01", "an OpenEXR picture", _SAVE_AS),
    (b"#?RADIANCE", "a Radiance HDR picture", _SAVE_AS),
    (b"DDS ", "a DirectDraw texture", _SAVE_AS),
    (b"qoif", "a QOI picture", _SAVE_AS),
    (b"\0\0\x01\0", "an icon", _SAVE_AS),
    (b"FUJIFILMCCD-RAW", "a camera's raw file (RAF)", "develop it, then export it as JPEG or PNG"),
    (b"IIRO", "a camera's raw file (ORF)", "develop it, then export it as JPEG or PNG"),
    (b"IIRS", "a camera's raw file (ORF)", "develop it, then export it as JPEG or PNG"),
    (b"MMOR", "a camera's raw file (ORF)", "develop it, then export it as JPEG or PNG"),
    (b"IIU\0", "a camera's raw file (RW2)", "develop it, then export it as JPEG or PNG"),
    (b"FOVb", "a camera's raw file (X3F)", "develop it, then export it as JPEG or PNG"),
    (b"\0MRM", "a camera's raw file (MRW)", "develop it, then export it as JPEG or PNG"),
    (b"%PDF", "a PDF document", "export the page as PNG"),
    (b"%!PS", "a PostScript document", "export the page as PNG"),
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)", "save a frame of it as PNG"),
    (b"\0\0\x01\xba", "a video (MPEG)", "save a frame of it as PNG"),
    (b"\0\0\x01\xb3", "a video (MPEG)", "save a frame of it as PNG"),
    (
        b"\0\x05\x16\x07",
        "a side file of macOS (AppleDouble)",
        "use the file of that name without `._`",
    ),
    (b"PK\x03\x04", "a zip archive", "unpack it first"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS",
        "fetch the file itself with `git lfs pull`",
    ),
)
_BRANDS: tuple[tuple[tuple[bytes, ...], str, str], ...] = (
    (
        (
            b"heic",
            b"heix",
            b"heim",
            b"heis",
            b"hevc",
            b"hevx",
            b"hevm",
            b"hevs",
            b"mif1",
            b"msf1",
            b"miaf",
        ),
        "an HEIC picture",
        "save it as JPEG (a phone's setting 'most compatible' does), or convert it with "
        "`heif-convert`",
    ),
    ((b"jxl ",), "a JPEG XL picture", _SAVE_AS),
    ((b"crx ",), "a camera's raw file (CR3)", "develop it, then export it as JPEG or PNG"),
)


def format_of(data: bytes, name: str) -> str:
    """The decoder's name for a file, as Pillow calls its formats.

    Args:
        data: the file's bytes, its first 4096 at least.
        name: for messages.

    Raises:
        InputError: a format that is not read (named, with what to do), or no picture at all.
    """
    if not data:
        raise InputError(f"{name} is empty, not a picture", "copy or download the picture again")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _iso_format(data, name)
    for start, decoder in _READ:
        if data.startswith(start):
            return decoder
    for start, what, remedy in _NAMED:
        if data.startswith(start):
            raise InputError(f"{name} is {what}", remedy)
    raise _unknown(data, name)


def check_whole(data: bytes, name: str, decoder: str) -> None:
    """Refuses what lost bytes, where the format itself tells.

    PNG: every chunk is there and has its checksum; WebP: as long as it says. The other decoders
    tell.

    Raises:
        InputError: cut short, or a chunk that was altered.
    """
    if decoder == "PNG":
        _check_png(data, name)
    if decoder == "WEBP" and len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise cut_short(name)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of every chunk of a PNG that `check_whole` let through, IDAT left empty."""
    place = len(_PNG)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, b"" if kind == b"IDAT" else data[place + 8 : place + 8 + length]
        if kind == b"IEND":
            return
        place += 12 + length


def coded_colors(data: bytes, decoder: str) -> tuple[int, int] | None:
    """Primaries and transfer (ITU-T H.273) that an AVIF or PNG names beside a profile."""
    if decoder == "AVIF":
        place = data.find(b"colrnclx", 0, 1 << 16)
        return struct.unpack_from(">HH", data, place + 8) if 0 <= place < len(data) - 12 else None
    if decoder == "PNG":
        found = next((content for kind, content in png_chunks(data) if kind == b"cICP"), b"")
        return (found[0], found[1]) if len(found) == 4 else None
    return None


def cut_short(name: str) -> InputError:
    """The error for a file that lost its end."""
    return InputError(f"{name} is cut short", "copy or download the picture again")


def damaged(name: str, said: str) -> InputError:
    """The error for a file whose decoder complained; `said` is what it said."""
    return InputError(f"{name} is damaged: {said}", "copy, download or save the picture again")


def _check_png(data: bytes, name: str) -> None:
    place, view = len(_PNG), memoryview(data)
    while True:
        if place + 12 > len(data):
            raise cut_short(name)
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise cut_short(name)
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            label = kind.decode("ascii", "backslashreplace")
            raise damaged(name, f"the checksum of its chunk {label} is wrong")
        if kind == b"IEND":
            return
        place = end


def _iso_format(data: bytes, name: str) -> str:
    """AVIF, HEIC and videos share one container: the brands say which."""
    length = min(int.from_bytes(data[:4], "big"), 4096)
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, length, 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    for known, what, remedy in _BRANDS:
        if set(brands) & set(known):
            raise InputError(f"{name} is {what}", remedy)
    raise InputError(f"{name} is a video (MP4 or QuickTime)", "save a frame of it as PNG")


def _unknown(data: bytes, name: str) -> InputError:
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return InputError(f"{name} is a video (AVI)", "save a frame of it as PNG")
    text = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return InputError(f"{name} is an SVG drawing", "export it as PNG")
    if text.startswith((b"<!doctype html", b"<html")):
        return InputError(f"{name} is a web page", "download the picture itself")
    return InputError(f"{name} is not a picture that can be decoded", f"use a whole {READ} file")
