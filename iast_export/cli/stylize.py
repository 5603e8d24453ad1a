"""`iast-export stylize`: pictures from a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH, STRENGTH, TARGET, THREADS
from iast_export.cli.stylize_clip import stylize_video
from iast_export.cli.verbs import Verb
from iast_export.errors import UsageError
from iast_export.specs import PRECISIONS, USUAL, Accelerator, Precision, Statistics, Way

if TYPE_CHECKING:
    from iast_export.stylize.engine import Engines
    from iast_export.stylize.large import Large


@click.command(cls=Verb)
@options.folder
@click.option(
    "--content",
    "contents",
    multiple=True,
    metavar="FILE",
    help="photograph; may be repeated",
)
@click.option("--video", metavar="FILE", type=PATH, help="a clip instead; --out names its result")
@click.option(
    "--style",
    "styles",
    multiple=True,
    metavar="ID|FILE",
    help="style id, blend of ids (cafe:0.7+stage:0.3) or picture; may be repeated; needed where "
    "the bundle has more than one",
)
@click.option(
    "--out", required=True, metavar="PATH", type=PATH, help="folder for the pictures, or OUT.mp4"
)
@click.option(
    "--runtime",
    type=TARGET,
    help="default: litert, but onnxruntime for a picture that LiteRT would pad to its loss",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="default: by tier, the fastest that keeps the picture, as the report says",
)
@click.option(
    "--accelerator",
    type=click.Choice(get_args(Accelerator)),
    default="cpu",
    show_default=True,
    help="gpu: LiteRT's delegate, all of the model or nothing",
)
@click.option(
    "--strength",
    metavar="N",
    type=STRENGTH,
    default=1.0,
    show_default=True,
    help="0 the photograph, 1 the full style",
)
@options.threads
@click.option("--scale-down", is_flag=True, help="fit pictures beyond the largest tier to it")
@click.option(
    "--large",
    "way",
    type=click.Choice(get_args(Way)),
    help="keep their size instead: tiles (fine strokes), preview (strokes of --scale-down, fine "
    "ones added) or guided (its colors on the photograph's detail)",
)
@click.option("--tile", is_flag=True, help="the same as --large tiles")
@click.option(
    "--statistics",
    type=click.Choice(get_args(Statistics)),
    help="of large pictures: exact, by passes over all tiles, or quick, from a thumbnail "
    "[default: exact]",
)
@click.option(
    "--workers",
    metavar="N",
    type=THREADS,
    help="tiles or frames drawn at a time [default: all cores]",
)
@click.option(
    "--together",
    is_flag=True,
    help="views of one scene: statistics over all contents, so that they get one tone",
)
@click.option(
    "--resume",
    metavar="FOLDER",
    type=PATH,
    help="keep a clip's frames there until it is whole, and go on from them",
)
@options.as_json
def stylize(
    folder: Path,
    contents: tuple[str, ...],
    video: Path | None,
    styles: tuple[str, ...],
    out: Path,
    runtime: str | None,
    precision: Precision | None,
    accelerator: Accelerator,
    strength: float,
    threads: int,
    scale_down: bool,
    way: Way | None,
    tile: bool,
    statistics: Statistics | None,
    workers: int | None,
    together: bool,
    resume: Path | None,
    as_json: bool,
) -> None:
    """Pictures from a bundle: every content in every style; or a clip.

    The tier is chosen by resolution.

    \b
    Example:
      iast-export stylize dist/demo --content a.jpg --style cafe --style my.jpg --out pictures
      iast-export stylize dist/demo --content 12mp.jpg --style cafe --out pictures --large tiles
      iast-export stylize dist/demo --video clip.mp4 --style cafe --out out.mp4
    """
    from iast_export.environment import usable_cores
    from iast_export.pictures.imagesets import picture_path
    from iast_export.stylize.engine import BundleEngine, ChosenByShape
    from iast_export.stylize.stylize import stylize as run
    from iast_export.stylize.together import Together

    if video is not None:
        never = (
            ("--content", contents),
            ("--scale-down", scale_down),
            ("--tile", tile),
            ("--large", way),
            ("--statistics", statistics),
            ("--together", together),
            ("--accelerator gpu", accelerator == "gpu"),
        )
        for option, value in never:
            if value:
                raise UsageError(f"--video and {option} exclude each other", "give one of them")
        lane = {"runtime": runtime, "precision": precision, "strength": strength}
        how = {"workers": workers, "resume": resume, "as_json": as_json}
        stylize_video(folder, video, styles, out, **lane, **how)  # type: ignore[arg-type]
        return
    if not contents:
        raise UsageError("Missing option '--content'", "name a photograph, or a clip with --video")
    if resume is not None:
        raise UsageError("--resume does nothing without --video", "leave it out")
    if together:
        both = (("--scale-down", scale_down), ("--tile", tile), ("--large", way))
        for option, value in (*both, ("--accelerator gpu", accelerator == "gpu")):
            if value:
                raise UsageError(
                    f"--together and {option} exclude each other", "large contents are tiled anyway"
                )
    large = _large(scale_down, way, tile, statistics, None if together else workers)
    engine: Engines
    if runtime is not None or accelerator == "gpu":
        engine = BundleEngine(folder, runtime or USUAL, precision, threads, accelerator)
    else:
        engine = ChosenByShape(folder, precision, threads)
    with console.progress_bar() as progress:
        made = run(
            engine,
            [picture_path(c) for c in contents],
            styles,
            out,
            strength=strength,
            oversize="scale_down" if scale_down else "refuse",
            large=large,
            together=Together(workers or usable_cores()) if together else None,
            progress=progress,
        )
    if as_json:
        console.emit_json(
            [
                {"path": str(m.path), "content": m.content, "style": m.style, "tier": m.tier}
                | {"runtime": m.runtime, "precision": m.precision, "reason": m.reason}
                | {"accelerator": accelerator, "strength": strength}
                | {"milliseconds": round(m.milliseconds, 3), "sheet": str(out / "sheet.png")}
                for m in made
            ]
        )
        return
    for m in made:
        where = " on the GPU" if accelerator == "gpu" else ""
        console.say(f"{m.path}  ({m.tier}, {m.runtime} {m.precision}{where})")
    console.say(f"sheet  {out / 'sheet.png'}")


def _large(
    scale_down: bool,
    way: Way | None,
    tile: bool,
    statistics: Statistics | None,
    workers: int | None,
) -> Large | None:
    """What to do with large pictures at their own size; None: nothing, or scale them down."""
    given = {
        "--scale-down": scale_down,
        "--tile": tile,
        f"--large {way}": way is not None and not (tile and way == "tiles"),
    }
    both = [name for name, is_given in given.items() if is_given]
    if len(both) > 1:
        raise UsageError(f"{' and '.join(both)} exclude each other", "give one of them")
    chosen: Way | None = "tiles" if tile else way
    if chosen is None:
        for name, value in (("--statistics", statistics), ("--workers", workers)):
            if value is not None:
                raise UsageError(f"{name} does nothing without --large", "leave it out")
        return None
    from iast_export.environment import usable_cores
    from iast_export.stylize.large import Large, check_large

    how = Large(chosen, statistics or "exact", workers or usable_cores())
    check_large(how)
    return how
