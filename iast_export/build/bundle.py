"""`bundle`: styles, golden pictures, the manifest over every file, and the page that shows them."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iast_export.build.page import write_page
from iast_export.build.request import Build, Request
from iast_export.build.samples import evaluation_pairs
from iast_export.build.stage import Stage
from iast_export.bundle.drawn import write_goldens, write_thumbnails
from iast_export.bundle.landmarks import write_landmarks
from iast_export.bundle.manifest import write_manifest
from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import feeds_of, write_styles
from iast_export.environment import kernel_facts, usable_cores, versions
from iast_export.lanes.default_lane import load_defaults
from iast_export.lanes.gallery import (
    GAIN,
    SHEET_CONTENTS,
    SHEET_STYLES,
    Contact,
    draw_gallery,
    sheet_tier,
)
from iast_export.network.adapters import PACKAGED
from iast_export.network.programs import PROGRAM
from iast_export.pictures.imagesets import spread
from iast_export.reports.base import (
    BENCHMARK_PATH,
    CONVERT_PATH,
    HTML_PATH,
    QUANTIZE_PATH,
    VERIFY_PATH,
)
from iast_export.reports.gallery import GALLERY_PATH, GalleryReport
from iast_export.reports.manifest import load_manifest
from iast_export.reports.verify import VerifyReport
from iast_export.specs import USUAL

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
    pages = [layout.manifest, build.root / GALLERY_PATH, build.root / HTML_PATH]
    return [*styles, *thumbnails, *landmarks, *goldens, *pages]


def _run(build: Build) -> None:
    layout, facts = build.layout, build.facts
    _, picture = build.evaluation_pictures()[0]
    write_styles(layout, build.styles, facts.network.code_shapes)
    write_thumbnails(layout, facts, picture, build.progress)
    write_landmarks(layout, facts)
    golden = write_goldens(layout, facts, picture, build.progress)
    write_manifest(layout, facts, golden)
    _gallery(build).save(build.root / GALLERY_PATH)
    write_page(build.root)


def _gallery(build: Build) -> GalleryReport:
    """The report's pictures; the sheet is drawn by the default lane of the usual runtime."""
    manifest = load_manifest(build.root)
    tier = sheet_tier(build.tiers)
    precision = load_defaults(build.root, manifest)[USUAL, tier.id]
    chosen = (USUAL, precision, tier)
    lanes = build.lanes
    shapes = build.network.code_shapes
    photographs, styles = build.evaluation_pictures(), build.styles
    drawn = draw_gallery(
        lanes,
        next(one for one in lanes if (one.runtime, one.precision, one.tier) == chosen),
        Contact(
            dict(photographs[i] for i in spread(len(photographs), SHEET_CONTENTS)),
            {styles[i].id: feeds_of(styles[i], shapes) for i in spread(len(styles), SHEET_STYLES)},
        ),
        evaluation_pairs(build),
        VerifyReport.load(build.root / VERIFY_PATH),
        multiple_px=build.network.size_multiple_px,
        threads=usable_cores(),
        progress=build.progress,
    )
    seals = Seals.of_bundle(build.root, manifest)
    paths = dict.fromkeys(build.layout.relative(lane.path) for lane in lanes)
    return GalleryReport(
        made_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=command_line(build.request),
        files={path: seals.expected(build.root / path) for path in paths},
        styles={style.id: style.sha256 for style in manifest.styles},
        gain=GAIN,
        sheet=drawn.sheet,
        worst=tuple(drawn.worst),
        left_out=tuple(drawn.left_out),
        pictures=drawn.pictures,
    )


def command_line(request: Request) -> str:
    """The `build` that a request stands for, as a shell takes it."""
    words = ["iast-export", "build"]
    words += [str(request.checkpoint)] if request.checkpoint else []
    words += ["--network", request.network] if request.network not in (PACKAGED, PROGRAM) else []
    for name, value in (
        ("recipe", request.recipe_file),
        ("calibration", request.calibration),
        ("styles", request.styles),
        ("out", request.out),
    ):
        words += [f"--{name}", str(value)] if value is not None else []
    return shlex.join(words)


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
