"""Every picture as the photographer saw it: format x depth x alpha x profile x orientation, and
damage."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from collections.abc import Callable
from itertools import product
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from iast_export.errors import InputError
from iast_export.files.notes import NOTES
from iast_export.pictures.color_profiles import STRIP_ROWS, by_strips
from iast_export.pictures.picture_reader import LARGEST_MEGAPIXELS, read_picture
from tests import picture_cases as cases

LOSSLESS = ("PNG", "WEBP", "TIFF")
PHOTOGRAPHIC = ("JPEG", "AVIF", *LOSSLESS)
# JPEG has no alpha.
KINDS = [one for one in product(PHOTOGRAPHIC, (False, True)) if one != ("JPEG", True)]
P3 = cases.PRIMARIES["P3"]


@pytest.fixture(autouse=True)
def notes() -> Any:
    """The kinds of all notes that a test heard."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(vars(record)["kind"])

    listener = Listener()
    NOTES.addHandler(listener)
    NOTES.propagate = False
    yield heard
    NOTES.removeHandler(listener)
    NOTES.propagate = True


def with_alpha(rgb: np.ndarray) -> np.ndarray:
    return np.dstack([rgb, cases.alpha_of(rgb)])


def assert_near(found: np.ndarray, wanted: np.ndarray, levels: float) -> None:
    assert found.dtype == np.uint8 and found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= levels


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "alpha"), KINDS)
def test_pictures_stand_upright_with_and_without_alpha(
    kind: str, alpha: bool, orientation: int, notes: list[str]
) -> None:
    rgb = cases.smooth()
    stored = Image.fromarray(with_alpha(rgb) if alpha else rgb)
    data = cases.saved(stored, kind, orientation)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    wanted = np.asarray(upright.convert("RGBA"))
    assert_near(read_picture(data, "x"), cases.over_white(wanted[..., :3], wanted[..., 3]), 0.51)
    stored.getexif()[0x112] = orientation
    turned = np.asarray(ImageOps.exif_transpose(stored).convert("RGBA"))
    assert_near(
        read_picture(data, "x"),
        cases.over_white(turned[..., :3], turned[..., 3]),
        0.51 if kind in LOSSLESS else 12,
    )
    assert ("alpha" in notes) == alpha


@pytest.mark.parametrize("name", sorted(cases.PRIMARIES))
@pytest.mark.parametrize(("kind", "alpha"), KINDS)
def test_colors_come_from_the_profile_to_srgb(kind: str, name: str, alpha: bool) -> None:
    rgb = cases.smooth()
    profile = cases.icc_profile(cases.PRIMARIES[name])
    data = cases.saved(
        Image.fromarray(with_alpha(rgb) if alpha else rgb), kind, 6, icc_profile=profile
    )
    stored = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGBA"))
    wanted = cases.over_white(cases.in_srgb(stored[..., :3], cases.PRIMARIES[name]), stored[..., 3])
    assert_near(read_picture(data, "x"), wanted, 1.6)
    assert np.abs(wanted - cases.over_white(stored[..., :3], stored[..., 3])).max() > 8


@pytest.mark.parametrize("kind", PHOTOGRAPHIC)
def test_a_profile_that_is_srgb_moves_no_level(kind: str) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    plain = cases.saved(Image.fromarray(rgb), kind)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tagged = cases.saved(Image.fromarray(rgb), kind, icc_profile=srgb)
    assert np.array_equal(read_picture(tagged, "x"), read_picture(plain, "x"))


@pytest.mark.parametrize("alpha", [False, True])
def test_gray_with_a_gamma_of_its_own_is_converted_too(alpha: bool) -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(gray)
    if alpha:
        image = Image.merge("LA", (image, Image.new("L", image.size, 255)))
    data = cases.saved(image, "PNG", icc_profile=cases.icc_profile(None, 1.0))
    wanted = cases.srgb_levels(np.repeat(gray[:, :, None], 3, 2) / 255.0)
    assert_near(read_picture(data, "x")[1:], wanted[1:], 1.6)


