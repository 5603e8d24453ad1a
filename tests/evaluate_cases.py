"""Photographs and styles in folders, and rows made up by hand, for tests of `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from iast_export.pictures.procedural import style_pictures
from iast_export.reports.evaluation import (
    EvaluatedRow,
    EvaluationPlan,
    Failed,
    PictureFacts,
    PlannedLane,
)
from iast_export.reports.verify import PairScore


def write_pictures(folder: Path, count: int, side_px: int = 40) -> Path:
    """So many pictures that the project draws, small, in a new folder."""
    folder.mkdir()
    for i, (_, rgb) in enumerate(style_pictures()):
        if i == count:
            break
        small = cv2.resize(rgb, (side_px + 8 * i, side_px), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"p{i}.png"), small[:, :, ::-1])
    return folder


def plan(contents: int = 3, styles: int = 2, **values: Any) -> EvaluationPlan:
    """A run of one lane that nobody has."""
    lane = PlannedLane(
        runtime="litert",
        precision="int8",
        tier="d1-32px",
        sha256="1" * 64,
        reference_sha256="2" * 64,
    )
    facts = {
        "bundle": {"name": "small", "manifest_sha256": "3" * 64},
        "lanes": (lane,),
        "contents": tuple(_facts(f"c{i}", i) for i in range(contents)),
        "styles": tuple(_facts(f"s{i}", 100 + i) for i in range(styles)),
    }
    return EvaluationPlan.model_validate(facts | values)


def _facts(name: str, number: int) -> PictureFacts:
    return PictureFacts(id=name, sha256=f"{number:064x}")


def row(content: str, style: str, psnr_db: float = 40.0, **values: Any) -> EvaluatedRow:
    """A pair that the lane of `plan` judged."""
    scores = {"ssim_content": 0.5, "style_distance": 0.3}
    judged = PairScore.model_validate(
        {
            "content": content,
            "style": style,
            "width_px": 32,
            "height_px": 32,
            "psnr_db": psnr_db,
            "ssim": 0.9,
            "scores": scores,
            "reference": scores | {"ssim_content": 0.6},
        }
    )
    facts = {
        "content": content,
        "style": style,
        "runtime": "litert",
        "precision": "int8",
        "tier": "d1-32px",
        "machine": "A",
        "judged": judged,
    }
    return EvaluatedRow.model_validate(facts | values)


def failed_row(content: str, style: str, message: str = "can't be read") -> EvaluatedRow:
    """A pair that failed there."""
    failed = Failed(kind="InputError", message=message)
    return row(content, style, judged=None, failed=failed)


def rows(one: EvaluationPlan, seed: int = 0, photo_db: float = 3.0) -> list[EvaluatedRow]:
    """All pairs of a plan; what a photograph loses it loses in all styles."""
    random = np.random.default_rng(seed)
    found = []
    for content in one.contents:
        shift = random.normal(0, photo_db)
        for style in one.styles:
            found.append(row(content.id, style.id, 40.0 + shift + random.normal(0, 0.2)))
    return found
