"""The pictures that a build leaves for its page, and the command line that it stands for."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from iast_export.build.request import Build, Request
from iast_export.build.samples import evaluation_pairs
from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import feeds_of
from iast_export.environment import usable_cores
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
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.gallery import GalleryReport
from iast_export.reports.manifest import load_manifest
from iast_export.reports.verify import VerifyReport
from iast_export.specs import USUAL


def make_gallery(build: Build) -> GalleryReport:
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
