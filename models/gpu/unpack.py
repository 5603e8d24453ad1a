r"""Puts what a run in a box left where release and evaluation take it, and says what to run next.

python -m models.gpu.unpack --results OUT --run runs/iast_gpu
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from iast_export.errors import IastExportError, InputError, UsageError
from iast_export.files.artifacts import read_bytes, sha256_file, write_atomic
from iast_export.network.checkpoint import load_checkpoint
from models.gpu.record import CHECKPOINT, NAME, RESULTS, STATE, read_record
from models.telling import aloud, tell


def check(results: Path) -> dict[str, Any]:
    """The record of a run whose files are whole.

    A run that was killed may have saved once more after its last record; then a state counts that
    is whole by its own checksums and of a later step.

    Raises:
        InputError: a file is missing, altered or cut short.
    """
    record = read_record(results)
    for name in STATE:
        if name not in record["files"]:
            raise InputError(f"{results / NAME} names no {name}", "run it again: nothing was saved")
    altered = [n for n, known in record["files"].items() if sha256_file(results / n) != known]
    if record["status"] == "running":
        altered = [name for name in altered if not _later(results, name, record)]
    if altered:
        raise InputError(
            f"{results / altered[0]} is not what {NAME} names: altered, or cut on its way",
            "copy the results again",
        )
    return record


def _later(results: Path, name: str, record: dict[str, Any]) -> bool:
    """Whether a file that the record doesn't know is whole, and may have come after it."""
    if name not in STATE:
        return name in ("log.csv", "sheet.png")  # to look at; a log grows between two records
    try:
        with zipfile.ZipFile(results / name) as archive:
            whole = archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False
    return whole and (name != STATE[0] or _step(results) >= _last_step(record))


def _step(run: Path) -> int:
    try:
        state = torch.load(run / STATE[0], map_location="cpu", weights_only=True)
        return int(state["step"])
    except Exception as error:  # whatever a damaged file makes the unpickler raise
        raise InputError(
            f"{run / STATE[0]} can't be read: {error}", "copy the results again"
        ) from error


def _last_step(record: dict[str, Any]) -> int:
    noted = record["checkpoints"]
    return int(noted[-1]["step"] if noted else record["from_step"])


def unpack(results: Path, run: Path) -> None:
    """Checks the results, copies them into the run's folder and says what to run next.

    Raises:
        InputError: see `check`; or the checkpoint builds no network.
        UsageError: the run's folder holds a later state, or something else.
    """
    record = check(results)
    step = _step(results)
    if run.exists() and any(run.iterdir()):
        if not (run / STATE[0]).is_file():
            raise UsageError(f"{run} exists and is no run", "give --run another folder")
        if _step(run) > step:
            raise UsageError(
                f"{run} is at step {_step(run)}, the results at {step}", "give --run another"
            )
    for name in (*RESULTS, NAME):
        if (results / name).is_file():
            write_atomic(run / name, read_bytes(results / name))
    recipe = run / record["recipe"]
    write_atomic(recipe, record["recipe_toml"].encode())
    checkpoint = run / CHECKPOINT
    if checkpoint.is_file():
        net = load_checkpoint(checkpoint)
        tell(f"{checkpoint} builds, depths {list(net.depths)}; look at {run / 'sheet.png'}")
    _say(record, run, recipe, step)


def _say(record: dict[str, Any], run: Path, recipe: Path, step: int) -> None:
    share = {k: record.get(k) for k in ("device", "torch", "minutes")}
    tell(f"{record['status']}: step {step}, {share}, went back {len(record['went_back'])} times")
    for noted in record["checkpoints"]:
        tell(f"  {noted['seconds']:6.0f} s  step {noted['step']:6.0f}  loss {noted['loss']:.4f}")
    released = run / "released.safetensors"
    tell(f"""next, to measure:
  python -m models.release --run {run} --recipe {recipe} --images DIR --checkpoint {released}
  python -m models.evaluate --data DATA --student {run / CHECKPOINT} ...
to go on on a GPU:
  python -m models.gpu.pack --data DATA --recipe {recipe} --resume {run} --out PACK
or on a CPU, from its average, without a time box:
  python -m models.train --recipe RECIPE --init {run / STATE[0]} ...""")
    if record["status"] != "done":
        tell(
            "it was cut: the learning rate has not ended its decay; going on is worth more than "
            "releasing"
        )


def main(argv: list[str] | None = None) -> int:
    """Runs the command; its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="what models.gpu.run left")
    parser.add_argument(
        "--run", type=Path, required=True, help="the run's folder, made or brought forward"
    )
    args = parser.parse_args(argv)
    try:
        with aloud():
            unpack(args.results, args.run)
    except IastExportError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
