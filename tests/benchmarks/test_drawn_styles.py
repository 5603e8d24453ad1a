"""What is measured of pictures: deviations by frequency, in levels."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.drawn_styles import luminance_power, statistics
from benchmarks.strokes import octaves

X = np.arange(256)


def waves(period_px: float, height: float = 40.0) -> np.ndarray:
    """Over a level of noise, as no picture is without any."""
    row = 128 + height * np.sin(2 * np.pi * X / period_px)
    gray = row + np.random.default_rng(0).integers(-1, 2, (256, 256))
    return np.repeat(gray.round().astype(np.uint8)[..., None], 3, axis=2)


def test_power_sums_to_the_variance() -> None:
    y, power, _ = luminance_power(waves(32))
    assert power.sum() == pytest.approx(y.var())


@pytest.mark.parametrize(("period_px", "octave"), [(40, 0), (12.8, 2), (2.5, 4)])
def test_a_wave_lies_in_the_octave_of_its_period(period_px: float, octave: int) -> None:
    found = octaves(waves(period_px))
    assert int(found.argmax()) == octave
    assert found[octave] == pytest.approx(40 / 2**0.5, rel=0.05)


def test_fine_is_what_is_shorter_than_eight_pixels() -> None:
    (coarse, _, _, little), (fine, step, _, all_of_it) = map(statistics, (waves(32), waves(4)))
    assert coarse == pytest.approx(fine, rel=0.02) and little < 0.05 * all_of_it
    assert all_of_it == pytest.approx(fine, rel=0.02) and step > 10
