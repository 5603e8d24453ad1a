"""The 68 landmarks of a face, differentiable.

Landmarks are in the order of Dlib and iBUG: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth
48-67. The network is the one of face-api (0.36 M parameters); its weights come from an npz file.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.errors import InputError

LANDMARKS = 68
SIDE_PX = 112
_MEAN = (122.782, 117.001, 104.298)  # RGB levels
_WIDTHS = (32, 64, 128, 256)


def _pad_same(x: Tensor, stride: int) -> Tensor:
    """TensorFlow's 'same' padding of a 3x3 kernel on even sides: at the end for stride 2."""
    return F.pad(x, (0, 1, 0, 1)) if stride == 2 else F.pad(x, (1, 1, 1, 1))


class _Separable(nn.Module):
    """3x3 depthwise, then 1x1 convolution with bias."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, 3, stride, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(_pad_same(x, self.stride)))


class _First(nn.Module):
    """The plain convolution that the first block begins with."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, out_channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(_pad_same(x, 2))


class _DenseBlock(nn.Module):
    """Halves the side; each convolution reads the rectified sum of all before it."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        first: nn.Module = _First(width) if in_channels == 3 else _Separable(in_channels, width, 2)
        self.convs = nn.ModuleList([first, *(_Separable(width, width, 1) for _ in range(3))])

    def forward(self, x: Tensor) -> Tensor:
        total = F.relu(self.convs[0](x))
        total = total + self.convs[1](total)
        for conv in list(self.convs)[2:]:
            total = total + conv(F.relu(total))
        return F.relu(total)


class LandmarkNetwork(nn.Module):
    """Face crops [N, 3, 112, 112], RGB in [0, 1] -> landmarks [N, 136]: x, y in [0, 1]."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            _DenseBlock(a, b) for a, b in zip((3, *_WIDTHS[:-1]), _WIDTHS, strict=True)
        )
        self.dense = nn.Linear(_WIDTHS[-1], 2 * LANDMARKS)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1) / 255.0, persistent=False)

    @classmethod
    def load(cls, path: Path) -> LandmarkNetwork:
        """Reads face-api's parameters (TensorFlow layout) from an npz file; frozen, in eval mode.

        Raises:
            InputError: the file is missing, or a parameter is missing, malformed or not finite.
        """
        if not path.is_file():
            raise InputError(
                f"{path} is missing",
                "give face_landmark68_faceapi.npz, or leave the face terms out",
            )
        net = cls()
        with np.load(path) as stored:
            state = {own: _as_torch(stored, theirs, path) for own, theirs in _names().items()}
        try:
            net.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(
                f"{path} does not fit the landmark network: {error}", "check the file"
            ) from error
        return net.eval().requires_grad_(False)

    def embedding(self, crop: Tensor) -> Tensor:
        """What the landmarks are read from [N, 256]: the face's shape and expression."""
        x = crop - self.mean
        for block in self.blocks:
            x = block(x)
        return x.mean((2, 3))

    def forward(self, crop: Tensor) -> Tensor:
        return self.dense(self.embedding(crop))

    def points(self, crop: Tensor) -> Tensor:
        """Landmarks [N, 68, 2] as shares of the crop's width and height."""
        return self(crop).unflatten(1, (LANDMARKS, 2))


def _names() -> dict[str, str]:
    """Each parameter's name in the npz file by its name here."""
    names = {"dense.weight": "fc/weights", "dense.bias": "fc/bias"}
    for block in range(len(_WIDTHS)):
        for conv in range(4):
            own, theirs = f"blocks.{block}.convs.{conv}", f"dense{block}/conv{conv}"
            if block == conv == 0:
                names |= {
                    f"{own}.conv.weight": f"{theirs}/filters",
                    f"{own}.conv.bias": f"{theirs}/bias",
                }
                continue
            names[f"{own}.depthwise.weight"] = f"{theirs}/depthwise_filter"
            names[f"{own}.pointwise.weight"] = f"{theirs}/pointwise_filter"
            names[f"{own}.pointwise.bias"] = f"{theirs}/bias"
    return names


def _as_torch(stored: np.lib.npyio.NpzFile, name: str, path: Path) -> Tensor:
    if name not in stored.files:
        raise InputError(
            f"{path} lacks {name}", "give the weights of face-api's 68-landmark network"
        )
    values = np.asarray(stored[name], np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: {name} is not finite", "fetch the file again")
    if values.ndim == 4:  # HWIO; a depthwise kernel is HWC1
        values = (
            values.transpose(2, 3, 0, 1) if "depthwise" in name else values.transpose(3, 2, 0, 1)
        )
    elif values.ndim == 2:
        values = values.T
    return torch.from_numpy(values.copy())


def export_landmarks(net: LandmarkNetwork, path: Path) -> None:
    """Writes the network as ONNX: `crop` 1x3x112x112, RGB in [0, 1] -> `landmarks` 1x136."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # torch.export's own use of its pytree
        program = torch.onnx.export(
            net,
            (torch.zeros(1, 3, SIDE_PX, SIDE_PX),),
            input_names=["crop"],
            output_names=["landmarks"],
            opset_version=18,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    program.save(str(path), external_data=False)  # type: ignore[union-attr]
