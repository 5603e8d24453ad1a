"""The face losses of a batch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from models.faces.landmarks import LandmarkNetwork
from models.faces.masks import crop_faces, part_masks, square_boxes
from models.losses import geometric_loss, identity_loss, semantic_loss


@dataclass(frozen=True)
class FaceTerms:
    """The three face losses of a batch, by a landmark network that is frozen.

    Masks are drawn from landmarks where no face-parsing network is given, and identity is judged by
    the landmark network's own embedding (shape and expression) where no embedder is: the network
    that measures identity in the evaluation trains nothing.
    """

    landmarks: LandmarkNetwork
    parser: nn.Module | None = None  # `models.faces.parsing.FaceParser`, or one like it
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
