"""Flicker: motion is not flicker, a planted one is, and exact motion agrees with what is found."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.errors import InputError
from iast_export.metrics.flicker import exposure_levels, judge_step, motion, noise_gain
from iast_export.pictures.images import Rgb, load_image
from iast_export.pictures.imagesets import picture_path


def panned(dx: int, dy: int) -> tuple[Rgb, Rgb]:
    rgb = load_image(picture_path("skimage:coffee.png"))
    return rgb[50:250, 100:400].copy(), rgb[50 + dy : 250 + dy, 100 + dx : 400 + dx].copy()


def brighter(rgb: Rgb, gain: float) -> Rgb:
    return np.clip(np.rint(rgb * gain), 0, 255).astype(np.uint8)


def test_a_pan_is_found_and_is_no_flicker() -> None:
    before, after = panned(5, 3)
    flow, mask = motion(before, after)
    assert mask.mean() > 0.8
    assert np.abs(np.median(flow[mask], axis=0) - [5, 3]).max() < 0.1
    found = judge_step((before, after), (before, after))
    assert found.error == found.clip_error < 0.02 and found.tone == 0


def test_exact_motion_needs_no_search() -> None:
    clip = panned(4, 0)
    flow = np.zeros((200, 300, 2), np.float32)
    flow[..., 0], mask = 4, np.ones((200, 300), bool)
    mask[:, -6:] = False
    assert judge_step(clip, clip, (flow, mask)).error < 1e-3


def test_a_planted_gain_shows_in_tone_and_error() -> None:
    before, after = panned(2, 1)
    planted = judge_step((before, after), (before, brighter(after, 1.03)))
    assert planted.tone == pytest.approx(np.log(1.03), abs=0.006)
    assert planted.error > planted.clip_error
    own = judge_step((before, brighter(after, 1.03)), (before, brighter(after, 1.03)))
    assert own.tone == 0  # the clip's own is not the result's fault


def test_a_cut_or_another_size_cannot_be_judged() -> None:
    before, _ = panned(0, 0)
    noise = np.random.default_rng(0).integers(0, 256, before.shape, np.uint8)
    nothing = np.zeros((*before.shape[:2], 2), np.float32), np.zeros(before.shape[:2], bool)
    with pytest.raises(InputError, match="too little to judge"):
        judge_step((before, noise), (before, noise), nothing)
    with pytest.raises(InputError, match="unlike sizes"):
        judge_step((before, before), (before[:50], before[:50]))


def test_noise_gain_and_exposure_are_those_of_a_known_map() -> None:
    rgb = np.full((64, 64, 3), 100, np.uint8)
    assert noise_gain(lambda x: x, rgb) == pytest.approx(1.0)
    assert noise_gain(
        lambda x: np.clip(3 * (x.astype(int) - 66), 0, 255).astype(np.uint8), rgb
    ) == (pytest.approx(3.0, rel=0.01))
    assert exposure_levels(lambda x: x, rgb) == pytest.approx(5.0)
