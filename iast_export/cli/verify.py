"""`iast-export verify`: a single stage, and two verbs under the names that they had before."""

from __future__ import annotations

from typing import Any, get_args

import click

from iast_export.cli import options
from iast_export.cli.arguments import PICTURES
from iast_export.cli.golden import check
from iast_export.cli.halves import say_halves
from iast_export.cli.ladder import climb
from iast_export.cli.stages import run_stages, stage_help
from iast_export.cli.verbs import Verb
from iast_export.cli.verify_clips import judge_video
from iast_export.errors import UsageError
from iast_export.specs import Accelerator

_ALIASES = (
    "`verify DIR --ladder` is another name of `ladder DIR`, "
    "`verify DIR --accelerator gpu` of `golden DIR --accelerator gpu`."
)


@click.command(cls=Verb, help=stage_help("verify", _ALIASES))
@options.of_build(out_required=False)
@click.option("--ladder", "as_ladder", is_flag=True, hidden=True)
@click.option("--accelerator", type=click.Choice(get_args(Accelerator)), hidden=True)
@click.option("--tier", "tiers", multiple=True, hidden=True)
@click.option("--pictures", type=PICTURES, hidden=True)
@click.option(
    "--video",
    "clips",
    multiple=True,
    metavar="CLIP|motions",
    help="of a finished DIR: judge flicker on a clip, or on three exact motions; may be repeated",
)
@click.option("--clip-style", "clip_styles", multiple=True, metavar="ID", hidden=True)
def verify(
    as_json: bool,
    as_ladder: bool,
    accelerator: Accelerator | None,
    tiers: tuple[str, ...],
    pictures: int | None,
    clips: tuple[str, ...],
    clip_styles: tuple[str, ...],
    **given: Any,
) -> None:
    """The stage, or what an alias stands for; the words of --help are given above."""
    if as_ladder and accelerator:
        raise UsageError("--ladder and --accelerator exclude each other", "give one of them")
    if clips and (as_ladder or accelerator):
        raise UsageError("--video, --ladder and --accelerator exclude each other", "give one")
    if clips:
        _refuse(given, "--video", "recipe", "calibration", "styles", "network")
        judge_video(_bundle(given, "--video CLIP")[0], clips, clip_styles, as_json)
    elif as_ladder:
        _refuse(given, "--ladder", "calibration", "styles")
        folder, checkpoint = _bundle(given, "--ladder")
        climb(folder, tiers, pictures or 2, given["recipe"], checkpoint, given["network"], as_json)
    elif accelerator:
        given["pictures"] = pictures
        unused = ("pictures", "recipe", "calibration", "styles", "network")
        _refuse(given, "--accelerator", *unused)
        check(_bundle(given, "--accelerator gpu")[0], accelerator, tiers, as_json)
    elif given["out"] is None:
        raise UsageError("Missing option '--out'", "give the bundle's folder")
    elif tiers or pictures:
        raise UsageError(
            "a stage has no --tier and no --pictures", "see `iast-export ladder`, or leave them out"
        )
    else:
        from iast_export.reports.base import VERIFY_PATH
        from iast_export.reports.verify import VerifyReport

        request = options.request_of(**given)
        run_stages(request, "verify", as_json)
        if not as_json:
            say_halves(VerifyReport.load(request.out / VERIFY_PATH).half)


def _refuse(given: dict[str, Any], alias: str, *names: str) -> None:
    """Refuses options that the verb behind an alias does not have."""
    for name in names:
        if given[name]:
            raise UsageError(f"{alias} takes no --{name}", "leave it out")


def _bundle(given: dict[str, Any], alias: str) -> tuple[Any, Any]:
    """DIR and checkpoint: the argument is DIR without an --out, and the checkpoint with one."""
    first, out = given["checkpoint"], given["out"]
    if first is None and out is None:
        raise UsageError(
            f"{alias.split()[0]} needs a bundle", f"write `iast-export verify DIR {alias}`"
        )
    return (first, None) if out is None else (out, first)
