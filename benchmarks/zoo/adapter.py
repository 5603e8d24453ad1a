"""The thinnest adapter: a published module as a `StyleNetwork` of one depth."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Self

from safetensors.torch import load_file
from torch import Tensor, nn


class Adapter:
    """One transfer module, and the module that makes its codes where it has any.

    Args:
        transfer: forward(content [1, 3, H, W], *codes) -> the same shape, both in [0, 1].
        size_multiple_px: of height and width.
        code_shapes: style inputs by name.
        style_encoder: style [1, 3, H, W] in [0, 1] -> the codes in the order of `code_shapes`.
    """

    depths = (1,)

    def __init__(
        self,
        transfer: nn.Module,
        size_multiple_px: int,
        code_shapes: Mapping[str, tuple[int, ...]] | None = None,
        style_encoder: nn.Module | None = None,
    ) -> None:
        self.transfer = transfer.eval()
        self.size_multiple_px = size_multiple_px
        self.code_shapes = dict(code_shapes or {})
        if style_encoder is not None:
            self.style_encoder = style_encoder.eval()

    def cut(self, depth: int) -> nn.Module:
        """A copy of the one network."""
        return deepcopy(self.transfer)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """The codes of an artwork; none for a network of one style."""
        encoded: tuple[Tensor, ...] = self.style_encoder(style) if self.code_shapes else ()
        return encoded

    def parts(self) -> dict[str, nn.Module]:
        """What has weights, by name."""
        encoder = {"style_encoder": self.style_encoder} if self.code_shapes else {}
        return {"transfer": self.transfer, **encoder}

    def state(self) -> dict[str, Tensor]:
        """Every weight by part and name, each a copy: parts may share some."""
        return {
            f"{name}.{key}": value.detach().clone().contiguous()
            for name, part in self.parts().items()
            for key, value in part.state_dict().items()
        }

    def taught(self, checkpoint: Path | None) -> Self:
        """Itself with weights that `benchmarks.zoo.teach` wrote; as it is where there are none."""
        if checkpoint is not None:
            state = load_file(checkpoint)
            for name, part in self.parts().items():
                prefix = f"{name}."
                own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
                part.load_state_dict(own)
        return self


class Ranged(nn.Module):
    """A network of pictures in [low, high] for pictures in [0, 1].

    Args:
        network: forward(content, *codes), in its own range.
        clamp: its output may leave the range; authors cut it when they save the picture.
    """

    def __init__(self, network: nn.Module, low: float, high: float, clamp: bool) -> None:
        super().__init__()
        self.network, self.low, self.high, self.clamp = network, low, high, clamp

    def forward(self, content: Tensor, *codes: Tensor) -> Tensor:
        own = content * (self.high - self.low) + self.low
        picture = (self.network(own, *codes) - self.low) / (self.high - self.low)
        return picture.clamp(0.0, 1.0) if self.clamp else picture
