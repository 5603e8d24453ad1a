"""Trains the IAST supernet: every depth together, resumable, on CPU or CUDA.

    python -m models.train --recipe models/recipes/iast.toml --images DIR --vgg 5SE.pt --run runs/iast

The run folder holds `weights.pt` (weights and their moving average), `optimizer.pt` and `log.csv`.
Started again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import tomllib
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from iast_export.network import IAST, NetworkConfig
from models import losses
from models.data import CropStore, training_files
from models.perceptual import DistilledVgg


@dataclass(frozen=True)
class LossWeights:
    """Weight of every loss term; all terms are dimensionless."""

    content: float
    detail: float
    preservation: float  # extra factor on content and detail at strength 0, falling to 0 at strength 1
    style_moments: float
    style_gram: float
    reconstruction: float
    total_variation: float
    out_of_range: float
    distillation: float
    style_schedule: list[list[float]]  # [step, factor on both style terms], interpolated


@dataclass(frozen=True)
class TrainingRecipe:
    """How a checkpoint is trained; read from TOML, unknown keys refused."""

    seed: int
    steps: int
    batch: int
    crop_px: int
    learning_rate: float
    warmup_steps: int
    ema_decay: float
    log_every: int
    save_every_s: int
    sandwich: bool  # deepest and a shallower depth in one step; else one depth a step
    bfloat16: bool
    smallest_crop: float  # of the short side
    loss: LossWeights
    block_norm: bool = True  # batch normalisation in the residual blocks while training
    fresh: tuple[str, ...] = ()  # parameters that start anew although --init gives the others
    network: NetworkConfig = field(default_factory=NetworkConfig)

    @classmethod
    def read(cls, path: Path) -> TrainingRecipe:
        """Parses a recipe; a missing or unknown key raises ValueError that names it."""
        raw = tomllib.loads(path.read_text())
        loss = _build(LossWeights, raw.pop("loss", {}), f"{path} [loss]")
        network = _build(NetworkConfig, raw.pop("network", {}), f"{path} [network]")
        fresh = tuple(raw.pop("fresh", ()))
        return _build(cls, {**raw, "loss": loss, "network": network, "fresh": fresh}, str(path))


def _build(cls: Any, values: dict[str, Any], where: str) -> Any:
    unknown = set(values) - {f.name for f in fields(cls)}
    if unknown:
        raise ValueError(f"{where}: unknown key {sorted(unknown)}")
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


@dataclass(frozen=True)
class Batch:
    """One step's pictures: photographs, artworks, strengths and which samples must come back as they were."""

    content: Tensor
    style: Tensor
    strength: Tensor
    keep: Tensor

    @classmethod
    def draw(
        cls, contents: CropStore, styles: CropStore, recipe: TrainingRecipe, rng: np.random.Generator
    ) -> Batch:
        """Half the samples at full strength; the first one has its own photograph as style."""
        count = recipe.batch
        content = contents.batch(count, rng, recipe.smallest_crop)
        style = styles.batch(count, rng, recipe.smallest_crop)
        style[0] = content[0]
        strength = np.where(rng.random(count) < 0.65, 1.0, rng.random(count))
        strength[0] = 1.0
        if count > 1:
            strength[1] = 0.0
        keep = (1.0 - strength) ** 2
        keep[0] = 1.0
        device = content.device
        as_tensor = lambda v: torch.tensor(v, dtype=torch.float32, device=device)  # noqa: E731
        return cls(content, style, as_tensor(strength)[:, None], as_tensor(keep))


