"""A network in training: moving average, optimizer, one step, and the state that resumes it."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.batch import Batch
from models.critic import Critic
from models.graphs import Record, StepGraphs
from models.networks import build, code_size, core, learned, saved, take
from models.objective import Helpers, Objective
from models.processes import world
from models.recipe import TrainingRecipe
from models.sheet import load_weights
from models.trainable import FakeQuantized

_LAYOUT = torch.channels_last
_DEPTH_STREAM = 2**31


class Trainer:
    """One training step at a time, the same whether resumed or not, on one process or several."""

    def __init__(
        self,
        recipe: TrainingRecipe,
        helpers: Helpers,
        device: torch.device,
        backbones: Mapping[str, nn.Module] | None = None,
    ) -> None:
        """`backbones`: the frozen encoders, by name, of a teacher that has some of its own.

        Raises:
            ValueError: the recipe's shares of depths are not the network's, or see `Objective`.
        """
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.step, self.backbones = recipe, device, 0, backbones
        self.position = 0.0  # in the recipe's schedules, in its steps
        self.pace: Callable[[int], float] = float  # the position after so many steps
        self.facts: dict[str, Any] = {}  # saved with the weights: pictures, device
        module = self._placed(build(recipe, backbones)).train()
        self.objective = Objective(recipe, module, helpers.on(device))
        self._check_shares()
        self.net = core(module)
        self.ema = {k: v.detach().clone() for k, v in learned(self.net).items()}
        trained = [p for p in self.objective.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(
            trained, recipe.learning_rate, fused=device.type == "cuda"
        )
        self.graphs: StepGraphs | None = None
        self.critic: Critic | None = None
        if recipe.loss.adversarial > 0:
            self.critic = Critic(code_size(module), recipe.learning_rate, device)
        self.parallel: nn.Module = self.objective
        if world()[1] > 1:
            # A step trains some depths only, so some parameters get no gradient.
            self.parallel = DistributedDataParallel(self.objective, find_unused_parameters=True)

    def _placed(self, module: nn.Module) -> nn.Module:
        return module.to(self.device, memory_format=_LAYOUT)  # type: ignore[call-overload]

    def rng(self) -> np.random.Generator:
        """The stream that the current step's pictures are drawn from: the same after a resume.

        Every process has its own.
        """
        rank = world()[0]
        return np.random.default_rng((self.recipe.seed, self.step, *((rank,) if rank else ())))

    def current(self) -> TrainingRecipe:
        """The recipe as it stands at the position: its crops, its batch."""
        return self.recipe.at(self.position)

    def learning_rate(self) -> float:
        """Linear warm-up, then a cosine to one hundredth, both by the position."""
        recipe = self.recipe
        if self.position < recipe.warmup_steps:
            return recipe.learning_rate * (self.position + 1) / recipe.warmup_steps
        progress = (self.position - recipe.warmup_steps) / max(
            1, recipe.steps - recipe.warmup_steps
        )
        return recipe.learning_rate * (
            0.01 + 0.99 * 0.5 * (1.0 + float(np.cos(np.pi * min(1.0, progress))))
        )

    def train_step(self, batch: Batch, depths: tuple[int, ...] = ()) -> dict[str, Tensor]:
        """One optimizer step over `depths`; loss and terms, unweighted.

        By default depths are drawn, alike on all processes.

        Raises:
            FloatingPointError: the loss is not finite; nothing was updated. On a GPU it isn't
                looked at here, since the host would wait in every step: who reads the loss must
                look.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        factor = self.objective.style_factor(self.position)
        found = self.graphs or self._gradients
        terms = found(self._laid_out(batch), depths or self._depths(), factor)
        torch.nn.utils.clip_grad_norm_(self.objective.parameters(), 1.0)
        self.optimizer.step()
        if self.critic:
            self.critic.update()
        self.step += 1
        self.position = self.pace(self.step)
        self._average()
        return terms

    def _gradients(
        self, batch: Batch, depths: tuple[int, ...], factor: float | Tensor
    ) -> dict[str, Tensor]:
        """Clears the gradients of network and discriminator, and leaves a step's; its terms."""
        self.optimizer.zero_grad(set_to_none=True)
        critic = self.critic.frozen() if self.critic else None
        loss, terms, drawn = self.parallel(batch, depths, factor, critic)
        if self.device.type != "cuda" and not torch.isfinite(loss):
            raise FloatingPointError(f"step {self.step}: the loss is {loss.item()}")
        loss.backward()
        if self.critic:
            terms["critic"] = self.critic.learn(batch, drawn)
        return {"loss": loss.detach(), **terms}

    def record_steps(self, record: Record) -> None:
        """Has every further step recorded once per shape and launched whole; see `models.graphs`.

        `record`: such as `graphs.on_cuda` gives.
        """
        parameters = [p for p in self.objective.parameters() if p.requires_grad]
        if self.critic:
            parameters += list(self.critic.net.parameters())
        self.graphs = StepGraphs(self._gradients, parameters, record)

    def _laid_out(self, batch: Batch) -> Batch:
        content, style = (x.to(memory_format=_LAYOUT) for x in (batch.content, batch.style))
        moved = batch.moved
        if moved is not None:
            moved = replace(moved, content=moved.content.to(memory_format=_LAYOUT))
        noisy = None if batch.noisy is None else batch.noisy.to(memory_format=_LAYOUT)
        return replace(batch, content=content, style=style, moved=moved, noisy=noisy)

    def choices(self) -> list[tuple[int, ...]]:
        """All that a step may draw: the deepest and a shallower depth, or one alone."""
        depths: tuple[int, ...] = self.objective.trained.depths
        if len(depths) == 1:
            return [depths]
        if self.recipe.sandwich:
            return [(depths[-1], shallow) for shallow in depths[:-1]]
        shares = self.recipe.depth_shares or (1.0,) * len(depths)
        return [(depth,) for depth, share in zip(depths, shares, strict=True) if share > 0]

    def _check_shares(self) -> None:
        shares, depths = self.recipe.depth_shares, self.objective.trained.depths
        if not shares:
            return
        if len(shares) != len(depths) or min(shares) < 0 or abs(sum(shares) - 1.0) > 1e-9:
            raise ValueError(f"give depth_shares a share for each of depths {depths}, 1 in all")
        if self.recipe.sandwich:
            raise ValueError("set sandwich = false: depth_shares chooses one depth a step")

    def _depths(self) -> tuple[int, ...]:
        """Depths of this step: deepest and a shallower (sandwich rule, thinned), or one alone."""
        rng = np.random.default_rng((self.recipe.seed, self.step, _DEPTH_STREAM))
        depths: tuple[int, ...] = self.objective.trained.depths
        deepest = depths[-1]
        if len(depths) == 1:
            return depths
        if self.recipe.depth_shares:
            return (int(rng.choice(depths, p=self.recipe.depth_shares)),)
        shallow = depths[0] if rng.random() < 0.5 else int(rng.choice(depths[1:-1] or depths[:1]))
        if self.recipe.sandwich:
            return (deepest, shallow)
        return (deepest,) if rng.random() < 0.45 else (shallow,)

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        current = learned(self.net)
        moving = [k for k, v in current.items() if v.is_floating_point()]
        torch._foreach_lerp_(
            [self.ema[k] for k in moving], [current[k] for k in moving], 1.0 - decay
        )

    def averaged(self) -> nn.Module:
        """A new network of the recipe's kind with the moving average."""
        module = self._placed(build(self.recipe, copy.deepcopy(self.backbones)))
        take(core(module), self.ema)
        return module

    @torch.no_grad()
    def recalibrate(self, batches: Iterable[Batch]) -> int:
        """Takes batch normalization's statistics anew, over all depths; how many layers.

        The moving average of the weights is not the network that the running statistics saw.
        """
        module = self.averaged().train()
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
        if not norms:
            return 0
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        subject: Any = module
        for batch in map(self._laid_out, batches):
            of_content, of_style = (self.objective.vgg(x) for x in (batch.content, batch.style))
            code = subject.encode(batch.style, of_style)
            for depth in subject.depths:
                subject.render(batch.content, of_content, code, batch.strength, depth)
        self.ema = {k: v.detach().clone() for k, v in learned(core(module)).items()}
        return len(norms)

    def observe(self, batches: Iterable[Batch]) -> int:
        """Finds the ranges of a network with fake quantization, before its first step; how many."""
        if not isinstance(self.net, FakeQuantized):
            return 0
        count = self.net.observe(map(self._laid_out, batches))
        self.ema = {k: v.detach().clone() for k, v in learned(self.net).items()}
        return count

    def start_from(self, weights: Path) -> list[str]:
        """Takes another run's moving average, or a released checkpoint's weights; the names taken.

        What the recipe starts anew is left out. Fake quantization takes a released checkpoint
        whole, normalization folded.

        Raises:
            ValueError: nothing in the file fits this network.
        """
        if isinstance(self.net, FakeQuantized):
            self.net.begin(load_weights(weights))
            self.ema = {k: v.detach().clone() for k, v in learned(self.net).items()}
            return sorted(self.net.net.state_dict())
        if weights.suffix == ".safetensors":
            state = load_weights(weights).to(self.device).state_dict()
        else:
            state = torch.load(weights, map_location=self.device, weights_only=True)["ema"]
        own = learned(self.net)
        taken = {
            k: v
            for k, v in state.items()
            if k in own
            and own[k].shape == v.shape
            and not k.startswith(self.recipe.fresh or ("-",))
        }
        if not taken:
            raise ValueError(f"{weights} shares no parameter with this network")
        take(self.net, {**own, **taken})
        self.ema = {k: v.detach().clone() for k, v in learned(self.net).items()}
        return sorted(taken)

    def save(self, run: Path) -> None:
        """Writes weights, average and optimizer aside and renames them; the first process alone.

        Raises:
            FloatingPointError: a weight is not finite; what was saved before stays.
        """
        if world()[0]:
            return
        self._check_finite()
        run.mkdir(parents=True, exist_ok=True)
        weights = {
            "step": self.step,
            "position": self.position,
            "facts": self.facts,
            "net": learned(self.net),
            "ema": self.ema,
            "adapters": self.objective.adapters.state_dict(),
            "critic": self.critic.state() if self.critic else {},
            **saved(self.objective.module, self.recipe),
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
        take(self.net, weights["net"])
        self.objective.adapters.load_state_dict(weights.get("adapters", {}))
        if self.critic:
            self.critic.restore(weights["critic"])
        self.ema = {k: v.clone() for k, v in weights["ema"].items()}
        self.optimizer.load_state_dict(
            torch.load(run / "optimizer.pt", map_location=self.device, weights_only=True)
        )
        self.step = int(weights["step"])
        self.position = float(weights.get("position", self.step))
        return True

    def _check_finite(self) -> None:
        own = dict(self.net.named_parameters())
        averages = [self.ema[name] for name in own if name in self.ema]
        if not torch.stack([v.detach().isfinite().all() for v in (*own.values(), *averages)]).all():
            raise FloatingPointError(f"step {self.step}: a weight is not finite")
