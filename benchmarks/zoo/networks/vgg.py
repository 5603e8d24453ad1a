"""VGG-19's encoder up to a ReLU, and the mirrored decoder, at any width.

Simonyan and Zisserman 2014, arXiv:1409.1556; the decoder as in Huang and Belongie 2017,
arXiv:1703.06868. The names are those of Wang et al. 2020 ("Collaborative Distillation for
Ultra-Resolution Universal Style Transfer"), whose weights at width 16 are loaded where given.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DISTILLED_WIDTH = 16
_CONVOLUTIONS = (2, 2, 4, 4)  # of the levels 1 to 4


def channels(level: int, width: int) -> int:
    """Of a level's features."""
    return width * 2 ** min(level - 1, 3)


class Encoder(nn.Module):
    """Picture [1, 3, H, W] in [0, 1] -> features of relu1_1, relu2_1 .. relu{level}_1."""

    def __init__(self, width: int, level: int) -> None:
        super().__init__()
        self.level = level
        self.conv0 = nn.Conv2d(3, 3, 1)
        previous = 3
        for block in range(1, level + 1):
            for i in range(1, (1 if block == level else _CONVOLUTIONS[block - 1]) + 1):
                setattr(self, f"conv{block}{i}", nn.Conv2d(previous, channels(block, width), 3))
                previous = channels(block, width)
        self.pad = nn.ReflectionPad2d(1)
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)

    def forward(self, picture: Tensor) -> list[Tensor]:
        x, seen = self.conv0(picture), []
        for block in range(1, self.level + 1):
            x = F.relu(getattr(self, f"conv{block}1")(self.pad(x)))
            seen.append(x)
            if block < self.level:
                for i in range(2, _CONVOLUTIONS[block - 1] + 1):
                    x = F.relu(getattr(self, f"conv{block}{i}")(self.pad(x)))
                x = self.pool(x)
        return seen


class Decoder(nn.Module):
    """Features of relu{level}_1 -> a picture about [0, 1], doubled by `mode`."""

    def __init__(self, width: int, level: int, mode: str = "nearest") -> None:
        super().__init__()
        self.level = level
        for block in range(level, 0, -1):
            own = channels(block, width)
            for i in range(1 if block == level else _CONVOLUTIONS[block - 1], 1, -1):
                setattr(self, f"conv{block}{i}", nn.Conv2d(own, own, 3))
            narrower = channels(block - 1, width) if block > 1 else 3
            setattr(self, f"conv{block}1", nn.Conv2d(own, narrower, 3))
        self.pad = nn.ReflectionPad2d(1)
        self.twice = nn.Upsample(scale_factor=2, mode=mode)

    def forward(self, x: Tensor) -> Tensor:
        for block in range(self.level, 0, -1):
            for i in range(1 if block == self.level else _CONVOLUTIONS[block - 1], 0, -1):
                x = getattr(self, f"conv{block}{i}")(self.pad(x))
                x = F.relu(x) if (block, i) != (1, 1) else x
            x = self.twice(x) if block > 1 else x
        return x


def load_encoder(encoder: Encoder, file: Path) -> None:
    """Weights of {level}SE.pt; its auxiliary layers are left out."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    state = state.get("model", state)
    encoder.load_state_dict({name: state[name] for name in encoder.state_dict()})


def load_decoder(decoder: Decoder, file: Path) -> None:
    """Weights of {level}SD.pt."""
    decoder.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))


def decoder_beside(checkpoint: Path) -> Path:
    """4SD.pt beside 4SE.pt."""
    return checkpoint.with_name(checkpoint.name.replace("SE", "SD"))
