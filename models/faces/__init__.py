"""Faces while training and while judging: landmarks, crops, masks of parts, losses."""

from models.faces.landmarks import LANDMARKS, SIDE_PX, LandmarkNetwork, export_landmarks
from models.faces.masks import PARTS, crop_faces, part_masks, square_boxes
from models.faces.terms import FaceTerms

__all__ = [
    "LANDMARKS",
    "PARTS",
    "SIDE_PX",
    "FaceTerms",
    "LandmarkNetwork",
    "crop_faces",
    "export_landmarks",
    "part_masks",
    "square_boxes",
]
