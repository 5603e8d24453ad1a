"""What of a tier can be lifted out of its FP32 files, before there are others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iast_export.build.request import Build
from iast_export.build.tracing import example_codes
from iast_export.files.artifacts import read_bytes
from iast_export.reports.statistics import TierStatistics
from iast_export.runtimes.target import TARGETS
from iast_export.shapes.derive import derive
from iast_export.specs import REFERENCE, Runtime, Tier
from iast_export.stylize.lifting import TierFile, tier_statistics


def foretold_statistics(build: Build, tier: Tier, paths: Mapping[Runtime, Path]) -> TierStatistics:
    """As a build finds it; that a file is re-shaped rightly is not proved here.

    Args:
        build: whose network it is.
        tier: that is planned.
        paths: of its FP32 files.

    Raises:
        InputError: a file can't be read.
    """
    multiple_px = build.network.size_multiple_px
    codes = {name: value.numpy() for name, value in example_codes(build.network).items()}
    files = []
    for runtime, path in paths.items():
        data, target = read_bytes(path), TARGETS[runtime]
        table = derive(data, multiple_px) if target.family.fixed_shape else None
        files.append(TierFile(target, tier, data, path, table))
    return tier_statistics(files, read_bytes(paths[REFERENCE[0]]), codes, multiple_px)
