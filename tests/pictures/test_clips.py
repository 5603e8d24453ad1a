"""Clips by OpenCV: frames come back in order, files are whole or absent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from iast_export.errors import InputError, ToolError
from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.clips import open_clip, save_clip
from iast_export.pictures.images import Rgb
from tests.clip_cases import pan


def test_frames_come_back_in_order(tmp_path: Path) -> None:
    frames = list(pan(6))
    assert save_clip(tmp_path / "a.mp4", 24.0, frames) == 6
    clip = open_clip(tmp_path / "a.mp4")
    assert (clip.width_px, clip.height_px, clip.fps, clip.frames) == (96, 64, 24.0, 6)
    back = list(clip.read())
    assert len(back) == 6 and all(psnr_db(a, b) > 27 for a, b in zip(frames, back, strict=True))
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"]


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 300)
    with pytest.raises(InputError, match="no clip that can be opened"):
        open_clip(tmp_path / "junk.mp4")
    with pytest.raises(InputError, match="is missing"):
        open_clip(tmp_path / "none.mp4")
    with pytest.raises(ToolError, match=r"named \*.mp4"):
        save_clip(tmp_path / "a.txt", 24.0, pan(2))


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> Iterator[Rgb]:
        yield np.zeros((64, 96, 3), np.uint8)
        raise InputError("NaN", "look")

    with pytest.raises(InputError, match="NaN"):
        save_clip(tmp_path / "a.mp4", 24.0, fails())
    assert not list(tmp_path.iterdir())