class Trainer:
    """The network, its moving average, the optimizer and one training step."""

    def __init__(self, recipe: TrainingRecipe, vgg: DistilledVgg, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.step = recipe, device, 0
        layout = torch.channels_last
        self.net = IAST(recipe.network, block_norm=recipe.block_norm).to(device, memory_format=layout)  # type: ignore[call-overload]
        self.vgg = vgg.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.layout = layout
        self.ema = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), recipe.learning_rate, fused=device.type == "cuda"
        )
        self.nets = {depth: self.net.share(depth) for depth in self.net.depths}

    def rng(self) -> np.random.Generator:
        """The random stream of the current step: the same after a resume."""
        return np.random.default_rng((self.recipe.seed, self.step))

    def learning_rate(self) -> float:
        """Linear warm-up, then a cosine to one hundredth."""
        recipe = self.recipe
        if self.step < recipe.warmup_steps:
            return recipe.learning_rate * (self.step + 1) / recipe.warmup_steps
        progress = (self.step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
        return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, progress)))))

    def train_step(self, batch: Batch, rng: np.random.Generator) -> dict[str, Tensor]:
        """One optimizer step over the deepest depth and one shallower; the terms, unweighted."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        loss, terms = self.loss(batch, self._depths(rng))
        if not torch.isfinite(loss):
            raise FloatingPointError(f"step {self.step}: the loss is {loss.item()}")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
            current = self.net.state_dict()
            moving = [k for k, v in current.items() if v.is_floating_point()]
            torch._foreach_lerp_([self.ema[k] for k in moving], [current[k] for k in moving], 1.0 - decay)
        return {"loss": loss.detach(), **terms}

    def _depths(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Depths of this step: deepest and a shallower one (sandwich rule, thinned), or one alone."""
        depths, deepest = self.net.depths, self.net.depths[-1]
        shallow = depths[0] if rng.random() < 0.5 else int(rng.choice(depths[1:-1] or depths[:1]))
        if self.recipe.sandwich:
            return (deepest, shallow)
        return (deepest,) if rng.random() < 0.45 else (shallow,)

    def loss(self, batch: Batch, depths: tuple[int, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """Total loss of the depths (deepest first), and the first one's terms."""
        content = batch.content.to(memory_format=self.layout)
        style = batch.style.to(memory_format=self.layout)
        code = self.net.style_encoder(style)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bfloat16):
            with torch.no_grad():
                of_content, of_style = self.vgg(content), self.vgg(style)
            images = [self.nets[d].raw(content, code, batch.strength).float() for d in depths]
            features = [self.vgg(image) for image in images]
        parts = [
            self._terms(i, batch, f, of_content, of_style) for i, f in zip(images, features, strict=True)
        ]
        total, terms = torch.stack([p[0] for p in parts]).sum(), parts[0][1]
        for image in images[1:]:
            total = total + self.recipe.loss.distillation * F.l1_loss(image, images[0].detach())
        return total, terms

    def _terms(
        self,
        image: Tensor,
        batch: Batch,
        of_image: losses.Features,
        of_content: losses.Features,
        of_style: losses.Features,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        weights, strength = self.recipe.loss, batch.strength[:, 0]
        ramp = float(np.interp(self.step, *zip(*weights.style_schedule, strict=True)))
        kept, styled = 1.0 + weights.preservation * (1.0 - strength), strength.square()
        terms = {
            "content": losses.content_loss(of_image, of_content) * kept,
            "detail": losses.detail_loss(of_image, of_content) * kept,
            "style_moments": losses.style_moment_loss(of_image, of_style) * styled,
            "style_gram": losses.style_gram_loss(of_image, of_style) * styled,
            "reconstruction": (image - batch.content).abs().mean((1, 2, 3)) * batch.keep,
            "total_variation": losses.total_variation_loss(image),
            "out_of_range": losses.out_of_range_loss(image),
        }
        scale = {"style_moments": ramp, "style_gram": ramp}
        total = torch.stack(
            [getattr(weights, k) * scale.get(k, 1.0) * v.mean() for k, v in terms.items()]
        ).sum()
        return total, {k: v.detach().mean() for k, v in terms.items()}

    def start_from(self, weights: Path) -> list[str]:
        """Takes another run's moving average, but for what the recipe starts anew; the names taken.

        Raises:
            ValueError: nothing in the file fits this network.
        """
        state = torch.load(weights, map_location=self.device, weights_only=True)["ema"]
        own = self.net.state_dict()
        taken = {
            k: v
            for k, v in state.items()
            if k in own and own[k].shape == v.shape and not k.startswith(self.recipe.fresh or ("-",))
        }
        if not taken:
            raise ValueError(f"{weights} shares no parameter with this network")
        self.net.load_state_dict({**own, **taken})
        self.ema = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        return sorted(taken)

    def save(self, run: Path) -> None:
        """Writes weights, average and optimizer aside and renames them."""
        run.mkdir(parents=True, exist_ok=True)
        weights = {
            "step": self.step,
            "net": self.net.state_dict(),
            "ema": self.ema,
            "config": self.net.config.to_dict(),
            "block_norm": self.recipe.block_norm,
        }
        for name, state in (("weights.pt", weights), ("optimizer.pt", self.optimizer.state_dict())):
            torch.save(state, run / f".{name}")
        for name in ("weights.pt", "optimizer.pt"):
            os.replace(run / f".{name}", run / name)

    def resume(self, run: Path) -> bool:
        """Loads the newest state of `run`, if there is one."""
        if not (run / "weights.pt").exists():
            return False
        weights = torch.load(run / "weights.pt", map_location=self.device, weights_only=True)
        self.net.load_state_dict(weights["net"])
        self.ema = {k: v.clone() for k, v in weights["ema"].items()}
        self.optimizer.load_state_dict(
            torch.load(run / "optimizer.pt", map_location=self.device, weights_only=True)
        )
        self.step = int(weights["step"])
        return True


def train(
    trainer: Trainer, contents: CropStore, styles: CropStore, run: Path, limit_s: float
) -> Iterator[dict[str, float]]:
    """Trains until the recipe's last step or `limit_s`; yields the averaged terms every `log_every`."""
    recipe, started, saved = trainer.recipe, time.monotonic(), time.monotonic()
    sums: dict[str, Tensor] = {}
    count = 0
    while trainer.step < recipe.steps and time.monotonic() - started < limit_s:
        rng = trainer.rng()
        for key, value in trainer.train_step(Batch.draw(contents, styles, recipe, rng), rng).items():
            sums[key] = sums.get(key, torch.zeros_like(value)) + value
        count += 1
        if trainer.step % recipe.log_every == 0:
            yield {"step": float(trainer.step), **{k: v.item() / count for k, v in sums.items()}}
            sums, count = {}, 0
        if time.monotonic() - saved > recipe.save_every_s:
            trainer.save(run)
            saved = time.monotonic()
    trainer.save(run)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", type=Path, default=Path("models/recipes/iast.toml"))
    parser.add_argument("--images", type=Path, required=True, help="folder with content/*/ and style/*/")
    parser.add_argument("--vgg", type=Path, required=True, help="5SE.pt of the distilled VGG-19")
    parser.add_argument("--run", type=Path, required=True, help="where the run lives; resumed when it exists")
    parser.add_argument("--init", type=Path, help="weights.pt of another run to start a new one from")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--limit-s", type=float, default=float("inf"), help="stop (and save) after this long")
    args = parser.parse_args()
    recipe, device = TrainingRecipe.read(args.recipe), torch.device(args.device)
    torch.backends.cudnn.benchmark = True
    trainer = Trainer(recipe, DistilledVgg.load(args.vgg), device)
    resumed = trainer.resume(args.run)
    if args.init and not resumed:
        print(f"{len(trainer.start_from(args.init))} parameters from {args.init}")
    content_files, style_files = training_files(args.images)
    contents, styles = (CropStore(f, recipe.crop_px, device) for f in (content_files, style_files))
    print(
        f"{len(content_files)} photographs, {len(style_files)} artworks, {device}, from step {trainer.step}",
        flush=True,
    )
    args.run.mkdir(parents=True, exist_ok=True)
    bar = tqdm(total=recipe.steps, initial=trainer.step, disable=bool(os.environ.get("CI")), mininterval=5)
    with (args.run / "log.csv").open("a" if resumed else "w", newline="") as log:
        writer = None
        for row in train(trainer, contents, styles, args.run, args.limit_s):
            writer = writer or csv.DictWriter(log, row)
            if log.tell() == 0:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" for k, v in row.items()})
            log.flush()
            bar.update(int(row["step"]) - bar.n)
            bar.set_postfix({k: f"{v:.3f}" for k, v in row.items() if k != "step"})
    print(f"stopped at step {trainer.step} of {recipe.steps}")


if __name__ == "__main__":
    main()
