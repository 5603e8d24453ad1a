"""Clips of two bundles: drawn where they are as far from the artwork, judged once."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.clips.__main__ import Drawing, brighter_shot, noisy_shot, rms_step, rows
from iast_export.metrics.flicker import NOISE_LEVELS
from iast_export.pictures.clips import save_clip
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.flicker import Subject, subjects_of
from tests.clip_cases import pan


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    path = tmp_path_factory.mktemp("clip") / "pan.mp4"
    save_clip(path, 24.0, pan(4))
    return subjects_of([str(path)])[0]


@pytest.fixture
def drawing(small_bundle: Path, style_folder: Path, subject: Subject) -> Drawing:
    engine = BundleEngine(small_bundle, "onnxruntime", "fp32")
    style = engine.manifest.styles[0].id
    return Drawing(engine, subject, style, "own", style_folder / f"{style}.png")


def test_shots_have_the_noise_and_the_step_of_exposure_that_they_are_named_after() -> None:
    gray = next(pan(1)) // 2 + 32
    assert rms_step(noisy_shot(gray)) == pytest.approx(2**0.5 * NOISE_LEVELS, rel=0.02)
    still, *bright = brighter_shot(gray)
    assert rms_step(bright) == 0.0
    assert bright[0].mean() / still.mean() == pytest.approx(1.05, abs=0.002)


class Falling(Drawing):
    """One whose style distance falls from 0.3 to 0.1."""

    def distance(self, strength: float) -> float:
        return 0.3 - 0.2 * strength


def test_the_strength_is_found_where_a_clip_is_as_far_from_the_artwork(drawing: Drawing) -> None:
    falling = Falling(drawing.engine, drawing.subject, drawing.style, "own")
    assert falling.strength_at(0.25) == pytest.approx(0.25, abs=0.01)
    assert falling.strength_at(0.09) == 1.0  # it is never as near
    assert drawing.distance(1.0) != pytest.approx(drawing.distance(0.0), rel=1e-3)


def test_a_bundle_beside_itself_is_drawn_alike_and_rows_are_kept(
    small_bundle: Path, drawing: Drawing, tmp_path: Path
) -> None:
    given = Namespace(
        bundle=small_bundle,
        beside=small_bundle,
        lanes=["onnxruntime fp32"],
        style=drawing.style,
        artwork=drawing.artwork,
        out=tmp_path,
    )
    made = list(rows(given, [drawing.subject]))
    assert [row.way for row in made] == ["own", "own", "moving", "moving"]
    for one, as_far in zip(made[::2], made[1::2], strict=True):
        assert one.strength == 1.0 and one.warping > 0.0 and one.noise_gain > 0.0
        assert as_far.style_distance == pytest.approx(one.style_distance, rel=0.02)
    kept = next(tmp_path.glob("*own-beside.json"))
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "warping": 7.0}))
    assert next(rows(given, [drawing.subject])).warping == 7.0
