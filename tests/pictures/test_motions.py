"""Exact motions: the flow that is told is the one that the frames have."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.metrics.flicker import judge_step, motion
from iast_export.pictures.motions import FRAMES, HEIGHT_PX, MOTIONS, WIDTH_PX


@pytest.mark.parametrize("name", MOTIONS)
def test_the_told_flow_is_that_of_the_frames(name: str) -> None:
    made = MOTIONS[name]
    frames = made.frames()
    assert len(frames) == FRAMES and {f.shape for f in frames} == {(HEIGHT_PX, WIDTH_PX, 3)}
    assert min(frame.min(axis=2).mean() for frame in frames) > 10  # no black borders
    for k in (1, FRAMES - 1):
        pair = frames[k - 1], frames[k]
        told, inside = made.flow(k)
        found, believed = motion(*pair)
        both = inside & believed
        assert inside.mean() > 0.9
        assert np.median(np.abs(told - found)[both]) < 0.1
        assert judge_step(pair, pair, (told, inside)).error < 0.012
    assert made.sha256 == MOTIONS[name].sha256
