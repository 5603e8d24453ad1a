"""One training in a box of time: rehearsed in its first seconds, checkpointed, ended in time."""

from __future__ import annotations

import platform
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iast_export.errors import CannotJudgeError, InputError, UsageError
from models.batch import Batch
from models.card import COUNTED
from models.gpu.box import TimeBox
from models.gpu.leaving import leave, leave_sheet
from models.gpu.packed import Pack
from models.gpu.record import STATE, Record
from models.graphs import on_cuda
from models.journal import Journal
from models.recipe import TrainingRecipe
from models.telling import tell
from models.train import train
from models.trainer import Trainer

_TIMED_STEPS = 20  # of each phase, on a GPU
_RETREATS = 3  # to the last checkpoint, after a loss that is not finite
_ALGORITHMS = 4  # per convolution that cuDNN tries; all of them take half a minute per size
_SAFETY = 0.02  # of the box, on top of what the ending took when rehearsed


def _device(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "no CUDA device here", "to try it without: --device cpu --batch-divisor 16 --minutes 5"
        )
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.benchmark_limit = _ALGORITHMS
    return device


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} threads of {platform.machine()}"


def divided(recipe: TrainingRecipe, divisor: int) -> TrainingRecipe:
    """The recipe with fewer samples a step, two at least, and rows after fewer steps."""
    if divisor == 1:
        return recipe

    def smaller(part: Any, faces: int) -> Any:
        return replace(
            part, batch=max(2, part.batch // divisor), face_samples=max(1, faces // divisor)
        )

    phases = tuple(smaller(p, p.face_samples or recipe.face_samples) for p in recipe.phases)
    changes = {
        k: max(1, getattr(recipe, k) // divisor) for k in ("recalibrate_batches", "log_every")
    }
    made: TrainingRecipe = smaller(replace(recipe, phases=phases, **changes), recipe.face_samples)
    return made


class Session:
    """A pack, a trainer and a box of time."""

    def __init__(self, args: Any, begun: float) -> None:
        """Reads the pack and takes up the run that OUT or the pack holds.

        Args:
            args: of `models.gpu.run`.
            begun: of `time.monotonic`, when the process began.

        Raises:
            InputError: no GPU, no pack, a pack that was altered, or a run of another network.
            UsageError: shares of the schedule out of order.
        """
        if not 0.0 <= args.again < args.until <= 1.0:
            raise UsageError(
                f"--again {args.again} --until {args.until}", "give 0 <= again < until <= 1"
            )
        self.args, self.box, self.out = args, TimeBox(args.minutes * 60.0, begun), args.out
        self.device, self.pack, self.cut = _device(args.device), Pack(args.pack), False
        self.recipe = divided(self.pack.recipe, args.batch_divisor)
        self.trainer = Trainer(self.recipe, self.pack.helpers(), self.device)
        if self.device.type == "cuda" and not args.no_graphs:
            self.trainer.record_steps(on_cuda(self.device))
        try:
            resumed = self._begin()
        except ValueError as error:
            raise InputError(
                str(error), "give --out an empty folder, or pack the run's own recipe"
            ) from error
        self.contents, self.styles, self.faces = self.pack.stores(self.device)
        tell(
            f"{_device_name(self.device)}, torch {torch.__version__}: {self.pack.counts()}, "
            f"{'goes on' if resumed else 'begins'} at step {self.trainer.step}, {self._percent()} "
            f"of the schedule, ready after {self.box.spent_s:.0f} s"
        )

    def _percent(self) -> str:
        return f"{100 * self.trainer.position / self.recipe.steps:.0f} %"

    def _begin(self) -> bool:
        """Takes up an earlier run, in OUT or in the pack; whether there was one."""
        trainer, start = self.trainer, self.pack.start
        self.out.mkdir(parents=True, exist_ok=True)
        resumed = trainer.resume(self.out)
        if not resumed and start is not None:
            resumed = trainer.resume(start)
            if (start / "log.csv").is_file():
                shutil.copyfile(start / "log.csv", self.out / "log.csv")
        if resumed and trainer.position >= self.args.until * self.recipe.steps:
            trainer.position = self.args.again * self.recipe.steps
        if not resumed and self.pack.init is not None:
            tell(f"{len(trainer.start_from(self.pack.init))} parameters from {self.pack.init.name}")
        trainer.facts = {
            "data": {kind: self.pack.counts().get(kind, 0) for kind in COUNTED},
            "training": {"device": _device_name(self.device), "pack": self.pack.sha256},
        }
        return resumed

    def draw(self, rng: np.random.Generator) -> Batch:
        """The batch of a random stream, of the phase that the trainer is in."""
        return Batch.draw(self.contents, self.styles, self.trainer.current(), rng, self.faces)

    def run(self) -> None:
        """Trains until the box is nearly over, and leaves everything in OUT.

        Raises:
            UsageError: the box is too short, or a file would be larger than may be.
            CannotJudgeError: the loss was not finite time and again.
        """
        seconds = self._rehearse()
        first, last = self.trainer.position, self.args.until * self.recipe.steps
        self.box.lay(first, last, least_s=2.0 * max(seconds))
        self.trainer.pace = self.box.position
        self.trainer.save(self.out)
        self.record = Record(self.out, self._facts(seconds))
        self.record.write("running")
        self._expect(seconds, first, last)
        earlier = signal.signal(signal.SIGTERM, self._told_to_stop)
        try:
            with Journal(self.out, (self.out / "log.csv").exists(), True, board=False) as journal:
                self._train(journal)
        finally:
            signal.signal(signal.SIGTERM, earlier)
        self._finish()

    def _told_to_stop(self, *_: object) -> None:
        self.cut = True

    def _rehearse(self) -> list[float]:
        """A few steps of every phase and the whole ending, undone again; seconds per step by phase.

        What would fail at the end fails now, and what the ending takes is known.
        """
        trainer = self.trainer
        with tempfile.TemporaryDirectory() as kept, tempfile.TemporaryDirectory() as tried:
            trainer.save(Path(kept))
            seconds = [self._timed(start) for start in self.recipe.starts]
            started, trainer.position = self.box.clock(), float(self.recipe.steps)
            rng = trainer.rng()
            trainer.recalibrate(self.draw(rng) for _ in range(self.recipe.recalibrate_batches))
            trainer.save(Path(tried))
            leave(trainer, self.pack, Path(tried))
            self.box.reserved_s = 1.3 * (self.box.clock() - started) + _SAFETY * self.box.seconds
            self._check_sizes(Path(tried))
            trainer.resume(Path(kept))
        return seconds

    def _timed(self, start: int) -> float:
        """Seconds of a step from `start` of the schedule on, after what doesn't count.

        On a GPU every choice of depths is run first, which records it.
        """
        on_gpu = self.device.type == "cuda"
        for depths in self.trainer.choices() if on_gpu else [()]:
            self._one_step(start, depths)
        self._wait()
        started, count = self.box.clock(), _TIMED_STEPS if on_gpu else 1
        for _ in range(count):
            self._one_step(start)
        self._wait()
        return (self.box.clock() - started) / count

    def _one_step(self, start: int, depths: tuple[int, ...] = ()) -> None:
        self.trainer.position = float(start)
        self.trainer.train_step(self.draw(self.trainer.rng()), depths)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _check_sizes(self, folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path.stat().st_size > self.args.file_limit_mib * 2**20:
                raise UsageError(
                    f"{path.name} takes {path.stat().st_size:,} bytes, more than a file may",
                    "train a smaller network, or raise --file-limit-mib",
                )

    def _expect(self, seconds: list[float], first: float, last: float) -> None:
        """Says how many steps of each phase the box holds."""
        bounds, left, text = [*self.recipe.starts, self.recipe.steps], self.box.training_s, []
        for i, one in enumerate(seconds):
            share = max(0.0, min(last, bounds[i + 1]) - max(first, bounds[i])) / (last - first)
            phase = self.recipe.at(bounds[i])
            text.append(
                f"{share * left / one:.0f} at {phase.crop_px} px x {phase.batch} ({1000 * one:.0f} "
                "ms)"
            )
        tell(
            f"{left:.0f} s to train, {self.box.reserved_s:.0f} s kept for the end; "
            f"steps expected: {', '.join(text)}"
        )

    def _facts(self, seconds: list[float]) -> dict[str, Any]:
        return {
            "pack": self.pack.sha256,
            "recipe": self.pack.facts["recipe"],
            "recipe_toml": (self.pack.folder / "recipe.toml").read_text(),
            "seed": self.recipe.seed,
            "batch_divisor": self.args.batch_divisor,
            "device": _device_name(self.device),
            "torch": torch.__version__,
            "minutes": self.args.minutes,
            "from_step": self.trainer.step,
            "from_share": self.trainer.position / self.recipe.steps,
            "until_share": self.args.until,
            "seconds_per_step": [round(s, 5) for s in seconds],
            "reserved_s": round(self.box.reserved_s, 2),
            "went_back": [],
        }

    def _train(self, journal: Journal) -> None:
        """Trains; after a loss that is not finite, from the last checkpoint, on other pictures."""
        for _ in range(_RETREATS + 1):
            try:
                self._watch(journal)
                return
            except FloatingPointError as error:
                step = self.trainer.step
                tell(f"{error}; back to the last checkpoint")
                self.record.body["went_back"].append(step)
                self.trainer.resume(self.out)
                self.trainer.step = step  # so that other pictures are drawn
                self.trainer.position = self.box.position(step)
        raise CannotJudgeError(
            f"the loss was not finite {_RETREATS + 1} times, last at step {self.trainer.step}",
            "lower the recipe's learning_rate; the last checkpoint stands",
        )

    def _watch(self, journal: Journal) -> None:
        """Writes a row now and then, the record with every checkpoint, a sheet with every phase."""
        saved, crop_px = self._saved_ns(), self.trainer.current().crop_px
        began, first = time.monotonic(), self.trainer.step
        # A schedule that ends with the box ends by its position, and takes statistics anew.
        limit_s = float("inf") if self.args.until == 1.0 else self.box.training_s
        for terms in train(self.trainer, self.draw, self.out, limit_s, lambda: self.cut):
            rate = (self.trainer.step - first) / (time.monotonic() - began)
            began, first = time.monotonic(), self.trainer.step
            row = terms | self._pace(rate)
            journal.write(row)
            if self._saved_ns() != saved:
                saved = self._saved_ns()
                self._note(row)
            if row["crop_px"] != crop_px:
                crop_px = int(row["crop_px"])
                leave_sheet(self.trainer, self.pack, self.out)

    def _pace(self, steps_per_s: float) -> dict[str, float]:
        now = self.trainer.current()
        return {
            "position": self.trainer.position,
            "learning_rate": self.trainer.learning_rate(),
            "crop_px": now.crop_px,
            "samples_per_s": steps_per_s * now.batch,
            "seconds": self.box.spent_s,
        }

    def _note(self, row: dict[str, float]) -> None:
        self.record.write("running", {k: round(v, 6) for k, v in row.items()})
        tell(
            f"{row['seconds']:.0f} s: step {row['step']:.0f}, {self._percent()} of the schedule, "
            f"loss {row['loss']:.3f}, {row['samples_per_s']:.0f} samples/s"
        )

    def _saved_ns(self) -> int:
        return (self.out / STATE[0]).stat().st_mtime_ns

    def _finish(self) -> None:
        leave(self.trainer, self.pack, self.out)
        body = self.record.body
        body["steps"], body["seconds"] = self.trainer.step, round(self.box.spent_s, 2)
        body["share"] = self.trainer.position / self.recipe.steps
        if self.device.type == "cuda":
            body["peak_memory_bytes"] = torch.cuda.max_memory_allocated(self.device)
        self.record.write("cut" if self.cut else "done")
        tell(
            f"{'cut' if self.cut else 'done'} after {self.box.spent_s:.0f} s of "
            f"{self.box.seconds:.0f}: step {self.trainer.step}. Next, at home: python -m "
            "models.gpu.unpack --results OUT --run RUN"
        )
