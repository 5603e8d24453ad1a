"""A row: one network planned, built and measured."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.zoo.catalog import Entry, Width
from benchmarks.zoo.child import ROOT, run
from iast_export.environment import machine_fingerprint
from iast_export.files.artifacts import write_atomic

NAME = "zoo"  # of the bundles
# Tiny: as little as judging and timing take, to see what fails. Real: the packaged choices.
_TINY = "[calibration]\nmax_pairs = 6\n\n[verify]\nimages = 4\n\n[benchmark]\nblocks = 5\n"


@dataclass(frozen=True)
class Asked:
    """What a run shall do.

    Attributes:
        width: of the networks.
        sizes_px: sides of the tiers; the first is timed.
        data: folder with trained weights, if there is one.
        taught: folder with weights that `benchmarks.zoo.teach` wrote; None: others.
        work: for bundles and what other tools make.
        limit_s: for each process.
    """

    width: Width
    sizes_px: list[int]
    data: Path
    taught: Path | None
    work: Path
    limit_s: float


def row_of(entry: Entry, asked: Asked) -> dict[str, Any]:
    """The network's row; whatever fails is said in it."""
    kind = "taught" if asked.taught else asked.width
    folder = asked.work.resolve() / f"{entry.name}-{kind}-{asked.sizes_px[0]}"
    folder.mkdir(parents=True, exist_ok=True)
    recipe, bundle = folder / "recipe.toml", folder / "bundle"
    write_atomic(recipe, recipe_text(asked).encode())
    if asked.taught:
        weights, checkpoint = "taught", entry.taught(asked.taught.resolve())
    else:
        checkpoint = entry.checkpoint(asked.width, asked.data)
        weights = "trained" if checkpoint else "seed"
    network = [*([str(checkpoint)] if checkpoint else []), "--network", entry.target(asked.width)]
    common = [*network, "--recipe", str(recipe), "--quiet"]
    planned = run(["-m", "iast_export", "plan", *common, "--no-measure"], asked.limit_s)
    built = run(["-m", "iast_export", "build", *common, "--out", str(bundle)], asked.limit_s)
    row = {
        **facts(entry, asked),
        "weights": weights,
        "plan": asdict(planned),
        "build": asdict(built),
        "measured": None,
    }
    if built.code == 0:
        others = [str(folder / "others"), str(folder / "measured.json")]
        target = [entry.target(asked.width), *([str(checkpoint)] if checkpoint else [])]
        command = [str(bundle), str(recipe), *others, *target]
        row["measured"] = measured(command, folder / "measured.json", asked.limit_s)
    return row


def recipe_text(asked: Asked) -> str:
    """Tiers alone at real width; tiny, also little of everything."""
    tiers = [f"[[tiers]]\ndepth = 1\nmax_side_px = {side}\n" for side in asked.sizes_px]
    return "\n".join([f'name = "{NAME}"\n', *tiers, *([_TINY] if asked.width == "tiny" else [])])


def measured(command: Sequence[str], answer: Path, limit_s: float) -> dict[str, Any]:
    """What `benchmarks.zoo.measure` found, or why it found nothing."""
    answer.unlink(missing_ok=True)
    ran = run(["-m", "benchmarks.zoo.measure", *command], limit_s)
    if ran.code:
        return {"problem": ran.sentence}
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def facts(entry: Entry, asked: Asked) -> dict[str, Any]:
    """What was measured, on what and when."""
    machine = machine_fingerprint()
    return {
        "name": entry.name,
        "title": entry.title,
        "width": asked.width,
        "sizes_px": asked.sizes_px,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M"),
        "machine": "{cpu}, {cores} cores".format(**machine),
        "load": round(os.getloadavg()[0], 1),
    }


def commit() -> str:
    """Of the code, `+` behind it where tracked files differ from it, the rows aside."""
    rows = [f":(exclude)benchmarks/zoo/*.{suffix}" for suffix in ("json", "md")]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *rows)
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")


def _git(*words: str) -> str:
    """What git says in the project's folder; nothing where that is no clone."""
    command = ["git", *words]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip()
