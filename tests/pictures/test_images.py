"""Pictures to tensors and back, exactly; damaged pictures are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from iast_export.errors import InputError
from iast_export.pictures import images
from iast_export.pictures.picture_reader import read_picture

RGB = hnp.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))


def _noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, channels), dtype=np.uint8)


def _encode(suffix: str, picture: np.ndarray) -> bytes:
    done, data = cv2.imencode(suffix, picture)
    assert done
    return bytes(data)


@given(RGB)
@settings(max_examples=30)
def test_a_png_gives_the_same_pixels_back_and_the_same_bytes_again(rgb: np.ndarray) -> None:
    data = images.encode_png(rgb)
    assert np.array_equal(read_picture(data, "x"), rgb)
    assert images.encode_png(rgb.copy()) == data


def test_a_saved_picture_can_be_loaded(tmp_path: Path) -> None:
    rgb = _noise(30, 41)
    images.save_png(tmp_path / "deep" / "x.png", rgb)
    assert np.array_equal(images.load_image(tmp_path / "deep" / "x.png"), rgb)


def test_channels_come_in_rgb_order() -> None:
    bgr = np.zeros((4, 4, 3), np.uint8)
    bgr[:, :, 2] = 200
    assert read_picture(_encode(".png", bgr), "x")[0, 0].tolist() == [200, 0, 0]


@given(RGB)
def test_levels_survive_the_way_to_a_tensor_and_back(rgb: np.ndarray) -> None:
    tensor = images.to_tensor(rgb)
    assert tensor.shape == (1, 3, *rgb.shape[:2]) and tensor.dtype == np.float32
    assert np.array_equal(images.to_levels(tensor), rgb)


def test_values_round_half_up_and_clip_at_the_ends() -> None:
    values = np.array(
        [-1.0, -0.0001, 0.5 / 255 - 1e-6, 0.5 / 255 + 1e-6, 0.5, 1.0, 7.0], np.float32
    )
    tensor = np.broadcast_to(values, (1, 3, 1, 7))
    assert images.to_levels(tensor)[0, :, 0].tolist() == [0, 0, 0, 1, 128, 255, 255]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_output_that_is_not_finite_never_becomes_a_picture(bad: float) -> None:
    tensor = np.zeros((1, 3, 4, 4), np.float32)
    tensor[0, 1, 2, 3] = bad
    with pytest.raises(InputError, match="NaN or infinity"):
        images.to_levels(tensor)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 4, 4, 3), (2, 3, 4, 4), (1, 3, 0, 4)])
def test_a_tensor_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="was needed"):
        images.to_levels(np.zeros(shape, np.float32))


def test_alpha_is_laid_over_white() -> None:
    bgra = np.zeros((1, 3, 4), np.uint8)
    bgra[0, :, 3] = [0, 128, 255]
    assert read_picture(_encode(".png", bgra), "x")[0, :, 0].tolist() == [255, 127, 0]


def test_gray_and_16_bit_pictures_become_8_bit_rgb() -> None:
    gray = _noise(5, 6, 1)[:, :, 0]
    for picture in (gray, gray.astype(np.uint16) * 257):
        rgb = read_picture(_encode(".png", picture), "x")
        assert rgb.dtype == np.uint8 and rgb.shape == (5, 6, 3)
        assert all(np.array_equal(rgb[:, :, c], gray) for c in range(3))


def test_a_photograph_is_turned_upright_by_its_exif_orientation() -> None:
    jpeg = _encode(".jpg", cv2.resize(_noise(4, 8), (64, 32), interpolation=cv2.INTER_NEAREST))
    tiff = (
        b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01"
        b"\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    )
    body = b"Exif\x00\x00" + tiff
    turned = jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]
    upright = np.rot90(read_picture(jpeg, "x"), -1)
    assert np.array_equal(read_picture(turned, "x"), upright)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_cut_short_is_refused_wherever_it_is_cut(suffix: str) -> None:
    data = _encode(suffix, _noise(40, 60))
    for length in (len(data) // 4, len(data) // 2, len(data) - 8, len(data) - 1):
        with pytest.raises(InputError, match=r"photo is cut short.*\n.*again"):
            read_picture(data[:length], "photo")


@pytest.mark.parametrize("data", [b"\x89", b"GIF of nothing", b"hello", b"\x00" * 100])
def test_what_is_not_a_picture_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"photo\.png is not a picture"):
        images.load_image(path)


def test_a_missing_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        images.load_image(tmp_path / "x.png")


@given(RGB, st.integers(0, 60), st.integers(0, 60))
def test_padding_reflects_at_the_bottom_and_the_right_as_far_as_asked(
    rgb: np.ndarray, down: int, right: int
) -> None:
    height, width = rgb.shape[:2]
    padded = images.pad_to(rgb, height + down, width + right)
    assert padded.shape == (height + down, width + right, 3)
    assert np.array_equal(padded[:height, :width], rgb)

    def source(i: int, side: int) -> int:
        period = max(1, 2 * (side - 1))
        return min(i % period, period - i % period) if side > 1 else 0

    rows = [source(i, height) for i in range(height + down)]
    columns = [source(i, width) for i in range(width + right)]
    assert np.array_equal(padded, rgb[rows][:, columns])


def test_a_picture_is_never_padded_to_less() -> None:
    with pytest.raises(InputError, match="can't be padded"):
        images.pad_to(_noise(8, 9), 8, 8)


def test_padding_to_a_multiple_adds_only_what_is_missing() -> None:
    assert images.pad_to_multiple(_noise(8, 9), 4).shape == (8, 12, 3)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((40, 60), 30, (20, 30)),
        ((60, 40), 30, (30, 20)),
        ((1, 500), 100, (1, 100)),
        ((10, 10), 25, (25, 25)),
    ],
)
def test_the_longest_side_becomes_what_is_asked(
    size: tuple[int, int], side: int, expected: tuple[int, int]
) -> None:
    assert images.fit_longest_side(_noise(*size), side).shape[:2] == expected


def test_scaling_down_averages_areas() -> None:
    rgb = np.repeat(np.array([[0, 100], [200, 100]], np.uint8)[:, :, None], 3, axis=2)
    assert images.fit_longest_side(rgb, 1)[0, 0].tolist() == [100, 100, 100]


def test_the_center_square_is_cut_from_the_middle() -> None:
    rgb = np.zeros((4, 8, 3), np.uint8)
    rgb[:, 2:6] = 255
    assert (images.center_square(rgb, 4) == 255).all()
    assert images.center_square(rgb, 16).shape == (16, 16, 3)


@pytest.mark.parametrize("resize", [images.fit_longest_side, images.center_square])
def test_a_side_of_nothing_is_refused(resize: object) -> None:
    assert callable(resize)
    with pytest.raises(InputError, match="at least 1 px"):
        resize(_noise(4, 4), 0)


def test_a_sheet_holds_every_picture_and_its_label() -> None:
    first, second = np.zeros((20, 30, 3), np.uint8), np.full((10, 50, 3), 100, np.uint8)
    bare = images.sheet([[first, second], [second]])
    assert bare.shape == (20 + 10 + 3 * 4, 50 + 50 + 3 * 4, 3)
    assert np.array_equal(bare[4:24, 4:34], first)
    labelled = images.sheet([[first, second], [second]], [["a", "b"], ["a label far too long"]])
    assert labelled.shape[0] > bare.shape[0]
    assert (labelled < 255).sum() > (bare < 255).sum()


def test_a_sheet_of_nothing_or_with_too_few_labels_is_refused() -> None:
    with pytest.raises(InputError, match="at least one picture"):
        images.sheet([[], []])
    with pytest.raises(InputError, match="don't match"):
        images.sheet([[_noise(4, 4)]], [["a", "b"]])


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_an_array_that_is_not_a_picture_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="was needed"):
        images.to_tensor(bad)
    with pytest.raises(InputError, match="is empty"):
        images.to_tensor(np.zeros((0, 4, 3), np.uint8))


def test_a_label_shows_every_script_and_any_bytes() -> None:
    names = [
        "naïve",
        "Жар-птица",
        "日本",
        "caf\udce9.png",
        "a\x00b\n\x1b[31m",
        "[bold]x[/]",
        "\U0001f984",
    ]
    pictures = [np.full((8, 120, 3), 255, np.uint8) for _ in names]
    drawn = images.sheet([pictures], [names])
    for i in range(len(names)):
        assert (drawn[4:28, 4 + 124 * i : 124 + 124 * i] < 128).any(), names[i]
    assert not np.array_equal(
        images.sheet([pictures[:1]], [["é"]]), images.sheet([pictures[:1]], [["e"]])
    )
