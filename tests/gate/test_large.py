"""Large pictures by tiles: what a build judged is all there, and floors hold where a rule asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iast_export.bundle.belonging import strangers
from iast_export.errors import RecipeError
from iast_export.files.artifacts import read_json
from iast_export.gate.large import check_large, plan_of
from iast_export.gate.rules import Rules, parse_rules
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.verdict import Check
from iast_export.reports.verify import VerifyReport
from iast_export.specs import GOLDEN_LANES

Rows = list[dict[str, Any]]
NO_RULES = Rules(schema_version=1)
FLOOR = Rules.model_validate({"schema_version": 1, "large": {"int8": {"min_psnr_db": 99.0}}})


def told(bundle: Path, change: Callable[[Rows], object]) -> tuple[Manifest, VerifyReport]:
    raw = read_json(bundle / VERIFY_PATH)
    change(raw["large"])
    return load_manifest(bundle), VerifyReport.model_validate(raw)


def judged(
    bundle: Path, change: Callable[[Rows], object] = len, rules: Rules = NO_RULES
) -> list[Check]:
    return check_large(*told(bundle, change), rules)


def test_a_build_judges_each_lane_of_a_golden_picture_by_tiles(small_bundle: Path) -> None:
    manifest, report = told(small_bundle, len)
    tiers = [tier.id for tier in manifest.tiers if plan_of(tier) is not None]
    assert [(row.runtime, row.precision, row.tier) for row in report.large] == [
        (*key, tier) for tier in tiers for key in GOLDEN_LANES
    ]
    assert 0 < len(tiers) < len(manifest.tiers), "a tier whose tiles are all halo is left out"
    for row in report.large:
        assert row.tiles > 2 and row.psnr_db > (60.0 if row.precision == "fp32" else 25.0), row
    assert strangers(manifest, report) == []
    assert [check.outcome for check in judged(small_bundle)] == ["pass"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.pop(), "is missing"),
        (lambda rows: rows.append(rows[0]), "is told twice"),
        (lambda rows: rows[1].update(content="another"), "another picture"),
        (lambda rows: rows[1].update(tiles=99), "another picture"),
        (lambda rows: rows[1].update(psnr_db=60.0, ssim=0.5), "impossible at 60 dB"),
        (lambda rows: [one.update(width_px=32, height_px=32) for one in rows], "was judged at"),
        (lambda rows: [one.update(tiles=1) for one in rows], "don't cover the picture"),
    ],
)
def test_rows_that_can_not_be_are_named(
    small_bundle: Path, change: Callable[[Rows], object], words: str
) -> None:
    (check,) = judged(small_bundle, change)
    assert check.outcome == "fail" and words in check.measured and check.exit_code == 3


@pytest.mark.parametrize("field", ["sha256", "reference_sha256", "style"])
def test_rows_of_other_files_or_styles_are_strangers(small_bundle: Path, field: str) -> None:
    found = strangers(*told(small_bundle, lambda rows: rows[0].update({field: "f" * 64})))
    assert len(found) == 1 and "by tiles" in found[0]


def test_a_floor_is_held_where_a_rule_asks(small_bundle: Path) -> None:
    checks = judged(small_bundle, rules=FLOOR)
    failed = [check for check in checks if check.outcome == "fail"]
    assert failed and all(check.name.startswith("PSNR by tiles: ") for check in failed)
    assert {check.exit_code for check in failed} == {5}


def test_a_report_of_before_passes_unless_a_rule_asks(small_bundle: Path) -> None:
    assert judged(small_bundle, lambda rows: rows.clear()) == []
    (check,) = judged(small_bundle, lambda rows: rows.clear(), FLOOR)
    assert (check.outcome, check.exit_code) == ("cannot judge", 7)


def test_a_table_without_a_limit_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"large\.int8 sets no limit"):
        parse_rules(b"schema_version = 1\n[large.int8]\n", "rules.toml")
