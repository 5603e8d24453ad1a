"""Verify: how near every lane stays to FP32, and what it loses in the task scores.

Pictures are compared as a user sees them, in 8-bit levels. The reference of a tier is its ONNX FP32
model, which export held to at most 1e-4 from PyTorch. Every picture is cut to the tier's square first,
so that all runtimes see the same pixels and none of them pads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.artifacts import Progress, no_progress
from iast_export.environment import usable_cores
from iast_export.errors import CannotJudgeError, InputError
from iast_export.images import Rgb, center_square
from iast_export.lanes import Feeds, Lane
from iast_export.metrics import lower_p5, psnr_db, ssim, ssim_content, style_distance
from iast_export.metrics.identity import FaceBox
from iast_export.metrics.perceptual import PerceptualDistance
from iast_export.reports import Drop, PairScore, SetFacts, Spread, VerifyReport, VerifyRow
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
    """A pair at one tier: its square photograph, FP32's picture of it and that picture's scores."""

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
    step = _Steps(progress, len(lanes) * len(pairs))
    rows = []
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        for tier in dict.fromkeys(lane.tier for lane in lanes):
            references = _references(tier, lanes, pairs, used, threads, pool, step)
            for lane in (one for one in lanes if one.tier == tier and not _is_reference(one)):
                results = _stylized(lane, [(r.content, r.pair.feeds) for r in references], threads, step)
                rows.append(verify_lane(lane, references, results, used, pool))
    return VerifyReport(set=set_facts, rows=tuple(rows))


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
    if len(results) != len(references) or not results:
        raise InputError(
            f"{lane.label}: {len(results)} results for {len(references)} references", "run every pair once"
        )
    scored = list(pool.map(lambda r, out: judge_pair(r, out, scorers), references, results))
    psnrs = [psnr for psnr, _, _ in scored]
    ssims = [similarity for _, similarity, _ in scored]
    drop, reasons = _drops([r.scores for r in references], [scores for _, _, scores in scored], scorers)
    return VerifyRow(
        runtime=lane.runtime,
        precision=lane.precision,
        tier=lane.tier.id,
        images=len(results),
        psnr_db=_spread(psnrs),
        ssim=_spread(ssims),
        drop=drop,
        not_judged=reasons,
        pairs=tuple(
            PairScore(content=r.pair.content, style=r.pair.style, psnr_db=psnr, ssim=similarity)
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


def _references(
    tier: Tier,
    lanes: Sequence[Lane],
    pairs: Sequence[EvaluationPair],
    scorers: Scorers,
    threads: int,
    pool: ThreadPoolExecutor,
    step: _Steps,
) -> list[Reference]:
    lane = next((one for one in lanes if one.tier == tier and _is_reference(one)), None)
    if lane is None:
        raise InputError(f"tier {tier.id} has no {' '.join(REFERENCE)} model", "export it first")
    contents = [center_square(pair.rgb, tier.max_side_px) for pair in pairs]
    jobs = [(content, pair.feeds) for content, pair in zip(contents, pairs, strict=True)]
    pictures = _stylized(lane, jobs, threads, step)
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


def _stylized(lane: Lane, jobs: Sequence[tuple[Rgb, Feeds]], threads: int, step: _Steps) -> list[Rgb]:
    session = lane.open(threads)
    pictures = []
    for content, feeds in jobs:
        pictures.append(lane.stylize(session, content, feeds))
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
