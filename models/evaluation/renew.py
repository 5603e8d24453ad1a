"""Renews the pages of benchmarks/quality over the packaged network, and says which are of an older.

    python -m models.evaluation.renew
    python -m models.evaluation.renew --data DIR --first FIRST.safetensors \\
        --before BEFORE.safetensors --dlib PARTS --clips CLIPS
    python -m models.evaluation.renew --only blind alpha --data DIR
    python -m models.evaluation.renew --only quality --show

`--first` is the first network of the project, `--before` the one packaged before this one; PARTS
comes from `python -m benchmarks.face_parts`, CLIPS from `python -m benchmarks.clips`. A page that
others read is renewed before them. Which checkpoint each page judged stands in networks.json.
"""

from __future__ import annotations

import argparse
import os
import shlex
import string
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iast_export.errors import IastExportError, InputError
from iast_export.files.artifacts import json_bytes, read_json, sha256_file, write_atomic
from iast_export.files.temporary import only_one
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT
from models.telling import aloud, tell

FOLDER = Path("benchmarks/quality")
LEDGER = "networks.json"
# What a command may name, beside `out`, `docs`, `cache` and `packaged`, which are always had.
GIVEN = ("data", "first", "before", "dlib", "clips")
_BESIDE = ("adain", "wct", "pca-kd", "fast-style", "student")
_NETWORKS = (
    "--network", "the first network={first}", "--network", "the second network, before={before}",
    "--network", "the second network, packaged={packaged}",
)  # fmt: skip
_TIMES = ("--times", "{out}/quality.json")
_STILL = (
    "--network", "first={first}", "--network", "before={before}",
    "--network", "packaged={packaged}", "--out", "{out}",
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """A page or picture and the module that writes it; `{name}` in an argument is filled in."""

    name: str
    module: str
    arguments: tuple[str, ...]

    @property
    def needs(self) -> set[str]:
        """What its command names of `GIVEN`."""
        fields = {
            field for text in self.arguments for _, field, _, _ in string.Formatter().parse(text)
        }
        return {name for name in GIVEN if name in fields}

    def with_kept_times(self) -> Page:
        """The page with the milliseconds that its folder has, where it would measure them."""
        if self.module != "models.evaluate" or "--times" in self.arguments:
            return self
        return replace(self, arguments=(*self.arguments, *_TIMES))

    def command(self, places: Mapping[str, Path]) -> list[str]:
        """What runs after `python -m`.

        Raises:
            InputError: it needs a place that is not given.
        """
        missing = [f"--{name}" for name in GIVEN if name in self.needs - set(places)]
        if missing:
            raise InputError(f"the page {self.name}", f"give {' and '.join(missing)} as well")
        return [self.module, *(text.format(**places) for text in self.arguments)]


def _judging(name: str, *more: str) -> tuple[str, ...]:
    return (
        "--data", "{data}", "--cache", "{cache}", "--methods", "photograph", *_BESIDE, *more,
        "--network", "first-network={first}", "--name", name, "--out", "{out}",
    )  # fmt: skip


PAGES = (
    Page("quality", "models.evaluate", _judging("quality")),
    Page("faces", "models.evaluate",
         _judging("faces", "--depths", "4", "3", "1", "--dlib", "{dlib}", *_TIMES)),
    Page("blind", "models.evaluation.blind",
         ("--data", "{data}", "--judged", "{out}/quality.json", "--out", "{out}")),
    Page("details", "models.evaluation.details",
         ("--data", "{data}", "--judged", "{out}/quality.json", "--first", "{first}",
          "--out", "{docs}/details.jpg")),
    Page("released", "models.evaluation.parts",
         ("--data", "{data}", "--depths", "1", "3", "4", *_NETWORKS, "--out", "{out}")),
    Page("ripple", "models.evaluation.ripple", ("--data", "{data}", *_NETWORKS, "--out", "{out}")),
    Page("alpha", "models.evaluation.alpha", ("--data", "{data}", "--out", "{out}")),
    Page("noise", "models.evaluation.noise",
         ("--data", "{data}", "--clip", "{clips}/bikes.mp4", "--depths", "3", "1", *_STILL)),
    Page("warping", "models.evaluation.warping",
         ("--data", "{data}", "--clips", "{clips}/bikes.mp4", "{clips}/carphone_pristine.mp4",
          "{clips}/bigbuckbunny.mp4", *_STILL)),
)  # fmt: skip


def networks(folder: Path) -> dict[str, str]:
    """SHA-256 of the checkpoint that each page judged, by the page's name.

    Raises:
        InputError: the ledger can't be read.
    """
    path = folder / LEDGER
    return read_json(path) if path.is_file() else {}


def standing(folder: Path, packaged: str) -> str:
    """In a sentence, which pages judged the checkpoint of that SHA-256, and which another one."""
    known = networks(folder)
    current = [page.name for page in PAGES if known.get(page.name) == packaged]
    older = [page.name for page in PAGES if known.get(page.name) != packaged]
    found = [("Of the packaged network", current), ("Of an earlier one", older)]
    return " ".join(f"{who}: {', '.join(names)}." for who, names in found if names)


def renew(pages: Sequence[Page], places: Mapping[str, Path], packaged: Path) -> None:
    """Runs the pages' commands in turn, each told with its command; the ledger follows each.

    Raises:
        InputError: a page needs a place that is not given; nothing has run then.
        subprocess.CalledProcessError: a command failed. The pages before it are renewed.
    """
    commands = [page.command(places) for page in pages]
    digest = sha256_file(packaged)
    for number, (page, command) in enumerate(zip(pages, commands, strict=True), 1):
        tell(f"{number} of {len(pages)}, {page.name}: python -m {shlex.join(command)}")
        subprocess.run([sys.executable, "-m", *command], check=True)
        out = places["out"]
        with only_one(out):
            known = {**networks(out), page.name: digest}
            write_atomic(out / LEDGER, json_bytes(dict(sorted(known.items()))))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [page.name for page in PAGES]
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="PAGE", help=f"of {', '.join(names)}"
    )
    parser.add_argument("--data", type=Path, help="folder with images/ and weights/")
    parser.add_argument("--first", type=Path, metavar="FILE", help="the first network's checkpoint")
    parser.add_argument("--before", type=Path, metavar="FILE", help="the one packaged before")
    parser.add_argument(
        "--dlib", type=Path, metavar="DIR", help="of python -m benchmarks.face_parts"
    )
    parser.add_argument("--clips", type=Path, metavar="DIR", help="with bikes.mp4 and the others")
    parser.add_argument("--cache", type=Path, default=Path("build/quality"), help="judged pictures")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument(
        "--keep-times",
        action="store_true",
        help="leave the milliseconds as they are: on a busy machine",
    )
    parser.add_argument("--show", action="store_true", help="print the commands, run none")
    args: Any = parser.parse_args(argv)
    given = {name: getattr(args, name) for name in GIVEN if getattr(args, name) is not None}
    packaged = Path(os.path.relpath(PACKAGED_CHECKPOINT))
    docs = Path("docs") if args.out == FOLDER else args.out
    places = {**given, "out": args.out, "docs": docs, "cache": args.cache, "packaged": packaged}
    pages = [page for page in PAGES if page.name in (args.only or names)]
    if args.keep_times:
        pages = [page.with_kept_times() for page in pages]
    if args.show:
        shown = {name: Path(name.upper()) for name in GIVEN} | places
        for page in pages:
            print(f"python -m {shlex.join(page.command(shown))}")
        return
    try:
        if given or args.only:
            with aloud():
                renew(pages, places, packaged)
        print(standing(args.out, sha256_file(packaged)))
    except (IastExportError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{error}") from error


if __name__ == "__main__":
    main()
