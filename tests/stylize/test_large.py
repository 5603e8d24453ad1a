"""Large pictures row by row: three ways, networks with and without lifted statistics, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from iast_export.errors import UsageError
from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import (
    Rgb,
    fit_longest_side,
    load_image,
    pad_to_multiple,
    to_levels,
    to_tensor,
)
from iast_export.pictures.imagesets import picture_path
from iast_export.pictures.tiling import run_tiled
from iast_export.specs import Tier
from iast_export.stylize.large import Large, LargeRun, check_large, thumbnail
from iast_export.stylize.lifted import Lifted, Moments
from tests.lifted_cases import TorchLifted
from tests.tiny_networks import tiny_iast

NET = tiny_iast()
CODES = {
    "style_code": np.random.default_rng(3)
    .normal(1, 0.4, NET.code_shapes["style_code"])
    .astype(np.float32)
}


class Painter:
    """A tiny network as an engine of a bundle offers it."""

    tiers, size_multiple_px = [Tier(1, 128)], 4

    def __init__(self, can_be_lifted: bool = True) -> None:
        self.can_be_lifted, self.opened = can_be_lifted, 0
        self._whole = self._open()

    def _open(self) -> TorchLifted:
        return TorchLifted(NET, 1, 24)

    def feeds(self, codes: Moments, strength: float) -> dict[str, NDArray[np.float32]]:
        return {**codes, "strength": np.full((1, 1), strength, np.float32)}

    def draw(self, rgb: Rgb, feeds: Moments, tier: Tier) -> Rgb:
        torch.set_num_threads(1)
        height, width = rgb.shape[:2]
        made = self._whole.whole(to_tensor(pad_to_multiple(rgb, 4)), feeds)
        return to_levels(made[:, :, :height, :width])

    def lifted(self, tier: Tier) -> Callable[[], Lifted] | None:
        def opened() -> Lifted:
            self.opened += 1
            return self._open()

        return opened if self.can_be_lifted else None


def photograph(height: int = 300, width: int = 416) -> Rgb:
    rgb = load_image(picture_path("skimage:chelsea.png"))
    return np.ascontiguousarray(rgb[:height, :width])


def made(how: Large, painter: Painter, rgb: Rgb) -> Rgb:
    with LargeRun(how) as run:
        return np.concatenate(list(run.bands(painter, rgb, CODES, 1.0)))


@pytest.mark.parametrize("lifts", [True, False])
@pytest.mark.parametrize("way", ["tiles", "preview", "guided"])
def test_every_way_keeps_the_size(way: str, lifts: bool, tmp_path: Path) -> None:
    rgb = photograph(201, 333)
    with LargeRun(Large(way, workers=2)) as run:  # type: ignore[arg-type]
        small = run.save(tmp_path / "out.png", Painter(lifts), rgb, CODES, 1.0)
    written = load_image(tmp_path / "out.png")
    assert written.shape == rgb.shape and np.array_equal(thumbnail(written), small)
    assert small.shape == (155, 256, 3) and list(tmp_path.iterdir()) == [tmp_path / "out.png"]


def test_tiles_are_the_run_over_the_whole_picture_and_own_statistics_are_not() -> None:
    rgb, painter = photograph(), Painter()
    whole = painter.draw(rgb, painter.feeds(CODES, 1.0), painter.tiers[0])
    assert psnr_db(made(Large("tiles"), painter, rgb), whole) > 60
    assert 25 < psnr_db(made(Large("tiles", "quick"), painter, rgb), whole) < 60
    apart = Painter(can_be_lifted=False)
    blended = made(Large("tiles"), apart, rgb)
    feeds = apart.feeds(CODES, 1.0)
    assert np.array_equal(
        blended, run_tiled(rgb, 128, 4, lambda tile: apart.draw(tile, feeds, Tier(1, 128)))[0]
    )
    assert psnr_db(blended, whole) < psnr_db(made(Large("tiles", "quick"), painter, rgb), whole)


def test_a_network_that_cannot_be_lifted_says_that_tones_may_differ(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for way, said in (("tiles", True), ("preview", False), ("guided", False)):
        caplog.clear()
        made(Large(way), Painter(can_be_lifted=False), photograph(150, 150))  # type: ignore[arg-type]
        assert ("tones may differ from tile to tile" in caplog.text) == said


@pytest.mark.parametrize("lifts", [True, False])
def test_a_preview_is_what_it_promised(lifts: bool) -> None:
    rgb, painter = photograph(), Painter(lifts)
    small = fit_longest_side(rgb, 128)
    preview = painter.draw(small, painter.feeds(CODES, 1.0), painter.tiers[0])
    found = {
        way: psnr_db(fit_longest_side(made(Large(way), painter, rgb), 128), preview)  # type: ignore[arg-type]
        for way in ("tiles", "preview", "guided")
    }
    assert found["preview"] > 35 and found["preview"] > found["guided"] > 20
    assert found["preview"] > found["tiles"] + 5


def test_workers_are_opened_once_for_all_pictures() -> None:
    painter, rgb = Painter(), photograph(150, 150)
    with LargeRun(Large(workers=3)) as run:
        for _ in range(2):
            list(run.bands(painter, rgb, CODES, 1.0))
    assert painter.opened == 3


def test_progress_counts_passes_and_tiles() -> None:
    told: list[tuple[str, int, int]] = []
    with LargeRun(Large(workers=1), lambda *one: told.append(one)) as run:
        list(run.bands(Painter(), photograph(200, 300), CODES, 1.0))
    assert [one for one in told if one[0] == "statistics"][-1] == ("statistics", 16, 16)
    assert [one[1] for one in told if one[0] == "tiles"] == list(range(1, 9))


def test_statistics_that_nobody_would_use_are_refused() -> None:
    check_large(Large("preview", "quick"))
    with pytest.raises(UsageError, match="leave it out"):
        check_large(Large("guided", "quick"))
