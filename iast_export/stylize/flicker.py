"""How still a bundle's lanes draw clips: added to reports/verify.json of a finished bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from iast_export.bundle.belonging import load_own
from iast_export.bundle.claims import working
from iast_export.bundle.styles import Codes, pack
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import (
    Progress,
    StageRecord,
    no_progress,
    sha256_bytes,
    sha256_file,
)
from iast_export.metrics.flicker import Flow, Mask, exposure_levels, judge_step, noise_gain
from iast_export.pictures.clips import Clip, open_clip
from iast_export.pictures.images import Rgb
from iast_export.pictures.motions import FRAMES, HEIGHT_PX, MOTIONS, WIDTH_PX
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.verify import ClipRow, ClipStep, VerifyReport
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.moving import KEEP
from iast_export.stylize.video import VideoRun, tier_of

# Of a clip, from its beginning; chosen: enough for the average to settle.
MOST_FRAMES = 40
EXACT = "motions"


@dataclass(frozen=True)
class Subject:
    """A clip to judge by; `flow` where its motion is known exactly."""

    name: str
    sha256: str
    clip: Clip
    frames: tuple[Rgb, ...]
    flow: Callable[[int], tuple[Flow, Mask]] | None = None


def subjects_of(names: Sequence[str]) -> list[Subject]:
    """Clips by path; `motions` stands for the exact ones.

    Raises:
        InputError: a clip is missing or can't be decoded.
        UsageError: two clips of one name.
    """
    found = [one for name in names for one in _subjects(name)]
    twice = {one.name for one in found if sum(one.name == two.name for two in found) > 1}
    if twice:
        raise UsageError(f"two clips are called {min(twice)}", "name each once, or rename one")
    return found


def _subjects(name: str) -> Iterator[Subject]:
    if name == EXACT:
        for motion in MOTIONS.values():
            clip = Clip(Path(motion.name), WIDTH_PX, HEIGHT_PX, 25.0, FRAMES)
            yield Subject(motion.name, motion.sha256, clip, tuple(motion.frames()), motion.flow)
        return
    clip = open_clip(Path(name))
    frames = tuple(islice(clip.read(), MOST_FRAMES))
    if len(frames) < 2:
        raise InputError(f"{name} has one frame", "flicker needs two or more")
    yield Subject(clip.path.name, clip.sha256, clip, frames)


def judge_clip(
    engine: BundleEngine,
    subject: Subject,
    style: tuple[str, Codes],
    workers: int = 1,
    keep: float = KEEP,
    strength: float = 1.0,
) -> ClipRow:
    """How still one lane draws a clip.

    Args:
        engine: of the lane.
        subject: the clip.
        style: id and codes.
        workers: frames drawn at a time.
        keep, strength: see `VideoRun`.

    Raises:
        UsageError: the lane's tier can't be lifted.
        InputError: nothing between two cuts can be judged.
    """
    name, codes = style
    run = VideoRun(engine, subject.clip, codes, strength, workers, keep)
    drawn = list(run.frames(subject.frames))
    steps = []
    for k, (clip, result) in enumerate(
        zip(pairwise(subject.frames), pairwise(drawn), strict=True), 1
    ):
        if k not in run.cuts:
            known = None if subject.flow is None else subject.flow(k)
            found = judge_step(clip, result, known)
            steps.append(ClipStep(**vars(found)))

    def settled(rgb: Rgb) -> Rgb:
        """As a long shot of a still scene ends: the statistics are the picture's own."""
        return next(VideoRun(engine, subject.clip, codes, strength, 1).frames([rgb]))

    entry = engine.entry(run.tier)
    return ClipRow(
        runtime=entry.runtime,
        precision=entry.precision,
        tier=run.tier.id,
        sha256=entry.sha256,
        clip=subject.name,
        clip_sha256=subject.sha256,
        style=name,
        style_sha256=sha256_bytes(pack(codes, engine.code_shapes)),
        width_px=subject.clip.width_px,
        height_px=subject.clip.height_px,
        cuts=run.cuts,
        noise_gain=noise_gain(settled, subject.frames[0]),
        exposure_levels=exposure_levels(settled, subject.frames[0]),
        steps=tuple(steps),
    )


def judge_clips(
    folder: Path,
    names: Sequence[str],
    styles: Sequence[str],
    workers: int,
    progress: Progress = no_progress,
) -> VerifyReport:
    """Adds rows for every lane that can draw clips to reports/verify.json, in place of older ones.

    Raises:
        InputError: the folder is no bundle, or its report is another's; a clip can't be decoded.
        UsageError: no lane of the bundle can draw clips.
    """
    with working(folder):
        subjects = subjects_of(names)
        engines = _engines(folder)
        report = load_own(VerifyReport, folder / VERIFY_PATH, engines[0].manifest)
        able = [(e, s) for e in engines for s in subjects if e.lifted(tier_of(e, s.clip))]
        if not able:
            raise UsageError(
                f"no model of {folder} has statistics that can be lifted out, so none draws clips",
                "judge its pictures alone",
            )
        chosen = list(styles) or [engines[0].manifest.styles[0].id]
        jobs = [(e, s, engines[0].style_codes(c)) for e, s in able for c in chosen]
        rows = []
        for k, (engine, subject, style) in enumerate(jobs):
            progress("clips", k, len(jobs))
            rows.append(judge_clip(engine, subject, style, workers))
        progress("clips", len(jobs), len(jobs))
        made = report.model_copy(update={"video": tuple(rows)})
        _save(folder, made)
        return made


def _engines(folder: Path) -> list[BundleEngine]:
    first = BundleEngine(folder, "onnxruntime", "fp32")
    lanes = {(f.runtime, f.precision): None for f in first.manifest.files if f.role == "transfer"}
    return [BundleEngine(folder, *lane) for lane in lanes]


def _save(folder: Path, report: VerifyReport) -> None:
    """Writes the report, and tells the build's record, so that a further build keeps it."""
    path = folder / VERIFY_PATH
    report.save(path)
    found = StageRecord.load(folder, "verify")
    if found is not None and VERIFY_PATH in found.outputs:
        outputs = {**found.outputs, VERIFY_PATH: sha256_file(path)}
        StageRecord(found.stage, found.key, outputs).save(folder)
