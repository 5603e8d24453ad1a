"""Encoders and decoders of the distilled VGG-19: picture to relu{1..5}_1 and back.

Weights: Collaborative-Distillation (Wang et al., CVPR 2020, MIT), `{1..5}SE.pt` and `{1..5}SD.pt`.
Each level was distilled alone, so that level k's encoder is not a part of level k + 1's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.errors import InputError

LEVELS = (1, 2, 3, 4, 5)
# Convolutions per block up to the level's own first one, and what lies before it.
_COUNTS = {1: 2, 2: 2, 3: 4, 4: 4}


def layer_plan(level: int) -> tuple[str, ...]:
    """Names of the convolutions up to relu{level}_1, "P" where the resolution halves."""
    plan: list[str] = []
    for block in range(1, level):
        plan += [f"{block}{i}" for i in range(1, _COUNTS[block] + 1)] + ["P"]
    return (*plan, f"{level}1")


def _conv(x: Tensor, conv: nn.Module) -> Tensor:
    return conv(F.pad(x, (1, 1, 1, 1), mode="reflect"))


class LevelEncoder(nn.Module):
    """RGB [N, 3, H, W] in [0, 1] -> relu{level}_1 [N, C, H / 2^(level-1), W / 2^(level-1)]."""

    def __init__(self, level: int, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.plan = layer_plan(level)
        self.conv0 = nn.Conv2d(3, 3, 1)
        previous = 3
        for name in (n for n in self.plan if n != "P"):
            self.add_module(f"conv{name}", nn.Conv2d(previous, widths[name], 3))
            previous = widths[name]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv0(x)
        for name in self.plan:
            x = (
                F.max_pool2d(x, 2)
                if name == "P"
                else F.relu(_conv(x, self.get_submodule(f"conv{name}")))
            )
        return x


class LevelDecoder(nn.Module):
    """relu{level}_1 -> RGB [N, 3, H, W]: the encoder mirrored, nearest upsampling.

    No ReLU at the end.
    """

    def __init__(self, level: int, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.plan = layer_plan(level)[::-1]
        convs = [n for n in self.plan if n != "P"]
        for name, following in zip(convs, [*convs[1:], None], strict=True):
            made = 3 if following is None else widths[following]
            self.add_module(f"conv{name}", nn.Conv2d(widths[name], made, 3))

    def forward(self, x: Tensor) -> Tensor:
        for name in self.plan:
            if name == "P":
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            else:
                x = _conv(x, self.get_submodule(f"conv{name}"))
                x = x if name == "11" else F.relu(x)
        return x


class Coder(nn.Module):
    """One level's encoder and decoder, frozen."""

    def __init__(self, level: int, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.level = level
        self.encoder, self.decoder = LevelEncoder(level, widths), LevelDecoder(level, widths)
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, folder: Path, level: int) -> Coder:
        """Reads `{level}SE.pt` and `{level}SD.pt` from a folder.

        Raises:
            InputError: a file is missing, unreadable or of another network.
        """
        encoder = _state(folder / f"{level}SE.pt")
        encoder = {k: v for k, v in encoder.items() if "aux" not in k}
        made = cls(level, {k[4:-7]: len(v) for k, v in encoder.items() if k.endswith("weight")})
        try:
            made.encoder.load_state_dict(encoder)
            made.decoder.load_state_dict(_state(folder / f"{level}SD.pt"))
        except RuntimeError as error:
            raise InputError(
                f"{folder}: level {level} does not fit: {error}",
                "give the distilled VGG's own files",
            ) from error
        return made


def coder_files(folder: Path, levels: tuple[int, ...] = LEVELS) -> list[Path]:
    """The weight files of the levels."""
    return [folder / f"{level}{part}.pt" for level in levels for part in ("SE", "SD")]


def _state(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise InputError(
            f"{path} is missing", "give the folder of the distilled VGG, or leave its methods out"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises classes of many kinds here
        raise InputError(f"{path} can't be read: {error}", "fetch the file again") from error
    found: Mapping[str, Tensor] = state.get("model", state)
    return found
