"""Which planted regressions `iast-export compare` finds on a busy machine, and what it accuses.

    python -m benchmarks.planted dist/demo --out dist/planted --tier d3-256px

Each kind is planted in a copy of the bundle and compared with the bundle while a process keeps
another core busy: a lane's time 3 or 10 % longer (of equal files, each time of HEAD as it is
measured, which is what a slower file would give), INT8 that is 0.5 or 2 dB worse (by noise in the
scales of its weights), one tier's file swapped for another's, one style's code damaged. `--selves`
compares the bundle with itself: all but "no difference" and "cannot judge" is a false alarm. Equal
files are timed where times are what is asked. A try that is done is kept in `--out`: run it again
and it goes on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
from onnx import numpy_helper

from iast_export.compare import CompareOptions, compare
from iast_export.compare.rounds import time_round
from iast_export.files.artifacts import read_json, sha256_file, write_atomic, write_json
from iast_export.gate.comparison import SPEED, answers
from iast_export.gate.rules import ComparisonRules
from iast_export.lanes.opened import OpenBundle
from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import center_square
from iast_export.pictures.imagesets import load_set
from iast_export.reports.manifest import LaneKey

Plant = Callable[[Path, "Case"], None]
_LANE = ("onnxruntime", "int8")
# Halvings of the noise's size until the planted loss is met to a hundredth or so.
_HALVINGS = 12


class Case:
    """What a try is about: its tier and number, from which every choice follows."""

    def __init__(self, tier: str, number: int) -> None:
        self.tier, self.random = tier, np.random.default_rng(number)
        self.key: LaneKey = (*_LANE, tier)  # type: ignore[assignment]
        self.slower, self.style = 0.0, ""


def _slower(share: float) -> Plant:
    def plant(folder: Path, case: Case) -> None:
        case.slower = share

    return plant


def _worse(loss_db: float) -> Plant:
    """Noise in the floats of an INT8 file, of the size that costs so many decibels."""

    def plant(folder: Path, case: Case) -> None:
        path = folder / OpenBundle.of(folder).manifest.lanes()[case.key].path
        model, seed = onnx.load(path), int(case.random.integers(1 << 31))
        wanted, low, high = _fidelity(folder, case) - loss_db, 0.0, 0.5
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            write_atomic(path, _noisy(model, middle, seed))
            _relist(folder)
            low, high = (middle, high) if _fidelity(folder, case) > wanted else (low, middle)

    return plant


def _noisy(model: onnx.ModelProto, size: float, seed: int) -> bytes:
    """The file with its scales of weights a little off, by channel."""
    random, made = np.random.default_rng(seed), onnx.ModelProto()
    made.CopyFrom(model)
    for tensor in made.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.ndim == 1 and values.size > 1:
            off = values * (1 + size * random.standard_normal(values.shape))
            tensor.CopyFrom(numpy_helper.from_array(off.astype(np.float32), tensor.name))
    return made.SerializeToString()


def _fidelity(folder: Path, case: Case) -> float:
    """Mean PSNR of the lane to FP32 on four photographs in two styles."""
    opened, found = OpenBundle.of(folder), load_set("evaluation", 4)
    lanes = [opened.lane(("onnxruntime", one, case.tier)) for one in ("fp32", "int8")]  # type: ignore[arg-type]
    sessions, values = [lane.open() for lane in lanes], []
    for rgb in (found[i] for i in range(4)):
        content = center_square(rgb, lanes[0].tier.max_side_px)
        for style in list(opened.styles)[:2]:
            feeds = opened.feeds(style)
            both = zip(lanes, sessions, strict=True)
            values.append(psnr_db(*(lane.stylize(one, content, feeds) for lane, one in both)))
    return float(np.mean(values))


def _swapped(folder: Path, case: Case) -> None:
    """The file of another tier in the place of this one's."""
    lanes = OpenBundle.of(folder).manifest.lanes()
    others = [one for key, one in lanes.items() if key[:2] == _LANE and key[2] != case.tier]
    other = others[int(case.random.integers(len(others)))]
    shutil.copyfile(folder / other.path, folder / lanes[case.key].path)
    _relist(folder)


