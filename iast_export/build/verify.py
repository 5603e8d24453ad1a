"""`verify`: how far every lane's pictures are from FP32's, on pictures that calibrated nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iast_export.build.request import Build
from iast_export.build.samples import evaluation_facts, evaluation_pairs, open_scorers
from iast_export.build.stage import Stage
from iast_export.environment import machine_fingerprint, usable_cores, versions
from iast_export.lanes.verify import verify
from iast_export.reports.base import VERIFY_PATH


def _params(build: Build) -> dict[str, Any]:
    return {
        "verify": build.recipe.verify.model_dump(mode="json"),
        "set_sha256": build.evaluation_set.sha256,
        "styles": build.styles_sha256,
        "versions": versions(),
        "machine": machine_fingerprint(),
    }


def _inputs(build: Build) -> list[Path]:
    weights = build.recipe.verify.perceptual_weights
    return [*(lane.path for lane in build.lanes), *([Path(weights)] if weights else [])]


def _outputs(build: Build) -> list[Path]:
    return [build.root / VERIFY_PATH]


def _run(build: Build) -> None:
    verify(
        build.lanes,
        evaluation_pairs(build),
        evaluation_facts(build),
        multiple_px=build.network.size_multiple_px,
        scorers=open_scorers(build),
        threads=usable_cores(),
        progress=build.progress,
    ).save(build.root / VERIFY_PATH)


STAGE = Stage("verify", _params, _inputs, _outputs, _run)
