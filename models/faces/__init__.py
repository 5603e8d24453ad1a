"""Faces while training and while judging: landmarks, crops, masks of parts, losses."""

from models.faces.landmarks import LANDMARKS, SIDE_PX, LandmarkNetwork, export_landmarks
from models.faces.masks import crop_faces, part_masks, square_boxes
from models.faces.outlines import LANDMARK_OUTLINES, PARTS, RING_OUTLINES, Outlines
from models.faces.terms import FaceTerms, KnownFaces

__all__ = [
    "LANDMARKS",
    "LANDMARK_OUTLINES",
    "PARTS",
    "RING_OUTLINES",
    "SIDE_PX",
    "FaceTerms",
    "KnownFaces",
    "LandmarkNetwork",
    "Outlines",
    "crop_faces",
    "export_landmarks",
    "part_masks",
    "square_boxes",
]
