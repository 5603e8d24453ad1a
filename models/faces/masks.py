"""Crops of faces from boxes and masks of their parts from outlines, all differentiable."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from models.faces.landmarks import SIDE_PX
from models.faces.outlines import LANDMARK_OUTLINES, PARTS, Outlines


def square_boxes(boxes: Tensor, margin: float = 1.1) -> Tensor:
    """Square boxes [N, 4] (left, top, right, bottom) of the same centers, `margin` as large."""
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


def part_masks(
    points: Tensor,
    outlines: Outlines = LANDMARK_OUTLINES,
    side_px: int = 56,
    softness: float = 0.01,
    band: float = 0.025,
) -> Tensor:
    """Soft masks [N, 7, side, side] of `PARTS`, in place of face parsing.

    A mask is sigmoid(d / softness), d the signed distance to the outline (inside positive), or half
    a band's width less the distance to a line. Differentiable in the points.

    Args:
        points: those that the outlines number [N, P, 2], as shares of the crop.
        outlines: of landmarks, or of a mesh's rings.
        side_px: side of the masks.
        softness: width of the edge, as a share of the crop.
        band: half the width of a brow, as a share of the crop.
    """
    axis = (torch.arange(side_px, device=points.device, dtype=torch.float32) + 0.5) / side_px
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).flatten(0, 1)
    masks = []
    for name in PARTS:
        chosen = _points_of(outlines.parts[name], points.device)
        outline = points.float().index_select(1, chosen)
        if name in outlines.lines:
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
    """+1 for pixels inside the outline, -1 outside [N, Q]: crossings of a ray to the right."""
    x, y = pixels[None, :, None, 0], pixels[None, :, None, 1]
    x0, y0 = starts[:, None, :, 0], starts[:, None, :, 1]
    x1, y1 = ends[:, None, :, 0], ends[:, None, :, 1]
    spans = (y0 > y) != (y1 > y)
    slope = (x1 - x0) / torch.where(spans, y1 - y0, torch.ones_like(y0))
    crossings = (spans & (x < x0 + (y - y0) * slope)).sum(2)
    return torch.where(crossings % 2 == 1, 1.0, -1.0)
