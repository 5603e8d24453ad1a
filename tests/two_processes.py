"""One process of two: takes three steps of a tiny training and writes what it ended with."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from models.batch import Batch
from models.objective import Helpers
from models.processes import join, leave, world
from models.recipe import TrainingRecipe
from models.train import train
from models.trainer import Trainer
from tests.training_cases import RECIPES, stores, tiny, vgg


def main() -> None:
    images, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    recipe = replace(
        tiny(TrainingRecipe.read(RECIPES / "iast.toml")), steps=3, log_every=1, block_norm=False
    )
    device = join("cpu")
    contents, styles = stores(images, recipe)
    trainer = Trainer(recipe, Helpers(vgg()), device)
    first = Batch.draw(contents, styles, recipe, trainer.rng())
    own, both = (gradient(trainer, part, first) for part in (trainer.objective, trainer.parallel))
    rows = list(
        train(
            trainer, lambda rng: Batch.draw(contents, styles, recipe, rng), out / "run", limit_s=1e9
        )
    )
    found = {
        "net": trainer.net.state_dict(),
        "first_content": float(first.content.mean()),
        "own_gradient": own,
        "first_gradient": both,
        "loss": rows[-1]["loss"],
    }
    torch.save(found, out / f"{world()[0]}.pt")
    leave()


def gradient(trainer: Trainer, objective: torch.nn.Module, batch: Batch) -> float:
    """One number of the gradient."""
    trainer.optimizer.zero_grad(set_to_none=True)
    objective(batch, trainer.objective.trained.depths[-1:], 1.0)[0].backward()
    return float(trainer.net.stem.conv.weight.grad[0, 0, 0, 0])


if __name__ == "__main__":
    main()
