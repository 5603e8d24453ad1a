"""Reports of `compare` made up by hand, for the gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from iast_export.reports.comparison import (
    ComparedLane,
    ComparedPair,
    ComparisonReport,
    Drawn,
    Side,
)
from iast_export.specs import Precision, Runtime

STYLES = ("cafe", "ink")


def drawn(psnr_db: float | None = 40.0, **values: Any) -> Drawn:
    """A picture's scores."""
    given = {"base_psnr_db": 40.0, "ssim_content": 0.6, "style_distance": 0.3}
    return Drawn.model_validate({"psnr_db": psnr_db, **given, **values})


def pairs(count: int = 8, head: Drawn | None = None, seed: int = 0) -> tuple[ComparedPair, ...]:
    """Photographs in both styles; `head` in place of what BASE drew, a little apart each time."""
    random, made = np.random.default_rng(seed), head or drawn()

    def near(one: Drawn, by: float) -> Drawn:
        return one.model_copy(update={"ssim_content": one.ssim_content + by})

    return tuple(
        ComparedPair(
            content=f"photo{i}", style=style, base=drawn(), head=near(made, random.normal(0, 1e-5))
        )
        for i in range(count)
        for style in STYLES
    )


def rounds(slower: float = 0.0, count: int = 8, spread: float = 0.002, seed: int = 0) -> Any:
    """Rounds of three blocks in which HEAD takes so much longer."""
    random = np.random.default_rng(seed)
    return tuple(
        tuple(
            ((10.0, 10.0), tuple(10.0 * (1 + slower) * random.lognormal(0, spread, 2)))
            for _ in range(3)
        )
        for _ in range(count)
    )


def lane(runtime: Runtime = "litert", precision: Precision = "int8", **values: Any) -> ComparedLane:
    """A lane whose file HEAD changed to no effect."""
    given = {
        "runtime": runtime,
        "precision": precision,
        "tier": "d1-32px",
        "base_bytes": 1000,
        "head_bytes": 1000,
        "same_file": False,
        "same_pictures": False,
        "pairs": pairs(),
        "rounds": rounds(),
    }
    return ComparedLane.model_validate(given | values)


def report(*lanes: ComparedLane, **values: Any) -> ComparisonReport:
    """A comparison of some lanes."""
    given = {
        "base": Side(name="small", manifest_sha256="1" * 64),
        "head": Side(name="small", manifest_sha256="2" * 64),
        "machine": {"cpu": "A"},
        "threads": 1,
        "same_checkpoint": True,
        "set": {"name": "evaluation", "sha256": "3" * 64, "images": 8},
        "styles": STYLES,
        "lanes": lanes or (lane(),),
    }
    return ComparisonReport.model_validate(given | values)
