"""`iast-export verify DIR --video`: flicker of a finished bundle, lane by lane."""

from __future__ import annotations

from pathlib import Path

from iast_export.cli import console

_COLUMNS = ("clip", "lane", "warping error", "the clip's own", "tones", "noise gain", "exposure")


def judge_video(
    folder: Path, clips: tuple[str, ...], styles: tuple[str, ...], as_json: bool
) -> None:
    """Judges clips, adds them to the bundle's report, and prints them.

    Raises:
        InputError, UsageError: see `judge_clips`.
    """
    from iast_export.environment import usable_cores
    from iast_export.stylize.flicker import judge_clips

    with console.progress_bar() as progress:
        report = judge_clips(folder, clips, styles, usable_cores(), progress)
    if as_json:
        console.emit_json([row.model_dump(mode="json") for row in report.video])
        return
    rows = [
        (
            f"{row.clip} in {row.style}",
            f"{row.runtime} {row.precision} {row.tier}",
            f"{255 * row.warping_error:.2f} levels",
            f"{255 * row.clip_warping_error:.2f} levels",
            f"{100 * row.tone_flicker:.2f} %",
            f"{row.noise_gain:.2f} times",
            f"{row.exposure_levels:.1f} levels",
        )
        for row in report.video
    ]
    console.table("clips", _COLUMNS, rows)
