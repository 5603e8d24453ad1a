"""Bands: the preview's low frequencies under tiles, and the local affine map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iast_export.metrics.fidelity import psnr_db, ssim
from iast_export.pictures.images import Rgb, load_image
from iast_export.pictures.imagesets import picture_path
from iast_export.pictures.resize import resize
from iast_export.stylize.bands import affine_bands, enlarged_rows, preview_bands


def coffee(height: int, width: int) -> Rgb:
    return np.ascontiguousarray(load_image(picture_path("skimage:coffee.png"))[:height, :width])


def cut(rgb: Rgb, sizes: list[int]) -> list[Rgb]:
    return np.split(rgb, np.cumsum(sizes)[:-1])


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 20), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_rows_are_enlarged_as_one_picture_is(small: int, grown: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).random((small, width, 3)).astype(np.float32)
    size = small + grown, 2 * width
    rows = [enlarged_rows(values, small, size, first, 1) for first in range(size[0])]
    whole = enlarged_rows(values, small, size, 0, size[0])
    np.testing.assert_allclose(np.concatenate(rows), whole, atol=1e-6)
    assert whole.shape == (*size, 3)


def test_a_preview_of_the_same_picture_changes_nothing() -> None:
    rgb = coffee(300, 400)
    for sizes in ([300], [100, 13, 187], [50] * 6):
        bands = list(preview_bands(cut(rgb, sizes), resize(rgb, 60, 80), (300, 400)))
        assert np.array_equal(np.concatenate(bands), rgb)


def test_tones_become_the_previews_and_fine_detail_stays() -> None:
    rgb = coffee(304, 400)
    tiles = np.clip(rgb.astype(int) + np.linspace(-40, 40, 400)[None, :, None], 0, 255)
    preview = resize(rgb, 76, 100)
    made = np.concatenate(
        list(preview_bands(cut(tiles.astype(np.uint8), [100, 204]), preview, (304, 400)))
    )
    assert psnr_db(tiles.astype(np.uint8), rgb) < 22
    assert psnr_db(resize(made, 76, 100), preview) > 40
    assert ssim(made, rgb) > 0.97


def test_bands_of_any_cut_give_one_picture() -> None:
    rgb, preview = coffee(211, 173), coffee(50, 41)[::-1].copy()
    made = [
        np.concatenate(list(preview_bands(cut(rgb, sizes), preview, (211, 173))))
        for sizes in ([211], [1] * 211, [5, 100, 3, 103])
    ]
    assert all(np.array_equal(made[0], other) for other in made[1:])


def test_the_affine_map_finds_a_change_of_colors_and_keeps_detail() -> None:
    rgb = coffee(320, 400)
    mixed = np.clip(
        rgb.astype(float) @ np.array([[0.2, 0.5, 0], [0.6, 0.1, 0.2], [0, 0.2, 0.6]]), 0, 255
    )
    wanted = mixed.astype(np.uint8)
    small = resize(rgb, 80, 100)
    made = np.concatenate(list(affine_bands(rgb, small, resize(wanted, 80, 100))))
    assert made.shape == rgb.shape and psnr_db(made, wanted) > 34
    enlarged = resize(resize(wanted, 80, 100), 320, 400)
    assert psnr_db(made, wanted) > psnr_db(enlarged, wanted) + 6


def test_a_flat_photograph_takes_the_previews_colors() -> None:
    flat, preview = np.full((64, 64, 3), 90, np.uint8), np.full((16, 16, 3), 200, np.uint8)
    made = np.concatenate(list(affine_bands(flat, np.full((16, 16, 3), 90, np.uint8), preview)))
    assert np.abs(made.astype(int) - 200).max() <= 1


@pytest.mark.parametrize("size", [(40, 30), (41, 33)])
def test_a_picture_of_the_previews_own_size_becomes_the_preview(size: tuple[int, int]) -> None:
    rgb, preview = coffee(*size), coffee(*size)[::-1].copy()
    assert np.array_equal(np.concatenate(list(preview_bands([rgb], preview, size))), preview)
