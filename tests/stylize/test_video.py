"""Clips in a style: moving statistics, cuts, resuming, any number of workers."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from iast_export.errors import InputError, UsageError
from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.clips import Clip, open_clip, save_clip
from iast_export.stylize.moving import MovingMoments, is_cut
from iast_export.stylize.statistics import Covered, moments_of_tiles
from iast_export.stylize.video import VideoRun, stylize_clip
from tests.clip_cases import pan
from tests.lifted_cases import TorchLifted
from tests.stylize.test_large import CODES, NET, Painter


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    save_clip(tmp_path / "in.mp4", 12.0, [*pan(7), *pan(5, "astronaut.png")])
    return open_clip(tmp_path / "in.mp4")


def run(clip: Clip, workers: int = 1, keep: float = 0.9) -> VideoRun:
    return VideoRun(Painter(), clip, CODES, 1.0, workers, keep)


def test_an_average_moves_and_begins_anew_at_a_cut() -> None:
    moving = MovingMoments(keep=0.75)
    frames = [*pan(3), *pan(2, "astronaut.png")]
    values = [
        float(moving.add(frame, {"m": np.full((1, 1), k, np.float32)})["m"][0, 0])
        for k, frame in enumerate(frames)
    ]
    assert values == [0.0, 0.25, 0.25 * 0.75 + 0.5, 3.0, 3.25]
    assert moving.cuts == [3]


def test_cuts_are_scenes_and_neither_pans_nor_light() -> None:
    first, second = next(pan(1, size=(200, 300))), next(pan(1, "astronaut.png", (200, 300)))
    later = list(pan(12, size=(200, 300), step=8))[-1]
    brighter = np.clip(first * 1.3, 0, 255).astype(np.uint8)
    assert is_cut(first, second) and is_cut(second, first)
    assert not is_cut(first, later) and not is_cut(first, brighter)


def test_without_an_average_every_frame_has_its_own_statistics(clip: Clip) -> None:
    frames = list(islice(clip.read(), 4))
    made = list(run(clip, keep=0.0).frames(frames))
    painter = Painter()
    for frame, drawn in zip(frames, made, strict=True):
        alone = painter.draw(frame, painter.feeds(CODES, 1.0), painter.tiers[0])
        assert psnr_db(drawn, alone) > 60


def test_the_number_of_workers_changes_no_frame(clip: Clip) -> None:
    made = [list(run(clip, workers).frames(clip.read())) for workers in (1, 3)]
    assert len(made[0]) == 12
    assert all(np.array_equal(a, b) for a, b in zip(*made, strict=True))


def test_a_frame_has_the_moments_of_those_before(clip: Clip) -> None:
    frames = list(islice(clip.read(), 2))
    engine = TorchLifted(NET, 1, 24)
    feeds = Painter().feeds(CODES, 1.0)
    first, second = (
        moments_of_tiles(engine, Covered.of(frame, 128, engine), feeds) for frame in frames
    )
    mixed = {k: np.float32(0.9) * first[k] + np.float32(1 - 0.9) * second[k] for k in first}
    wanted = engine.render(Covered.of(frames[1], 128, engine).tile(*_only(frames[1])), feeds, mixed)
    got = list(run(clip).frames(frames))[1]
    height, width = got.shape[:2]
    assert np.abs(wanted[0, :, :height, :width].transpose(1, 2, 0) * 255 - got).max() <= 0.51


def _only(frame: np.ndarray) -> tuple:
    return next(Covered.of(frame, 128, TorchLifted(NET, 1, 24)).cover.rows())[0]


def test_a_clip_is_written_with_its_cuts(clip: Clip, tmp_path: Path) -> None:
    made = stylize_clip(run(clip, 2), clip, tmp_path / "out.mp4", key="k")
    again = open_clip(made.path)
    assert (made.frames, made.cuts, made.resumed) == (12, (7,), 0)
    assert (again.frames, again.fps, again.width_px) == (12, 12.0, 96)


def test_a_run_goes_on_from_the_frames_that_are_there(clip: Clip, tmp_path: Path) -> None:
    kept = tmp_path / "frames"
    stylize_clip(run(clip), clip, tmp_path / "whole.mp4", key="k", resume=kept)
    for number in (5, 9):
        (kept / f"{number:06d}.png").unlink()
    made = stylize_clip(run(clip), clip, tmp_path / "again.mp4", key="k", resume=kept)
    assert (made.resumed, made.frames) == (5, 12)
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    with pytest.raises(InputError, match="frames of another clip"):
        stylize_clip(run(clip), clip, tmp_path / "o.mp4", key="other", resume=kept)
    with pytest.raises(InputError, match="is no folder of frames"):
        stylize_clip(run(clip), clip, tmp_path / "o.mp4", key="k", resume=tmp_path)


def test_a_network_that_cannot_be_lifted_is_refused(clip: Clip) -> None:
    with pytest.raises(UsageError, match="a clip would flicker"):
        VideoRun(Painter(can_be_lifted=False), clip, CODES, 1.0, 1)
