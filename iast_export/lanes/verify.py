"""Verify: how near every lane stays to FP32, and what it loses in the task scores.

The reference of a tier is its ONNX FP32 model, which export held to at most 1e-4 from PyTorch.
Two thirds of the pictures are cut to the tier's square. One third, half as many pairs again, keep
their own shape: those figures stand apart, so that a runtime that pads them is found out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iast_export.bundle.styles import pack
from iast_export.errors import CannotJudgeError, InputError
from iast_export.files.artifacts import Progress, no_progress, sha256_bytes, sha256_file
from iast_export.lanes.judge import (
    Judging,
    Reference,
    Scorers,
    figures_of,
    judge,
    make_references,
)
from iast_export.lanes.lane import Feeds, Lane
from iast_export.lanes.views import EvaluationPair, own_shape_pairs, views_of
from iast_export.reports.base import SetFacts
from iast_export.reports.verify import Figures, PairScore, VerifyReport, VerifyRow
from iast_export.specs import REFERENCE, Tier


def verify(
    lanes: Sequence[Lane],
    pairs: Sequence[EvaluationPair],
    set_facts: SetFacts,
    *,
    multiple_px: int | None = None,
    scorers: Scorers | None = None,
    threads: int = 1,
    progress: Progress = no_progress,
    known: Sequence[VerifyRow] = (),
) -> VerifyReport:
    """Fidelity and score drops of every lane but the reference itself, tier by tier.

    One tier's pictures and one session are held at a time.

    Args:
        lanes: must hold the ONNX FP32 lane of each tier.
        pairs: what to judge on.
        set_facts: the image set that `pairs` come from.
        multiple_px: the network's size multiple, to judge pictures in their own shape too; None:
            squares.
        scorers: judges with weights of the user's.
        threads: of each session.
        progress: told after every picture.
        known: rows by the same pictures and judges; a lane of the same files is not judged again.

    Raises:
        CannotJudgeError: no pair, or no lane beside the references.
        InputError: a tier lacks its reference, a file is missing, a result holds NaN.
        ToolError: a runtime failed.
    """
    if not pairs or all(_is_reference(lane) for lane in lanes):
        raise CannotJudgeError(
            f"nothing to verify: {len(pairs)} pictures, {len(lanes)} lanes",
            "give at least one picture and one lane beside FP32",
        )
    smallest_px = min(lane.tier.max_side_px for lane in lanes)
    shaped = own_shape_pairs(pairs, smallest_px) if multiple_px is not None else []
    step = _Steps(progress, len(lanes) * (len(pairs) + len(shaped)))
    judging = Judging(scorers or Scorers(), threads, multiple_px, step.one)
    rows = []
    for tier in dict.fromkeys(lane.tier for lane in lanes):
        views, reference = views_of(pairs, shaped, tier), _reference_lane(tier, lanes)
        references: list[Reference] = []
        for lane in (one for one in lanes if one.tier == tier and not _is_reference(one)):
            row = _known(lane, sha256_file(reference.path), known)
            if row is None:
                references = references or make_references(reference, views, judging)
                scored = judge(lane, references, judging)
                own = scored[len(pairs) :]
                row = _row(lane, scored[: len(pairs)], own, references[0].sha256, judging)
            else:
                step.skip(len(views))
            rows.append(row)
        if not references:
            step.skip(len(views))
    styles = {pair.style: _style_sha256(pair.feeds) for pair in pairs}
    return VerifyReport(set=set_facts, styles=styles, rows=tuple(rows))


def _known(lane: Lane, reference_sha256: str, rows: Sequence[VerifyRow]) -> VerifyRow | None:
    """The row of the same lane, made of the same files."""
    wanted = lane.runtime, lane.precision, lane.tier.id, sha256_file(lane.path), reference_sha256
    return next((row for row in rows if row.of == wanted), None)


def _row(
    lane: Lane,
    pairs: Sequence[PairScore],
    own_shape: Sequence[PairScore],
    reference_sha256: str,
    judging: Judging,
) -> VerifyRow:
    found = figures_of(pairs, judging.scorers)
    facts = {
        "runtime": lane.runtime,
        "precision": lane.precision,
        "tier": lane.tier.id,
        "sha256": sha256_file(lane.path),
        "reference_sha256": reference_sha256,
        "own_shape": figures_of(own_shape, judging.scorers) if own_shape else None,
    }
    return VerifyRow.model_validate(
        {**facts, **{name: getattr(found, name) for name in Figures.model_fields}}
    )


@dataclass
class _Steps:
    progress: Progress
    total: int
    done: int = 0

    def one(self) -> None:
        self.skip(1)

    def skip(self, count: int) -> None:
        self.done += count
        self.progress("verify", self.done, self.total)


def _is_reference(lane: Lane) -> bool:
    return (lane.runtime, lane.precision) == REFERENCE


def _reference_lane(tier: Tier, lanes: Sequence[Lane]) -> Lane:
    lane = next((one for one in lanes if one.tier == tier and _is_reference(one)), None)
    if lane is None:
        raise InputError(f"tier {tier.id} has no {' '.join(REFERENCE)} model", "export it first")
    return lane


def _style_sha256(feeds: Feeds) -> str:
    """SHA-256 of the codes as a bundle keeps them."""
    return sha256_bytes(pack(dict(feeds), {name: code.shape for name, code in feeds.items()}))
