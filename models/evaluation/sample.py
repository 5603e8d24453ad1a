"""Which pictures are judged: photographs and faces that trained nothing, unseen artworks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iast_export.errors import InputError
from iast_export.pictures.images import Rgb, center_square, load_image
from models.data import test_artworks
from models.faces.measuring import Face, FaceDetector

ARTWORKS_PER_PHOTOGRAPH = 3


@dataclass(frozen=True)
class Picture:
    """A square of the sample; `face` is its best one, where faces are judged."""

    name: str
    rgb: Rgb
    face: Face | None = None


@dataclass(frozen=True)
class Pair:
    """A photograph and an artwork."""

    content: Picture
    style: Picture

    @property
    def key(self) -> str:
        """Names of both."""
        return f"{self.content.name}+{self.style.name}"


@dataclass(frozen=True)
class Sample:
    """Everything that is judged on."""

    photographs: tuple[Picture, ...]
    faces: tuple[Picture, ...]
    artworks: tuple[Picture, ...]

    def pairs(self) -> list[Pair]:
        """Every photograph and face with the next three artworks in turn, so all take part."""
        return [
            Pair(content, self.artworks[(i * ARTWORKS_PER_PHOTOGRAPH + k) % len(self.artworks)])
            for group in (self.photographs, self.faces)
            for i, content in enumerate(group)
            for k in range(min(ARTWORKS_PER_PHOTOGRAPH, len(self.artworks)))
        ]

    def few_pairs(self, count: int) -> list[Pair]:
        """`count` of the pairs, of photographs and faces alike, for what takes minutes each."""
        found = self.pairs()
        each = len(found) // (len(self.photographs) + len(self.faces))
        chosen = (
            np.linspace(0, len(found) // each - 1, min(count, len(found) // each))
            .round()
            .astype(int)
        )
        return [found[int(i) * each + number % each] for number, i in enumerate(chosen)]


def draw_sample(
    images: Path,
    side_px: int,
    photographs: int,
    faces: int,
    artworks: int,
    detector: FaceDetector | None,
) -> Sample:
    """Kodak-24, faces that the detector finds, and held-out artworks, as squares of `side_px`.

    Raises:
        InputError: a folder is empty, or no face is found.
    """
    kodak = _spread(sorted((images / "content" / "kodak24").glob("*.jpg")), photographs)
    people = _spread(sorted((images / "faces").glob("*/*.jpg")), faces) if detector else []
    unseen = _spread(test_artworks(images), artworks)
    if not kodak or not unseen:
        raise InputError(
            f"{images} holds {len(kodak)} Kodak photographs and {len(unseen)} unseen artworks",
            "give the folder with content/kodak24, faces and style",
        )
    found = [_with_face(_picture(p, side_px), detector) for p in people] if detector else []
    with_face = tuple(p for p in found if p.face is not None)
    if people and not with_face:
        raise InputError("no face was found in the face set", "check the detector's weights")
    return Sample(
        tuple(_picture(p, side_px) for p in kodak),
        with_face,
        tuple(_picture(p, side_px) for p in unseen),
    )


def _spread(paths: list[Path], count: int) -> list[Path]:
    if count >= len(paths):
        return paths
    return [paths[int(i)] for i in np.linspace(0, len(paths) - 1, count).round()] if count else []


def _picture(path: Path, side_px: int) -> Picture:
    return Picture(path.stem, center_square(load_image(path), side_px))


def _with_face(picture: Picture, detector: FaceDetector) -> Picture:
    faces = detector.detect(picture.rgb)
    return Picture(picture.name, picture.rgb, faces[0] if faces else None)
