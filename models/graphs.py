"""A training step recorded once and launched whole: for a GPU that waits for its host.

A step of the second network starts 6,000 kernels, which a host takes three times as long to start
as an H100 to compute. A CUDA graph starts them all at once. Forward and backward pass of network
and discriminator are recorded per depth and shape of batch; what changes from step to step without
being a tensor (learning rate, averages, the optimizers' own counters) stays outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from models.batch import Batch

Depths = tuple[int, ...]
Work = Callable[[], dict[str, Tensor]]
# Does work, and gives its results, which each repetition overwrites, and what repeats it.
Record = Callable[[Work], tuple[dict[str, Tensor], Callable[[], None]]]
_WARM_UPS = 3  # steps before a recording, in which libraries choose their kernels


@dataclass(frozen=True)
class Recorded:
    """A recording: what it reads, what it left, and how it is done again."""

    batch: Batch
    factor: Tensor
    terms: dict[str, Tensor]
    gradients: dict[nn.Parameter, Tensor]
    again: Callable[[], None]


def on_cuda(device: torch.device) -> Record:
    """Records work on a device; all recordings share their memory: none runs beside another."""
    pool = torch.cuda.graph_pool_handle()

    def record(work: Work) -> tuple[dict[str, Tensor], Callable[[], None]]:
        aside = torch.cuda.Stream(device)
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                work()
        torch.cuda.current_stream(device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            found = work()
        return found, graph.replay

    return record


class StepGraphs:
    """The gradients of a step, by recordings that are made as batches of new shapes come."""

    def __init__(
        self,
        gradients: Callable[[Batch, Depths, Tensor], dict[str, Tensor]],
        parameters: list[nn.Parameter],
        record: Record,
    ) -> None:
        """What is recorded and how.

        Args:
            gradients: clears all gradients, leaves those of a step, and gives the terms of its
                loss.
            parameters: all that get a gradient.
            record: see `on_cuda`.
        """
        self._gradients, self._parameters, self._record = gradients, parameters, record
        self._made: dict[Any, Recorded] = {}

    def __call__(self, batch: Batch, depths: Depths, factor: float) -> dict[str, Tensor]:
        """Leaves the gradients of a step in the parameters; the terms of its loss."""
        key = (depths, tuple(_shapes(batch)))
        if key not in self._made:
            self._made[key] = self._recorded(batch, depths, factor)
        made = self._made[key]
        _copy(batch, made.batch)
        made.factor.fill_(factor)
        made.again()
        for parameter in self._parameters:
            parameter.grad = made.gradients.get(parameter)
        return {name: value.clone() for name, value in made.terms.items()}

    def _recorded(self, batch: Batch, depths: Depths, factor: float) -> Recorded:
        kept = _cloned(batch)
        given = torch.full((), factor, device=batch.content.device)
        terms, again = self._record(lambda: self._gradients(kept, depths, given))
        found = {p: p.grad for p in self._parameters if p.grad is not None}
        return Recorded(kept, given, terms, found, again)


def _tensors(batch: Any) -> list[Tensor]:
    """All tensors of a batch, in the order of its fields."""
    found: list[Tensor] = []
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            found.append(value)
        elif is_dataclass(value):
            found += _tensors(value)
    return found


def _shapes(batch: Batch) -> list[torch.Size]:
    return [x.shape for x in _tensors(batch)]


def _copy(source: Batch, target: Batch) -> None:
    for new, old in zip(_tensors(source), _tensors(target), strict=True):
        old.copy_(new, non_blocking=True)


def _cloned(batch: Any) -> Any:
    changes: dict[str, Any] = {}
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            changes[field.name] = value.clone()
        elif is_dataclass(value):
            changes[field.name] = _cloned(value)
    return replace(batch, **changes)
