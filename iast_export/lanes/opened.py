"""A finished bundle, opened to be judged: its lanes, its styles and what judges those."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import bundle_feeds
from iast_export.errors import UsageError
from iast_export.files.artifacts import sha256_file
from iast_export.lanes.lane import Lane
from iast_export.metrics.style import style_statistics
from iast_export.pictures.images import center_square
from iast_export.pictures.picture_reader import read_picture
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.comparison import Side
from iast_export.reports.manifest import LaneKey, Manifest, StyleEntry, load_manifest
from iast_export.specs import STYLE_ENCODER_SIDE_PX, Tier


@dataclass(frozen=True)
class OpenBundle:
    """A bundle, every file held to its manifest.

    Attributes:
        folder: where it lies.
    """

    folder: Path
    manifest: Manifest
    seals: Seals

    @classmethod
    def of(cls, folder: Path) -> OpenBundle:
        """The bundle in a folder.

        Raises:
            InputError: there is none, or a model was altered.
        """
        manifest = load_manifest(folder)
        seals = Seals.of_bundle(folder, manifest)
        seals.check_present()
        return cls(folder, manifest, seals)

    @property
    def side(self) -> Side:
        """What the report says of it."""
        sha256 = sha256_file(self.folder / MANIFEST_NAME)
        return Side(name=self.manifest.name, manifest_sha256=sha256)

    @cached_property
    def styles(self) -> dict[str, StyleEntry]:
        """Its styles by id."""
        return {style.id: style for style in self.manifest.styles}

    @cached_property
    def tiers(self) -> dict[str, Tier]:
        """Its tiers by id."""
        return {tier.id: tier for tier in self.manifest.depth_plan}

    def lane(self, key: LaneKey) -> Lane:
        """The lane of a runtime, precision and tier id."""
        entry = self.manifest.lanes()[key]
        runtime, precision, tier = key
        path = self.folder / entry.path
        return Lane(runtime, precision, self.tiers[tier], path, entry.sha256)

    def feeds(self, style: str) -> dict[str, Any]:
        """Every style input of the cut network in one of its styles."""
        return bundle_feeds(self.manifest, self.seals, self.styles[style])

    def statistics(self, style: str) -> NDArray[np.float64] | None:
        """Of the artwork, from its thumbnail at the side that a style encoder sees; None: without.

        Both bundles are judged by those of BASE: what a thumbnail lacks of its artwork, it lacks
        for both.
        """
        thumbnail = self.styles[style].thumbnail
        if thumbnail is None:
            return None
        rgb = read_picture(self.seals.read(self.folder / thumbnail), thumbnail)
        return style_statistics(center_square(rgb, STYLE_ENCODER_SIDE_PX))

    def check_judged_apart(self, set_sha256: str, name: str, option: str) -> None:
        """Refuses photographs that calibrated the bundle.

        Args:
            set_sha256: of the set of photographs.
            name: of that set.
            option: that chooses another, for the message.

        Raises:
            UsageError: they did.
        """
        if self.manifest.source.calibration_set_sha256 == set_sha256:
            raise UsageError(
                f"the pictures {name} calibrated {self.folder}",
                f"judge on pictures that calibrated nothing: {option}",
            )
