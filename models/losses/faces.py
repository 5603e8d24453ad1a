"""Faces stay whole: parts inside their masks, features where they were, the same person."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 1e-6


def rigid_fit(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The rotation and translation from `source` to `target` of least squared displacement.

    Closed form (orthogonal Procrustes in the plane, no scale, no mirror). With both sets centered,
    theta = atan2(sum (x y' - y x'), sum (x x' + y y')), and t carries the centroids onto each
    other.

    Args:
        source, target: points [N, P, 2], x to the right and y down, any unit.

    Returns:
        Rotation matrices [N, 2, 2] and translations [N, 2], so that target ~ source R^T + t.
    """
    source, target = source.float(), target.float()
    center_s, center_t = source.mean(1, keepdim=True), target.mean(1, keepdim=True)
    s, t = source - center_s, target - center_t
    along = (s * t).sum((1, 2))
    across = (s[..., 0] * t[..., 1] - s[..., 1] * t[..., 0]).sum(1)
    length = (along.square() + across.square() + _EPS**2).sqrt()
    cos, sin = along / length, across / length
    rotation = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    return rotation, (center_t - center_s @ rotation.transpose(1, 2))[:, 0]


def geometric_loss(result: Tensor, photograph: Tensor) -> Tensor:
    """Deformation [N]: what the best rigid transform cannot explain of the landmarks' movement.

    mean_p ||p' - T(p)||^2 over the photograph's mean squared distance from its centroid, with
    T(theta, t_x, t_y) of `rigid_fit`: free of unit and of the face's size. A face that is turned or
    moved as a whole costs nothing.

    Args:
        result, photograph: landmarks [N, 68, 2], in one unit.
    """
    rotation, translation = rigid_fit(photograph, result)
    explained = photograph.float() @ rotation.transpose(1, 2) + translation[:, None]
    size = (photograph.float() - photograph.float().mean(1, keepdim=True)).square().sum(2).mean(1)
    return (result.float() - explained).square().sum(2).mean(1) / (size + _EPS)


def semantic_loss(result: Tensor, photograph: Tensor) -> Tensor:
    """Share [N] of the facial parts that left their own masks, mean over parts, in [0, 1].

    Per part 1 - 2 sum(R M) / (sum R^2 + sum M^2), the soft Dice distance (Milletari et al. 2016): a
    part that strays outside its mask costs, and so does one that shrinks or vanishes. Parts that
    the photograph does not show do not count.

    Args:
        result, photograph: masks of parts [N, K, H, W] in [0, 1], from a face-parsing network or
            drawn from landmarks.
    """
    r, m = result.float(), photograph.float()
    overlap = 2.0 * (r * m).sum((2, 3))
    distance = 1.0 - overlap / (r.square().sum((2, 3)) + m.square().sum((2, 3)) + _EPS)
    shown = (m.sum((2, 3)) > 0.5).float()
    return (distance * shown).sum(1) / shown.sum(1).clamp_min(1.0)


def identity_loss(result: Tensor, photograph: Tensor) -> Tensor:
    """1 - cosine similarity [N] of two faces' embeddings [N, D], as ArcFace's angular distance."""
    return 1.0 - F.cosine_similarity(
        result.float().flatten(1), photograph.float().flatten(1), dim=1
    )
