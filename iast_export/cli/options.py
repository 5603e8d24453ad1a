"""Options that several verbs share, and the request that they make.

DIR is a bundle, finished or being built; FOLDER is any other folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_args

import click

from iast_export.cli.arguments import PATH, THREADS
from iast_export.errors import InputError
from iast_export.specs import RUNTIMES, Accelerator

if TYPE_CHECKING:
    from iast_export.build.request import Request

F = TypeVar("F", bound=Callable[..., Any])


class Decorator(Protocol):
    """What adds an option or an argument to a verb."""

    def __call__(self, command: F, /) -> F: ...


_RUNS = "its code is run, so name only code that you trust [default: the packaged IAST]"


def together(*options: Decorator) -> Decorator:
    """One decorator of several, so that help shows them in this order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def folder(command: F) -> F:
    """The bundle that a verb works on."""
    return click.argument("folder", metavar="DIR", type=PATH)(command)


def as_json(command: F) -> F:
    """--json"""
    text = "report as JSON on stdout"
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def rules(command: F) -> F:
    """--rules, of the gate."""
    text = "TOML of limits; default: the packaged ones"
    return click.option("--rules", metavar="FILE", type=PATH, help=text)(command)


def verdict_files(command: F) -> F:
    """--junit and --markdown."""
    return together(
        click.option("--junit", metavar="FILE", type=PATH, help="write the verdict as JUnit XML"),
        click.option("--markdown", metavar="FILE", type=PATH, help="write the verdict as Markdown"),
    )(command)


def threads(command: F) -> F:
    """--threads"""
    return click.option(
        "--threads", metavar="N", type=THREADS, default=1, show_default=True, help="of the runtimes"
    )(command)


def runtime(default: str) -> Decorator:
    """--runtime, one of all."""
    kind = click.Choice(RUNTIMES)
    return click.option("--runtime", type=kind, default=default, show_default=True)


def tiers(command: F) -> F:
    """--tier, several."""
    text = "this tier alone, such as d3-256px; may be repeated"
    return click.option("--tier", "tiers", multiple=True, metavar="ID", help=text)(command)


def accelerator(text: str) -> Decorator:
    """--accelerator; `text` says what a GPU does."""
    kinds = click.Choice(get_args(Accelerator))
    return click.option("--accelerator", type=kinds, default="cpu", show_default=True, help=text)


def of_build(out_required: bool = True) -> Decorator:
    """What a build is made from, and where."""
    return together(
        click.argument("checkpoint", required=False, type=PATH),
        click.option(
            "--out", required=out_required, metavar="DIR", type=PATH, help="the bundle's folder"
        ),
        click.option(
            "--recipe",
            metavar="FILE",
            type=PATH,
            help="TOML with every choice; default: the packaged one",
        ),
        click.option(
            "--calibration", metavar="SET", help="set name, set file or folder of photographs"
        ),
        click.option(
            "--styles",
            metavar="FOLDER",
            type=PATH,
            help="folder of style pictures; default: the packaged styles",
        ),
        click.option(
            "--network",
            metavar="MODULE:FACTORY",
            help=f"a network of your own, also as FILE.py:FACTORY; {_RUNS}",
        ),
        as_json,
    )


def of_origin(command: F) -> F:
    """What a verb on a finished DIR must know: what it was built with, if not the defaults."""
    return together(
        click.option(
            "--recipe",
            metavar="FILE",
            type=PATH,
            help="that DIR was built with; default: the packaged one",
        ),
        checkpoint,
        click.option("--calibration", metavar="SET", help="that DIR was built with"),
        click.option("--styles", metavar="FOLDER", type=PATH, help="that DIR was built with"),
        network,
        as_json,
    )(command)


def checkpoint(command: F) -> F:
    """--checkpoint of a finished DIR."""
    text = "that DIR was built from"
    return click.option("--checkpoint", metavar="FILE", type=PATH, help=text)(command)


def network(command: F) -> F:
    """--network of a finished DIR."""
    text = f"that DIR was built from; {_RUNS}"
    return click.option("--network", metavar="MODULE:FACTORY", help=text)(command)


def request_of(out: Path, **options: Any) -> Request:
    """What the options of `of_build` or `of_origin` ask for.

    Raises:
        InputError: a file where the bundle's folder should be, or a network that can't be loaded.
        RecipeError: a recipe that can't be used.
    """
    from iast_export.build.request import Request

    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, a folder is needed", "choose another --out")
    return Request.of_options(out=out, **options)
