"""Checks of clips: flicker, noise and exposure against ceilings, and integers against FP32."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from iast_export.gate.common import check_of
from iast_export.gate.rules import Rules, VideoRules
from iast_export.reports.verdict import Check, Outcome
from iast_export.reports.verify import ClipRow, VerifyReport

_AGAIN = "run `iast-export verify DIR --video motions`"
_REMEDY = "look at the clip; a model that flickers needs training for it, or another precision"


def check_video(verified: VerifyReport, rules: Rules) -> list[Check]:
    """Every clip's row against the limits of its precision.

    Clips are judged where the report has them; with `require_video` it must.
    """
    if not verified.video:
        if not rules.require_video:
            return []
        return [check_of("clips", "coverage", "cannot judge", "none judged", "some", _AGAIN)]
    twice = [key for key, many in Counter(row.key for row in verified.video).items() if many > 1]
    checks = [
        check_of(f"clip: {' '.join(key)}", "integrity", "fail", "told twice", "once", _AGAIN)
        for key in twice
    ]
    full = {
        (row.runtime, row.tier, row.clip, row.style): row
        for row in verified.video
        if row.precision == "fp32"
    }
    for row in verified.video:
        limits = rules.video.get(row.precision)
        if limits is not None:
            checks += _ceilings(row, limits)
            checks += _rises(row, full.get((row.runtime, row.tier, row.clip, row.style)), limits)
    return checks


def _ceilings(row: ClipRow, limits: VideoRules) -> Iterator[Check]:
    excess = row.warping_error - row.clip_warping_error
    for name, found, limit, times, unit in (
        ("flicker of tones", row.tone_flicker, limits.max_tone_flicker, 100, " %"),
        ("warping error over the clip's", excess, limits.max_warping_excess, 255, " levels"),
        ("noise gain", row.noise_gain, limits.max_noise_gain, 1, " times"),
        ("answer to exposure", row.exposure_levels, limits.max_exposure_levels, 1, " levels"),
    ):
        if limit is not None:
            yield _check(name, row, found * times, limit * times, unit)


def _rises(row: ClipRow, full: ClipRow | None, limits: VideoRules) -> Iterator[Check]:
    if limits.max_flicker_rise is None or row is full:
        return
    if full is None:
        name = f"rise of flicker: {_label(row)}"
        yield check_of(name, "accuracy", "cannot judge", "no FP32 row", "FP32 on the clip", _AGAIN)
        return
    # The steps of integers are a noise of their own, which noise gain would count.
    limit = 255 * full.warping_error * (1 + limits.max_flicker_rise)
    yield _check("warping error beside FP32's", row, 255 * row.warping_error, limit, " levels")


def _check(name: str, row: ClipRow, found: float, limit: float, unit: str) -> Check:
    outcome: Outcome = "pass" if found <= limit else "fail"
    rule = f"at most {limit:.3g}{unit}"
    label = f"{name}: {_label(row)}"
    return check_of(label, "accuracy", outcome, f"{found:.3g}{unit}", rule, _REMEDY)


def _label(row: ClipRow) -> str:
    return f"{row.runtime} {row.precision} {row.tier}, {row.clip} in {row.style}"
