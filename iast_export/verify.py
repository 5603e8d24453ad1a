"""Verify: how near every lane stays to FP32, and what it loses in the task scores.

Pictures are compared as a user sees them, in 8-bit levels. The reference of a tier is its ONNX FP32
model, which export held to at most 1e-4 from PyTorch. Every picture is cut to the tier's square first,
so that all runtimes see the same pixels and none of them pads. Half as many pairs again keep their own
shape, which LiteRT pads to the square: those figures stand apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.artifacts import Progress, no_progress
from iast_export.environment import usable_cores
from iast_export.errors import CannotJudgeError, InputError
from iast_export.images import Rgb, center_square, fit_longest_side
from iast_export.lanes import Feeds, Lane
from iast_export.metrics import lower_p5, psnr_db, ssim, ssim_content, style_distance
from iast_export.metrics.identity import FaceBox
from iast_export.metrics.perceptual import PerceptualDistance
from iast_export.reports import Drop, Figures, PairScore, SetFacts, Spread, VerifyReport, VerifyRow
from iast_export.specs import Precision, Runtime, Tier

REFERENCE: tuple[Runtime, Precision] = ("onnxruntime", "fp32")
# A drop relative to a score near zero says nothing: smaller FP32 scores count as this much.
SCORE_FLOOR = 0.05
NO_PERCEPTUAL = "no SqueezeNet 1.1 weights were given"
NO_IDENTITY = "no face-embedding model was given"
NO_FACES = "no evaluation picture has a face box"


class Identity(Protocol):
    """What judges faces; see `metrics.identity.FaceIdentity`."""

    def similarity(self, a: Rgb, b: Rgb, box: FaceBox, /) -> float:
        """Cosine similarity of the faces at `box`."""
        ...


@dataclass(frozen=True)
class EvaluationPair:
    """A photograph and a style to judge on; neither set any calibration range.

    Attributes:
        content: id of the photograph.
        style: id of the style.
        rgb: the photograph, uint8 [H, W, 3], any size.
        feeds: every style input of the cut network, by name.
        statistics: of the artwork, from `metrics.style_statistics`.
        face_box: of one face, in shares of the photograph's centered square.
    """

    content: str
    style: str
    rgb: Rgb
    feeds: Feeds
    statistics: NDArray[np.float64]
    face_box: FaceBox | None = None


@dataclass(frozen=True)
class Scorers:
    """Judges that need weights of the user's; without them their scores are not judged."""

    perceptual: PerceptualDistance | None = None
    identity: Identity | None = None


@dataclass(frozen=True)
class TaskScores:
    """Scores of one stylized picture; None where not judged."""

    ssim_content: float
    style_distance: float
    lpips_content: float | None = None
    identity: float | None = None


@dataclass(frozen=True)
class Reference:
    """A pair at one tier: the photograph at its size, FP32's picture of it and that picture's scores."""

    pair: EvaluationPair
    content: Rgb
    stylized: Rgb
    scores: TaskScores


HIGHER_IS_BETTER: Mapping[str, bool] = {
    "ssim_content": True,
    "style_distance": False,
    "lpips_content": False,
    "identity": True,
}


