"""Formats by their first bytes, and what a file itself tells of lost bytes."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from iast_export.errors import InputError
from iast_export.pictures.images import encode_png
from iast_export.pictures.picture_formats import check_whole, coded_colors, format_of, png_chunks

PNG = encode_png(np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8))


def chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body).to_bytes(4, "big")
    return struct.pack(">I4s", len(body), kind) + body + crc


def iso(*brands: bytes) -> bytes:
    body = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return (4 + len(body)).to_bytes(4, "big") + body + bytes(16)


@pytest.mark.parametrize(
    ("data", "decoder"),
    [
        (PNG, "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WEBP"),
        (b"GIF89a", "GIF"),
        (b"BM\0\0", "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"P6\n2 2\n255\n", "PPM"),
        (iso(b"avif", b"mif1"), "AVIF"),
        (iso(b"mif1", b"avif"), "AVIF"),
    ],
)
def test_a_format_is_known_by_its_first_bytes(data: bytes, decoder: str) -> None:
    assert format_of(data, "x") == decoder


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "x is empty, not a picture"),
        (iso(b"heic", b"mif1"), "an HEIC picture"),
        (iso(b"crx "), "a camera's raw file"),
        (iso(b"isom", b"mp42"), "a video"),
        (b"RIFF\x10\0\0\0AVI LIST", "a video"),
        (b"%PDF-1.7", "a PDF document"),
        (b"P7\n", "not a picture that can be decoded"),
        (b"  <svg xmlns=", "an SVG drawing"),
        (b"<!doctype html>", "a web page"),
        (b"Pastels in the evening", "not a picture that can be decoded"),
    ],
)
def test_another_file_is_named_with_what_to_do(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        format_of(data, "x")
    assert caught.value.remedy


def test_a_png_is_whole_to_its_last_chunk_whatever_follows() -> None:
    check_whole(PNG, "x", "PNG")
    check_whole(PNG + b"what some program appended", "x", "PNG")


@pytest.mark.parametrize("lost", [1, 12, 13, 40])
def test_a_png_that_lost_its_end_is_refused(lost: int) -> None:
    with pytest.raises(InputError, match="x is cut short"):
        check_whole(PNG[:-lost], "x", "PNG")


def test_a_chunk_that_lost_its_checksum_is_named() -> None:
    data = bytearray(PNG)
    data[20] ^= 1
    with pytest.raises(InputError, match="the checksum of its chunk IHDR is wrong"):
        check_whole(bytes(data), "x", "PNG")


def test_a_chunk_that_claims_more_than_the_file_is_cut_short() -> None:
    with pytest.raises(InputError, match="cut short"):
        check_whole(PNG[:8] + struct.pack(">I4s", 2**31, b"IHDR") + bytes(8), "x", "PNG")


@pytest.mark.parametrize(("says", "whole"), [(4, True), (5, False)])
def test_a_webp_is_as_long_as_it_says(says: int, whole: bool) -> None:
    data = b"RIFF" + says.to_bytes(4, "little") + b"WEBP"
    if whole:
        check_whole(data, "x", "WEBP")
        return
    with pytest.raises(InputError, match="cut short"):
        check_whole(data, "x", "WEBP")


def test_chunks_come_in_order_without_the_pixels() -> None:
    found = dict(png_chunks(PNG))
    assert next(iter(found)) == b"IHDR" and list(found)[-1] == b"IEND"
    assert struct.unpack(">II", found[b"IHDR"][:8]) == (7, 9) and found[b"IDAT"] == b""


def test_coded_colors_are_read_where_a_file_names_them() -> None:
    named = PNG[:33] + chunk(b"cICP", bytes([9, 16, 0, 1])) + PNG[33:]
    assert coded_colors(named, "PNG") == (9, 16)
    assert coded_colors(PNG, "PNG") is None and coded_colors(named, "JPEG") is None
    avif = iso(b"avif") + b"colrnclx" + struct.pack(">HHHB", 12, 13, 6, 1) + bytes(8)
    assert coded_colors(avif, "AVIF") == (12, 13)
    assert coded_colors(avif[:-14], "AVIF") is None, "cut off behind the name"