def _one_style(folder: Path, case: Case) -> None:
    """A tenth of one style's code at random, as of a file that was damaged and listed again."""
    styles = OpenBundle.of(folder).manifest.styles
    chosen = styles[int(case.random.integers(len(styles)))]
    path, case.style = folder / chosen.path, chosen.id
    code = np.fromfile(path, "<f4")
    places = case.random.choice(code.size, max(1, code.size // 10), replace=False)
    code[places] += case.random.standard_normal(places.size).astype("<f4") * 2 * code.std()
    write_atomic(path, code.astype("<f4").tobytes())
    _relist(folder)


KINDS: dict[str, Plant] = {
    "3 % slower": _slower(0.03),
    "10 % slower": _slower(0.10),
    "0.5 dB worse": _worse(0.5),
    "2 dB worse": _worse(2.0),
    "a tier's file swapped": _swapped,
    "one style worse": _one_style,
}
ITSELF = "itself"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tier", required=True)
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--selves", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=3.0, help="time box of a comparison")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Any]] = {}
    with _busy_core():
        for kind, count in [*((kind, given.tries) for kind in KINDS), (ITSELF, given.selves)]:
            found[kind] = [_try(given, kind, number) for number in range(count)]
    print("\n".join(_table(found)))


def _try(given: argparse.Namespace, kind: str, number: int) -> Any:
    """The decisions of one comparison, by lane or style and question."""
    kept = given.out / f"{kind.replace(' ', '-').replace('%', 'percent')}-{number:03d}.json"
    if not kept.exists():
        case, head = Case(given.tier, number), given.bundle
        if kind != ITSELF:
            head = given.out / "head"
            shutil.rmtree(head, ignore_errors=True)
            shutil.copytree(given.bundle, head)
            KINDS[kind](head, case)
        options = CompareOptions(
            tiers=(given.tier,),
            budget_s=60 * given.minutes,
            time_same_files=bool(case.slower) or kind == ITSELF,
        )
        with _slowed(case):
            report = compare(given.bundle, head, options=options)
        told = answers(report, ComparisonRules())
        decisions = {f"{what}: {of}": one.decision for (what, of), one in told.items()}
        write_json(kept, {"decisions": decisions, "lane": " ".join(case.key), "style": case.style})
    return read_json(kept)


@contextmanager
def _slowed(case: Case) -> Iterator[None]:
    """Every round that is measured meanwhile, with one lane of HEAD so much slower."""

    def timed(*given: Any) -> dict[LaneKey, Any]:
        rounds = time_round(*given)
        if case.key in rounds:
            rounds[case.key] = tuple(
                (base, (head[0] * (1 + case.slower), head[1] * (1 + case.slower)))
                for base, head in rounds[case.key]
            )
        return rounds

    with patch("iast_export.compare.time_round", timed):
        yield


def _relist(folder: Path) -> None:
    """Writes the hashes of a bundle's files into its manifest again."""
    manifest = read_json(folder / "manifest.json")
    for entry in manifest["files"]:
        path = folder / entry["path"]
        entry["sha256"], entry["bytes"] = sha256_file(path), path.stat().st_size
    for style in manifest["styles"]:
        style["sha256"] = sha256_file(folder / style["path"])
    write_json(folder / "manifest.json", manifest)


@contextmanager
def _busy_core() -> Iterator[None]:
    """A process that computes all the while."""
    worker = multiprocessing.get_context("spawn").Process(target=_compute, daemon=True)
    worker.start()
    try:
        yield
    finally:
        worker.kill()
        worker.join()


def _compute() -> None:
    # Last in line, in a group of its own where the system has such: other work counts as well.
    os.setsid()
    os.nice(19)
    group = Path("/proc/self/autogroup")
    if group.exists():
        group.write_text("19")
    values = np.ones((256, 256))
    while True:
        values = values @ values / 256


def _table(found: dict[str, list[Any]]) -> Iterator[str]:
    yield "| planted | tries | caught | undecided | missed | others accused |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for kind, tries in found.items():
        told = Counter(_outcome(kind, one) for one in tries)
        accused = sum(bool(_accused(kind, one)) for one in tries)
        shown = [str(told[name]) for name in ("caught", "undecided", "missed")]
        caught = " | ".join(["", "", ""] if kind == ITSELF else shown)
        yield f"| {kind} | {len(tries)} | {caught} | {accused} |"


def _concerns(kind: str, question: str, one: Any) -> bool:
    """Whether a question is about what was planted; a style is drawn by every lane."""
    if kind == ITSELF:
        return False
    about, _, style = question.split(": ", 1)[1].partition(" in ")
    if kind == "one style worse":
        return not question.startswith(f"{SPEED}:") and style in ("", one["style"])
    return about == one["lane"] and (question.startswith(f"{SPEED}:") or "slower" not in kind)


def _outcome(kind: str, one: Any) -> str:
    decisions = {
        decision
        for question, decision in one["decisions"].items()
        if _concerns(kind, question, one)
        and ("slower" not in kind or question.startswith(f"{SPEED}:"))
    }
    if "worse" in decisions:
        return "caught"
    return "undecided" if "cannot judge" in decisions else "missed"


def _accused(kind: str, one: Any) -> list[str]:
    return [
        question
        for question, decision in one["decisions"].items()
        if decision in ("worse", "better") and not _concerns(kind, question, one)
    ]


if __name__ == "__main__":
    main()
