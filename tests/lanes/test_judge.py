"""Judging: every picture against FP32's, in order, each score only where something judges it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from skimage import data

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.lanes.judge import (
    NO_FACES,
    NO_IDENTITY,
    NO_PERCEPTUAL,
    SMALL_FOR_PERCEPTUAL,
    Judging,
    Reference,
    Scorers,
    figures_of,
    judge,
    make_references,
    task_scores,
)
from iast_export.lanes.lane import Lane
from iast_export.lanes.views import EvaluationPair, View, squares, views_of
from iast_export.metrics.fidelity import psnr_db, ssim, ssim_content
from iast_export.metrics.perceptual import MIN_SIDE_PX
from iast_export.metrics.style import style_distance, style_statistics
from iast_export.pictures.images import Rgb, center_square
from iast_export.reports.base import PSNR_CAP_DB
from iast_export.reports.verify import PairScore, TaskScores
from iast_export.specs import Tier
from tests.tiny_networks import tiny_codes, tiny_onnx

TIER = Tier(2, 32)
SCORES = TaskScores(ssim_content=0.9, style_distance=0.1)


@pytest.fixture(scope="module")
def pairs() -> list[EvaluationPair]:
    statistics = style_statistics(center_square(data.coffee(), 64))
    pictures = {"cat": data.chelsea(), "coffee": data.coffee(), "rocket": data.rocket()}
    codes = tiny_codes("iast")
    return [EvaluationPair(name, "cup", rgb, codes, statistics) for name, rgb in pictures.items()]


@pytest.fixture(scope="module")
def fp32() -> Lane:
    return Lane("onnxruntime", "fp32", TIER, tiny_onnx("iast", 2, 32))


@pytest.fixture(scope="module")
def references(fp32: Lane, pairs: list[EvaluationPair]) -> list[Reference]:
    return make_references(fp32, squares(pairs, TIER), Judging())


@pytest.fixture(scope="module")
def darker(fp32: Lane, tmp_path_factory: pytest.TempPathFactory) -> Lane:
    """The same network with all 4-D weights a tenth smaller."""
    model = onnx.load(fp32.path)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 4:
            tensor.CopyFrom(numpy_helper.from_array(values * np.float32(0.9), tensor.name))
    path = tmp_path_factory.mktemp("darker") / "darker.onnx"
    onnx.save(model, path)
    return Lane("onnxruntime", "int8", TIER, path)


def test_a_tier_sees_squares_of_its_side_or_pictures_as_long_as_that(
    pairs: list[EvaluationPair],
) -> None:
    assert {view.content.shape for view in squares(pairs, TIER)} == {(32, 32, 3)}
    shapes = [view.content.shape[:2] for view in views_of([], pairs, TIER)]
    assert [max(shape) for shape in shapes] == [32] * 3 and all(min(one) < 32 for one in shapes)
    assert [view.pair for view in views_of([], pairs, TIER)] == pairs


def test_a_reference_is_fp32s_own_picture_with_that_pictures_scores(
    fp32: Lane, pairs: list[EvaluationPair], references: list[Reference]
) -> None:
    session = fp32.open()
    for pair, reference in zip(pairs, references, strict=True):
        content = center_square(pair.rgb, 32)
        drawn = fp32.stylize(session, content, pair.feeds)
        assert reference.view.pair is pair and (reference.view.content == content).all()
        assert (reference.stylized == drawn).all()
        assert reference.scores == TaskScores(
            ssim_content=ssim_content(drawn, content),
            style_distance=style_distance(drawn, pair.statistics),
        )
        assert reference.sha256 == sha256_file(fp32.path)


def test_a_lane_is_judged_picture_by_picture_in_the_references_order(
    darker: Lane, references: list[Reference]
) -> None:
    found = judge(darker, references, Judging(threads=2))
    session = darker.open()
    for one, reference in zip(found, references, strict=True):
        view = reference.view
        drawn = darker.stylize(session, view.content, view.pair.feeds)
        assert one == PairScore(
            content=view.pair.content,
            style="cup",
            width_px=32,
            height_px=32,
            psnr_db=psnr_db(drawn, reference.stylized),
            ssim=ssim(drawn, reference.stylized),
            scores=task_scores(view, drawn, Scorers()),
            reference=reference.scores,
        )
        assert 10 < one.psnr_db < PSNR_CAP_DB
    assert judge(darker, references[::-1], Judging()) == found[::-1]


def test_what_computes_the_same_stands_at_the_cap_and_drops_nothing(
    fp32: Lane, references: list[Reference]
) -> None:
    found = figures_of(judge(fp32, references, Judging()), Scorers())
    assert found.psnr_db.mean == found.psnr_db.p5 == PSNR_CAP_DB
    assert found.drop.ssim_content == found.drop.style_distance == 0.0


def test_every_drawn_picture_is_told(fp32: Lane, pairs: list[EvaluationPair]) -> None:
    drawn: list[int] = []
    judging = Judging(on_picture=lambda: drawn.append(1))
    made = make_references(fp32, squares(pairs, TIER), judging)
    assert len(drawn) == 3
    judge(fp32, made[:2], judging)
    assert len(drawn) == 5


def test_pictures_of_their_own_shape_are_drawn_where_the_networks_multiple_is_known(
    fp32: Lane, pairs: list[EvaluationPair]
) -> None:
    views = views_of([], pairs, TIER)
    with pytest.raises(InputError, match="scale the picture to the tier first"):
        make_references(fp32, views, Judging())
    made = make_references(fp32, views, Judging(multiple_px=4))
    assert [one.stylized.shape for one in made] == [view.content.shape for view in views]
    found = judge(fp32, made, Judging(multiple_px=4))
    assert [(one.height_px, one.width_px) for one in found] == [
        view.content.shape[:2] for view in views
    ]


class SameFace:
    """A judge of faces that finds all of them half alike."""

    def similarity(self, a: Rgb, b: Rgb, box: tuple[float, float, float, float], /) -> float:
        return 0.5


def far(a: Rgb, b: Rgb) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def view_of(pair: EvaluationPair, side_px: int, face: bool) -> View:
    boxed = replace(pair, face_box=(0.0, 0.0, 1.0, 1.0) if face else None)
    return View(boxed, center_square(pair.rgb, side_px))


@pytest.mark.parametrize("side_px", [MIN_SIDE_PX, MIN_SIDE_PX - 1])
@pytest.mark.parametrize("face", [True, False])
def test_a_score_stands_only_where_something_can_judge_it(
    pairs: list[EvaluationPair], side_px: int, face: bool
) -> None:
    judges = Scorers(perceptual=far, identity=SameFace())
    view = view_of(pairs[0], side_px, face)
    found = task_scores(view, 255 - view.content, judges)
    assert (found.lpips_content is not None) == (side_px >= MIN_SIDE_PX)
    assert found.identity == (0.5 if face else None)
    bare = task_scores(view, 255 - view.content, Scorers())
    assert bare.lpips_content is None and bare.identity is None
    assert bare.ssim_content == found.ssim_content < 0


def pair_score(**scores: float) -> PairScore:
    given = SCORES.model_copy(update=scores)
    return PairScore(
        content="a", style="b", width_px=32, height_px=32, psnr_db=40.0, ssim=0.9, scores=given,
        reference=given,
    )  # fmt: skip


def test_a_score_without_a_figure_says_why() -> None:
    whole = Scorers(perceptual=far, identity=SameFace())
    reasons = figures_of([pair_score()], Scorers()).not_judged
    assert reasons == {"lpips_content": NO_PERCEPTUAL, "identity": NO_IDENTITY}
    reasons = figures_of([pair_score()], whole).not_judged
    assert reasons == {"lpips_content": SMALL_FOR_PERCEPTUAL, "identity": NO_FACES}
    some = [pair_score(), pair_score(lpips_content=0.2, identity=0.5)]
    found = figures_of(some, whole)
    assert found.not_judged == {} and found.drop.lpips_content == found.drop.identity == 0.0


def test_nothing_judged_has_no_figures() -> None:
    with pytest.raises(InputError, match="measure at least one picture"):
        figures_of([], Scorers())


def test_a_missing_file_is_refused(references: list[Reference], tmp_path: Path) -> None:
    gone = Lane("onnxruntime", "int8", TIER, tmp_path / "gone.onnx")
    with pytest.raises(InputError, match="is missing"):
        judge(gone, references, Judging())
