"""Two bundles side by side: a real small one, and copies with something planted in them."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iast_export.cli.main import run
from iast_export.compare import CompareOptions, compare
from iast_export.compare.sides import open_sides
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import read_json, sha256_file, write_json
from iast_export.gate.comparison import check_comparison
from iast_export.gate.rules import ComparisonRules
from iast_export.reports.comparison import ComparisonReport

SMALLEST = ("d4-32px",)


def quick(**values: Any) -> CompareOptions:
    """One look at the photographs and a few rounds, by a clock that ticks when it is read."""
    ticks = itertools.count()
    given = {"tiers": SMALLEST, "most_images": 8, "clock_s": lambda: 1.0 * next(ticks)}
    return CompareOptions(**{**given, "budget_s": 90.0, **values})


def judged(found: ComparisonReport, *, speed: bool = False) -> dict[str, str]:
    """What did not pass, without the speed that one round can't tell."""
    checks = check_comparison(found, ComparisonRules())
    return {
        check.name: check.outcome
        for check in checks
        if check.outcome != "pass" and (speed or check.kind != "speed")
    }


def relist(folder: Path) -> None:
    """Writes the hashes and sizes of a bundle's files into its manifest again."""
    manifest = read_json(folder / "manifest.json")
    for entry in manifest["files"]:
        path = folder / entry["path"]
        entry["sha256"], entry["bytes"] = sha256_file(path), path.stat().st_size
    for style in manifest["styles"]:
        style["sha256"] = sha256_file(folder / style["path"])
    write_json(folder / "manifest.json", manifest)


def damage_a_style(folder: Path) -> tuple[str, str]:
    """Alters the code of one style, listed as if it were meant; its id, and another's."""
    one, other = sorted((folder / "styles").glob("*.f32"))[:2]
    code = np.fromfile(one, "<f4")
    one.write_bytes((5.0 - 4.0 * code).astype("<f4").tobytes())
    relist(folder)
    return one.stem, other.stem


def test_a_bundle_and_its_copy_have_nothing_to_measure(
    small_bundle: Path, bundle_copy: Path
) -> None:
    found = compare(small_bundle, bundle_copy, options=quick(tiers=()))
    assert all(lane.same_file and lane.same_pictures for lane in found.lanes)
    assert not any(lane.pairs or lane.rounds for lane in found.lanes)
    assert judged(found, speed=True) == {}


def test_equal_files_are_timed_where_that_is_asked(small_bundle: Path) -> None:
    found = compare(small_bundle, small_bundle, options=quick(time_same_files=True, budget_s=0.5))
    for lane in found.lanes:
        (blocks,) = lane.rounds
        assert len(blocks) == 3
        assert all(ms > 0 for block in blocks for two in block for ms in two)


def test_a_swapped_file_is_found_and_no_other_lane_is_accused(
    small_bundle: Path, bundle_copy: Path
) -> None:
    models = bundle_copy / "models"
    shutil.copyfile(models / "tiny-d1-64px-int8.onnx", models / "tiny-d4-32px-int8.onnx")
    relist(bundle_copy)
    found = compare(small_bundle, bundle_copy, options=quick())
    wrong = judged(found)
    assert wrong["compare psnr: onnxruntime int8 d4-32px"] == "fail"
    assert all("onnxruntime int8 d4-32px" in name for name in wrong)
    touched = [lane.label for lane in found.lanes if not lane.same_file]
    assert touched == ["onnxruntime int8 d4-32px"]


def test_a_style_whose_code_is_damaged_is_found_by_its_name(
    small_bundle: Path, bundle_copy: Path
) -> None:
    one, other = damage_a_style(bundle_copy)
    found = compare(small_bundle, bundle_copy, options=quick())
    wrong = judged(found)
    assert wrong[f"compare psnr to BASE: onnxruntime fp32 d4-32px in {one}"] == "fail"
    assert f"compare psnr to BASE: onnxruntime fp32 d4-32px in {other}" not in wrong


def test_pictures_end_when_their_share_of_the_time_is_over(
    small_bundle: Path, bundle_copy: Path
) -> None:
    damage_a_style(bundle_copy)
    found = compare(small_bundle, bundle_copy, options=quick(budget_s=4.0))
    contents = {pair.content for lane in found.lanes for pair in lane.pairs}
    assert 0 < len(contents) < 8
    assert "cannot judge" in judged(found).values()


def test_what_head_lacks_is_told(small_bundle: Path, bundle_copy: Path) -> None:
    manifest = read_json(bundle_copy / "manifest.json")
    gone = manifest["styles"].pop()["id"]
    write_json(bundle_copy / "manifest.json", manifest)
    found = compare(small_bundle, bundle_copy, options=quick())
    assert found.lacks == (f"style {gone}",)
    assert judged(found) == {"compare: lanes and styles": "cannot judge"}
    assert compare(bundle_copy, small_bundle, options=quick()).adds == (f"style {gone}",)


def no_tier_in_common(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("d4-32px", "d3-32px"))


def no_style_in_common(folder: Path) -> None:
    manifest = read_json(folder / "manifest.json")
    for style in manifest["styles"]:
        style["id"] += "-other"
    manifest["golden"] = []
    write_json(folder / "manifest.json", manifest)


@pytest.mark.parametrize("alter", [no_tier_in_common, no_style_in_common])
def test_bundles_that_share_nothing_are_refused(
    small_bundle: Path, bundle_copy: Path, alter: Callable[[Path], None]
) -> None:
    alter(bundle_copy)
    with pytest.raises(InputError):
        open_sides(small_bundle, bundle_copy, SMALLEST, 12)


def test_an_unknown_tier_and_pictures_that_calibrated_are_refused(small_bundle: Path) -> None:
    with pytest.raises(UsageError, match="BASE has no tier 'd9-1px'"):
        compare(small_bundle, small_bundle, options=quick(tiers=("d9-1px",)))
    with pytest.raises(UsageError, match="calibrated"):
        compare(small_bundle, small_bundle, options=quick(pictures="default"))


def test_the_verb_writes_what_the_gate_takes(
    small_bundle: Path, bundle_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, junit = tmp_path / "comparison.json", tmp_path / "compare.xml"
    given = [str(small_bundle), str(bundle_copy), "--out", str(out), "--junit", str(junit)]
    assert run(["compare", *given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exit_code"] == 0
    assert junit.read_text().startswith("<?xml")
    (tmp_path / "rules.toml").write_text("schema_version = 1\n[comparison]\nmax_slowdown = 0.05\n")
    asked = ["--comparison", str(out), "--rules", str(tmp_path / "rules.toml")]
    assert run(["gate", str(bundle_copy), *asked]) == 0
    assert run(["gate", str(bundle_copy), "--rules", str(tmp_path / "rules.toml")]) == 7


def test_the_report_is_written_into_neither_bundle(small_bundle: Path) -> None:
    inside = str(small_bundle / "manifest.json")
    assert run(["compare", str(small_bundle), str(small_bundle), "--out", inside]) == 2