@pytest.mark.parametrize(
    "mode", ["palette", "palette with alpha", "one bit", "16 bits", "16 bits of gray"]
)
def test_a_profile_holds_for_every_kind_of_pixels(mode: str) -> None:
    rgb = cases.smooth()
    profile = cases.icc_profile(None if mode in ("one bit", "16 bits of gray") else P3, 1.0)
    chunk = (b"iCCP", b"p\0\0" + zlib.compress(profile))
    if mode.startswith("palette"):
        colors = rgb.reshape(-1, 3)[::4][:200]
        transparent = [(b"tRNS", bytes([255] * 100 + [0] * 100))] if "alpha" in mode else []
        index = np.arange(200, dtype=np.uint8).reshape(10, 20)
        data = cases.png(index, 8, 3, chunk, (b"PLTE", colors.tobytes()), *transparent)
        wanted = cases.in_srgb(colors[index], P3, 1.0)
        wanted[5:] = 255.0 if transparent else wanted[5:]
    elif mode == "one bit":
        bits = np.eye(8, dtype=np.uint8)
        data, wanted = cases.png(bits, 1, 0, chunk), np.repeat(bits[:, :, None] * 255.0, 3, 2)
    elif mode == "16 bits":
        data = cases.png(rgb.astype(np.uint16) * 257, 16, 2, chunk)
        wanted = cases.in_srgb(rgb, P3, 1.0)
    else:
        gray = rgb[:, :, 0].astype(np.uint16)
        data = cases.png(gray * 257, 16, 0, chunk)
        wanted = cases.srgb_levels(np.repeat(gray[:, :, None], 3, 2) / 255.0)
    assert_near(read_picture(data, "x"), wanted, 1.6)


@pytest.mark.parametrize(
    "profile", [b"nonsense" * 40, cases.icc_profile(P3)[:200], cases.icc_profile(None)]
)
def test_a_profile_that_can_not_be_applied_is_named_and_left_out(
    profile: bytes, notes: list[str]
) -> None:
    rgb = cases.smooth()
    data = cases.saved(Image.fromarray(rgb), "PNG", icc_profile=profile)
    assert np.array_equal(read_picture(data, "x"), rgb)
    assert notes == ["profile"]


def test_hdr_is_refused_and_wide_primaries_without_a_profile_are_said(notes: list[str]) -> None:
    rgb = cases.smooth()
    for primaries, transfer, kinds in ((1, 13, []), (12, 13, ["primaries"])):
        data = cases.png(rgb, 8, 2, (b"cICP", bytes([primaries, transfer, 0, 1])))
        assert np.array_equal(read_picture(data, "x"), rgb) and notes == kinds
    for transfer in (16, 18):
        with pytest.raises(InputError, match=r"an HDR picture \((PQ|HLG)\).*\n.*SDR"):
            read_picture(cases.png(rgb, 8, 2, (b"cICP", bytes([9, transfer, 0, 1]))), "x")
        avif = cases.saved(Image.fromarray(rgb), "AVIF").replace(
            b"colrnclx\0\x01\0\x0d", b"colrnclx\0\x09\0" + bytes([transfer])
        )
        with pytest.raises(InputError, match="an HDR picture"):
            read_picture(avif, "x")


def test_inks_become_colors(notes: list[str]) -> None:
    inks = Image.new("CMYK", (16, 16), (10, 100, 200, 30))
    for data in (cases.saved(inks, "JPEG"), cases.saved(inks, "TIFF")):
        assert_near(read_picture(data, "x"), np.asarray(inks.convert("RGB")).astype(float), 2)
    assert notes == ["cmyk", "cmyk"]


