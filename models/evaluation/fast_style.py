"""Fast neural style (Johnson et al., ECCV 2016): 1.68 M parameters for one artwork alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.pictures.images import Rgb, to_levels, to_tensor
from models.evaluation.methods import fingerprint_of


class FastStyle:
    """One trained artwork, without style or strength: `targets` is what it can be judged on.

    The artworks of the published networks are not in the data, so that only what is kept of the
    photograph, and time, can be judged; `targets` is empty.
    """

    strengths: tuple[float, ...] = (1.0,)
    size_multiple_px = 4
    targets: frozenset[str] = frozenset()

    def __init__(self, name: str, weights: dict[str, Tensor], fingerprint: str) -> None:
        self.name, self.fingerprint, self._weights = name, fingerprint, weights
        self.parameters = sum(w.numel() for w in weights.values())

    @classmethod
    def load(cls, path: Path) -> FastStyle:
        """Reads a network from an npz with the published names.

        Raises:
            InputError: missing, or not this network.
        """
        if not path.is_file():
            raise InputError(
                f"{path} is missing", "give the network's npz, or leave fast-style out"
            )
        stored = np.load(path)
        if "deconv3.weight" not in stored.files:
            raise InputError(f"{path} is not a fast-style network", "give candy.npz or mosaic.npz")
        weights = {
            name: torch.from_numpy(np.asarray(stored[name], np.float32)) for name in stored.files
        }
        return cls(
            f"fast-style-{path.stem}", weights, fingerprint_of("fast-style-1", sha256_file(path))
        )

    def _conv(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = self._weights[f"{name}.weight"]
        reach = weight.shape[2] // 2
        padded = F.pad(x, (reach,) * 4, mode="reflect")
        return F.conv2d(padded, weight, self._weights[f"{name}.bias"], stride)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.instance_norm(
            x, weight=self._weights[f"{name}.weight"], bias=self._weights[f"{name}.bias"]
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Levels [1, 3, H, W] in 0..255 to levels, unclamped."""
        x = picture
        for i, stride in ((1, 1), (2, 2), (3, 2)):
            x = F.relu(self._norm(self._conv(x, f"conv{i}", stride), f"in{i}"))
        for i in range(1, 6):
            inner = F.relu(self._norm(self._conv(x, f"res{i}.conv1"), f"res{i}.in1"))
            x = x + self._norm(self._conv(inner, f"res{i}.conv2"), f"res{i}.in2")
        for i in (1, 2):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = F.relu(self._norm(self._conv(x, f"deconv{i}"), f"in{i + 3}"))
        return self._conv(x, "deconv3")

    @torch.no_grad()
    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """The one picture."""
        made = self.forward(torch.from_numpy(to_tensor(content)) * 255.0) / 255.0
        for strength in strengths:
            yield strength, to_levels(made.clamp(0.0, 1.0).numpy())
