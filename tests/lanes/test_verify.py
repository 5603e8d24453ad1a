"""Verification on real tiny models: near FP32 scores near, damage shows, nothing to judge is
refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from skimage import data

from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.errors import CannotJudgeError, InputError
from iast_export.files.artifacts import sha256_bytes
from iast_export.lanes.judge import NO_FACES, NO_IDENTITY, NO_PERCEPTUAL, Scorers
from iast_export.lanes.lane import Lane, find_lanes
from iast_export.lanes.verify import verify
from iast_export.lanes.views import EvaluationPair
from iast_export.metrics.style import style_statistics
from iast_export.metrics.summaries import SCORE_FLOOR, relative_drop
from iast_export.pictures.images import center_square
from iast_export.reports.base import PSNR_CAP_DB, SetFacts
from iast_export.specs import Precision, Runtime, Tier
from tests.tiny_networks import tiny_codes, tiny_onnx

TIER = Tier(2, 32)
FACTS = SetFacts(name="tiny", sha256="0" * 64, images=3)


def _coarse(levels: int, path: Path) -> Path:
    """The tiny network with its weights rounded to `levels` steps."""
    model = onnx.load(tiny_onnx("iast", 2, 32))
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 4:
            step = np.abs(values).max() * 2 / levels
            rounded = (np.round(values / step) * step).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    onnx.save(model, path)
    return path


def _lane(path: Path, precision: Precision = "int8", runtime: Runtime = "onnxruntime") -> Lane:
    return Lane(runtime, precision, TIER, path)


@pytest.fixture(scope="module")
def fp32() -> Lane:
    return _lane(tiny_onnx("iast", 2, 32), "fp32")


@pytest.fixture(scope="module")
def pairs() -> list[EvaluationPair]:
    codes = tiny_codes("iast")
    pictures = {"cat": data.chelsea(), "coffee": data.coffee(), "rocket": data.rocket()}
    statistics = style_statistics(center_square(data.coffee(), 64))
    return [EvaluationPair(name, "cup", rgb, codes, statistics) for name, rgb in pictures.items()]


def test_the_nearer_a_model_is_to_fp32_the_better_it_scores(
    fp32: Lane, pairs: list[EvaluationPair], tmp_path: Path
) -> None:
    fine = _lane(_coarse(256, tmp_path / "fine.onnx"))
    rough = _lane(_coarse(8, tmp_path / "rough.onnx"), "fp16")
    report = verify([fp32, fine, rough], pairs, FACTS)
    assert [(row.precision, row.images) for row in report.rows] == [("int8", 3), ("fp16", 3)]
    better, worse = report.rows
    assert better.psnr_db.mean > worse.psnr_db.mean + 6
    assert better.ssim.mean > worse.ssim.mean
    assert abs(better.drop.ssim_content) < abs(worse.drop.ssim_content)


def test_a_row_keeps_every_pair_and_its_percentile_is_the_worst_of_few(
    fp32: Lane, pairs: list[EvaluationPair], tmp_path: Path
) -> None:
    (row,) = verify([fp32, _lane(_coarse(32, tmp_path / "x.onnx"))], pairs, FACTS).rows
    assert [one.content for one in row.pairs] == ["cat", "coffee", "rocket"]
    psnrs = [one.psnr_db for one in row.pairs]
    assert row.psnr_db.p5 == min(psnrs)
    assert row.psnr_db.mean == pytest.approx(sum(psnrs) / 3)


def test_the_same_model_reaches_the_cap_and_drops_nothing(
    fp32: Lane, pairs: list[EvaluationPair]
) -> None:
    (row,) = verify([fp32, _lane(fp32.path)], pairs, FACTS).rows
    assert row.psnr_db.mean == row.psnr_db.p5 == PSNR_CAP_DB
    assert row.ssim.mean == pytest.approx(1.0)
    assert (row.drop.ssim_content, row.drop.style_distance) == (0.0, 0.0)


def test_two_runs_give_the_same_bytes(
    fp32: Lane, pairs: list[EvaluationPair], tmp_path: Path
) -> None:
    lanes = [fp32, _lane(_coarse(64, tmp_path / "x.onnx"))]
    assert verify(lanes, pairs, FACTS).to_json() == verify(lanes, pairs, FACTS).to_json()


def test_scores_that_need_weights_are_judged_with_them_and_explained_without(
    fp32: Lane, pairs: list[EvaluationPair], tmp_path: Path
) -> None:
    lanes = [fp32, _lane(_coarse(16, tmp_path / "x.onnx"))]
    (row,) = verify(lanes, pairs, FACTS).rows
    assert row.not_judged == {"lpips_content": NO_PERCEPTUAL, "identity": NO_IDENTITY}

    class SameFace:
        def similarity(self, a: np.ndarray, b: np.ndarray, box: tuple[float, ...], /) -> float:
            return 1.0 - float(np.abs(a.astype(float) - b).mean()) / 255

    def far(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a.astype(float) - b).mean())

    judges = Scorers(perceptual=far, identity=SameFace())
    (row,) = verify(lanes, pairs, FACTS, scorers=judges).rows
    assert row.drop.lpips_content is not None
    assert row.not_judged == {"identity": NO_FACES}
    with_face = [
        EvaluationPair(
            "cat", "cup", data.chelsea(), pairs[0].feeds, pairs[0].statistics, (0, 0, 1, 1)
        )
    ]
    (row,) = verify(lanes, with_face, FACTS, scorers=judges).rows
    assert row.drop.identity is not None
    assert row.not_judged == {}


@pytest.mark.parametrize(
    ("reference", "candidate", "higher_is_better", "drop"),
    [
        (0.8, 0.72, True, 0.1),
        (0.8, 0.88, True, -0.1),
        (0.4, 0.5, False, 0.25),
        (0.4, 0.3, False, -0.25),
        (0.001, 0.002, False, 0.001 / SCORE_FLOOR),
        (-0.2, -0.3, True, 0.5),
    ],
)
def test_a_positive_drop_is_always_worse(
    reference: float, candidate: float, higher_is_better: bool, drop: float
) -> None:
    assert relative_drop(reference, candidate, higher_is_better) == pytest.approx(drop)


def test_progress_ends_at_its_total(fp32: Lane, pairs: list[EvaluationPair]) -> None:
    seen: list[tuple[int, int]] = []
    verify(
        [fp32, _lane(fp32.path)],
        pairs,
        FACTS,
        progress=lambda _, done, total: seen.append((done, total)),
    )
    assert seen == [(i, 6) for i in range(1, 7)]


def test_a_lane_of_files_that_were_judged_before_is_not_judged_again(
    fp32: Lane, pairs: list[EvaluationPair], tmp_path: Path
) -> None:
    coarse = _lane(_coarse(8, tmp_path / "a.onnx"))
    (row,) = verify([fp32, coarse], pairs, FACTS).rows
    marked = row.model_copy(update={"images": 2})
    seen: list[tuple[int, int]] = []

    def told(what: str, done: int, total: int) -> None:
        seen.append((done, total))

    assert verify([fp32, coarse], pairs, FACTS, known=[marked], progress=told).rows == (marked,)
    assert seen[-1] == (6, 6)
    other = _lane(_coarse(16, tmp_path / "b.onnx"))
    (fresh,) = verify([fp32, other], pairs, FACTS, known=[marked]).rows
    assert fresh.images == 3 and fresh.sha256 != marked.sha256


def test_nothing_to_judge_can_not_pass(fp32: Lane, pairs: list[EvaluationPair]) -> None:
    with pytest.raises(CannotJudgeError, match="0 pictures"):
        verify([fp32, _lane(fp32.path)], [], FACTS)
    with pytest.raises(CannotJudgeError, match="at least one picture and one lane beside FP32"):
        verify([fp32], pairs, FACTS)


def test_a_tier_without_its_reference_is_refused_by_name(
    fp32: Lane, pairs: list[EvaluationPair]
) -> None:
    with pytest.raises(InputError, match="tier d2-32px has no onnxruntime fp32 model"):
        verify([_lane(fp32.path)], pairs, FACTS)


def test_a_model_that_returns_nan_is_refused(
    fp32: Lane, pairs: list[EvaluationPair], tmp_path: Path
) -> None:
    model = onnx.load(fp32.path)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 4:
            tensor.CopyFrom(numpy_helper.from_array(np.full_like(values, np.nan), tensor.name))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(InputError, match="NaN or infinity"):
        verify([fp32, _lane(tmp_path / "nan.onnx")], pairs, FACTS)


def test_lanes_are_found_by_name_and_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "iast")
    with pytest.raises(InputError, match="run `iast-export build`"):
        find_lanes(layout, [TIER], Seals(tmp_path, {}, "the record"))
    layout.models.mkdir()
    names = ["iast-d2-32px-fp32.onnx", "iast-d2-32px-int8.onnx"]
    names += [f"iast-{precision}.tflite" for precision in ("fp32", "fp16", "dynamic_int8", "int8")]
    for name in names:
        (layout.models / name).write_bytes(b"x")
    listed = dict.fromkeys((f"models/{name}" for name in names), sha256_bytes(b"x"))
    seals = Seals(tmp_path, listed, "the record")
    found = find_lanes(layout, [TIER], seals)
    assert [lane.path.name for lane in found] == names
    assert found[0].label == "onnxruntime fp32 d2-32px"
    with pytest.raises(InputError, match="no ONNX model"):
        found[0].open()
    found[1].path.write_bytes(b"y")
    with pytest.raises(InputError, match=r"int8.onnx was altered"):
        found[1].open()
    with pytest.raises(InputError, match="not listed in the record"):
        find_lanes(layout, [TIER], replace(seals, sha256={}))


def test_a_lane_takes_its_tiers_square_only(fp32: Lane) -> None:
    with pytest.raises(InputError, match="was given 40x32 px"):
        fp32.stylize(fp32.open(), np.zeros((32, 40, 3), np.uint8), tiny_codes("iast"))


def test_pictures_in_their_own_shape_are_judged_apart_from_squares(
    fp32: Lane, pairs: list[EvaluationPair], tmp_path: Path
) -> None:
    rough = _lane(_coarse(64, tmp_path / "rough.onnx"))
    (row,) = verify([fp32, rough], pairs, FACTS, multiple_px=4).rows
    (squares,) = verify([fp32, rough], pairs, FACTS).rows
    assert squares.own_shape is None and squares == row.model_copy(update={"own_shape": None})
    assert (
        row.own_shape is not None and 3 * row.own_shape.images >= row.images + row.own_shape.images
    )
    sizes = {p.content: (p.width_px, p.height_px) for p in row.own_shape.pairs}
    assert set(sizes.values()) <= {(32, 21)} and all(
        p.width_px == p.height_px == 32 for p in row.pairs
    )
    assert row.own_shape.not_judged["identity"] == NO_IDENTITY


def test_own_shapes_are_as_near_as_squares_in_both_runtimes(
    pairs: list[EvaluationPair], small_bundle: Path
) -> None:
    """Neither pads them but to the network's multiple, so that nothing takes part in its means."""
    tiers = [Tier(4, 32)]
    lanes = [
        lane
        for lane in find_lanes(Layout(small_bundle, "tiny"), tiers, Seals.of_bundle(small_bundle))
        if lane.precision == "fp32" or lane.runtime == "onnxruntime"
    ]
    found = {(r.runtime, r.precision): r for r in verify(lanes, pairs, FACTS, multiple_px=4).rows}
    litert, onnx_int8 = found["litert", "fp32"], found["onnxruntime", "int8"]
    assert litert.own_shape is not None and onnx_int8.own_shape is not None
    assert litert.own_shape.psnr_db.p5 > 60
    assert abs(onnx_int8.psnr_db.mean - onnx_int8.own_shape.psnr_db.mean) < 6
