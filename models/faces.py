"""Faces while training: 68 landmarks, crops from boxes and masks of parts, all differentiable.

Landmarks are in the order of Dlib and iBUG: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth
48-67. The network is the one of face-api (0.36 M parameters); its weights come from an npz file.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.errors import InputError
from models.losses import geometric_loss, identity_loss, semantic_loss

LANDMARKS = 68
SIDE_PX = 112
_MEAN = (122.782, 117.001, 104.298)  # RGB levels
_WIDTHS = (32, 64, 128, 256)


def _pad_same(x: Tensor, stride: int) -> Tensor:
    """TensorFlow's 'same' padding of a 3x3 kernel on even sides: all of it at the end for stride
    2."""
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
    """Face crops [N, 3, 112, 112], float RGB in [0, 1] -> landmarks [N, 136]: x, y by turns, in
    [0, 1]."""

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


def square_boxes(boxes: Tensor, margin: float = 1.1) -> Tensor:
    """Square boxes [N, 4] (left, top, right, bottom) around the same centers, `margin` times as
    large."""
    center = (boxes[:, :2] + boxes[:, 2:]) / 2.0
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2.0 * margin
    return torch.cat([center - half, center + half], 1)


def crop_faces(images: Tensor, boxes: Tensor, side_px: int = SIDE_PX) -> Tensor:
    """Crops [N, 3, side, side] by bilinear sampling, differentiable; outside the picture is black.

    Args:
        images: [N, 3, H, W].
        boxes: one per picture [N, 4], left, top, right, bottom in pixels.
        side_px: side of the crops.
    """
    height, width = images.shape[2:]
    across, down = boxes[:, 0::2].float() / width, boxes[:, 1::2].float() / height
    low, high = (torch.stack([across[:, i], down[:, i]], 1) * 2.0 - 1.0 for i in (0, 1))
    theta = torch.zeros(len(boxes), 2, 3, device=images.device)
    theta[:, 0, 0], theta[:, 1, 1] = ((high - low) / 2.0).unbind(1)
    theta[:, :, 2] = (low + high) / 2.0
    grid = F.affine_grid(theta, [len(boxes), 3, side_px, side_px], align_corners=False)
    return F.grid_sample(images.float(), grid, mode="bilinear", align_corners=False)


# Facial parts as outlines of landmarks; a brow is a line and is drawn as a band.
PARTS: dict[str, tuple[int, ...]] = {
    "face": (*range(17), *range(26, 16, -1)),
    "nose": (27, 31, 32, 33, 34, 35),
    "left_eye": tuple(range(36, 42)),
    "right_eye": tuple(range(42, 48)),
    "mouth": tuple(range(48, 60)),
    "left_brow": (17, 18, 19, 20, 21),
    "right_brow": (22, 23, 24, 25, 26),
}
_BANDS = ("left_brow", "right_brow")


def part_masks(
    points: Tensor, side_px: int = 56, softness: float = 0.01, band: float = 0.025
) -> Tensor:
    """Soft masks [N, 7, side, side] of `PARTS` drawn from landmarks: they stand in for face
    parsing.

    A mask is sigmoid(d / softness), d the signed distance to the outline (inside positive), or half
    a band's width less the distance to a line. Differentiable in the landmarks.

    Args:
        points: landmarks [N, 68, 2] as shares of the crop.
        side_px: side of the masks.
        softness: width of the edge, as a share of the crop.
        band: half the width of a brow, as a share of the crop.
    """
    axis = (torch.arange(side_px, device=points.device, dtype=torch.float32) + 0.5) / side_px
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).flatten(0, 1)
    masks = []
    for name, indices in PARTS.items():
        outline = points.float().index_select(1, _points_of(indices, points.device))
        if name in _BANDS:
            distance = band - _distance(pixels, outline[:, :-1], outline[:, 1:])
        else:
            ends = outline.roll(-1, 1)
            distance = _distance(pixels, outline, ends) * _side(pixels, outline, ends)
        masks.append(torch.sigmoid(distance / softness))
    return torch.stack(masks, 1).unflatten(2, (side_px, side_px))


@cache  # made anew, every part of every step would wait for a copy to the device
def _points_of(indices: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(indices, device=device)


def _distance(pixels: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Distance [N, Q] of pixels [Q, 2] to the nearest of the segments [N, S, 2]."""
    along = (ends - starts)[:, None]
    offset = pixels[None, :, None] - starts[:, None]
    share = (offset * along).sum(-1) / (along.square().sum(-1) + 1e-9)
    nearest = (offset - share.clamp(0.0, 1.0)[..., None] * along).square().sum(-1)
    return (nearest.amin(2) + 1e-10).sqrt()


@torch.no_grad()
def _side(pixels: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """+1 for pixels inside the outline, -1 outside [N, Q], by counting crossings of a ray to the
    right."""
    x, y = pixels[None, :, None, 0], pixels[None, :, None, 1]
    x0, y0 = starts[:, None, :, 0], starts[:, None, :, 1]
    x1, y1 = ends[:, None, :, 0], ends[:, None, :, 1]
    spans = (y0 > y) != (y1 > y)
    slope = (x1 - x0) / torch.where(spans, y1 - y0, torch.ones_like(y0))
    crossings = (spans & (x < x0 + (y - y0) * slope)).sum(2)
    return torch.where(crossings % 2 == 1, 1.0, -1.0)


@dataclass(frozen=True)
class FaceTerms:
    """The three face losses of a batch, by a landmark network that is frozen.

    Masks are drawn from landmarks where no face-parsing network is given, and identity is judged by
    the landmark network's own embedding (shape and expression) where no embedder is: the network
    that measures identity in the evaluation trains nothing.
    """

    landmarks: LandmarkNetwork
    parser: nn.Module | None = None  # `models.face_parsing.FaceParser`, or one like it
    embedder: nn.Module | None = None  # crop [N, 3, 112, 112] in [0, 1] -> [N, D]

    def __call__(self, result: Tensor, photograph: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        """`face_geometry`, `face_parts` and `face_identity`, each [N].

        Args:
            result, photograph: pictures [N, 3, H, W]; only those that show a face.
            boxes: face boxes [N, 4] in pixels.
        """
        squares = square_boxes(boxes)
        crops = [crop_faces(x.clamp(0.0, 1.0), squares) for x in (result, photograph)]
        points = [self.landmarks.points(crop) for crop in crops]
        masks = [
            self._masks(x, squares, p) for x, p in zip((result, photograph), points, strict=True)
        ]
        embedder = self.embedder or self.landmarks.embedding
        return {
            "face_geometry": geometric_loss(*points),
            "face_parts": semantic_loss(*masks),
            "face_identity": identity_loss(*(embedder(crop) for crop in crops)),
        }

    def _masks(self, images: Tensor, squares: Tensor, points: Tensor) -> Tensor:
        if self.parser is None:
            return part_masks(points)
        return self.parser(crop_faces(images.clamp(0.0, 1.0), squares, self.parser.side_px))  # type: ignore[arg-type]


def export_landmarks(net: LandmarkNetwork, path: Path) -> None:
    """Writes the landmark network as ONNX: `crop` 1x3x112x112 float RGB in [0, 1] -> `landmarks`
    1x136."""
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
