"""Kills builds of a small network at random moments, two at a time in one folder among them.

    python -m benchmarks.trust.kills --kills 100

Every trial starts with a folder of a user's own files. Builds in it are killed by SIGKILL, one
after the other, then a last one runs to its end. Its files must be those of a build that nobody
disturbed, byte for byte, timings aside; the user's files must be as they were, content, mode and
times; and nothing temporary may be left, neither there nor in the system's temporary folder. Exit
code 1 where any of that fails.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from iast_export.files.artifacts import sha256_file

NETWORK = "tests.tiny_networks:tiny_adain_factory"
RECIPE = """name = "small"
tiers = [{depth = 1, max_side_px = 16}]
[calibration]
max_pairs = 2
[verify]
images = 2
[benchmark]
warmup = 0
blocks = 2
"""
# Times of this machine or dates are in these, so that two builds never have them equal.
TIMED = {
    "reports/benchmark.json",
    "reports/gallery.json",
    "reports/report.html",
    ".stages/bench.json",
    ".stages/bundle.json",
}
DECOYS = (
    *(
        ".gitlab-ci.yml",
        ".pre-commit-config.yaml",
        ".env-local",
        ".m-1.onnx",
        "notes.txt",
        "photo.jpg",
    ),
    *(
        "models/.keep-me",
        "models/.small-1.onnx",
        "models/mine.onnx",
        "styles/my-picture.png",
        "golden/a.png",
    ),
    *(
        "reports/.draft-2.html",
        "calibration/.a-b",
        ".stages/.small-x",
        ".iast-export-tmp-notes",
        "lanes/a.b",
    ),
)
_IMPORTED = (
    *(
        "iast_export.cli.main",
        "iast_export.build.pipeline",
        "iast_export.build.export",
        "iast_export.build.convert",
    ),
    *(
        "iast_export.quantize.litert.static",
        "iast_export.pages",
        "iast_export.lanes.verify",
        "iast_export.lanes.benchmark",
    ),
    *(
        "tests.tiny_networks",
        "litert_torch",
        "ai_edge_quantizer",
        "onnxruntime",
        "matplotlib.figure",
    ),
)
_KILLS_A_TRIAL = 5


@dataclass
class Count:
    """What happened so far."""

    kills: int = 0
    doubles: int = 0
    finished: int = 0
    trials: int = 0
    wrong: list[str] = field(default_factory=list)


def main() -> None:
    """Runs the trials and prints what came of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="how many builds to kill")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    given = parser.parse_args()
    for name in _IMPORTED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as name:
        moments = random.Random(given.seed)
        count = run(Path(name), given.kills, moments, partial(print, flush=True))
    for line in count.wrong:
        print(f"WRONG: {line}")
    print(
        f"seed {given.seed}: {count.kills} builds killed in {count.trials} folders, "
        f"{count.doubles} of them while another build worked there; {count.finished} ended before "
        f"their moment; {len(count.wrong)} faults"
    )
    sys.exit(1 if count.wrong else 0)


def run(root: Path, kills: int, moments: random.Random, tell: Callable[[str], object]) -> Count:
    """Trials until so many builds were killed; `tell` hears of each."""
    (root / "recipe.toml").write_text(RECIPE)
    (root / "tmp").mkdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(root / "tmp")
    started = time.monotonic()
    whole = root / "whole"
    if end(start(root, whole)) != 0:
        sys.exit("the undisturbed build failed")
    seconds, wanted, count = time.monotonic() - started, made(whole), Count()
    tell(f"an undisturbed build takes {seconds:.1f} s here and makes {len(wanted)} files")
    while count.kills < kills:
        count.trials += 1
        early = count.finished
        trial(root, root / f"trial-{count.trials}", seconds, wanted, moments, count)
        tell(f"trial {count.trials}: {count.kills} kills, {len(count.wrong)} faults")
        if (
            count.finished > early
        ):  # builds take less time than they did, as other work on the machine ended
            seconds *= 0.8
    return count


def trial(
    root: Path,
    folder: Path,
    seconds: float,
    wanted: dict[str, str],
    moments: random.Random,
    count: Count,
) -> None:
    """One folder: some killed builds, a last one that ends, and what is there then."""
    decoys = plant(folder)
    for _ in range(_KILLS_A_TRIAL):
        together = moments.random() < 0.4
        builds = [start(root, folder) for _ in range(2 if together else 1)]
        for pid in builds:
            time.sleep(moments.uniform(0, seconds / len(builds)))
            killed = stop(pid)
            count.kills += killed
            count.finished += not killed
            count.doubles += killed and together
    last = [start(root, folder) for _ in range(2)]
    codes = [end(pid) for pid in last]
    if codes != [0, 0]:
        count.wrong.append(f"{folder.name}: the last builds ended with {codes}")
    found = {name: digest for name, digest in made(folder).items() if name not in decoys}
    for name in sorted({*found, *wanted}):
        if found.get(name) != wanted.get(name):
            count.wrong.append(
                f"{folder.name}: {name} is {found.get(name)}, not {wanted.get(name)}"
            )
    for name, before in decoys.items():
        if state(folder / name) != before:
            count.wrong.append(f"{folder.name}: the user's {name} was touched")
    left = [*(root / "tmp").iterdir(), *folder.rglob(".iast-export-tmp-????????????????")]
    count.wrong += [f"{folder.name}: {path.name} is left" for path in left]
    shutil.rmtree(folder)


def start(root: Path, folder: Path) -> int:
    """A build in a process of its own; its id."""
    pid = os.fork()
    if pid:
        return pid
    from iast_export.cli.main import run as command

    code = 1
    try:
        silent = os.open(root / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        recipe = str(root / "recipe.toml")
        code = command(["build", "--recipe", recipe, "--network", NETWORK, "--out", str(folder)])
    finally:
        os._exit(code)


def stop(pid: int) -> bool:
    """Kills a build; whether it was still running."""
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def end(pid: int) -> int:
    """The exit code of a build that may end."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def plant(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """A user's own files in a folder, and how they are."""
    for i, name in enumerate(DECOYS):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"the user's own file {i}".encode())
        path.chmod((0o600, 0o640, 0o444)[i % 3])
        os.utime(path, (1_000_000_000 + i, 1_000_000_000 + i))
    return {name: state(folder / name) for name in DECOYS}


def state(path: Path) -> tuple[bytes, int, int]:
    """Content, mode and time of a file; empty and zero where it is gone."""
    if not path.is_file():
        return b"", 0, 0
    found = path.stat()
    return path.read_bytes(), found.st_mode, found.st_mtime_ns


def made(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, timings aside."""
    names = (path.relative_to(folder).as_posix() for path in _files(folder))
    return {name: sha256_file(folder / name) for name in names if name not in TIMED}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
