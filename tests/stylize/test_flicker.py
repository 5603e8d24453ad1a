"""Clips judged lane by lane: rows in the bundle's own report, and a planted flicker that fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from iast_export.bundle.belonging import load_own
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import StageRecord, is_fresh
from iast_export.gate import gate
from iast_export.gate.rules import parse_rules
from iast_export.gate.video import check_video
from iast_export.pictures.clips import save_clip
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.manifest import load_manifest
from iast_export.reports.verify import ClipRow, VerifyReport
from iast_export.specs import Tier
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.flicker import judge_clip, judge_clips, subjects_of
from iast_export.stylize.lifted import Lifted, Moments
from tests.clip_cases import pan

RULES = b"""
schema_version = 1
require_video = true
[video.fp32]
max_tone_flicker = 0.015
[video.int8]
max_tone_flicker = 0.015
max_flicker_rise = 0.05
"""


class Alternating:
    """Every other frame 3 % brighter."""

    def __init__(self, inner: Lifted) -> None:
        self.inner, self.levels, self.drawn = inner, inner.levels, 0
        self.halo_px, self.multiple_px = inner.halo_px, inner.multiple_px

    def measure(self, *given: object) -> Moments:
        return self.inner.measure(*given)  # type: ignore[arg-type]

    def render(self, *given: object) -> np.ndarray:
        self.drawn += 1
        gain = np.float32(1.03 if self.drawn % 2 else 1.0)
        return np.asarray(np.clip(self.inner.render(*given) * gain, 0, 1))  # type: ignore[arg-type]


class Planted(BundleEngine):
    def lifted(self, tier: Tier) -> Callable[[], Lifted] | None:
        opens = super().lifted(tier)
        return None if opens is None else lambda: Alternating(opens())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    save_clip(tmp_path / "pan.mp4", 25.0, pan(6, size=(32, 32), step=1))
    return tmp_path / "pan.mp4"


def judged(bundle: Path, clip: Path, kind: type[BundleEngine] = BundleEngine) -> ClipRow:
    engine = kind(bundle, "onnxruntime", "fp32")
    style = engine.style_codes(engine.manifest.styles[0].id)
    return judge_clip(engine, subjects_of([str(clip)])[0], style)


def with_rows(bundle: Path, *rows: ClipRow) -> VerifyReport:
    report = VerifyReport.load(bundle / VERIFY_PATH)
    return report.model_copy(update={"video": rows})


def outcomes(report: VerifyReport) -> list[tuple[str, str]]:
    return [(one.name.split(":")[0], one.outcome) for one in check_video(report, RULE)]


RULE = parse_rules(RULES, "rules")


def test_a_planted_flicker_fails_the_gate_with_exit_5(bundle_copy: Path, clip: Path) -> None:
    still, planted = judged(bundle_copy, clip), judged(bundle_copy, clip, Planted)
    assert still.tone_flicker < 0.01 < 0.02 < planted.tone_flicker
    rules = bundle_copy.parent / "rules.toml"
    rules.write_bytes(RULES)
    for row, code in ((still, 0), (planted, 5)):
        with_rows(bundle_copy, row).save(bundle_copy / VERIFY_PATH)
        found = gate(bundle_copy, None, rules)
        wrong = [one for one in found.checks if one.outcome == "fail"]
        assert [one.exit_code for one in wrong] == ([code] if code else [])


def test_every_lane_that_lifts_has_a_row_in_the_report(bundle_copy: Path, clip: Path) -> None:
    judge_clips(bundle_copy, [str(clip)], [], 1)
    manifest = load_manifest(bundle_copy)
    report = load_own(VerifyReport, bundle_copy / VERIFY_PATH, manifest)
    assert ("onnxruntime", "int8") in {(row.runtime, row.precision) for row in report.video}
    assert all(len(row.steps) == 5 and row.noise_gain > 0 for row in report.video)
    record = StageRecord.load(bundle_copy, "verify")
    assert record is not None and is_fresh(bundle_copy, "verify", record.key)
    altered = report.video[0].model_copy(update={"sha256": "0" * 64})
    with_rows(bundle_copy, altered).save(bundle_copy / VERIFY_PATH)
    with pytest.raises(InputError, match=r"pan\.mp4"):
        load_own(VerifyReport, bundle_copy / VERIFY_PATH, manifest)


def test_rules_without_rows_and_rows_without_fp32_cannot_be_judged(
    small_bundle: Path, clip: Path
) -> None:
    row = judged(small_bundle, clip)
    assert outcomes(with_rows(small_bundle)) == [("clips", "cannot judge")]
    integers = row.model_copy(update={"precision": "int8"})
    assert ("rise of flicker", "cannot judge") in outcomes(with_rows(small_bundle, integers))
    steps = tuple(s.model_copy(update={"error": 1.1 * s.error}) for s in row.steps)
    worse = integers.model_copy(update={"steps": steps})
    assert ("warping error beside FP32's", "fail") in outcomes(with_rows(small_bundle, row, worse))
    assert ("warping error beside FP32's", "pass") in outcomes(
        with_rows(small_bundle, row, integers)
    )
    assert ("clip", "fail") in outcomes(with_rows(small_bundle, row, row))


def test_clips_that_say_nothing_are_refused(tmp_path: Path) -> None:
    save_clip(tmp_path / "one.mp4", 25.0, pan(1))
    with pytest.raises(InputError, match="has one frame"):
        subjects_of([str(tmp_path / "one.mp4")])
    with pytest.raises(UsageError, match="two clips are called pan"):
        subjects_of(["motions", "motions"])
