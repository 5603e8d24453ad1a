"""`iast-export verify DIR --video`: flicker of a finished bundle, lane by lane."""

from __future__ import annotations

from pathlib import Path

from iast_export.cli import console


def judge_video(
    folder: Path, clips: tuple[str, ...], styles: tuple[str, ...], as_json: bool
) -> None:
    """Judges clips, adds them to the bundle's report, and prints them.

    Raises:
        InputError, UsageError: see `judge_clips`.
    """
    from iast_export.environment import usable_cores
    from iast_export.pages import write_html
    from iast_export.pages.clips import clips_table
    from iast_export.stylize.flicker import judge_clips

    with console.progress_bar() as progress:
        report = judge_clips(folder, clips, styles, usable_cores(), progress)
    write_html(folder)
    if as_json:
        console.emit_json([row.model_dump(mode="json") for row in report.video])
        return
    console.table(*clips_table(report.video))
