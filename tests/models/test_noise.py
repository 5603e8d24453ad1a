"""Noise of networks: as the scorer of clips takes it, style and photograph beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from iast_export.errors import InputError
from iast_export.network.checkpoint import save_checkpoint
from iast_export.pictures.clips import save_clip
from models.evaluation.noise import clip_frames, main, networks_of, scores
from tests.conftest import CARD
from tests.tiny_networks import tiny_iast2
from tests.training_cases import draw_pictures


class Amplifier:
    """A network whose picture differs from the middle tone by a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def encode_style(self, style: Tensor) -> tuple[Tensor]:
        return (style.mean(),)

    def cut(self, depth: int) -> object:
        return lambda content, code, strength: 0.5 + self.factor * (content - 0.5)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 156, (64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_what_doubles_contrast_doubles_noise(factor: float) -> None:
    frames, photographs, artworks = ([picture(i)] for i in range(3))
    clip, still, style, ssim = scores(Amplifier(factor), 1, frames, photographs, artworks)
    assert clip == pytest.approx(factor, rel=0.03) and still == pytest.approx(factor, rel=0.03)
    assert style > 0.0 and (ssim == pytest.approx(1.0)) is (factor == 1.0)


def test_frames_lie_apart_and_a_clip_of_too_few_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    save_clip(path, 24.0, (np.full((32, 48, 3), 9 * i, np.uint8) for i in range(14)))
    one, two = clip_frames(path)
    assert one.shape == (32, 32, 3) and two.mean() - one.mean() > 60
    near, next_one = clip_frames(path, 2, apart=1)
    assert np.array_equal(near, one) and 0 < next_one.mean() - near.mean() < 20
    with pytest.raises(InputError, match="fewer than 25 frames"):
        clip_frames(path, 3)


def test_a_line_per_network_and_end_of_its_depths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.set_num_threads(1)
    draw_pictures(tmp_path / "images")
    clip, weights = tmp_path / "clip.mp4", tmp_path / "tiny.safetensors"
    save_clip(clip, 24.0, (picture(i) for i in range(14)))
    save_checkpoint(tiny_iast2(), weights, CARD)
    main(["--data", str(tmp_path), "--clip", str(clip), "--network", f"tiny={weights}"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| tiny", "4"], ["| tiny", "1"]]
    given = ["--clip", str(clip), "--network", f"tiny={weights}", "--depths", "3"]
    main(["--data", str(tmp_path), *given])
    assert capsys.readouterr().out.splitlines()[2:][0].startswith("| tiny | 3 |")


@pytest.mark.parametrize("entries", [["tiny.safetensors"], ["=tiny"], ["a=x", "a=y"]])
def test_a_network_without_a_name_of_its_own_is_refused(entries: list[str]) -> None:
    with pytest.raises(InputError, match="--network") as refused:
        networks_of(entries)
    assert "each name once" in str(refused.value)
