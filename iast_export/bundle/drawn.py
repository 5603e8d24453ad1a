"""The pictures of a bundle, drawn by its own models: a thumbnail per style, and the goldens."""

from __future__ import annotations

from iast_export.bundle.facts import BundleFacts
from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.bundle.shaped import load_shapes
from iast_export.bundle.styles import Style, feeds_of
from iast_export.families import FAMILIES
from iast_export.files.artifacts import Progress, no_progress, sha256_file
from iast_export.pictures.images import Rgb, center_square, fit_longest_side, save_png
from iast_export.reports.manifest import GoldenEntry
from iast_export.runtimes.session import Session
from iast_export.runtimes.target import TARGETS, stylize_tier
from iast_export.specs import (
    GOLDEN_LANES,
    GPU_TOLERANCE_LEVELS,
    REFERENCE,
    RUNTIMES,
    THUMBNAIL_SIDE_PX,
    Precision,
    Runtime,
    Tier,
)

# Of golden pictures: the full strength, which shows most of the style.
_GOLDEN_STRENGTH = 1.0


def write_thumbnails(
    layout: Layout, facts: BundleFacts, picture: Rgb, progress: Progress = no_progress
) -> None:
    """Draws `picture` [H, W, 3] in every style, by the smallest tier in FP32."""
    tier = facts.tiers[0]
    square = center_square(picture, min(THUMBNAIL_SIDE_PX, tier.max_side_px))
    family = FAMILIES[REFERENCE[0]]
    session = _session(layout, Seals.of_build(layout.root), tier, *REFERENCE)
    for i, style in enumerate(facts.styles):
        progress("thumbnails", i, len(facts.styles))
        feeds = feeds_of(style, facts.network.code_shapes)
        multiple_px = facts.network.size_multiple_px
        drawn = stylize_tier(family, session, square, feeds, tier, multiple_px)
        save_png(layout.thumbnail(style.id), drawn)
    progress("thumbnails", len(facts.styles), len(facts.styles))


def write_goldens(
    layout: Layout, facts: BundleFacts, picture: Rgb, progress: Progress = no_progress
) -> list[GoldenEntry]:
    """Runs a strip of `picture` through every tier and lane that pictures are promised for.

    Args:
        picture: RGB [H, W, 3], which calibrated nothing; a strip a quarter as high as the tier's
            side is cut from its middle, so that the pad is exercised too.

    Returns:
        The manifest's entries.
    """
    seals, entries = Seals.of_build(layout.root), []
    for i, tier in enumerate(facts.tiers):
        progress("goldens", i, len(facts.tiers))
        content = _strip(picture, tier.max_side_px)
        save_png(layout.golden_content(tier), content)
        for runtime, precision in GOLDEN_LANES:
            session = _session(layout, seals, tier, runtime, precision)
            drawn = _golden(facts, session, runtime, tier, content)
            save_png(layout.golden(tier, runtime, precision), drawn)
        entries.append(_entry(layout, tier, facts.styles[0]))
    progress("goldens", len(facts.tiers), len(facts.tiers))
    return entries


def _entry(layout: Layout, tier: Tier, style: Style) -> GoldenEntry:
    return GoldenEntry(
        tier=tier.id,
        content=layout.relative(layout.golden_content(tier)),
        style=style.id,
        strength=_GOLDEN_STRENGTH,
        outputs={
            f"{runtime}-{precision}": layout.relative(layout.golden(tier, runtime, precision))
            for runtime, precision in GOLDEN_LANES
        },
        tolerance_levels={runtime: FAMILIES[runtime].tolerance_levels for runtime in RUNTIMES},
        gpu_tolerance_levels=dict(GPU_TOLERANCE_LEVELS),
        sha256={layout.relative(path): sha256_file(path) for path in layout.goldens(tier)},
    )


def _strip(picture: Rgb, side_px: int) -> Rgb:
    fitted = fit_longest_side(picture, side_px)
    height = min(fitted.shape[0], max(side_px // 4, 8))
    top = (fitted.shape[0] - height) // 2
    return fitted[top : top + height, :side_px].copy()


def _session(
    layout: Layout, seals: Seals, tier: Tier, runtime: Runtime, precision: Precision
) -> Session:
    path = layout.transfer(runtime, precision, tier)
    data = seals.read(path)
    return TARGETS[runtime].open(data, tier, where=path, shapes=load_shapes(seals, path, data))


def _golden(
    facts: BundleFacts, session: Session, runtime: Runtime, tier: Tier, content: Rgb
) -> Rgb:
    feeds = feeds_of(facts.styles[0], facts.network.code_shapes, _GOLDEN_STRENGTH)
    multiple_px = facts.network.size_multiple_px
    return stylize_tier(FAMILIES[runtime], session, content, feeds, tier, multiple_px)
