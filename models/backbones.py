"""Frozen encoders by name: what the teacher sees photographs and artworks through.

Each is a module `forward(x [N, 3, H, W] in [0, 1]) -> Features` with `levels`, shallow to deep,
whose strides double. Weights come from a path; those of `resnet50` and `vgg19` (torchvision's state
dicts) also through torch.hub's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.errors import InputError
from models.perceptual import DistilledVgg

Features = Mapping[str, Tensor]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HUB = "https://download.pytorch.org/models/"
HUB_FILES = {"resnet50": "resnet50-0676ba61.pth", "vgg19": "vgg19-dcbb9e9d.pth"}


class Level(NamedTuple):
    """One feature map of an encoder: name, channels, stride in pixels, usual root mean square."""

    name: str
    channels: int
    stride: int
    rms: float = 1.0


# Root mean squares over 24 photographs: features are divided by them before anything is learned.
# They are 1 where the weights could not be measured (torchvision's).
DISTILLED_VGG_LEVELS = (
    Level("1_1", 16, 1, 7.9),
    Level("2_1", 32, 2, 12.9),
    Level("3_1", 64, 4, 6.9),
    Level("4_1", 128, 8, 3.2),
    Level("5_1", 128, 16, 5.4),
)


class _Normalize(nn.Module):
    """RGB in [0, 1] to ImageNet's mean 0 and deviation 1."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class DistilledVggBackbone(nn.Module):
    """The perceptual network as an encoder of its own (a teacher given none reuses the losses')."""

    levels = DISTILLED_VGG_LEVELS

    def __init__(self) -> None:
        super().__init__()
        self.net = DistilledVgg()

    def load_weights(self, state: Mapping[str, Tensor]) -> None:
        """Takes a 5SE state dict, auxiliary layers left out."""
        inner = state.get("model", state)
        self.net.load_state_dict({k: v for k, v in inner.items() if "aux" not in k})  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Features:
        return self.net(x)


class Vgg19(nn.Module):
    """VGG-19 (Simonyan and Zisserman 2015) to relu5_1, torchvision's names, reflected edges."""

    levels = tuple(
        Level(f"{i}_1", width, 2 ** (i - 1))
        for i, width in enumerate((64, 128, 256, 512, 512), start=1)
    )
    _COUNTS = (2, 2, 4, 4, 1)

    def __init__(self) -> None:
        super().__init__()
        self.normalize = _Normalize()
        self.features = nn.ModuleDict()
        self.plan: list[
            str | None
        ] = []  # torchvision's index of each convolution; None where it pools
        index, previous = 0, 3
        for level, count in zip(self.levels, self._COUNTS, strict=True):
            for _ in range(count):
                self.features[str(index)] = nn.Conv2d(previous, level.channels, 3)
                self.plan.append(str(index))
                index, previous = index + 2, level.channels
            self.plan.append(None)
            index += 1

    def load_weights(self, state: Mapping[str, Tensor]) -> None:
        """Takes torchvision's vgg19 state dict; the layers above relu5_1 are left out."""
        wanted = {f"features.{index}." for index in self.features}
        self.load_state_dict(
            {k: v for k, v in state.items() if k.rpartition(".")[0] + "." in wanted}
        )

    def forward(self, x: Tensor) -> Features:
        made: dict[str, Tensor] = {}
        x = self.normalize(x)
        names, fresh = iter(self.levels), True
        for index in self.plan:
            if index is None:
                x, fresh = F.max_pool2d(x, 2), True
                if len(made) == len(self.levels):
                    break
                continue
            x = F.relu(self.features[index](F.pad(x, (1, 1, 1, 1), mode="reflect")))
            if fresh:
                made[next(names).name], fresh = x, False
        return made


