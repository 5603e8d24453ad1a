"""Warping error of networks where they draw as much of a style."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from iast_export.metrics.style import style_statistics
from iast_export.network.checkpoint import save_checkpoint
from iast_export.pictures.clips import save_clip
from iast_export.pictures.images import Rgb
from models.evaluation.noise import Draw
from models.evaluation.warping import Curve, at_equal_style, clip_error, curve_of, main
from tests.clip_cases import pan
from tests.conftest import CARD
from tests.tiny_networks import tiny_iast2
from tests.training_cases import draw_pictures


def moving(count: int) -> list[Rgb]:
    """Frames of a window that pans, with a little noise."""
    random = np.random.default_rng(3)
    return [
        np.clip(np.rint(rgb + random.normal(0, 2, rgb.shape)), 0, 255).astype(np.uint8)
        for rgb in pan(count)
    ]


def contrast(factor: float) -> Draw:
    return lambda rgb: np.clip(128 + factor * (rgb.astype(float) - 128), 0, 255).astype(np.uint8)


def test_what_halves_contrast_halves_the_error_and_one_that_keeps_it_has_the_clips() -> None:
    frames = moving(3)
    wanted = style_statistics(frames[0])
    curve = curve_of([contrast(0.5), contrast(1.0)], frames, wanted)
    assert curve.error[1] == pytest.approx(clip_error(frames), rel=1e-6) and curve.error[1] > 0.5
    assert curve.error[0] == pytest.approx(curve.error[1] / 2, rel=0.05)
    assert curve.gain == pytest.approx([0.5, 1.0], rel=0.08)  # rounding is heard
    assert curve.style[1] < curve.style[0]  # the frames are the artwork


def curve(style: tuple[float, float], error: tuple[float, float]) -> Curve:
    return Curve(*(np.array(one) for one in (style, error, error)))


def test_each_artwork_is_judged_where_the_one_with_least_of_its_style_stops() -> None:
    first = [curve((0.3, 0.2), (2.0, 6.0)), curve((0.3, 0.1), (1.0, 3.0))]
    other = [curve((0.3, 0.1), (2.0, 6.0)), curve((0.3, 0.2), (1.0, 3.0))]
    # 0.2 is the end of one curve and the middle of the other, in either artwork
    assert at_equal_style([first, other]) == [
        pytest.approx((0.2, (6.0 + 2.0) / 2, 4.5, (6.0 + 2.0) / 2)),
        pytest.approx((0.2, (4.0 + 3.0) / 2, 4.5, (4.0 + 3.0) / 2)),
    ]


def test_a_line_per_clip_depth_and_network_beside_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.set_num_threads(1)
    draw_pictures(tmp_path / "images")
    clip = tmp_path / "walk.mp4"
    save_clip(clip, 24.0, moving(6))
    for name in ("one", "two"):
        save_checkpoint(tiny_iast2(), tmp_path / f"{name}.safetensors", CARD)
    given = [f"--network={n}={tmp_path / n}.safetensors" for n in ("one", "two")]
    main(["--data", str(tmp_path), "--clips", str(clip), *given, "--depths", "1"])
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [line[:3] for line in lines] == [["| walk", "1", "one"], ["| walk", "1", "two"]]
    assert lines[0][3:] == lines[1][3:] and lines[1][5] == "+0 %"
    assert float(lines[0][4]) > 0.0
