"""BiSeNet face parsing (Yu et al. 2018), for users who have a state dict: masks of facial parts.

The layout is that of the widespread CelebAMask-HQ network: a ResNet-18 context path whose features
at an eighth stand in for the spatial path, 19 classes, pictures of 512x512. Where there is none,
`models.faces.masks.part_masks` draws masks from landmarks.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.errors import InputError
from models.faces.outlines import PARTS

CLASSES = 19
# Classes of CelebAMask-HQ per part.
_CLASSES_OF = {
    "face": (1,),
    "nose": (10,),
    "left_eye": (4,),
    "right_eye": (5,),
    "mouth": (11, 12, 13),
    "left_brow": (2,),
    "right_brow": (3,),
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _ConvNorm(nn.Module):
    def __init__(self, a: int, b: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(a, b, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(b)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut: ResNet-18's block (He et al. 2016)."""

    def __init__(self, a: int, b: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        shortcut = [nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b)]
        self.downsample = nn.Sequential(*shortcut) if stride != 1 or a != b else None

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + (x if self.downsample is None else self.downsample(x)))


class _ResNet18(nn.Module):
    """Features at an eighth, a sixteenth and a thirty-second."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        widths = (64, 64, 128, 256, 512)
        for i in range(1, 5):
            stride = 1 if i == 1 else 2
            blocks = _Residual(widths[i - 1], widths[i], stride), _Residual(widths[i], widths[i], 1)
            self.add_module(f"layer{i}", nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.get_submodule("layer2")(self.get_submodule("layer1")(x))
        sixteenth = self.get_submodule("layer3")(eighth)
        return eighth, sixteenth, self.get_submodule("layer4")(sixteenth)


class _Refinement(nn.Module):
    """Features weighted by channel, from their own mean."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.conv = _ConvNorm(a, b)
        self.conv_atten, self.bn_atten = nn.Conv2d(b, b, 1, bias=False), nn.BatchNorm2d(b)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(x.mean((2, 3), keepdim=True))))


class _ContextPath(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resnet = _ResNet18()
        self.arm16, self.arm32 = _Refinement(256, 128), _Refinement(512, 128)
        self.conv_head16, self.conv_head32 = _ConvNorm(128, 128), _ConvNorm(128, 128)
        self.conv_avg = _ConvNorm(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        eighth, sixteenth, coarse = self.resnet(x)
        whole = self.conv_avg(coarse.mean((2, 3), keepdim=True))
        low = self.conv_head32(F.interpolate(self.arm32(coarse) + whole, size=sixteenth.shape[2:]))
        return eighth, self.conv_head16(
            F.interpolate(self.arm16(sixteenth) + low, size=eighth.shape[2:])
        )


class _Fusion(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.convblk = _ConvNorm(width, width, 1)
        self.conv1 = nn.Conv2d(width, width // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(width // 4, width, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        x = self.convblk(torch.cat([spatial, context], 1))
        weight = torch.sigmoid(self.conv2(F.relu(self.conv1(x.mean((2, 3), keepdim=True)))))
        return x + x * weight


class _Output(nn.Module):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.conv, self.conv_out = _ConvNorm(a, b), nn.Conv2d(b, CLASSES, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv(x))


class FaceParser(nn.Module):
    """Face crops [N, 3, 512, 512], RGB in [0, 1] -> masks [N, 7, 64, 64] of `PARTS`.

    Any crop whose side is a multiple of 32 works; masks come at an eighth. Differentiable.
    """

    side_px = 512

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.cp, self.ffm, self.conv_out = _ContextPath(), _Fusion(256), _Output(256, 256)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    @classmethod
    def load(cls, path: Path) -> FaceParser:
        """Reads a BiSeNet state dict of 19 classes; its two auxiliary outputs are left out. Frozen.

        Raises:
            InputError: the file is missing, unreadable or of another network.
        """
        if not path.is_file():
            raise InputError(
                f"{path} is missing", "give a BiSeNet state dict, or use masks drawn from landmarks"
            )
        net = cls()
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            spare = ("conv_out16.", "conv_out32.", "cp.resnet.fc.")
            net.load_state_dict({k: v for k, v in state.items() if not k.startswith(spare)})
        except Exception as error:  # torch raises classes of many kinds here
            raise InputError(
                f"{path} is no BiSeNet state dict: {error}",
                "give the 19-class CelebAMask-HQ network",
            ) from error
        return net.eval().requires_grad_(False)

    def forward(self, crop: Tensor) -> Tensor:
        eighth, context = self.cp((crop - self.mean) / self.std)
        shares = self.conv_out(self.ffm(eighth, context)).float().softmax(1)
        return torch.stack([shares[:, list(_CLASSES_OF[part])].sum(1) for part in PARTS], 1)
