"""The pictures and styles that a build calibrates with, and those that it is judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from iast_export.build.request import Build
from iast_export.bundle.styles import feeds_of
from iast_export.families import FAMILIES
from iast_export.lanes.judge import Scorers
from iast_export.lanes.views import EvaluationPair
from iast_export.metrics.perceptual import open_perceptual
from iast_export.pictures.images import Rgb
from iast_export.quantize.calibrate import tier_feeds
from iast_export.quantize.observers import Feeds
from iast_export.reports.base import SetFacts
from iast_export.specs import Runtime, Tier


def calibration_params(build: Build) -> dict[str, Any]:
    """What decides the pictures and styles that calibrate."""
    return {
        "calibration": build.recipe.calibration.model_dump(mode="json"),
        "set_sha256": build.calibration_set.sha256,
        "evaluation_sha256": build.evaluation_set.sha256,
        "styles": build.styles_sha256,
    }


def calibration_feeds(build: Build, runtime: Runtime, tier: Tier, pairs: int) -> Iterator[Feeds]:
    """One feed per pair of photograph and style, as `calibrate.tier_feeds` pairs them.

    A picture keeps its shape and is padded to the network's multiple, or to the tier's square in a
    runtime of fixed shapes.
    """
    codes = [feeds_of(s, build.network.code_shapes) for s in build.calibration_styles]
    multiple_px = None if FAMILIES[runtime].fixed_shape else build.network.size_multiple_px
    return tier_feeds(tier, build.calibration_set, codes, pairs, multiple_px)


def evaluation_facts(build: Build) -> SetFacts:
    """The set that fidelity is judged on, and how many of its pictures."""
    found = build.evaluation_set
    return SetFacts(name=found.name, sha256=found.sha256, images=len(build.evaluation_pictures()))


def evaluation_pairs(
    build: Build, pictures: Sequence[tuple[str, Rgb]] | None = None
) -> list[EvaluationPair]:
    """Pictures to judge on, each with a style that calibrated nothing.

    Args:
        build: whose styles.
        pictures: id and RGB; None: those that fidelity is judged on.
    """
    judging = build.evaluation_styles
    return [
        EvaluationPair(
            content=name,
            style=judging[i % len(judging)].id,
            rgb=rgb,
            feeds=feeds_of(judging[i % len(judging)], build.network.code_shapes),
            statistics=judging[i % len(judging)].statistics,
        )
        for i, (name, rgb) in enumerate(pictures or build.evaluation_pictures())
    ]


def open_scorers(build: Build) -> Scorers:
    """The judges with weights that the recipe names."""
    weights = build.recipe.verify.perceptual_weights
    return Scorers(perceptual=open_perceptual(Path(weights)) if weights else None)
