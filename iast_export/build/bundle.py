"""`bundle`: styles, golden pictures, the manifest over every file, and the page that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iast_export.build.gallery import make_gallery
from iast_export.build.page import write_page
from iast_export.build.request import Build
from iast_export.build.stage import Stage
from iast_export.bundle.drawn import write_goldens, write_thumbnails
from iast_export.bundle.landmarks import write_landmarks
from iast_export.bundle.manifest import write_manifest
from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import feeds_of, write_styles
from iast_export.environment import kernel_facts, versions
from iast_export.lanes.lane import find_lanes
from iast_export.reports.base import (
    BENCHMARK_PATH,
    CONVERT_PATH,
    HTML_PATH,
    QUANTIZE_PATH,
    VERIFY_PATH,
)
from iast_export.reports.gallery import GALLERY_PATH
from iast_export.reports.statistics import TierStatistics
from iast_export.runtimes.target import TARGETS
from iast_export.specs import REFERENCE, Tier
from iast_export.stylize.lifting import TierFile, tier_statistics

_REPORTS = (VERIFY_PATH, BENCHMARK_PATH, QUANTIZE_PATH, CONVERT_PATH)


def _params(build: Build) -> dict[str, Any]:
    return {
        "recipe": build.recipe.sha256,
        "network": build.network_sha256,
        "styles": build.styles_sha256,
        "sets": [build.calibration_set.sha256, build.evaluation_set.sha256],
        "versions": versions(),
        "machine": kernel_facts(),
    }


def _inputs(build: Build) -> list[Path]:
    own = build.facts.landmarks
    models = [one.path for one in build.layout.model_files(build.tiers, encodes=build.encodes)]
    models += build.layout.tables()
    return [*models, *([own] if own else []), *(build.root / name for name in _REPORTS)]


def _outputs(build: Build) -> list[Path]:
    layout = build.layout
    styles = [layout.codes(one.id) for one in build.styles]
    thumbnails = [layout.thumbnail(one.id) for one in build.styles]
    landmarks = [layout.landmarks] if build.recipe.bundle.landmarks is not None else []
    goldens = [path for tier in build.tiers for path in layout.goldens(tier)]
    pages = [layout.notice, layout.manifest, build.root / GALLERY_PATH, build.root / HTML_PATH]
    return [*styles, *thumbnails, *landmarks, *goldens, *pages]


def _run(build: Build) -> None:
    layout, facts = build.layout, build.facts
    _, picture = build.evaluation_pictures()[0]
    write_styles(layout, build.styles, facts.network.code_shapes)
    write_thumbnails(layout, facts, picture, build.progress)
    write_landmarks(layout, facts)
    golden = write_goldens(layout, facts, picture, build.progress)
    write_manifest(layout, facts, golden, _statistics(build))
    make_gallery(build).save(build.root / GALLERY_PATH)
    write_page(build.root)


def _statistics(build: Build) -> dict[Tier, TierStatistics]:
    """What can be lifted of each tier, over all of its files."""
    codes = feeds_of(build.styles[0], build.facts.network.code_shapes)
    lanes, found = find_lanes(build.layout, build.tiers, Seals.of_build(build.root)), {}
    for i, tier in enumerate(build.tiers):
        build.progress("lift statistics", i, len(build.tiers))
        own = [lane for lane in lanes if lane.tier == tier]
        files = [
            TierFile(TARGETS[one.runtime], tier, one.read(), one.path, one.shapes) for one in own
        ]
        full = next(lane for lane in own if (lane.runtime, lane.precision) == REFERENCE)
        multiple_px = build.facts.network.size_multiple_px
        found[tier] = tier_statistics(files, full.read(), codes, multiple_px)
    build.progress("lift statistics", len(build.tiers), len(build.tiers))
    return found


STAGE = Stage("bundle", _params, _inputs, _outputs, _run)
