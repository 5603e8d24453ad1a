"""The exact resize: constants stay, ranges are kept, sizes that make no sense are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.errors import InputError
from iast_export.pictures.resize import resize
from tests.shared_cases import resized

SIDES = st.integers(1, 12)


@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_it_is_the_rounded_fraction_whatever_the_sizes(
    h: int, w: int, height: int, width: int, seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8)
    made = resize(picture, height, width)
    assert made.tolist() == resized(picture.tolist(), height, width)
    assert picture.min() <= made.min() and made.max() <= picture.max()


def test_a_large_picture_keeps_its_mean() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (601, 800, 3), np.uint8)
    assert abs(resize(picture, 77, 100).mean() - picture.mean()) < 0.05


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1 px"):
        resize(np.zeros((4, 4, 3), np.uint8), 0, 4)
    with pytest.raises(InputError, match="at least 1 px"):
        resize(np.zeros((0, 4, 3), np.uint8), 2, 2)
