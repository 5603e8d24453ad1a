"""How far a step of the ladder is from another, and when that is more than kernels may differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import Rgb
from iast_export.reports.ladder import STEP_NAMES, LadderRow, Step, StepError

# What each step follows; LiteRT starts from FP32 again, so that its error isn't mixed with ONNX
# INT8's.
BEFORE: Mapping[Step, Step] = {
    "onnx_fp32": "pytorch",
    "onnx_int8_plain": "onnx_fp32",
    "onnx_int8": "onnx_int8_plain",
    "litert_fp32": "onnx_fp32",
    "litert_int8_reference": "litert_fp32",
    "litert_int8": "litert_int8_reference",
    "litert_fp16_simulated": "litert_fp32",
    "litert_fp16_gpu": "litert_fp16_simulated",
}
# Steps that should not change the picture, with the largest difference in 8-bit levels and the
# least PSNR that they may show. Two INT8 kernels round differently now and then, and what follows
# carries it on; how far it may come is chosen. A GPU sums convolutions in FP16, which the
# simulation does not; the limit of 8 is chosen.
LIMIT_LEVELS: Mapping[Step, int] = {
    "onnx_fp32": 1,
    "onnx_int8": 24,
    "litert_fp32": 1,
    "litert_int8": 24,
    "litert_fp16_gpu": 8,
}
LIMIT_DB = 40.0
_SUSPECTS: Mapping[Step, str] = {
    "onnx_fp32": "the export is not the network",
    "onnx_int8": "an optimization or kernel of ONNX Runtime computes something else than the file "
    "says",
    "litert_fp32": "the conversion is not the network",
    "litert_fp16_gpu": "the GPU or its driver computes something else than FP16 arithmetic gives",
    "litert_int8": "XNNPACK computes something else than LiteRT's reference kernels",
}


def row(
    tier: str, step: Step, pictures: Mapping[Step, Sequence[Rgb]], reasons: Mapping[Step, str]
) -> LadderRow:
    """A step of the report: its errors, or why there are none.

    Args:
        tier: id.
        step: the step.
        pictures: of every step that ran, this one included.
        reasons: why the others did not.
    """
    if step in reasons:
        return LadderRow(tier=tier, step=step, not_run=f"did not run: {reasons[step]}")
    if step == "pytorch":
        return LadderRow(tier=tier, step=step)
    before = (
        compare(BEFORE[step], pictures[BEFORE[step]], pictures[step])
        if BEFORE[step] in pictures
        else None
    )
    total = (
        compare("pytorch", pictures["pytorch"], pictures[step]) if "pytorch" in pictures else None
    )
    missing = [
        STEP_NAMES[one] for one in dict.fromkeys((BEFORE[step], "pytorch")) if one in reasons
    ]
    gap = (
        f"ran, but can't be compared with {' and '.join(missing)}, which did not run"
        if missing
        else None
    )
    return LadderRow(
        tier=tier, step=step, before=before, total=total, not_run=gap, anomaly=anomaly(step, before)
    )


def compare(against: Step, reference: Sequence[Rgb], pictures: Sequence[Rgb]) -> StepError:
    """The error of `pictures` to those of another step, pair by pair."""
    psnrs = [psnr_db(one, other) for one, other in zip(pictures, reference, strict=True)]
    levels = [
        np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2)
        for one, other in zip(pictures, reference, strict=True)
    ]
    return StepError(
        against=against,
        psnr_db=float(np.mean(psnrs)),
        worst_psnr_db=min(psnrs),
        max_levels=max(int(one.max()) for one in levels),
        differing_share=float(np.mean([np.mean(one > 0) for one in levels])),
    )


def anomaly(step: Step, before: StepError | None) -> str | None:
    """What is wrong with a step that should not change the picture and does, in words."""
    limit = LIMIT_LEVELS.get(step)
    if limit is None or before is None:
        return None
    if before.max_levels <= limit and before.worst_psnr_db >= LIMIT_DB:
        return None
    return (
        f"{STEP_NAMES[step]} differs from {STEP_NAMES[before.against]} by up to "
        f"{before.max_levels} levels, {before.worst_psnr_db:.1f} dB at worst; at most {limit} "
        f"levels and at least {LIMIT_DB:.0f} dB are expected: {_SUSPECTS[step]}"
    )
