"""Optimization of codes through the frozen network, with the training's losses and depths."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from iast_export.errors import InputError
from iast_export.network.architectures import Network
from models.batch import Batch
from models.data import CropStore
from models.losses import Features
from models.networks import Student
from models.objective import Helpers, Objective
from models.perceptual import DistilledVgg
from models.recipe import TrainingRecipe
from models.styles.adapter import KindAdapter, KindFiles, adapted_code, squares
from models.trainable import Rendered

ENCODER_SIDE_PX = 256
_WEAK_SHARE = 0.25  # of the samples, at a strength drawn from [0, 1] instead of 1


@dataclass(frozen=True)
class Effort:
    """How long and on how much a code is optimized."""

    steps: int = 120
    batch: int = 4
    learning_rate: float = 0.01
    seed: int = 20261121
    limit_s: float = float("inf")  # wall-clock; the learning rate falls with whichever ends first


class FrozenNet(nn.Module):
    """A released supernet as a `Trainable` of foreign codes; only `source` is trained."""

    def __init__(
        self, net: Network, source: nn.Module, code_of: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.source, self.code_of = source, code_of
        self._student = [
            Student(net.eval().requires_grad_(False))
        ]  # in a list: neither trained nor saved

    @property
    def depths(self) -> tuple[int, ...]:
        """Depths that can be rendered, shallowest first."""
        return self._student[0].depths

    def encode(self, style: Tensor, of_style: Features) -> Tensor:
        """The codes that are being optimized."""
        return self.code_of(style)

    def render(
        self, content: Tensor, of_content: Features, code: Tensor, strength: Tensor, depth: int
    ) -> Rendered:
        """Pictures of one depth."""
        return self._student[0].render(content, of_content, code, strength, depth)


class FreeCode(nn.Module):
    """A code [1, code_size] that is itself the parameter."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.code = nn.Parameter(start.detach().clone())


def judging_recipe(path: Path) -> TrainingRecipe:
    """A training recipe for codes alone: no terms that need a teacher, a critic or faces."""
    recipe = TrainingRecipe.read(path)
    off = ("teacher_image", "teacher_features", "adversarial")
    faces = ("face_geometry", "face_parts", "face_identity")
    zeros: dict[str, Any] = dict.fromkeys((*off, *faces), 0.0)
    loss = replace(recipe.loss, **zeros)
    return replace(recipe, kind="student", loss=loss, block_norm=False, bfloat16=False)


def optimize(
    module: FrozenNet,
    draw: Callable[[np.random.Generator], Batch],
    recipe: TrainingRecipe,
    vgg: DistilledVgg,
    effort: Effort,
) -> list[float]:
    """Trains the module's source; the loss of every step.

    Raises:
        InputError: a loss is not finite.
    """
    objective = Objective(recipe, module, Helpers(vgg))
    factor = objective.style_factor(recipe.steps)
    optimizer = torch.optim.Adam(module.source.parameters(), effort.learning_rate)
    losses, started = [], time.monotonic()
    bar = tqdm(range(effort.steps), disable=bool(os.environ.get("CI")), mininterval=5, leave=False)
    for step in bar:
        spent = max(step / effort.steps, (time.monotonic() - started) / effort.limit_s)
        if spent >= 1.0:
            break
        for group in optimizer.param_groups:
            group["lr"] = effort.learning_rate * (0.02 + 0.98 * 0.5 * (1.0 + np.cos(np.pi * spent)))
        rng = np.random.default_rng((effort.seed, step))
        loss, _, _ = objective(draw(rng), _depths(module.depths, rng), factor)
        if not torch.isfinite(loss):
            remedy = "check the pictures and the checkpoint"
            raise InputError(f"step {step}: the loss is {loss.item()}", remedy)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(module.source.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
    return losses


def _depths(depths: Sequence[int], rng: np.random.Generator) -> tuple[int, ...]:
    """The deepest alone in half of the steps, else another: each depth has its own site."""
    if len(depths) == 1 or rng.random() < 0.5:
        return (depths[-1],)
    return (int(rng.choice(depths[:-1])),)


def batch_of(content: Tensor, style: Tensor, rng: np.random.Generator) -> Batch:
    """A batch at full strength, but for a few samples; `style` may be one artwork for all."""
    count = content.shape[0]
    strength = np.where(rng.random(count) < _WEAK_SHARE, rng.random(count), 1.0).astype(np.float32)
    given = torch.from_numpy(strength)[:, None]
    return Batch(content, style, given, ((1.0 - given[:, 0]) ** 2))


def refined_code(
    net: Network,
    artwork: Tensor,
    contents: CropStore,
    recipe: TrainingRecipe,
    vgg: DistilledVgg,
    effort: Effort,
    start: Tensor | None = None,
) -> tuple[Tensor, list[float]]:
    """The code [1, code_size] of an artwork [1, 3, H, W], improved from its own, and losses.

    `start`: where to begin instead of the encoder's code.
    """
    with torch.no_grad():
        source = FreeCode(adapted_code(net, None, artwork) if start is None else start)

    def code_of(style: Tensor) -> Tensor:
        return source.code.expand(effort.batch, -1)

    def draw(rng: np.random.Generator) -> Batch:
        return batch_of(contents.batch(effort.batch, rng, recipe.smallest_crop), artwork, rng)

    losses = optimize(FrozenNet(net, source, code_of), draw, recipe, vgg, effort)
    return source.code.detach(), losses


def trained_adapter(
    net: Network,
    files: KindFiles,
    contents: CropStore,
    recipe: TrainingRecipe,
    vgg: DistilledVgg,
    effort: Effort,
) -> tuple[KindAdapter, list[float]]:
    """An adapter for one kind, learnt from its training artworks, and the losses."""
    torch.manual_seed(effort.seed)
    adapter = KindAdapter.of(net)
    styles = CropStore(files.training, ENCODER_SIDE_PX, torch.device("cpu"))
    with torch.no_grad():
        middle = squares(files.training, ENCODER_SIDE_PX)
        adapter.look_at(torch.cat([net.style_encoder.pooled(s) for s in torch.split(middle, 8)]))

    def draw(rng: np.random.Generator) -> Batch:
        content = contents.batch(effort.batch, rng, recipe.smallest_crop)
        return batch_of(content, styles.batch(effort.batch, rng, 0.75), rng)

    module = FrozenNet(net, adapter, lambda style: adapted_code(net, adapter, style))
    losses = optimize(module, draw, recipe, vgg, effort)
    return adapter.eval(), losses


def fell(losses: Iterable[float]) -> str:
    """The loss at both ends, each a mean over a tenth of the steps."""
    values: Any = np.asarray(list(losses))
    share = max(1, len(values) // 10)
    return f"{values[:share].mean():.3f} to {values[-share:].mean():.3f}"
