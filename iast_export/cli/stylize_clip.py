"""`iast-export stylize --video`: a clip in a style."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from iast_export.cli import console
from iast_export.errors import UsageError
from iast_export.specs import Precision


def stylize_video(
    folder: Path,
    video: Path,
    styles: tuple[str, ...],
    out: Path,
    *,
    runtime: str | None,
    precision: Precision | None,
    strength: float,
    workers: int | None,
    resume: Path | None,
    as_json: bool,
) -> None:
    """Writes one clip in one style, and says what was done.

    Raises:
        UsageError: not one style, or a result that is no clip or would replace an input.
        InputError, ToolError: see `stylize_clip`.
    """
    from iast_export.bundle.claims import made_files
    from iast_export.environment import usable_cores
    from iast_export.files.artifacts import sha256_file
    from iast_export.files.paths import MANIFEST_NAME, check_not_overwriting
    from iast_export.pictures.clips import open_clip
    from iast_export.stylize.engine import engine_for_clips
    from iast_export.stylize.video import VideoRun, stylize_clip, tier_of

    if len(styles) != 1:
        raise UsageError(f"--video takes one --style, found {len(styles)}", "run it once per style")
    if out.suffix.lower() not in (".mp4", ".mov", ".mkv", ".avi"):
        raise UsageError(f"{out} is no clip's name", "write to a file such as out.mp4")
    check_not_overwriting([out], chain([video], made_files(folder)))
    clip = open_clip(video)
    engine = engine_for_clips(folder, runtime, precision, lambda one: tier_of(one, clip))
    name, codes = engine.style_codes(styles[0])
    run = VideoRun(engine, clip, codes, strength, workers or usable_cores())
    lane = engine.target.name, engine.precision(run.tier)
    key = f"{sha256_file(folder / MANIFEST_NAME)} {name} {strength} {' '.join(lane)}"
    console.remark("sound is not carried over: the result has none")
    with console.progress_bar() as progress:
        made = stylize_clip(run, clip, out, key=key, resume=resume, progress=progress)
    if as_json:
        facts = {"tier": made.tier, "runtime": lane[0], "precision": lane[1], "style": name}
        counts = {"frames": made.frames, "resumed": made.resumed, "cuts": list(made.cuts)}
        console.emit_json({"path": str(made.path), **facts, **counts})
        return
    console.say(f"{made.path}  ({made.frames} frames, {made.tier}, {' '.join(lane)})")
    if made.cuts:
        console.say(f"cuts at frames {', '.join(map(str, made.cuts))}")
