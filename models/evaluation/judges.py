"""Scores of one picture, and where they are kept: judged once per method, strength and pair.

The networks here train nothing, but for the 68-landmark network, which a recipe with face terms
trains through: its deformation is not independent of those. Dlib's is, of recipes that take no
landmarks of Dlib's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from iast_export.files.artifacts import sha256_file
from iast_export.metrics.fidelity import ssim_content
from iast_export.metrics.perceptual import open_perceptual
from iast_export.metrics.style import style_distance, style_statistics
from iast_export.pictures.images import Rgb
from models.evaluation.fid import Inception
from models.evaluation.methods import fingerprint_of
from models.evaluation.sample import Pair, Picture
from models.faces import LandmarkNetwork
from models.faces.measuring import (
    Face,
    FaceEmbedder,
    IdentityJudge,
    LandmarkFinder,
    NetworkLandmarks,
    deformation,
)
from models.faces.published import SAME_PERSON, DlibIdentity, DlibLandmarks

HIGHER_IS_BETTER = {
    "ssim": True,
    "identity": True,
    "squeeze": False,
    "style": False,
    "deformation": False,
    "dlib_identity": False,
    "dlib_same": True,
    "dlib_deformation": False,
}
LABELS = {
    "ssim": "SSIM",
    "identity": "identity",
    "squeeze": "SqueezeNet distance",
    "style": "style distance",
    "deformation": "landmark deformation",
    "dlib_identity": "identity distance by Dlib",
    "dlib_same": "same person by Dlib",
    "dlib_deformation": "deformation by Dlib",
}
OF_FACES = ("identity", "deformation", "dlib_identity", "dlib_same", "dlib_deformation")


class Jury(Protocol):
    """Who scores pictures; `fingerprint` changes with the weights and arithmetic of the scores."""

    fingerprint: str

    def sees(self, pair: Pair) -> bool:
        """Whether it has a score for the pair."""
        ...

    def scores(self, pair: Pair, result: Rgb, *, styled: bool = True) -> dict[str, float]:
        """Of one result; `styled` is False where the artwork is not what was aimed at."""
        ...

    def features(self, result: Rgb) -> np.ndarray | None:
        """Inception features [768], of the jury that has them."""
        ...


class Judges:
    """A `Jury`: always `ssim` and `style`; the other scores where their weights are given."""

    def __init__(
        self,
        squeezenet: Path | None = None,
        inception: Path | None = None,
        embedder: Path | None = None,
        landmark_weights: Path | None = None,
    ) -> None:
        files = [p for p in (squeezenet, inception, embedder, landmark_weights) if p]
        self.fingerprint = fingerprint_of("judges-1", *[sha256_file(p) for p in files])
        self._squeeze = open_perceptual(squeezenet, "caffe") if squeezenet else None
        self._inception = Inception.load(inception) if inception else None
        self._embedder = FaceEmbedder(embedder) if embedder else None
        self._landmarks = (
            NetworkLandmarks(LandmarkNetwork.load(landmark_weights)) if landmark_weights else None
        )
        self._statistics = cache(lambda picture: style_statistics(picture.rgb))

    def sees(self, pair: Pair) -> bool:
        """Every pair."""
        return True

    def scores(self, pair: Pair, result: Rgb, *, styled: bool = True) -> dict[str, float]:
        """See `Jury`."""
        photograph = pair.content
        found = {"ssim": ssim_content(result, photograph.rgb)}
        if styled:
            found["style"] = style_distance(result, self._style(pair.style))
        if self._squeeze:
            found["squeeze"] = self._squeeze(photograph.rgb, result)
        if photograph.face is not None and self._embedder:
            found["identity"] = self._embedder.compare(photograph.rgb, result, photograph.face)
        if photograph.face is not None and self._landmarks:
            found["deformation"] = _deformed(
                self._landmarks, photograph.rgb, result, photograph.face
            )
        return found

    def _style(self, artwork: Picture) -> Any:
        return self._statistics(_Hashable(artwork))

    def features(self, result: Rgb) -> np.ndarray | None:
        """Inception features [768], where its weights are given."""
        return self._inception.features(result) if self._inception else None


class DlibJury:
    """A `Jury` of faces by Dlib's parts alone: what its landmarks and its identity network say."""

    def __init__(self, finder: LandmarkFinder, identity: IdentityJudge, fingerprint: str) -> None:
        self._finder, self._identity, self.fingerprint = finder, identity, fingerprint

    @classmethod
    def load(cls, folder: Path) -> DlibJury:
        """From the folder of both files."""
        finder, identity = DlibLandmarks(folder), DlibIdentity(folder)
        files = [sha256_file(part.file) for part in (finder, identity)]
        return cls(finder, identity, fingerprint_of("dlib-1", *files))

    def sees(self, pair: Pair) -> bool:
        """Pairs whose photograph shows a face."""
        return pair.content.face is not None

    def scores(self, pair: Pair, result: Rgb, *, styled: bool = True) -> dict[str, float]:
        """See `Jury`; `dlib_same` is 1 or 0, so that its mean is a share."""
        photograph, face = pair.content.rgb, pair.content.face
        if face is None:
            return {}
        distance = self._identity.compare(photograph, result, face)
        return {
            "dlib_identity": distance,
            "dlib_same": float(distance < SAME_PERSON),
            "dlib_deformation": _deformed(self._finder, photograph, result, face),
        }

    def features(self, result: Rgb) -> None:
        """None."""


