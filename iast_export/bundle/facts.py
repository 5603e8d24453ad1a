"""What a bundle's manifest says beyond the files themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iast_export.bundle.styles import Style
from iast_export.reports.manifest import NetworkFacts, SourceFacts
from iast_export.specs import Tier, style_codes_of


@dataclass(frozen=True)
class BundleFacts:
    """Network, tiers, styles and source of a bundle.

    Attributes:
        landmarks: a model of the user's own.
        checkpoint_licence: as the card beside the checkpoint says; "" without one.
    """

    network: NetworkFacts
    tiers: Sequence[Tier]
    styles: Sequence[Style]
    source: SourceFacts
    landmarks: Path | None = None
    checkpoint_licence: str = ""

    @property
    def encodes(self) -> bool:
        """Whether a style is codes, which an encoder makes of an artwork."""
        return bool(style_codes_of(self.network.code_shapes))
