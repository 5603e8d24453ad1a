"""PNG files by rows: what comes out is what went in, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from iast_export.errors import InputError
from iast_export.pictures.images import Rgb, encode_png, load_image
from iast_export.pictures.imagesets import picture_path
from iast_export.pictures.png_rows import save_png_rows


def cut(rgb: Rgb, rows: int) -> Iterator[Rgb]:
    return (rgb[top : top + rows] for top in range(0, len(rgb), rows))


@settings(max_examples=25)
@given(st.integers(1, 70), st.integers(1, 40), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_any_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, rows: int, seed: int
) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path = tmp_path_factory.mktemp("png") / "a.png"
    save_png_rows(path, height, width, cut(rgb, rows))
    assert np.array_equal(load_image(path), rgb)
    with Image.open(io.BytesIO(path.read_bytes())) as other:
        assert np.array_equal(np.asarray(other), rgb)


def test_bands_do_not_change_the_bytes_and_a_photograph_packs_as_well_as_by_opencv(
    tmp_path: Path,
) -> None:
    rgb = load_image(picture_path("skimage:coffee.png"))
    for rows in (1, 37, 400):
        save_png_rows(tmp_path / f"{rows}.png", *rgb.shape[:2], cut(rgb, rows))
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert (tmp_path / "1.png").stat().st_size < 1.06 * len(encode_png(rgb))


def test_a_run_that_fails_midway_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    rgb = np.zeros((9, 5, 3), np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(b"before")

    def fails() -> Iterator[Rgb]:
        yield rgb[:4]
        raise InputError("the result holds NaN", "look")

    with pytest.raises(InputError, match="NaN"):
        save_png_rows(path, 9, 5, fails())
    for wrong in (rgb[:8], np.zeros((9, 6, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"rows of"):
            save_png_rows(path, 9, 5, [wrong])
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="is no PNG"):
        save_png_rows(path, 0, 5, [])
