"""Every file that a build is going to write, before it writes the first."""

from __future__ import annotations

from pathlib import Path

from iast_export.build.request import Build
from iast_export.build.stages import factors_path, ranges_path
from iast_export.bundle import writing as bundle
from iast_export.reports.base import MANIFEST_NAME, REPORT_PATHS
from iast_export.specs import RUNTIMES


def planned_outputs(build: Build) -> list[Path]:
    """The outputs of all stages of a build, in no special order."""
    landmarks = build.recipe.bundle.landmarks is not None
    models = [row[0] for row in bundle.model_paths(build.recipe.name, build.tiers, landmarks)]
    names = [f"models/{name}" for name in models]
    names += [f"styles/{style.id}.{kind}" for style in build.styles for kind in ("f32", "png")]
    names += [name for tier in build.tiers for name in bundle.golden_names(tier)]
    names += [MANIFEST_NAME, *REPORT_PATHS.values()]
    ranges = [ranges_path(build, runtime, tier) for runtime in RUNTIMES for tier in build.tiers]
    return [*(build.root / name for name in names), *ranges, factors_path(build)]