class _Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride), 1x1 and a shortcut: torchvision's block of ResNet-50."""

    def __init__(self, a: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(a, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = (
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        shortcut = [nn.Conv2d(a, out, 1, stride, bias=False), nn.BatchNorm2d(out)]
        self.downsample = nn.Sequential(*shortcut) if stride != 1 or a != out else None

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(x)))
        inner = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(inner)))))
        return F.relu(inner + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """ResNet-50 (He et al. 2016), torchvision's names, to layer3: the published encoder."""

    levels = (
        Level("stem", 64, 2),
        Level("layer1", 256, 4),
        Level("layer2", 512, 8),
        Level("layer3", 1024, 16),
    )
    _COUNTS = (3, 4, 6)

    def __init__(self) -> None:
        super().__init__()
        self.normalize = _Normalize()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        previous = 64
        for i, count in enumerate(self._COUNTS, start=1):
            width = 64 * 2 ** (i - 1)
            blocks = [_Bottleneck(previous, width, 1 if i == 1 else 2)]
            blocks += [_Bottleneck(4 * width, width, 1) for _ in range(count - 1)]
            self.add_module(f"layer{i}", nn.Sequential(*blocks))
            previous = 4 * width

    def load_weights(self, state: Mapping[str, Tensor]) -> None:
        """Takes torchvision's resnet50 state dict; layer4 and the classifier are left out."""
        self.load_state_dict(
            {k: v for k, v in state.items() if not k.startswith(("layer4.", "fc."))}
        )

    def forward(self, x: Tensor) -> Features:
        x = F.relu(self.bn1(self.conv1(self.normalize(x))))
        made = {"stem": x}
        x = F.max_pool2d(x, 3, 2, 1)
        for name in ("layer1", "layer2", "layer3"):
            x = self.get_submodule(name)(x)
            made[name] = x
        return made


class _Inverted(nn.Module):
    """Expand, depthwise, project; ReLU6, a shortcut where nothing changes (Sandler et al. 2018)."""

    def __init__(self, a: int, b: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = a * expansion
        self.expand = nn.Conv2d(a, wide, 1) if expansion > 1 else None
        self.dw = nn.Conv2d(wide, wide, 3, stride, groups=wide)
        self.project = nn.Conv2d(wide, b, 1)
        self.stride, self.keeps = stride, stride == 1 and a == b

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else F.relu6(self.expand(x))
        inner = self.project(F.relu6(self.dw(_same(inner, self.stride))))
        return x + inner if self.keeps else inner


def _same(x: Tensor, stride: int) -> Tensor:
    """TensorFlow's 'same' padding of a 3x3 kernel on even sides: at the end for stride 2."""
    return F.pad(x, (0, 1, 0, 1)) if stride == 2 else F.pad(x, (1, 1, 1, 1))


class MobileNetV2(nn.Module):
    """MobileNetV2 1.0, batch normalization folded into the convolutions, TensorFlow's padding."""

    levels = (
        Level("stride_2", 16, 2, 4.3),
        Level("stride_4", 24, 4, 5.7),
        Level("stride_8", 32, 8, 5.0),
        Level("stride_16", 96, 16, 4.2),
    )
    # Output channels and stride of each block after the stem, up to the last one at a sixteenth.
    _BLOCKS = (
        (16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (32, 1),
        (64, 2), (64, 1), (64, 1), (64, 1), (96, 1), (96, 1), (96, 1),
    )  # fmt: skip
    _TAPS = (1, 3, 6, 13)  # blocks whose output is a level

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, 2)]
        previous = 32
        for i, (width, stride) in enumerate(self._BLOCKS):
            layers.append(_Inverted(previous, width, stride, 1 if i == 0 else 6))
            previous = width
        self.features = nn.ModuleList(layers)

    def load_weights(self, state: Mapping[str, Tensor]) -> None:
        """Takes the folded state dict (`features.1.dw.weight`, ...) as far as it is needed."""
        kept = {str(i) for i in range(len(self.features))}
        self.load_state_dict({k: v.float() for k, v in state.items() if k.split(".")[1] in kept})

    def forward(self, x: Tensor) -> Features:
        x = F.relu6(self.features[0](_same(x * 2.0 - 1.0, 2)))
        made: dict[str, Tensor] = {}
        for i, block in enumerate(list(self.features)[1:], start=1):
            x = block(x)
            if i in self._TAPS:
                made[self.levels[len(made)].name] = x
        return made


BACKBONES: Mapping[str, Callable[[], nn.Module]] = {
    "distilled_vgg": DistilledVggBackbone,
    "vgg19": Vgg19,
    "resnet50": ResNet50,
    "mobilenet_v2": MobileNetV2,
}


def load_backbone(name: str, weights: Path | None = None) -> nn.Module:
    """The encoder `name` with its weights, frozen and in eval mode.

    Args:
        name: one of `BACKBONES`.
        weights: its state dict. None fetches torchvision's weights through torch.hub, for
            `resnet50` and `vgg19`.

    Raises:
        InputError: the name is unknown, the file is missing or of another network, or there is
            nowhere to fetch from.
    """
    if name not in BACKBONES:
        raise InputError(
            f"no encoder is called {name!r}", f"choose one of {', '.join(sorted(BACKBONES))}"
        )
    made = BACKBONES[name]()
    state = _state(name, weights)
    try:
        made.load_weights(state)  # type: ignore[operator]
    except (RuntimeError, AttributeError, IndexError) as error:
        raise InputError(
            f"{weights or HUB_FILES[name]} is no state dict of {name}: {error}",
            "give that network's own file",
        ) from error
    return made.eval().requires_grad_(False)


def _state(name: str, weights: Path | None) -> Mapping[str, Tensor]:
    if weights is None:
        if name not in HUB_FILES:
            raise InputError(f"{name} has no weights to fetch", "give the path of its state dict")
        return torch.hub.load_state_dict_from_url(
            _HUB + HUB_FILES[name], map_location="cpu", check_hash=True
        )
    if not weights.is_file():
        raise InputError(f"{weights} is missing", f"give the path of {name}'s state dict")
    try:
        found: Mapping[str, Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises classes of many kinds here
        raise InputError(f"{weights} can't be read: {error}", "fetch the file again") from error
    return found
