"""Facial parts as outlines: of 68 landmarks, and of rings of points on a mesh.

Left and right are as seen in the picture. The mesh's numbers are those of MediaPipe's face mesh
(Kartynnik et al. 2019, Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

# Parts by name, in the order of masks.
PARTS = ("face", "nose", "left_eye", "right_eye", "mouth", "left_brow", "right_brow")


@dataclass(frozen=True)
class Outlines:
    """Every part as an outline of numbered points; of a part in `lines`, a band is drawn."""

    parts: Mapping[str, tuple[int, ...]]
    lines: tuple[str, ...] = ()


# Among landmarks a brow is a line.
LANDMARK_OUTLINES = Outlines(
    {
        "face": (*range(17), *range(26, 16, -1)),
        "nose": (27, 31, 32, 33, 34, 35),
        "left_eye": tuple(range(36, 42)),
        "right_eye": tuple(range(42, 48)),
        "mouth": tuple(range(48, 60)),
        "left_brow": (17, 18, 19, 20, 21),
        "right_brow": (22, 23, 24, 25, 26),
    },
    ("left_brow", "right_brow"),
)
# Which landmark a mirrored face has in the place of each.
MIRRORED_LANDMARKS = (
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46), *(39, 38, 37, 36, 41, 40),
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
)  # fmt: skip

# A ring per part, eyes and brows in the same order on both sides.
_RINGS: dict[str, tuple[int, ...]] = {
    "face": (
        *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
        *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    ),
    "nose": (168, 115, 48, 64, 98, 97, 2, 326, 327, 294, 278, 344),
    "left_eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    "right_eye": (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
    "mouth": (
        *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291),
        *(409, 270, 269, 267, 0, 37, 39, 40, 185),
    ),
    "left_brow": (46, 53, 52, 65, 55, 107, 66, 105, 63, 70),
    "right_brow": (276, 283, 282, 295, 285, 336, 296, 334, 293, 300),
}
# The mesh's points on rings, part by part: what a listing keeps of 468.
RING_POINTS = tuple(number for part in PARTS for number in _RINGS[part])
_ENDS = (0, *accumulate(len(_RINGS[part]) for part in PARTS))
# Of those points, by their place among them.
RING_OUTLINES = Outlines(
    {part: tuple(range(*ends)) for part, ends in zip(PARTS, pairwise(_ENDS), strict=True)}
)
_OTHER_SIDE = {
    "left_eye": "right_eye",
    "right_eye": "left_eye",
    "left_brow": "right_brow",
    "right_brow": "left_brow",
}
# Which ring point a mirrored face has in the place of each; a ring in the middle stays a ring.
MIRRORED_RINGS = tuple(
    place for part in PARTS for place in RING_OUTLINES.parts[_OTHER_SIDE.get(part, part)]
)
