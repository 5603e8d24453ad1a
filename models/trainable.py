"""What the training loop asks of a network, teacher or student."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from iast_export.network.iast import IAST
from models.losses import Features


class Rendered(NamedTuple):
    """A picture and what distillation and the scores look at."""

    image: Tensor  # [N, 3, H, W] before the clamp
    features: Mapping[str, Tensor]  # by name, for feature distillation
    attention: Tensor  # A [N, 1, h, w] in (0, 1)
    alpha: Tensor  # alpha [N, 1, h, w] in (0, 1), without the user's strength
    target: Tensor | None = (
        None  # [N, 3, H, W] in [0, 1], the picture that it should have been, where known
    )


@runtime_checkable
class Trainable(Protocol):
    """A style-transfer network whose depths are trained together."""

    @property
    def depths(self) -> tuple[int, ...]:
        """Depths that can be rendered, shallowest first."""
        ...

    def encode(self, style: Tensor, of_style: Features) -> Tensor:
        """The style code [N, ...] of artworks, whose perceptual features are given."""
        ...

    def render(
        self, content: Tensor, of_content: Features, code: Tensor, strength: Tensor, depth: int
    ) -> Rendered:
        """Pictures of photographs [N, 3, H, W] at a strength [N, 1], by one depth."""
        ...


class FakeQuantized(nn.Module):
    """What training asks of `models.quantization_aware`, which needs the whole export."""

    net: IAST

    @abstractmethod
    def begin(self, net: IAST) -> None:
        """Starts from a trained network; ranges are to be observed anew."""

    @abstractmethod
    def observe(self, batches: Iterable[Any]) -> int:
        """Finds the ranges of every point; how many."""
