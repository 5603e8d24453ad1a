"""A ripple of one period: found where a network brings it, not where a texture is even."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from iast_export.errors import InputError
from iast_export.network.checkpoint import save_checkpoint
from iast_export.pictures.images import Rgb, save_png
from models.evaluation import ripple
from tests.conftest import CARD
from tests.tiny_networks import tiny_iast2
from tests.training_cases import draw_pictures

SIDE = 192


def photograph(seed: int = 0) -> Rgb:
    """A flat left half, a rough right half."""
    picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    rough = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE // 2, 3), dtype=np.uint8)
    picture[:, SIDE // 2 :] = rough
    return picture


def texture(seed: int) -> Rgb:
    """Grain whose power falls with the frequency, as an artwork's."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij"))
    spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE))) / np.maximum(frequency, 1.0 / SIDE)
    grain = np.fft.irfft2(spectrum)
    levels = 128.0 + 6.0 * grain / grain.std()
    return np.repeat(np.clip(np.rint(levels), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def drawn(content: Rgb, style: Rgb) -> Rgb:
    return style


@pytest.mark.parametrize("period_px", [64 / 5, 8.0])
def test_a_wave_rises_at_its_period_over_textures_that_do_not(period_px: float) -> None:
    photographs, artworks = [photograph()], [texture(seed) for seed in range(6)]
    places = ripple.flattest_places(photographs)
    given = drawn, photographs, artworks, places
    plain = ripple.rise_db(ripple.of_results(*given))
    wave = ripple.wave(SIDE, period_px, 2.0)
    rise, period = ripple.rise_db(ripple.of_results(*given, wave))
    assert plain[0] < 1.5 and rise > plain[0] + 3.0
    assert period == pytest.approx(period_px)


def test_a_steeper_or_bent_spectrum_is_no_ripple() -> None:
    place = np.log(ripple.PERIODS_PX)
    for slope, bend in ((10.0, 0.0), (30.0, 0.0), (20.0, 4.0), (20.0, -4.0)):
        rise, _ = ripple.rise_db([slope * place + bend * place**2])
        assert rise == pytest.approx(0.0, abs=1e-6)


def test_a_wave_is_as_loud_as_it_says() -> None:
    assert ripple.wave(128, 16.0, 3.0).std() == pytest.approx(3.0)


def test_a_level_of_noise_has_zero_decibels_at_every_period() -> None:
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(40):
        grey = 128.0 + rng.normal(0.0, 10.0, (64, 64))
        picture = np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
        rows.append(ripple.spectrum(picture, ripple.Place(0, 0, 0)))
    assert np.mean(rows, axis=0) == pytest.approx(20.0, abs=1.5)


def test_flat_places_lie_where_the_photograph_is_flat_and_apart() -> None:
    places = ripple.flattest_places([photograph(), texture(0), photograph(1)])
    assert {p.picture for p in places} == {0, 2}
    assert all(p.left + 64 <= SIDE // 2 + 2 for p in places)
    corners = [(p.top, p.left) for p in places if p.picture == 0]
    assert len(set(corners)) == len(corners) >= 2
    assert len(ripple.flattest_places([texture(0)], np.inf)) == 4


@pytest.mark.parametrize(
    ("photographs", "words"),
    [([photograph()[:48]], "no window of 64 px"), ([texture(0)], "no photograph has a flat")],
)
def test_without_a_flat_window_nothing_is_said(photographs: list[Rgb], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ripple.flattest_places(photographs)


def test_the_table_shows_networks_beside_photographs_artworks_and_a_planted_wave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ripple, "_ARTWORKS", 2)
    torch.set_num_threads(1)
    images, weights = draw_pictures(tmp_path / "images"), tmp_path / "tiny.safetensors"
    save_png(images / "content" / "kodak24" / "x_0000.jpg", photograph())
    save_checkpoint(tiny_iast2(), weights, CARD)
    out = tmp_path / "out"
    ripple.main(
        [
            "--data",
            str(tmp_path),
            "--network",
            f"tiny={weights}",
            "--depths",
            "1",
            "--out",
            str(out),
        ]
    )
    text = capsys.readouterr().out
    assert text.strip() == (out / "ripple.md").read_text().strip()
    names = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    wave = "tiny, depth 1, with a wave of 13 px and 1 level"
    assert names[2:] == ["photographs", "flattest windows of the artworks", "tiny, depth 1", wave]
    found = json.loads((out / "ripple.json").read_text())
    assert found["px"] == ripple.PERIODS_PX.tolist()
    assert np.isfinite(list(found["dB"].values())).all()
    assert (out / "ripple.png").stat().st_size > 10_000
