"""A listing of faces: what is found once in the training photographs, and kept in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.faces.landmarks import LANDMARKS
from models.faces.outlines import RING_POINTS

Points = NDArray[np.float64]
_SHAPES = {"box": (4,), "landmarks": (LANDMARKS, 2), "rings": (len(RING_POINTS), 2)}
_DIGITS = 5  # of a share: a hundredth of a pixel of a thousand


@dataclass(frozen=True)
class ListedFace:
    """A photograph's best face, in shares of width and height, so that a scaled copy serves too.

    Attributes:
        box: [4] left, top, right, bottom, all in [0, 1].
        landmarks: [68, 2] by Dlib, or None.
        rings: [P, 2] of a mesh, see `models.faces.outlines`, or None.
    """

    box: Points
    landmarks: Points | None = None
    rings: Points | None = None

    @classmethod
    def read(cls, entry: Any) -> ListedFace:
        """From a listing's entry: its box alone, or an object of what is known.

        Raises:
            ValueError: something is of another shape, or a box is no share of its picture.
        """
        given = entry if isinstance(entry, dict) else {"box": entry}
        if "box" not in given or not set(given) <= set(_SHAPES):
            raise ValueError(f"a face needs a box, and has {sorted(given)}")
        found = {name: np.asarray(value, np.float64) for name, value in given.items()}
        for name, value in found.items():
            if value.shape != _SHAPES[name] or not np.isfinite(value).all():
                raise ValueError(f"{name} of {value.shape}, not {_SHAPES[name]}, or not finite")
        if found["box"].min() < 0.0 or found["box"].max() > 1.0:
            raise ValueError("boxes outside 0..1")
        return cls(**found)

    def entry(self) -> Any:
        """As it stands in a listing."""
        known = {
            field.name: np.round(value, _DIGITS).tolist()
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        }
        return known if len(known) > 1 else known["box"]


def listed_faces(listing: Path) -> dict[str, ListedFace]:
    """The faces of a listing of `python -m models.faces.crops`, by their photograph's path.

    Raises:
        ValueError: it lists no face, one that can't be used, or not the same of each.
    """
    again = "write it again with python -m models.faces.crops"
    entries = json.loads(listing.read_text())
    if not entries:
        raise ValueError(
            f"{listing} lists no face: run python -m models.faces.crops on more photographs"
        )
    try:
        faces = {name: ListedFace.read(entry) for name, entry in entries.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{listing} has {error}: {again}") from error
    if len({(f.landmarks is None, f.rings is None) for f in faces.values()}) > 1:
        raise ValueError(f"{listing} knows more of some faces than of others: {again}")
    return faces


def listing_bytes(faces: Mapping[str, ListedFace]) -> bytes:
    """The file: a face a line."""
    lines = (f"{json.dumps(name)}: {json.dumps(face.entry())}" for name, face in faces.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
