"""What a critical eye sees, measured on pictures whose fault is known."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.pictures.images import Rgb
from models.evaluation import artifacts


def photograph(seed: int = 0, side: int = 128) -> Rgb:
    """A flat left half, a rough right half."""
    picture = np.full((side, side, 3), 128, np.uint8)
    rough = np.random.default_rng(seed).integers(0, 256, (side, side // 2, 3), dtype=np.uint8)
    picture[:, side // 2 :] = rough
    return picture


def test_equal_colors_lie_at_no_distance_wherever_they_are() -> None:
    picture = photograph()
    assert artifacts.color_distance(picture[::-1, ::-1], picture) == 0.0
    green = picture.copy()
    green[..., 1] = 255
    assert artifacts.color_distance(green, picture) > 10.0


def test_a_color_distance_is_the_step_between_two_greys() -> None:
    dark, light = (np.full((8, 8, 3), v, np.uint8) for v in (100, 110))
    lightness = [42.37, 46.28]  # CIELAB's L of these greys; a direction shows the step in part
    found = artifacts.color_distance(light, dark)
    assert 0.2 * (lightness[1] - lightness[0]) < found < lightness[1] - lightness[0]


def test_gradient_energy_is_one_for_the_photograph_and_less_for_a_blurred_one() -> None:
    picture = photograph()
    assert artifacts.gradient_energy(picture, picture) == 1.0
    halved = (picture // 2).astype(np.uint8)
    assert artifacts.gradient_energy(halved, picture) == pytest.approx(0.5, abs=0.02)


def test_what_moves_along_has_no_shift_error_and_what_sticks_to_a_grid_has() -> None:
    def grid(content: Rgb) -> Rgb:
        made = content.copy()
        made[::4, ::4] = 0
        return made

    assert artifacts.shift_error(lambda content: content, photograph()) == 0.0
    assert artifacts.shift_error(grid, photograph()) > 10.0


@pytest.mark.parametrize("gain", [0, 1, 2])
def test_noise_gain_is_what_a_render_multiplies_noise_by(gain: int) -> None:
    def render(content: Rgb) -> Rgb:
        return np.clip(128 + gain * (content.astype(np.int64) - 128), 0, 255).astype(np.uint8)

    flat = np.full((64, 64, 3), 128, np.uint8)
    assert artifacts.noise_gain(render, flat) == pytest.approx(gain, abs=1e-6)
