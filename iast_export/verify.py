"""Verify: how near every lane stays to FP32, and what it loses in the task scores.

Pictures are compared as a user sees them, in 8-bit levels. The reference of a tier is its ONNX FP32
model, which export held to at most 1e-4 from PyTorch. Every picture is cut to the tier's square first,
so that all runtimes see the same pixels and none of them pads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.artifacts import Progress, no_progress, sha256_bytes, sha256_file
from iast_export.environment import usable_cores
from iast_export.errors import CannotJudgeError, InputError
from iast_export.images import Rgb, center_square
from iast_export.lanes import Feeds, Lane
from iast_export.metrics import psnr_db, ssim, ssim_content, style_distance
from iast_export.metrics.identity import FaceBox
from iast_export.metrics.perceptual import PerceptualDistance
from iast_export.reports import PairScore, SetFacts, TaskScores, VerifyReport, VerifyRow
from iast_export.specs import Precision, Runtime, Tier
from iast_export.styles import pack
from iast_export.summaries import drop_of, spread_of

REFERENCE: tuple[Runtime, Precision] = ("onnxruntime", "fp32")
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
class Reference:
    """A pair at one tier: its square photograph, FP32's picture of it and that picture's scores.

    `sha256` is of the FP32 file.
    """

    pair: EvaluationPair
    content: Rgb
    stylized: Rgb
    scores: TaskScores
    sha256: str


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
    styles = {pair.style: _style_sha256(pair.feeds) for pair in pairs}
    return VerifyReport(set=set_facts, styles=styles, rows=tuple(rows))


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
    pairs = [
        PairScore(
            content=r.pair.content,
            style=r.pair.style,
            width_px=r.content.shape[1],
            height_px=r.content.shape[0],
            psnr_db=psnr,
            ssim=similarity,
            scores=scores,
            reference=r.scores,
        )
        for r, (psnr, similarity, scores) in zip(references, scored, strict=True)
    ]
    return VerifyRow(
        runtime=lane.runtime,
        precision=lane.precision,
        tier=lane.tier.id,
        sha256=sha256_file(lane.path),
        reference_sha256=references[0].sha256,
        images=len(pairs),
        psnr_db=spread_of([one.psnr_db for one in pairs]),
        ssim=spread_of([one.ssim for one in pairs]),
        drop=drop_of(pairs),
        not_judged=_not_judged(pairs, scorers),
        pairs=tuple(pairs),
    )


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
    sha256 = sha256_file(lane.path)
    return [Reference(*one, sha256) for one in zip(pairs, contents, pictures, scores, strict=True)]


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
    session, sha256, references = lane.open(threads), sha256_file(lane.path), []
    for pair in pairs:
        content = center_square(pair.rgb, lane.tier.max_side_px)
        stylized = lane.stylize(session, content, pair.feeds)
        scores = task_scores(pair, content, stylized, scorers)
        references.append(Reference(pair, content, stylized, scores, sha256))
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


def _not_judged(pairs: Sequence[PairScore], scorers: Scorers) -> dict[str, str]:
    """Why a score has no figure, for each that has none."""
    reasons = {}
    if all(one.scores.lpips_content is None for one in pairs):
        reasons["lpips_content"] = NO_PERCEPTUAL
    if all(one.scores.identity is None for one in pairs):
        reasons["identity"] = NO_FACES if scorers.identity else NO_IDENTITY
    return reasons


def _style_sha256(feeds: Feeds) -> str:
    """SHA-256 of the codes as a bundle keeps them."""
    return sha256_bytes(pack(dict(feeds), {name: code.shape for name, code in feeds.items()}))
