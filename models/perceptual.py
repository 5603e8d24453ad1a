"""The perceptual network that training looks through: VGG-19 distilled to a sixteenth.

Weights: Collaborative-Distillation (Wang et al., CVPR 2020, MIT), encoder 5SE, loaded from a path.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.network.iast import pad_edges

_PLAN = (
    "11",
    "12",
    "P",
    "21",
    "22",
    "P",
    "31",
    "32",
    "33",
    "34",
    "P",
    "41",
    "42",
    "43",
    "44",
    "P",
    "51",
)
_CHANNELS = {"1": 16, "2": 32, "3": 64, "4": 128, "5": 128}


class DistilledVgg(nn.Module):
    """RGB [N, 3, H, W] in [0, 1] -> dict of ReLU features by name (`1_1` .. `5_1`), frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(3, 3, 1)
        previous = 3
        for name in _PLAN:
            if name != "P":
                width = _CHANNELS[name[0]]
                self.add_module(f"conv{name}", nn.Conv2d(previous, width, 3))
                previous = width

    @classmethod
    def load(cls, path: Path) -> DistilledVgg:
        """Reads a 5SE state dict (under the key `model`), auxiliary layers left out."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("model", state)
        net = cls()
        net.load_state_dict({k: v for k, v in state.items() if "aux" not in k})
        return net.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features: dict[str, Tensor] = {}
        x = self.conv0(x)
        for name in _PLAN:
            if name == "P":
                x = F.max_pool2d(x, 2, 2)
            else:
                conv = self.get_submodule(f"conv{name}")
                x = F.relu(conv(pad_edges(x, reflect=True)))
                features[f"{name[0]}_{name[1]}"] = x
        return features
