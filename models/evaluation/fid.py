"""FID-768: Fréchet distance (Heusel et al., NeurIPS 2017) on Inception-v3's mixed_7, 768 wide.

The published FID uses the 2048 channels behind two more blocks; these numbers are not those.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from iast_export.errors import InputError
from iast_export.pictures.images import Rgb

_SIDE_PX = 299


class Inception:
    """Inception-v3 (Szegedy et al. 2016) to mixed_7, batch norms folded: a picture to [768]."""

    def __init__(self, state: dict[str, Tensor], spec: dict[str, Any]) -> None:
        """`spec`: per convolution (out, in, height, width, stride, padding)."""
        self._state = {k: v.float() for k, v in state.items()}
        self._spec = spec

    @classmethod
    def load(cls, path: Path) -> Inception:
        """Reads weights and strides.

        Raises:
            InputError: missing, or of another form.
        """
        if not path.is_file():
            raise InputError(f"{path} is missing", "give the Inception weights, or leave FID out")
        stored = torch.load(path, map_location="cpu", weights_only=True)
        if not {"state", "spec"} <= set(stored):
            raise InputError(
                f"{path} holds no Inception weights", "give a file with state and spec"
            )
        return cls(stored["state"], stored["spec"])

    def _conv(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            stride, padding = self._spec[name][4:]
            weight, bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
            x = F.relu(F.conv2d(x, weight, bias, stride, padding))
        return x

    def _tower(self, x: Tensor, prefix: str, count: int) -> Tensor:
        return self._conv(x, *[f"{prefix}_conv" + (f"_{i}" if i else "") for i in range(count)])

    @torch.inference_mode()
    def features(self, rgb: Rgb) -> NDArray[np.float32]:
        """[768] of a uint8 picture [H, W, 3]."""
        scaled = cv2.resize(rgb, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_LINEAR)
        x = (torch.from_numpy(scaled).permute(2, 0, 1)[None].float() - 128.0) / 128.0
        x = F.max_pool2d(self._conv(x, "conv", "conv_1", "conv_2"), 3, 2)
        x = F.max_pool2d(self._conv(x, "conv_3", "conv_4"), 3, 2)
        for name in ("mixed", "mixed_1", "mixed_2"):
            parts = [self._conv(x, f"{name}_conv"), self._tower(x, f"{name}_tower", 2)]
            parts += [
                self._tower(x, f"{name}_tower_1", 3),
                self._tower(_pooled(x), f"{name}_tower_2", 1),
            ]
            x = torch.cat(parts, 1)
        reduced = [
            self._conv(x, "mixed_3_conv"),
            self._tower(x, "mixed_3_tower", 3),
            F.max_pool2d(x, 3, 2),
        ]
        x = torch.cat(reduced, 1)
        for name in ("mixed_4", "mixed_5", "mixed_6", "mixed_7"):
            parts = [self._conv(x, f"{name}_conv"), self._tower(x, f"{name}_tower", 3)]
            parts += [
                self._tower(x, f"{name}_tower_1", 5),
                self._tower(_pooled(x), f"{name}_tower_2", 1),
            ]
            x = torch.cat(parts, 1)
        return np.asarray(x.mean((2, 3))[0].numpy(), np.float32)


def _pooled(x: Tensor) -> Tensor:
    """TensorFlow's 'same' average: padding does not count."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def frechet_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Between Gaussians fitted to features [N, D] and [M, D].

    |mu_a - mu_b|^2 + tr(A + B - 2 (A B)^(1/2)).

    Small samples raise it: compare only sets of equal sizes.

    Raises:
        InputError: fewer than two pictures in a set, or features that are not finite.
    """
    if min(len(a), len(b)) < 2:
        raise InputError(
            f"sets of {len(a)} and {len(b)} pictures", "FID needs two pictures in each at least"
        )
    first, second = a.astype(np.float64), b.astype(np.float64)
    difference = first.mean(0) - second.mean(0)
    # tr (A B)^(1/2) is the sum of singular values of the centered, scaled features' product.
    centered = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (first, second)]
    shared = np.linalg.svd(centered[0] @ centered[1].T, compute_uv=False).sum()
    total = sum(float((x**2).sum()) for x in centered)
    found = float(difference @ difference) + total - 2.0 * float(shared)
    if not np.isfinite(found):
        raise InputError("FID is not finite", "check the pictures")
    return max(found, 0.0)
