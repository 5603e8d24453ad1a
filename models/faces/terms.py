"""The face losses of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.faces.landmarks import LandmarkNetwork
from models.faces.masks import crop_faces, part_masks, square_boxes
from models.faces.outlines import RING_OUTLINES
from models.losses import geometric_loss, identity_loss, semantic_loss

_REACH = 0.05  # of the crop, about half an eye: how far a landmark takes a ring's points along


@dataclass(frozen=True)
class KnownFaces:
    """What is known of the faces of photographs before training, in pixels.

    Attributes:
        boxes: [K, 4].
        landmarks: [K, 68, 2] by another finder than the one that is trained through, or None.
        rings: [K, P, 2] of a mesh, see `RING_OUTLINES`, or None.
    """

    boxes: Tensor
    landmarks: Tensor | None = None
    rings: Tensor | None = None


@dataclass(frozen=True)
class FaceTerms:
    """The three face losses of a batch, by a landmark network that is frozen.

    A finder without gradients, as Dlib's, can't look at a result. So where a photograph's landmarks
    are known, the result's are those, moved by as much as the network sees them move: the network's
    own error on a face cancels, and an unmoved face costs nothing. A mesh's rings move with the
    landmarks around them. Masks are drawn from rings, or from landmarks, where no face-parsing
    network is given, and identity is judged by the landmark network's own embedding (shape and
    expression) where no embedder is: what measures identity in the evaluation trains nothing.
    """

    landmarks: LandmarkNetwork
    parser: nn.Module | None = None  # `models.faces.parsing.FaceParser`, or one like it
    embedder: nn.Module | None = None  # crop [N, 3, 112, 112] in [0, 1] -> [N, D]

    def __call__(self, result: Tensor, photograph: Tensor, faces: KnownFaces) -> dict[str, Tensor]:
        """`face_geometry`, `face_parts` and `face_identity`, each [N].

        Args:
            result, photograph: pictures [N, 3, H, W]; only those that show a face.
            faces: one per picture.
        """
        squares = square_boxes(faces.boxes)
        crops = [crop_faces(x.clamp(0.0, 1.0), squares) for x in (result, photograph)]
        moved, kept = (self.landmarks.points(crop) for crop in crops)
        if faces.landmarks is not None:
            known = _shares(faces.landmarks, squares)
            moved, kept = known + moved - kept, known
        if self.parser is not None:
            masks = [self._parsed(x, squares) for x in (result, photograph)]
        elif faces.rings is not None:
            rings = _shares(faces.rings, squares)
            outlines = carried(rings, kept, moved), rings
            masks = [part_masks(outline, RING_OUTLINES) for outline in outlines]
        else:
            masks = [part_masks(points) for points in (moved, kept)]
        embedder = self.embedder or self.landmarks.embedding
        return {
            "face_geometry": geometric_loss(moved, kept),
            "face_parts": semantic_loss(*masks),
            "face_identity": identity_loss(*(embedder(crop) for crop in crops)),
        }

    def _parsed(self, images: Tensor, squares: Tensor) -> Tensor:
        assert self.parser is not None
        return self.parser(crop_faces(images.clamp(0.0, 1.0), squares, self.parser.side_px))  # type: ignore[arg-type]


def carried(points: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Points [N, P, 2] moved as the landmarks around them, from `source` to `target` [N, 68, 2].

    A landmark's weight falls off as a normal distribution with its distance, weights sum to 1.
    """
    distance = (points[:, :, None] - source[:, None]).square().sum(-1)
    weights = torch.softmax(distance / (-2.0 * _REACH**2), 2)
    return points + weights @ (target - source)


def _shares(points: Tensor, squares: Tensor) -> Tensor:
    """Points [N, P, 2] in pixels as shares of squares [N, 4]."""
    return (points - squares[:, None, :2]) / (squares[:, 2:] - squares[:, :2])[:, None]