def test_lab_becomes_colors() -> None:
    rgb = cases.smooth()
    lab = ImageCms.profileToProfile(
        Image.fromarray(rgb),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    assert_near(read_picture(cases.saved(lab, "TIFF"), "x"), rgb.astype(float), 12)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("keyed", [False, True])
def test_gray_of_any_depth_is_scaled_by_its_own(bits: int, keyed: bool) -> None:
    largest = 2**bits - 1
    levels = np.unique(np.linspace(0, largest, 64).round().astype(np.uint16))[None, :]
    key = int(levels[0, len(levels[0]) // 2])
    chunks = [(b"tRNS", struct.pack(">H", key))] if keyed else []
    wanted = np.repeat((levels * 255.0 / largest)[:, :, None], 3, 2)
    if keyed:
        wanted[levels == key] = 255.0
    assert_near(read_picture(cases.png(levels, bits, 0, *chunks), "x"), wanted, 0.5)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("color_type", [2, 4, 6])
@pytest.mark.parametrize("keyed", [False, True])
def test_colors_and_alpha_of_8_and_16_bits(bits: int, color_type: int, keyed: bool) -> None:
    largest, channels = 2**bits - 1, {2: 3, 4: 2, 6: 4}[color_type]
    levels = np.random.default_rng(3).integers(0, largest + 1, (9, 11, channels))
    chunks = []
    alpha = levels[:, :, -1] if channels in (2, 4) else np.full((9, 11), largest)
    if keyed and color_type == 2:
        chunks = [(b"tRNS", struct.pack(">HHH", *levels[4, 5]))]
        alpha[4, 5] = 0
    colors = np.repeat(levels[:, :, :1], 3, 2) if channels == 2 else levels[:, :, :3]
    found = read_picture(cases.png(levels, bits, color_type, *chunks), "x")
    assert_near(found, cases.over_white(colors, alpha, largest), 1.51)
    if channels == 3:
        assert np.array_equal(found[:4], (colors[:4] * 255 * 2 + largest) // (2 * largest))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("alpha", [False, True])
def test_palettes_of_any_depth(bits: int, alpha: bool) -> None:
    rng = np.random.default_rng(4)
    colors, clear = (
        rng.integers(0, 256, (2**bits, 3), np.uint8),
        rng.integers(0, 256, 2**bits, np.uint8),
    )
    index = np.arange(2**bits, dtype=np.uint8)[None, :]
    chunks = [(b"PLTE", colors.tobytes()), *([(b"tRNS", clear.tobytes())] if alpha else [])]
    shares = clear[index] if alpha else np.full(index.shape, 255)
    wanted = cases.over_white(colors[index], shares)
    assert_near(read_picture(cases.png(index, bits, 3, *chunks), "x"), wanted, 0.51)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_of_any_depth_is_scaled_by_its_own(bits: int) -> None:
    rgb = cases.smooth(32, 40)
    deep = rgb.astype(np.uint16) * ((2**bits - 1) / 255) if bits > 8 else rgb
    stored = np.ascontiguousarray(
        deep.round().astype(np.uint16 if bits > 8 else np.uint8)[..., ::-1]
    )
    settings = [
        cv2.IMWRITE_AVIF_DEPTH,
        bits,
        cv2.IMWRITE_AVIF_QUALITY,
        95,
        cv2.IMWRITE_AVIF_SPEED,
        9,
    ]
    done, data = cv2.imencode(".avif", stored, settings)
    assert done
    assert_near(read_picture(bytes(data), "x"), rgb.astype(float), 8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("shape", [(9, 11), (9, 11, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_of_8_and_16_bits(order: Any, compression: Any, shape: Any, dtype: Any) -> None:
    largest = np.iinfo(dtype).max
    levels = np.random.default_rng(5).integers(0, largest + 1, shape).astype(dtype)
    colors = levels if levels.ndim == 3 else np.repeat(levels[:, :, None], 3, 2)
    grays = ("minisblack", "miniswhite") if (order, dtype) != (">", np.uint16) else ("minisblack",)
    for photometric in ("rgb",) if levels.ndim == 3 else grays:
        stream = io.BytesIO()
        tifffile.imwrite(
            stream,
            levels,
            byteorder=order,
            compression=compression,
            photometric=photometric,
            metadata=None,
        )
        shown = largest - colors if photometric == "miniswhite" else colors
        assert_near(read_picture(stream.getvalue(), "x"), shown * (255.0 / largest), 0.51)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_of_16_bits_stands_upright_to_the_level(orientation: int) -> None:
    levels = np.random.default_rng(6).integers(0, 65536, (7, 12, 3)).astype(np.uint16)
    stream = io.BytesIO()
    tags = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(stream, levels, photometric="rgb", metadata=None, extratags=tags)
    image = Image.fromarray(((levels.astype(np.uint32) + 128) // 257).astype(np.uint8))
    image.getexif()[0x112] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_picture(stream.getvalue(), "x"), wanted)


def test_float_and_signed_values_are_refused() -> None:
    for dtype in (np.float32, np.int16, np.int32, np.float64):
        stream = io.BytesIO()
        tifffile.imwrite(stream, np.zeros((4, 4), dtype), metadata=None)
        with pytest.raises(InputError, match=r"(?s)(values|a kind that is not read).*8 or 16 bits"):
            read_picture(stream.getvalue(), "x")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_pictures_the_first_is_used_and_that_is_said(
    kind: str, notes: list[str]
) -> None:
    first, second = (Image.new("RGB", (8, 8), color) for color in ("red", "blue"))
    stream = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    first.save(stream, kind, save_all=True, append_images=[second], **options)
    assert read_picture(stream.getvalue(), "x")[0, 0].tolist() == [255, 0, 0]
    assert notes == ["frames"]


def test_what_is_transparent_in_a_gif_is_white(notes: list[str]) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((0, 0), 0)
    found = read_picture(cases.saved(image, "GIF", transparency=1), "x")
    assert found[0, 0].tolist() == [10, 20, 30] and found[1, 1].tolist() == [255, 255, 255]
    assert notes == ["alpha"]


def test_solid_alpha_is_not_worth_a_word(notes: list[str]) -> None:
    rgb = cases.smooth()
    solid = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    assert np.array_equal(read_picture(cases.saved(Image.fromarray(solid), "PNG"), "x"), rgb)
    assert notes == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"restart_marker_blocks": 3},
        {"subsampling": 0},
        {"subsampling": 1},
        {"optimize": True},
        {"comment": b"\xff\xd9 within"},
    ],
    ids=str,
)
def test_legal_jpegs_are_decoded_as_pillow_does(options: dict[str, Any]) -> None:
    for image in (Image.fromarray(cases.smooth()), Image.fromarray(cases.smooth()).convert("L")):
        data = cases.saved(image, "JPEG", **options)
        wanted = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert np.array_equal(read_picture(data, "x"), wanted)
        assert np.array_equal(read_picture(_filled(data) + b"trailing", "x"), wanted)


def _filled(jpeg: bytes) -> bytes:
    """The same with fill bytes, which may stand before any marker."""
    tables = jpeg.index(b"\xff\xdb")
    return jpeg[:tables] + b"\xff\xff\xff" + jpeg[tables:-2] + b"\xff\xff" + jpeg[-2:]


def _noisy() -> Image.Image:
    noise = np.random.default_rng(8).normal(0, 20, (60, 80, 3))
    return Image.fromarray(np.clip(cases.smooth(60, 80) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lost_pixels_is_refused_though_it_ends_well(
    ended: bool, progressive: bool
) -> None:
    data = cases.saved(_noisy(), "JPEG", progressive=progressive)
    for share in (0.5, 0.7, 0.9):
        cut = data[: int(len(data) * share)] + (b"\xff\xd9" if ended else b"")
        with pytest.raises(InputError, match=r"x is (cut short|damaged).*\n.*again"):
            read_picture(cut, "x")


def test_a_jpeg_zeroed_in_its_middle_is_refused() -> None:
    data = bytearray(cases.saved(_noisy(), "JPEG"))
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    with pytest.raises(InputError, match=r"x is damaged: .*\n.*again"):
        read_picture(bytes(data), "x")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM"])
def test_a_file_cut_short_anywhere_is_refused(kind: str) -> None:
    data = cases.saved(_noisy(), kind)
    read_picture(data, "x")
    for length in (*range(8, len(data) - 64, max(1, len(data) // 40)), len(data) - 40):
        with pytest.raises(InputError, match=r"x .*\n  → "):
            read_picture(data[:length], "x")


def test_every_flipped_byte_of_a_png_is_seen() -> None:
    data = cases.saved(Image.fromarray(cases.smooth()), "PNG", icc_profile=cases.icc_profile(P3))
    for place in range(8, len(data), 7):
        altered = bytearray(data)
        altered[place] ^= 0x10
        with pytest.raises(InputError, match=r"x is (damaged|cut short)"):
            read_picture(bytes(altered), "x")


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM"])
def test_whatever_is_altered_there_is_a_picture_or_one_error(kind: str) -> None:
    data, rng = cases.saved(_noisy(), kind, 3 if kind != "GIF" else 1), np.random.default_rng(9)
    for _ in range(60):
        altered = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 9)):
            altered[place] = rng.integers(0, 256)
        try:
            assert read_picture(bytes(altered), "x").dtype == np.uint8
        except InputError as error:
            assert error.remedy


def _bomb_png(side: int) -> bytes:
    data = bytearray(cases.png(np.zeros((1, 1), np.uint8), 8, 0))
    data[16:24] = struct.pack(">II", side, side)
    header = bytes(data[12:29])
    return bytes(data[:8]) + cases.png_chunk(header[:4], header[4:]) + bytes(data[33:])


def _patched(kind: str, find: bytes, replace: bytes) -> Callable[[int], bytes]:
    data = cases.saved(Image.new("RGB", (300, 200)), kind)
    assert data.count(find) >= 1
    return lambda side: data.replace(find, replace, 1)


BOMBS: dict[str, Callable[[int], bytes]] = {
    "PNG": _bomb_png,
    "GIF": _patched("GIF", struct.pack("<HH", 300, 200), struct.pack("<HH", 40000, 40000)),
    "BMP": _patched("BMP", struct.pack("<ii", 300, 200), struct.pack("<ii", 40000, 40000)),
    "JPEG": _patched("JPEG", struct.pack(">HH", 200, 300), struct.pack(">HH", 40000, 40000)),
    "PPM": _patched("PPM", b"300 200", b"40000 40000"),
    "TIFF": _patched(
        "TIFF",
        struct.pack("<HHII", 257, 4, 1, 200),
        struct.pack("<HHII", 257, 4, 1, 2_000_000),
    ),
}


@pytest.mark.parametrize("kind", sorted(BOMBS))
def test_size_is_read_from_the_header_before_anything_is_decoded(kind: str) -> None:
    limit = rf"at most {LARGEST_MEGAPIXELS} megapixels are read\n.*scale the picture down"
    with pytest.raises(InputError, match=rf"x is \d+x\d+ px by its header, {limit}"):
        read_picture(BOMBS[kind](40000), "x")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC picture\n.*JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "a JPEG XL picture\n.*PNG"),
        (b"\xff\x0a\x00", "a JPEG XL picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0", r"raw file \(CR3\)\n.*develop"),
        (b"FUJIFILMCCD-RAW 0201", "raw file"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "a video .*\n.*frame"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"\x1aE\xdf\xa3", "a video"),
        (b"%PDF-1.7", "a PDF document\n.*export"),
        (b"<?xml version='1.0'?>\n<svg xmlns=''>", "an SVG drawing\n.*PNG"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><html>", "a web page\n.*download the picture itself"),
        (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", r"AppleDouble\)\n.*without"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS\n.*git lfs pull"),
        (b"PK\x03\x04", "zip archive"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"", "empty"),
        (b"hello", "not a picture that can be decoded\n.*JPEG, PNG"),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(start: bytes, said: str) -> None:
    with pytest.raises(InputError, match=rf"photo\.jpg is .*{said}"):
        read_picture(start + bytes(64 if start else 0), "photo.jpg")


@pytest.mark.parametrize("has_version", [False, True])
def test_a_raw_file_is_not_taken_for_its_preview(has_version: bool) -> None:
    """DNG has a version; others begin with a reduced picture and say where the real one is."""
    stream, pixels = io.BytesIO(), np.zeros((8, 8, 3), np.uint8)
    with tifffile.TiffWriter(stream) as writer:
        preview = {"subifds": 1, "subfiletype": 1}
        version = {"extratags": [(50706, "B", 4, (1, 4, 0, 0), True)]}
        chosen: Any = version if has_version else preview
        writer.write(pixels, photometric="rgb", metadata=None, **chosen)
        if not has_version:
            writer.write(np.zeros((32, 32), np.uint16), photometric="minisblack", metadata=None)
    with pytest.raises(InputError, match=r"camera's raw file.*\n.*develop it"):
        read_picture(stream.getvalue(), "x")


def test_broken_exif_is_said_and_the_pixels_are_kept(notes: list[str]) -> None:
    data = cases.saved(Image.fromarray(cases.smooth()), "JPEG")
    body = b"Exif\0\0II*\0\xff\xff\xff\x7f broken"
    broken = data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    assert np.array_equal(read_picture(broken, "x"), read_picture(data, "x"))


@pytest.mark.parametrize("height", [STRIP_ROWS - 1, STRIP_ROWS, 2 * STRIP_ROWS + 1])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "CMYK"])
def test_strips_of_a_picture_are_the_picture(mode: str, height: int) -> None:
    shape = (height, 5, len(Image.new(mode, (1, 1)).getbands()))
    values = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    image = Image.fromarray(values[:, :, 0] if mode == "L" else values, mode)
    kept = mode.removesuffix("A")
    wanted = np.asarray(image.convert(kept))
    assert np.array_equal(by_strips(image, kept, np.asarray), wanted)
    assert np.array_equal(by_strips(wanted, kept, np.asarray), wanted)