def _deformed(finder: LandmarkFinder, photograph: Rgb, result: Rgb, face: Face) -> float:
    """Deformation by landmarks that are looked for on each picture anew."""
    before, after = (finder.points(picture, face) for picture in (photograph, result))
    return deformation(before, after)


class _Hashable:
    """A picture by name, to keep what was computed of it."""

    def __init__(self, picture: Picture) -> None:
        self.name, self.rgb = picture.name, picture.rgb

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashable) and other.name == self.name


class Store:
    """Scores of one method on disk, a JSON line per picture; other versions are ignored."""

    def __init__(self, folder: Path, method: str, fingerprint: str) -> None:
        """`fingerprint` covers the method, the judges and the size of the pictures."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.fingerprint = folder / f"{method}.jsonl", fingerprint
        self._rows: dict[tuple[float, str], dict[str, Any]] = {}
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            try:
                row = json.loads(line)
            except json.JSONDecodeError:  # a line that was cut when the run was killed
                continue
            if row["fingerprint"] == fingerprint:
                self._rows[(row["strength"], row["pair"])] = row

    def get(self, strength: float, pair: str) -> dict[str, float] | None:
        """The scores of a picture that was judged before."""
        row = self._rows.get((strength, pair))
        return dict(row["scores"]) if row else None

    def features(self, strength: float) -> dict[str, np.ndarray]:
        """Inception features by pair."""
        rows = {
            p: r["features"] for (s, p), r in self._rows.items() if s == strength and r["features"]
        }
        return {pair: np.asarray(values, np.float32) for pair, values in rows.items()}

    def put(
        self, strength: float, pair: str, scores: Mapping[str, float], features: np.ndarray | None
    ) -> None:
        """Adds a judged picture.

        Raises:
            ValueError: a score is not finite.
        """
        wrong = [k for k, v in scores.items() if not np.isfinite(v)]
        if wrong:
            raise ValueError(
                f"{self.path.stem} at {strength:g} on {pair}: {', '.join(wrong)} is not finite"
            )
        kept = None if features is None else [round(float(v), 5) for v in features]
        row = {"fingerprint": self.fingerprint, "strength": strength, "pair": pair}
        row |= {"scores": dict(scores), "features": kept}
        self._rows[(strength, pair)] = row
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
