"""Perceptual distance in the features of SqueezeNet 1.1, whose weights the user brings.

The taps are those of Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
Metric", CVPR 2018. Their learned channel weights are left out (the paper's "unweighted" baseline),
so that any ImageNet weights serve; the numbers are not those of the published LPIPS. torch is
loaded only when a distance is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError, ToolError
from iast_export.metrics._checks import Picture, finite, pair_as_unit

if TYPE_CHECKING:
    from torch import Tensor

Preprocessing = Literal["torchvision", "caffe"]
PerceptualDistance = Callable[[Picture, Picture], float]

# Chosen: a stride of 2 and three poolings leave one place of it.
MIN_SIDE_PX = 32
# SqueezeNet 1.1 (Iandola et al. 2016): channels in, squeezed and expanded, by torchvision's index.
_FIRES = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128)} | {
    9: (256, 48, 192),
    10: (384, 48, 192),
    11: (384, 64, 256),
    12: (512, 64, 256),
}
_POOLS_BEFORE = (3, 6, 9)
_TAPS_AFTER = (1, 4, 7, 9, 10, 11, 12)


def open_perceptual(
    weights: Path, preprocessing: Preprocessing = "torchvision"
) -> PerceptualDistance:
    """The distance of two pictures [H, W, 3] in SqueezeNet's features, 0 for equal pictures.

    Args:
        weights: a state dict with torchvision's key names (`features.0.weight`,
            `features.3.squeeze.weight`, ...); a classifier in it is ignored. Read with
            `weights_only`, so no code in it runs.
        preprocessing: what the weights were trained with: "torchvision" (RGB, ImageNet mean and
            deviation) or "caffe" (BGR 0..255 minus the mean).

    Raises:
        InputError: the file is missing, unreadable, holds NaN, or isn't SqueezeNet 1.1.
        ToolError: torch is not installed.
    """
    state = _load(weights)

    def distance(a: Picture, b: Picture) -> float:
        import torch

        first, second = pair_as_unit(a, b)
        if min(first.shape[:2]) < MIN_SIDE_PX:
            raise InputError(
                f"pictures of {first.shape[1]}x{first.shape[0]} px are too small for a perceptual "
                "distance",
                f"both sides must be at least {MIN_SIDE_PX} px",
            )
        with torch.inference_mode():
            batch = torch.from_numpy(
                np.stack([first, second]).transpose(0, 3, 1, 2).astype(np.float32)
            )
            features = _features(_prepare(batch, preprocessing), state)
            parts = [_unit_distance(one) for one in features]
        return finite(sum(parts), "the perceptual distance")

    return distance


def open_moments(
    weights: Path, preprocessing: Preprocessing = "torchvision"
) -> Callable[[Picture], NDArray[np.float64]]:
    """What SqueezeNet sees in a picture [H, W, 3], wherever in it: means and deviations [4480].

    Of every channel of the taps of `open_perceptual`, whose arguments and errors it shares.
    """
    state = _load(weights)

    def moments(picture: Picture) -> NDArray[np.float64]:
        import torch

        one, _ = pair_as_unit(picture, picture)
        with torch.inference_mode():
            batch = torch.from_numpy(one.transpose(2, 0, 1)[np.newaxis].astype(np.float32))
            features = _features(_prepare(batch, preprocessing), state)
            found = [torch.std_mean(x.double(), (0, 2, 3), correction=0) for x in features]
        return np.concatenate([part.numpy() for pair in found for part in pair])

    return moments


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Every parameter of the feature extractor by torchvision's name, with its shape."""
    shapes: dict[str, tuple[int, ...]] = {
        "features.0.weight": (64, 3, 3, 3),
        "features.0.bias": (64,),
    }
    for index, (channels, squeeze, expand) in _FIRES.items():
        sizes = {
            "squeeze": (squeeze, channels, 1, 1),
            "expand1x1": (expand, squeeze, 1, 1),
            "expand3x3": (expand, squeeze, 3, 3),
        }
        for part, shape in sizes.items():
            shapes[f"features.{index}.{part}.weight"] = shape
            shapes[f"features.{index}.{part}.bias"] = shape[:1]
    return shapes


def _load(path: Path) -> dict[str, Tensor]:
    try:
        import torch
    except ImportError as error:
        raise ToolError(
            "a perceptual distance needs torch", "pip install 'iast-export[build]'"
        ) from error
    if not path.is_file():
        raise InputError(f"{path} is missing", "give SqueezeNet 1.1 weights, or leave them out")
    try:
        state = cast("dict[str, Any]", torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises many classes on a damaged or foreign file
        raise InputError(
            f"{path} can't be read as weights: {type(error).__name__}", "save a plain state dict"
        ) from error
    if not isinstance(state, dict):
        raise InputError(f"{path} holds a {type(state).__name__}", "save a plain state dict")
    shapes = expected_shapes()
    wrong = [
        name
        for name, shape in shapes.items()
        if tuple(getattr(state.get(name), "shape", ())) != shape
    ]
    if wrong:
        raise InputError(
            f"{path} is not SqueezeNet 1.1: {wrong[0]} should be {shapes[wrong[0]]} ({len(wrong)} "
            "differ)",
            "use torchvision's key names",
        )
    tensors = {name: state[name].float() for name in shapes}
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise InputError(f"{path} holds NaN or infinity", "download or save the weights again")
    return tensors


def _prepare(batch: Tensor, preprocessing: Preprocessing) -> Tensor:
    import torch

    if preprocessing == "caffe":
        means = torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1)
        return batch.flip(1) * 255.0 - means
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    return (batch - mean) / deviation


def _features(x: Tensor, state: dict[str, Tensor]) -> list[Tensor]:
    from torch.nn import functional as F

    x = F.relu(F.conv2d(x, state["features.0.weight"], state["features.0.bias"], stride=2))
    taps = [x]
    for index in _FIRES:
        if index in _POOLS_BEFORE:
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = _fire(x, state, f"features.{index}")
        if index in _TAPS_AFTER:
            taps.append(x)
    return taps


def _fire(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    import torch
    from torch.nn import functional as F

    def conv(value: Tensor, part: str, padding: int) -> Tensor:
        weight, bias = state[f"{name}.{part}.weight"], state[f"{name}.{part}.bias"]
        return F.relu(F.conv2d(value, weight, bias, padding=padding))

    squeezed = conv(x, "squeeze", 0)
    return torch.cat([conv(squeezed, "expand1x1", 0), conv(squeezed, "expand3x3", 1)], 1)


def _unit_distance(features: Tensor) -> float:
    """Mean squared distance of the two pictures' features, each place of unit length."""
    unit = features / (features.square().sum(1, keepdim=True).sqrt() + 1e-10)
    return float((unit[0] - unit[1]).square().sum(0).mean())
