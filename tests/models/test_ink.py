"""Ink wash: the same on every call, gray but for one seal, ink that runs, dries and fades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.pictures.images import load_image
from models.data import CropStore
from models.ink import DRAWN, SCENES, SIDE_PX, painted, paintings
from models.ink.__main__ import main
from models.ink.brush import Strokes
from models.ink.paper import Rgb, Sheet, clouds
from tests.training_cases import CPU


def sheet(seed: int = 0) -> Sheet:
    return Sheet(96, np.random.default_rng(seed))


def red(rgb: Rgb) -> np.ndarray:
    signed = rgb.astype(int)
    return (signed[:, :, 0] - signed[:, :, 1] > 80) & (signed[:, :, 0] > 130)


@pytest.fixture(scope="module")
def pictures() -> dict[str, Rgb]:
    return {scene: painted(scene) for scene in SCENES}


@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_is_ink_on_paper_with_one_small_seal(scene: str, pictures: dict[str, Rgb]) -> None:
    rgb = pictures[scene]
    assert rgb.shape == (SIDE_PX, SIDE_PX, 3) and rgb.dtype == np.uint8
    seal = red(rgb)
    rows, columns = np.flatnonzero(seal.any(1)), np.flatnonzero(seal.any(0))
    assert 0 < np.ptp(rows) < SIDE_PX / 12 and 0 < np.ptp(columns) < SIDE_PX / 12
    spread = np.ptp(rgb[~seal].astype(int), axis=1)
    assert np.percentile(spread, 99) < 40  # paper's warmth, no other hue
    gray = rgb.mean(2)
    assert (gray < 70).mean() > 0.005 and (gray > 200).mean() > 0.1
    assert ((gray > 90) & (gray < 180)).mean() > 0.05  # tones between, as washes have


def test_the_same_call_paints_the_same_and_another_variant_another(
    pictures: dict[str, Rgb],
) -> None:
    np.testing.assert_array_equal(painted("ink-bamboo"), pictures["ink-bamboo"])
    assert np.abs(painted("ink-bamboo", 1).astype(int) - pictures["ink-bamboo"]).mean() > 5


def test_what_trains_is_said_to_be_drawn_and_leaves_out_what_is_shown(
    pictures: dict[str, Rgb],
) -> None:
    found = paintings(1)
    assert set(found) == {f"{DRAWN}{scene}-1" for scene in SCENES}
    assert paintings(0) == {}
    for scene, rgb in pictures.items():
        assert (found[f"{DRAWN}{scene}-1"] != rgb).any()
    store = CropStore((), 32, CPU, list(found.values()))
    assert store.batch(2, np.random.default_rng(0), 0.5).shape == (2, 3, 32, 32)


def test_files_are_written_whole_and_read_back(
    pictures: dict[str, Rgb], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--out", str(tmp_path / "ink")])
    for scene, rgb in pictures.items():
        np.testing.assert_array_equal(load_image(tmp_path / "ink" / f"{scene}.png"), rgb)
    assert len(capsys.readouterr().out.splitlines()) == len(SCENES)


def test_a_wet_brush_covers_and_a_dry_one_skips_over_the_paper() -> None:
    covered = []
    for dry in (0.0, 0.7):
        paper = sheet()
        brush = Strokes(paper)
        brush.stroke([(10, 48), (86, 48)], [20.0], 1.0, dry)
        covered.append((brush.layer[42:54, 20:76] > 0.3).mean())
    assert covered[0] > 0.99 and 0.05 < covered[1] < 0.8


def test_pressure_widens_a_stroke_and_what_leaves_the_sheet_is_cut() -> None:
    brush = Strokes(sheet())
    brush.stroke([(-40, 48), (140, 48)], [2.0, 30.0])
    width = (brush.layer > 0.3).sum(0)
    assert width[8] < 14 < 20 < width[90]


def test_strokes_that_cross_do_not_add_up_and_a_second_layer_does() -> None:
    paper = sheet()
    brush = Strokes(paper)
    for path in ([(10, 48), (86, 48)], [(48, 10), (48, 86)]):
        brush.stroke(path, [12.0])
    assert brush.layer.max() <= 1.0
    brush.lay()
    once = paper.ink[48, 48]
    assert not brush.layer.any()
    brush.stroke([(10, 48), (86, 48)], [12.0])
    brush.lay(wet=2.0)
    assert paper.ink[48, 48] > 1.3 * once


def test_a_wash_is_darker_at_its_edge_and_mist_takes_it_away() -> None:
    paper = sheet()
    mask = np.zeros((96, 96), np.float32)
    mask[20:76, 20:76] = 0.6
    paper.wash(mask, edge=1.0)
    assert paper.ink[22:74, 21].mean() > 1.1 * paper.ink[44:52, 44:52].mean()
    paper.mist(np.full((96, 96), 2.0, np.float32))
    assert not paper.ink.any()


def test_clouds_fill_the_range_from_0_to_1() -> None:
    found = clouds(60, 7, np.random.default_rng(1))
    assert found.shape == (60, 60) and found.min() == 0.0 and found.max() == 1.0
