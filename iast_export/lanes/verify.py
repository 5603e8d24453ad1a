"""Verify: how near every lane stays to FP32, and what it loses in the task scores.

Pictures are compared as a user sees them, in 8-bit levels. The reference of a tier is its ONNX FP32
model, which export held to at most 1e-4 from PyTorch. Every picture is cut to the tier's square
first, so that all runtimes see the same pixels and none of them pads. Half as many pairs again keep
their own shape, which LiteRT pads to the square: those figures stand apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.bundle.styles import pack
from iast_export.environment import usable_cores
from iast_export.errors import CannotJudgeError, InputError
from iast_export.files.artifacts import Progress, no_progress, sha256_bytes, sha256_file
from iast_export.lanes.lane import Feeds, Lane
from iast_export.metrics.fidelity import psnr_db, ssim, ssim_content
from iast_export.metrics.identity import FaceBox
from iast_export.metrics.perceptual import MIN_SIDE_PX as SMALLEST_PERCEPTUAL_PX
from iast_export.metrics.perceptual import PerceptualDistance
from iast_export.metrics.style import MIN_SIDE_PX as SMALLEST_STYLE_PX
from iast_export.metrics.style import style_distance
from iast_export.metrics.summaries import drop_of, spread_of
from iast_export.pictures.images import Rgb, center_square, fit_longest_side
from iast_export.reports.base import SetFacts
from iast_export.reports.verify import Figures, PairScore, TaskScores, VerifyReport, VerifyRow
from iast_export.specs import Precision, Runtime, Tier

REFERENCE: tuple[Runtime, Precision] = ("onnxruntime", "fp32")
NO_PERCEPTUAL = "no SqueezeNet 1.1 weights were given"
SMALL_FOR_PERCEPTUAL = "every picture is too small for SqueezeNet 1.1"
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
    """A pair at one tier: the photograph at its size, FP32's picture of it and that picture's
    scores.

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
        multiple_px: the network's size multiple, to judge pictures in their own shape too; None:
            squares.
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
    smallest_px = min(lane.tier.max_side_px for lane in lanes)
    own = own_shape_pairs(pairs, smallest_px) if multiple_px is not None else []
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

            reference = _reference_lane(tier, lanes)
            references = _references(
                reference, run(reference), contents, [*pairs, *own], used, pool
            )
            squares, shaped = references[: len(pairs)], references[len(pairs) :]
            for lane in (one for one in lanes if one.tier == tier and not _is_reference(one)):
                results = run(lane)
                row = verify_lane(lane, squares, results[: len(pairs)], used, pool)
                if shaped:
                    kept = figures(lane, shaped, results[len(pairs) :], used, pool)
                    row = row.model_copy(update={"own_shape": kept})
                rows.append(row)
    styles = {pair.style: _style_sha256(pair.feeds) for pair in pairs}
    return VerifyReport(set=set_facts, styles=styles, rows=tuple(rows))


def own_shape_pairs(pairs: Sequence[EvaluationPair], smallest_px: int) -> list[EvaluationPair]:
    """Half as many pairs again, of the photographs that are not square; none where all are.

    The longest come first. Where they are fewer, they come again in the styles of other pairs.

    Args:
        pairs: what to choose from.
        smallest_px: side of the smallest tier; photographs that are too narrow there to be judged
            are left out.
    """

    def is_judged(rgb: Rgb) -> bool:
        short, long = sorted(rgb.shape[:2])
        return bool(short < long and short * smallest_px >= SMALLEST_STYLE_PX * long)

    shaped = [i for i, pair in enumerate(pairs) if is_judged(pair.rgb)]
    shaped.sort(key=lambda i: min(pairs[i].rgb.shape[:2]) / max(pairs[i].rgb.shape[:2]))
    made: dict[tuple[str, str], EvaluationPair] = {}
    for turn in range(len(pairs) if shaped else 0):
        for i in shaped:
            other = pairs[(i + turn) % len(pairs)]
            key = pairs[i].content, other.style
            if key not in made and 2 * len(made) < len(pairs):
                made[key] = replace(
                    pairs[i],
                    style=other.style,
                    feeds=other.feeds,
                    statistics=other.statistics,
                    face_box=None,
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
        sha256=sha256_file(lane.path),
        reference_sha256=references[0].sha256,
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
            f"{lane.label}: {len(results)} results for {len(references)} references",
            "run every pair once",
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
    return Figures(
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


def _reference_lane(tier: Tier, lanes: Sequence[Lane]) -> Lane:
    lane = next((one for one in lanes if one.tier == tier and _is_reference(one)), None)
    if lane is None:
        raise InputError(f"tier {tier.id} has no {' '.join(REFERENCE)} model", "export it first")
    return lane


def _references(
    lane: Lane,
    pictures: Sequence[Rgb],
    contents: Sequence[Rgb],
    pairs: Sequence[EvaluationPair],
    scorers: Scorers,
    pool: ThreadPoolExecutor,
) -> list[Reference]:
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


def _stylized(
    lane: Lane,
    jobs: Sequence[tuple[Rgb, Feeds]],
    multiple_px: int | None,
    threads: int,
    step: _Steps,
) -> list[Rgb]:
    session = lane.open(threads)
    pictures = []
    for content, feeds in jobs:
        pictures.append(lane.stylize(session, content, feeds, multiple_px))
        step.one("verify")
    return pictures


def judge_pair(
    reference: Reference, result: Rgb, scorers: Scorers
) -> tuple[float, float, TaskScores]:
    """PSNR and SSIM of a result to FP32's picture, and the result's own scores."""
    scores = task_scores(reference.pair, reference.content, result, scorers)
    return psnr_db(result, reference.stylized), ssim(result, reference.stylized), scores


def task_scores(pair: EvaluationPair, content: Rgb, result: Rgb, scorers: Scorers) -> TaskScores:
    """What `result`, a stylized picture of `content`, keeps of its photograph and takes of its
    artwork."""
    face = pair.face_box
    perceptual = scorers.perceptual if min(content.shape[:2]) >= SMALLEST_PERCEPTUAL_PX else None
    return TaskScores(
        ssim_content=ssim_content(result, content),
        style_distance=style_distance(result, pair.statistics),
        lpips_content=perceptual(result, content) if perceptual else None,
        identity=scorers.identity.similarity(result, content, face)
        if scorers.identity and face
        else None,
    )


def _not_judged(pairs: Sequence[PairScore], scorers: Scorers) -> dict[str, str]:
    """Why a score has no figure, for each that has none."""
    reasons = {}
    if all(one.scores.lpips_content is None for one in pairs):
        reasons["lpips_content"] = SMALL_FOR_PERCEPTUAL if scorers.perceptual else NO_PERCEPTUAL
    if all(one.scores.identity is None for one in pairs):
        reasons["identity"] = NO_FACES if scorers.identity else NO_IDENTITY
    return reasons


def _style_sha256(feeds: Feeds) -> str:
    """SHA-256 of the codes as a bundle keeps them."""
    return sha256_bytes(pack(dict(feeds), {name: code.shape for name, code in feeds.items()}))
