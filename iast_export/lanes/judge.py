"""Judging: how near a lane's pictures are to FP32's, and what they lose in the task scores.

Pictures are compared as a user sees them, in 8-bit levels. A lane draws one picture after another;
each is judged while the next is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from iast_export.environment import usable_cores
from iast_export.files.artifacts import sha256_file
from iast_export.lanes.lane import Lane
from iast_export.lanes.views import View, is_square
from iast_export.metrics.fidelity import psnr_db, ssim, ssim_content
from iast_export.metrics.identity import FaceBox
from iast_export.metrics.perceptual import MIN_SIDE_PX as SMALLEST_PERCEPTUAL_PX
from iast_export.metrics.perceptual import PerceptualDistance
from iast_export.metrics.style import style_distance
from iast_export.metrics.summaries import drop_of, spread_of
from iast_export.pictures.images import Rgb
from iast_export.reports.verify import Figures, PairScore, TaskScores

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
class Scorers:
    """Judges that need weights of the user's; without them their scores are not judged."""

    perceptual: PerceptualDistance | None = None
    identity: Identity | None = None


@dataclass(frozen=True)
class Judging:
    """How pictures are drawn and judged.

    Attributes:
        scorers: judges with weights of the user's.
        threads: of each session.
        multiple_px: the network's size multiple, where pictures keep their own shape; None: squares
            of the tier's side.
        on_picture: called for every picture that was drawn.
    """

    scorers: Scorers = field(default_factory=Scorers)
    threads: int = 1
    multiple_px: int | None = None
    on_picture: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Reference:
    """What FP32 made of a view, and that picture's scores; `sha256` is of the FP32 file."""

    view: View
    stylized: Rgb
    scores: TaskScores
    sha256: str


def make_references(lane: Lane, views: Sequence[View], judging: Judging) -> list[Reference]:
    """What a lane makes of views, as the reference that others are measured to.

    Args:
        lane: the ONNX FP32 lane of the views' tier.
        views: what to judge on.
        judging: how.

    Raises:
        InputError: the file is missing, a result holds NaN.
        ToolError: the runtime failed.
    """
    sha256 = sha256_file(lane.path)

    def made(view: View, picture: Rgb) -> Reference:
        scores = task_scores(view, picture, judging.scorers)
        return Reference(view, picture, scores, sha256)

    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        drawn = _draw(lane, views, judging)
        jobs = [pool.submit(made, view, one) for view, one in zip(views, drawn, strict=True)]
    return [job.result() for job in jobs]


def drawn_unpadded(lane: Lane, references: Sequence[Reference]) -> list[Reference]:
    """Those whose views a lane draws as they are: all, or the squares where it pads the others."""
    return [one for one in references if lane.keeps_shape or is_square(one.view.content)]


def judge(lane: Lane, references: Sequence[Reference], judging: Judging) -> list[PairScore]:
    """What a lane makes of the references' views, each picture judged against FP32's.

    Raises:
        InputError: the file is missing, a result holds NaN.
        ToolError: the runtime failed.
    """
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        drawn = _draw(lane, [one.view for one in references], judging)
        jobs = [
            pool.submit(judge_picture, reference, picture, judging.scorers)
            for reference, picture in zip(references, drawn, strict=True)
        ]
    return [job.result() for job in jobs]


def _draw(lane: Lane, views: Sequence[View], judging: Judging) -> Iterator[Rgb]:
    session = lane.open(judging.threads)
    for view in views:
        picture = lane.stylize(session, view.content, view.pair.feeds, judging.multiple_px)
        judging.on_picture()
        yield picture


def judge_picture(reference: Reference, picture: Rgb, scorers: Scorers) -> PairScore:
    """A picture of a view, judged against FP32's of the same."""
    view = reference.view
    return PairScore(
        content=view.pair.content,
        style=view.pair.style,
        width_px=view.content.shape[1],
        height_px=view.content.shape[0],
        psnr_db=psnr_db(picture, reference.stylized),
        ssim=ssim(picture, reference.stylized),
        scores=task_scores(view, picture, scorers),
        reference=reference.scores,
    )


def task_scores(view: View, picture: Rgb, scorers: Scorers) -> TaskScores:
    """What a stylized picture keeps of its photograph and takes of its artwork."""
    content, face = view.content, view.pair.face_box
    perceptual = scorers.perceptual if min(content.shape[:2]) >= SMALLEST_PERCEPTUAL_PX else None
    identity = scorers.identity if face else None
    return TaskScores(
        ssim_content=ssim_content(picture, content),
        style_distance=style_distance(picture, view.pair.statistics),
        lpips_content=perceptual(picture, content) if perceptual else None,
        identity=identity.similarity(picture, content, face) if identity and face else None,
    )


def figures_of(pairs: Sequence[PairScore], scorers: Scorers) -> Figures:
    """Fidelity and drops of a lane over what was judged, and why a score has none.

    Raises:
        InputError: nothing was judged.
    """
    return Figures(
        images=len(pairs),
        psnr_db=spread_of([one.psnr_db for one in pairs]),
        ssim=spread_of([one.ssim for one in pairs]),
        drop=drop_of(pairs),
        not_judged=_not_judged(pairs, scorers),
        pairs=tuple(pairs),
    )


def _not_judged(pairs: Sequence[PairScore], scorers: Scorers) -> dict[str, str]:
    reasons = {}
    if all(one.scores.lpips_content is None for one in pairs):
        reasons["lpips_content"] = SMALL_FOR_PERCEPTUAL if scorers.perceptual else NO_PERCEPTUAL
    if all(one.scores.identity is None for one in pairs):
        reasons["identity"] = NO_FACES if scorers.identity else NO_IDENTITY
    return reasons