def verify(
    lanes: Sequence[Lane],
    pairs: Sequence[EvaluationPair],
    set_facts: SetFacts,
    *,
    multiple_px: int | None = None,
    scorers: Scorers | None = None,
    threads: int = 1,
    progress: Progress = no_progress,
) -> VerifyReport:
    """Fidelity and score drops of every lane but the reference itself, tier by tier.

    One tier's pictures and one session are held at a time.

    Args:
        lanes: must hold the ONNX FP32 lane of each tier.
        pairs: what to judge on.
        set_facts: the image set that `pairs` come from.
        multiple_px: the network's size multiple, to judge pictures in their own shape too; None: squares.
        scorers: judges with weights of the user's.
        threads: of each session.
        progress: told after every picture.

    Raises:
        CannotJudgeError: no pair, or no lane beside the references.
        InputError: a tier lacks its reference, a file is missing, a result holds NaN.
        ToolError: a runtime failed.
    """
    if not pairs or all(_is_reference(lane) for lane in lanes):
        raise CannotJudgeError(
            f"nothing to verify: {len(pairs)} pictures, {len(lanes)} lanes",
            "give at least one picture and one lane beside FP32",
        )
    used = scorers or Scorers()
    own = own_shape_pairs(pairs) if multiple_px is not None else []
    step = _Steps(progress, len(lanes) * (len(pairs) + len(own)))
    rows = []
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        for tier in dict.fromkeys(lane.tier for lane in lanes):
            side = tier.max_side_px
            contents = [center_square(pair.rgb, side) for pair in pairs]
            contents += [fit_longest_side(pair.rgb, side) for pair in own]

            def run(lane: Lane, contents: Sequence[Rgb] = contents) -> list[Rgb]:
                jobs = [(c, pair.feeds) for c, pair in zip(contents, [*pairs, *own], strict=True)]
                return _stylized(lane, jobs, multiple_px, threads, step)

            references = _references(run(_reference_lane(tier, lanes)), contents, [*pairs, *own], used, pool)
            squares, shaped = references[: len(pairs)], references[len(pairs) :]
            for lane in (one for one in lanes if one.tier == tier and not _is_reference(one)):
                results = run(lane)
                row = verify_lane(lane, squares, results[: len(pairs)], used, pool)
                if shaped:
                    kept = figures(lane, shaped, results[len(pairs) :], used, pool)
                    row = row.model_copy(update={"own_shape": kept})
                rows.append(row)
    return VerifyReport(set=set_facts, rows=tuple(rows))


def own_shape_pairs(pairs: Sequence[EvaluationPair]) -> list[EvaluationPair]:
    """Half as many pairs again, of the photographs that are not square; none where all are.

    The longest come first. Where they are fewer, they come again in the styles of other pairs.
    """
    shaped = [i for i, pair in enumerate(pairs) if pair.rgb.shape[0] != pair.rgb.shape[1]]
    shaped.sort(key=lambda i: min(pairs[i].rgb.shape[:2]) / max(pairs[i].rgb.shape[:2]))
    made: dict[tuple[str, str], EvaluationPair] = {}
    for turn in range(len(pairs) if shaped else 0):
        for i in shaped:
            other = pairs[(i + turn) % len(pairs)]
            key = pairs[i].content, other.style
            if key not in made and 2 * len(made) < len(pairs):
                made[key] = replace(
                    pairs[i], style=other.style, feeds=other.feeds, statistics=other.statistics, face_box=None
                )
    return list(made.values())


def verify_lane(
    lane: Lane,
    references: Sequence[Reference],
    results: Sequence[Rgb],
    scorers: Scorers,
    pool: ThreadPoolExecutor,
) -> VerifyRow:
    """One row: `results` of a lane against the references of its tier, pair by pair.

    Raises:
        InputError: numbers or shapes of the pictures differ.
    """
    found = figures(lane, references, results, scorers, pool)
    return VerifyRow(
        runtime=lane.runtime,
        precision=lane.precision,
        tier=lane.tier.id,
        **{name: getattr(found, name) for name in Figures.model_fields},
    )


def figures(
    lane: Lane,
    references: Sequence[Reference],
    results: Sequence[Rgb],
    scorers: Scorers,
    pool: ThreadPoolExecutor,
) -> Figures:
    """Fidelity and drops of a lane's `results` against `references`, pair by pair.

    Raises:
        InputError: numbers or shapes of the pictures differ.
    """
    if len(results) != len(references) or not results:
        raise InputError(
            f"{lane.label}: {len(results)} results for {len(references)} references", "run every pair once"
        )
    scored = list(pool.map(lambda r, out: judge_pair(r, out, scorers), references, results))
    psnrs = [psnr for psnr, _, _ in scored]
    ssims = [similarity for _, similarity, _ in scored]
    drop, reasons = _drops([r.scores for r in references], [scores for _, _, scores in scored], scorers)
    return Figures(
        images=len(results),
        psnr_db=_spread(psnrs),
        ssim=_spread(ssims),
        drop=drop,
        not_judged=reasons,
        pairs=tuple(
            PairScore(
                content=r.pair.content,
                style=r.pair.style,
                width_px=r.content.shape[1],
                height_px=r.content.shape[0],
                psnr_db=psnr,
                ssim=similarity,
            )
            for r, psnr, similarity in zip(references, psnrs, ssims, strict=True)
        ),
    )


def relative_drop(reference: float, candidate: float, higher_is_better: bool) -> float:
    """Loss of a mean score relative to FP32's; positive is worse.

    FP32 scores below `SCORE_FLOOR` (in size) count as that, since a share of almost nothing says
    nothing.
    """
    loss = reference - candidate if higher_is_better else candidate - reference
    return loss / max(abs(reference), SCORE_FLOOR)


