"""Trains a network, teacher or student: every depth together, resumable, on CPU or CUDA.

    python -m models.train --recipe models/recipes/iast.toml --images DIR --vgg 5SE.pt \\
        --run runs/iast
    torchrun --nproc-per-node 2 -m models.train ...   (more processes, each with the recipe's batch)
    tensorboard --logdir runs                         (curves and sample sheets)

The run folder holds `weights.pt` (weights and their moving average), `optimizer.pt`, `log.csv`,
`tensorboard/` and sample sheets. Started again, it goes on where it stopped. A recipe that distils
takes the teacher's run by --teacher.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models.backbones import load_backbone
from models.batch import Batch
from models.data import CropStore, training_files
from models.faces import LandmarkNetwork
from models.faces.crops import FaceStore
from models.ink import paintings
from models.journal import Journal, Sampler
from models.networks import load_trainable
from models.objective import Helpers
from models.perceptual import DistilledVgg
from models.processes import any_process, join, leave, world
from models.recipe import TrainingRecipe
from models.telling import aloud, tell
from models.trainer import Trainer
from models.unlabelled import ContentEncoder


def train(
    trainer: Trainer,
    draw: Callable[[np.random.Generator], Batch],
    run: Path,
    limit_s: float,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[dict[str, float]]:
    """Trains to the schedule's end, `limit_s` or `stop`; yields mean terms every `log_every`.

    `draw` gives the batch of a random stream. Fake quantization finds its ranges before the first
    step. At the schedule's end the average's normalization statistics are taken anew.

    Raises:
        FloatingPointError: a term or a weight is not finite; what was saved before stays.
    """
    recipe, started, saved = trainer.recipe, time.monotonic(), time.monotonic()
    sums: dict[str, Tensor] = {}
    count, first = 0, trainer.step
    if not first:
        rng = trainer.rng()
        trainer.observe(draw(rng) for _ in range(recipe.observe_batches))
    while trainer.position < recipe.steps and not any_process(
        stop() or time.monotonic() - started >= limit_s, trainer.device
    ):
        for key, value in trainer.train_step(draw(trainer.rng())).items():
            sums[key] = sums.get(key, torch.zeros_like(value)) + value
        count += 1
        if trainer.step % recipe.log_every == 0:
            yield {"step": float(trainer.step), **_means(sums, count, trainer.step)}
            sums, count = {}, 0
        if time.monotonic() - saved > recipe.save_every_s:
            trainer.save(run)
            saved = time.monotonic()
    if first < trainer.step and trainer.position >= recipe.steps:
        rng = trainer.rng()
        trainer.recalibrate(draw(rng) for _ in range(recipe.recalibrate_batches))
    trainer.save(run)


def _means(sums: dict[str, Tensor], count: int, step: int) -> dict[str, float]:
    """The mean of every term, read at once: a GPU is waited for a single time."""
    values = (torch.stack([v.float() for v in sums.values()]) / count).tolist()
    if not np.isfinite(values).all():
        raise FloatingPointError(f"step {step}: {dict(zip(sums, values, strict=True))}")
    return dict(zip(sums, values, strict=True))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", type=Path, default=Path("models/recipes/iast.toml"))
    parser.add_argument(
        "--images", type=Path, required=True, help="folder with content/*/ and style/*/"
    )
    parser.add_argument("--vgg", type=Path, required=True, help="5SE.pt of the distilled VGG-19")
    parser.add_argument(
        "--run", type=Path, required=True, help="where the run lives; resumed when it exists"
    )
    parser.add_argument("--init", type=Path, help="weights of another run to start a new one from")
    parser.add_argument(
        "--teacher", type=Path, help="weights.pt of the teacher's run, to distil from"
    )
    parser.add_argument(
        "--backbone",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="weights of a teacher's encoder, where it is not the distilled VGG; "
        "without =PATH torchvision's own, through torch.hub",
    )
    parser.add_argument(
        "--landmarks", type=Path, help="face_landmark68_faceapi.npz, for face terms"
    )
    parser.add_argument(
        "--content-encoder",
        type=Path,
        metavar="FILE",
        help="of models.unlabelled, for a recipe with content_unlabelled",
    )
    parser.add_argument("--faces", type=Path, help="listing of models.faces.crops, for face terms")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--limit-s", type=float, default=float("inf"), help="stop (and save) after this long"
    )
    parser.add_argument(
        "--no-tensorboard", action="store_true", help="write log.csv and sheets alone"
    )
    return parser


def _backbones(given: list[str]) -> dict[str, nn.Module]:
    pairs = (entry.partition("=") for entry in given)
    return {name: load_backbone(name, Path(path) if path else None) for name, _, path in pairs}


def _trainer(args: Any, device: torch.device) -> tuple[Trainer, bool]:
    """The trainer, resumed or started from another run; whether it was resumed."""
    backbones = _backbones(args.backbone)
    helpers = Helpers(
        DistilledVgg.load(args.vgg),
        load_trainable(args.teacher, backbones) if args.teacher else None,
        LandmarkNetwork.load(args.landmarks) if args.landmarks else None,
        ContentEncoder.load(args.content_encoder) if args.content_encoder else None,
    )
    trainer = Trainer(TrainingRecipe.read(args.recipe), helpers, device, backbones)
    resumed = trainer.resume(args.run)
    if trainer.recipe.kind == "quantization_aware" and not (args.init or resumed):
        raise SystemExit(
            f"{args.recipe} trains a trained network on: give --init "
            "a released checkpoint of the first network, or the weights.pt of a student's run"
        )
    if args.init and not resumed:
        tell(f"{len(trainer.start_from(args.init))} parameters from {args.init}")
    return trainer, resumed


def _source(args: Any, trainer: Trainer) -> Callable[[np.random.Generator], Batch]:
    """Draws batches from the training pictures, which are read here."""
    recipe, device = trainer.recipe, trainer.device
    files = training_files(args.images)
    drawn = list(paintings(recipe.drawn_artworks).values())
    contents = CropStore(files[0], recipe.crop_px, device)
    styles = CropStore(files[1], recipe.crop_px, device, drawn)
    faces = FaceStore(args.faces, args.images, recipe.crop_px, device) if args.faces else None
    if world()[0] == 0:
        tell(
            f"{len(files[0])} photographs, {len(faces.images) if faces else 0} of them again for "
            f"faces, {len(styles.images)} artworks ({len(drawn)} drawn), {device}, "
            f"{world()[1]} process(es), from step {trainer.step}"
        )
    return lambda rng: Batch.draw(contents, styles, trainer.current(), rng, faces)


def _run(trainer: Trainer, args: Any, resumed: bool) -> None:
    recipe, first = trainer.recipe, world()[0] == 0
    draw = _source(args, trainer)
    sampler = Sampler(args.images, recipe.sheet_every) if first and recipe.sheet_every else None
    quiet = not first or bool(os.environ.get("CI"))
    bar = tqdm(total=recipe.steps, initial=trainer.step, disable=quiet, mininterval=5)
    with Journal(args.run, resumed, first, board=not args.no_tensorboard) as journal:
        for row in train(trainer, draw, args.run, args.limit_s):
            journal.write(row)
            bar.update(int(row["step"]) - bar.n)
            bar.set_postfix({k: f"{v:.3f}" for k, v in row.items() if k != "step"})
            if sampler:
                sampler.draw(trainer, journal)
    bar.close()
    if first:
        tell(f"stopped at step {trainer.step} of {recipe.steps}")


def main(argv: list[str] | None = None) -> None:
    args: Any = _parser().parse_args(argv)
    device = join(args.device)
    torch.backends.cudnn.benchmark = True
    try:
        with aloud():
            trainer, resumed = _trainer(args, device)
            _run(trainer, args, resumed)
    finally:
        leave()


if __name__ == "__main__":
    main()
