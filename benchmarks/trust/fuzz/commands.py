"""Command lines, as a reader: words changed, dropped or added, in a folder they can't leave."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from benchmarks.trust.fuzz import seeds
from benchmarks.trust.fuzz.bundle_readers import small_bundle
from benchmarks.trust.fuzz.mutate_text import mutate_text
from benchmarks.trust.fuzz.reader import ALLOWED_CODES, Reader, Seeds, always, require

_COMMANDS = (
    "inspect FILE",
    "inspect DIR --json",
    "gate DIR --baseline JSON",
    "gate DIR --rules TOML --json",
    "style list DIR",
    "gate DIR --baseline JSON --junit NEW --markdown NEW",
    "style remove DIR ink",
    "style add DIR PNG --name x --category y",
    "stylize DIR --content PNG --style ink --out NEW",
    "stylize DIR --content PNG --style PNG --out NEW --precision int8",
    "device import JSON --bundle DIR",
    "search DIR --tier d2-256px --budget psnr_db>=40 --minutes 0.01",
    "lanes DIR --tier d2-256px",
    "ladder DIR --tier d2-256px",
    "verify DIR --ladder --tier d2-256px",
    "golden DIR --tier d2-256px",
    "completion bash",
    "plan FILE --recipe TOML --no-measure",
    "build FILE --recipe TOML --out NEW",
    "export FILE --calibration DIR --recipe TOML --out NEW",
    "doctor --json",
    "gate DIR --write-baseline NEW",
    "device bench DIR --serial x --core-mask f0",
    "-h",
    "style",
    "build --recipe TOML --out NEW",
    "build --calibration DIR --styles DIR --recipe TOML --out NEW",
    "build --network FILE:x --recipe TOML --out NEW",
)
_WORDS = (
    "--",
    "-",
    "--json",
    "-v",
    "--help",
    "--out",
    "--tier",
    "",
    " ",
    "[red]",
    "[/x]",
    "\udce9",
    "a\x00b",
    "x" * 300,
    "--threads=0",
    "--threads=99999999999999999999",
    "--strength=nan",
    "--minutes=-1",
    "--budget",
    "psnr_db>=nan",
    "--core-mask=-1",
    "--samples=0",
    "..",
    "\u202e",
    "--runtime=litert",
    "caf\u00e9",
    "--recipe=DIR",
    "--precision=fp16",
    "--scale-down",
    "--tile",
    "FILE",
    "DIR",
    "TOML",
    "JSON",
    "PNG",
    "NEW",
    "skimage:nothing",
    "%s",
    "~",
)


def mutate_command(data: bytes, rng: Random, others: Sequence[bytes] = ()) -> bytes:
    """A command line, one word a line, with words changed, dropped or added."""
    words = data.decode("utf-8", "surrogateescape").split("\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, kind = rng.randrange(len(words)), rng.randrange(4)
        if kind == 0 and at:
            words[at] = rng.choice(_WORDS)
        elif kind == 1 and at and len(words) > 2:
            del words[at]
        elif kind == 2:
            words.insert(at + 1, rng.choice(_WORDS))
        elif kind == 3 and at:
            words[at] = (
                mutate_text(words[at].encode("utf-8", "surrogateescape"), rng)[:4000]
                .decode("utf-8", "surrogateescape")
                .replace("\n", " ")
            )
    return "\n".join(words).encode("utf-8", "surrogateescape")


def _command(data: bytes, folder: Path, name: str) -> None:
    """A command line in a folder that no word can leave; no build begins on that recipe."""
    from iast_export.cli.main import run
    from iast_export.cli.stages import STAGES

    words = [w.replace("/", "_") for w in data.decode("utf-8", "surrogateescape").split("\n")]
    if words[0] in ("build", "plan", *STAGES):
        words += ["--recipe=TOML"] * 2  # the first may be taken for another option's value
    shutil.copytree(small_bundle() / "bundle", folder / "DIR")
    shutil.copyfile(small_bundle() / "baseline.json", folder / "JSON")
    (folder / "FILE").write_bytes(b"\x08\x07not a model")
    (folder / "TOML").write_text("no_such_key = 1\n")
    (folder / "PNG").write_bytes(seeds.pictures()["rgb.png"])
    before = Path.cwd()
    os.chdir(folder)
    try:
        with _terminal():
            code = run(words)
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        os.chdir(before)
    require(code in {0, *ALLOWED_CODES}, f"exit code {code}")


@contextlib.contextmanager
def _terminal() -> Iterator[None]:
    """Streams as a process has them in a UTF-8 place."""
    held = sys.stdout, sys.stderr
    sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict")
    sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    try:
        yield
    finally:
        sys.stdout, sys.stderr = held


def _command_seeds() -> Seeds:
    return {
        f"{i:02d}-{line.split()[0]}": line.replace(" ", "\n").encode()
        for i, line in enumerate(_COMMANDS)
    }


READERS = (Reader("command", _command_seeds, always(mutate_command), _command, 4),)
