"""PCA knowledge distillation (Chiu and Gurari, CVPR 2022), MobileNet form: a small peer.

Features of four levels are whitened and colored (ZCA) from the deepest to the shallowest while they
are decoded; what a 3x3 mean takes away from each level's input is added back as detail. The
published smoothing of the result by a guided filter is left out: it belongs to photographs, not to
paintings.
"""

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
from models.evaluation.transforms import whiten_and_color

# Encoder layers of each level, in order: stored number, kind, stride.
_LEVELS = (
    ((0, "full", 2),),
    ((1, "depthwise", 1), (2, "point", 1), (3, "depthwise", 2)),
    ((4, "point", 1), (5, "depthwise", 1), (6, "point", 1), (7, "depthwise", 2)),
    ((8, "point", 1), (9, "depthwise", 1), (10, "point", 1), (11, "depthwise", 2)),
)
_RIDGE = 1.0  # the published whitening adds the identity to both covariances


class PcaKd:
    """Encoder, four transforms, decoder.

    The strength blends each level's transform with its input.
    """

    name = "pca-kd"
    size_multiple_px = 16

    def __init__(
        self, weights: dict[str, Tensor], fingerprint: str, strengths: Sequence[float] = (0.5, 1.0)
    ):
        self._weights, self.fingerprint, self.strengths = weights, fingerprint, tuple(strengths)
        self.parameters = sum(w.numel() for k, w in weights.items() if "conv_aux" not in k)

    @classmethod
    def load(cls, path: Path) -> PcaKd:
        """Reads the published weights from an npz of TensorFlow's kernels.

        Raises:
            InputError: missing, or not this network.
        """
        if not path.is_file():
            raise InputError(f"{path} is missing", "give pca_kd_mobilenet.npz, or leave pca-kd out")
        stored = np.load(path)
        weights = {name: _as_torch(name, stored[name]) for name in stored.files}
        if "sencoder/se_model/layer_with_weights-11/depthwise_kernel" not in weights:
            raise InputError(f"{path} is not the MobileNet form", "give pca_kd_mobilenet.npz")
        return cls(weights, fingerprint_of("pca-kd-1", sha256_file(path)))

    def encode(self, picture: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Features of the four levels [1, C, H / 2^k, W / 2^k], and the detail of each input."""
        features, details, x = [], [], picture
        for level, layers in enumerate(_LEVELS):
            details.append(x - F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1))
            x = x * 2.0 - 1.0 if level == 0 else x
            for number, kind, stride in layers:
                x = F.relu(self._layer(x, number, kind, stride))
            features.append(x)
        return features, details

    def _layer(self, x: Tensor, number: int, kind: str, stride: int) -> Tensor:
        prefix = f"sencoder/se_model/layer_with_weights-{number}"
        bias = self._weights[f"{prefix}/bias"]
        if kind == "point":
            return F.conv2d(x, self._weights[f"{prefix}/kernel"], bias)
        x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1), mode="reflect")
        if kind == "full":
            return F.conv2d(x, self._weights[f"{prefix}/kernel"], bias, stride)
        return F.conv2d(
            x, self._weights[f"{prefix}/depthwise_kernel"], bias, stride, groups=x.shape[1]
        )

    def decode(self, level: int, x: Tensor, detail: Tensor) -> Tensor:
        """The level's features back to the size of its input."""
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        if level == 0:
            return self._decoder(torch.cat([x, detail], 1), 0, 0)
        x = F.relu(self._decoder(x, level, 0)) + detail
        return F.relu(self._decoder(x, level, 1))

    def _decoder(self, x: Tensor, level: int, number: int) -> Tensor:
        prefix = f"sdecoder/btnecks/{level}/layer_with_weights-{number}"
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(padded, self._weights[f"{prefix}/kernel"], self._weights[f"{prefix}/bias"])

    @torch.no_grad()
    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """A picture per strength."""
        targets, _ = self.encode(torch.from_numpy(to_tensor(style)))
        features, details = self.encode(torch.from_numpy(to_tensor(content)))
        for strength in strengths:
            x = features[-1]
            for level in (3, 2, 1, 0):
                x = x + strength * (whiten_and_color(x, targets[level], _RIDGE) - x)
                x = self.decode(level, x, details[level])
            yield strength, to_levels(x.clamp(0.0, 1.0).numpy())


def _as_torch(name: str, stored: np.ndarray) -> Tensor:
    value = torch.from_numpy(np.asarray(stored, np.float32))
    if name.endswith("depthwise_kernel"):
        return value.permute(2, 3, 0, 1).contiguous()
    return value.permute(3, 2, 0, 1).contiguous() if name.endswith("kernel") else value