@dataclass
class _Steps:
    progress: Progress
    total: int
    done: int = 0

    def one(self, what: str) -> None:
        self.done += 1
        self.progress(what, self.done, self.total)


def _is_reference(lane: Lane) -> bool:
    return (lane.runtime, lane.precision) == REFERENCE


def _reference_lane(tier: Tier, lanes: Sequence[Lane]) -> Lane:
    lane = next((one for one in lanes if one.tier == tier and _is_reference(one)), None)
    if lane is None:
        raise InputError(f"tier {tier.id} has no {' '.join(REFERENCE)} model", "export it first")
    return lane


def _references(
    pictures: Sequence[Rgb],
    contents: Sequence[Rgb],
    pairs: Sequence[EvaluationPair],
    scorers: Scorers,
    pool: ThreadPoolExecutor,
) -> list[Reference]:
    scores = pool.map(lambda p, c, s: task_scores(p, c, s, scorers), pairs, contents, pictures)
    return [Reference(*one) for one in zip(pairs, contents, pictures, scores, strict=True)]


def make_references(
    lane: Lane, pairs: Sequence[EvaluationPair], scorers: Scorers, threads: int
) -> list[Reference]:
    """The pairs at a lane's tier with the lane's own pictures and their scores.

    Args:
        lane: the ONNX FP32 lane, in whose pictures others are measured.
        pairs: what to judge on.
        scorers: judges with weights of the user's.
        threads: of the session.

    Raises:
        InputError: the file is missing, a result holds NaN.
        ToolError: the runtime failed.
    """
    session, references = lane.open(threads), []
    for pair in pairs:
        content = center_square(pair.rgb, lane.tier.max_side_px)
        stylized = lane.stylize(session, content, pair.feeds)
        references.append(Reference(pair, content, stylized, task_scores(pair, content, stylized, scorers)))
    return references


def _stylized(
    lane: Lane, jobs: Sequence[tuple[Rgb, Feeds]], multiple_px: int | None, threads: int, step: _Steps
) -> list[Rgb]:
    session = lane.open(threads)
    pictures = []
    for content, feeds in jobs:
        pictures.append(lane.stylize(session, content, feeds, multiple_px))
        step.one("verify")
    return pictures


def judge_pair(reference: Reference, result: Rgb, scorers: Scorers) -> tuple[float, float, TaskScores]:
    """PSNR and SSIM of a result to FP32's picture, and the result's own scores."""
    scores = task_scores(reference.pair, reference.content, result, scorers)
    return psnr_db(result, reference.stylized), ssim(result, reference.stylized), scores


def task_scores(pair: EvaluationPair, content: Rgb, result: Rgb, scorers: Scorers) -> TaskScores:
    """What `result`, a stylized picture of `content`, keeps of its photograph and takes of its artwork."""
    face = pair.face_box
    return TaskScores(
        ssim_content=ssim_content(result, content),
        style_distance=style_distance(result, pair.statistics),
        lpips_content=scorers.perceptual(result, content) if scorers.perceptual else None,
        identity=scorers.identity.similarity(result, content, face) if scorers.identity and face else None,
    )


def _drops(
    references: Sequence[TaskScores], results: Sequence[TaskScores], scorers: Scorers
) -> tuple[Drop, dict[str, str]]:
    drops: dict[str, float | None] = {}
    for name, higher_is_better in HIGHER_IS_BETTER.items():
        base, other = _mean(references, name), _mean(results, name)
        judged = base is not None and other is not None
        drops[name] = relative_drop(base or 0.0, other or 0.0, higher_is_better) if judged else None
    reasons = {}
    if drops["lpips_content"] is None:
        reasons["lpips_content"] = NO_PERCEPTUAL
    if drops["identity"] is None:
        reasons["identity"] = NO_FACES if scorers.identity else NO_IDENTITY
    return Drop.model_validate(drops), reasons


def _mean(scores: Sequence[TaskScores], name: str) -> float | None:
    values = [value for value in (getattr(one, name) for one in scores) if value is not None]
    return float(np.mean(values)) if values else None


def _spread(values: Sequence[float]) -> Spread:
    return Spread(mean=float(np.mean(values)), p5=lower_p5(values))
