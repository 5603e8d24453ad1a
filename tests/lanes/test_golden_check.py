"""Golden pictures drawn again: by each tier's file, and by the one that dispatches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iast_export.cli.main import run
from iast_export.files.artifacts import sha256_file
from iast_export.formats.dispatch import merge_dispatch
from iast_export.lanes.golden_check import check_goldens
from iast_export.reports.manifest import load_manifest


@pytest.mark.parametrize("no_vnni", [False, True])
def test_the_file_that_dispatches_draws_what_the_tiers_draw(
    no_vnni: bool, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if no_vnni:
        monkeypatch.setattr("iast_export.runtimes.onnx.has_vnni", lambda: False)
    found = check_goldens(small_bundle, "cpu", runtime="onnxruntime")
    lanes = {(one.tier, one.precision, one.role): one for one in found}
    tiers = [tier.id for tier in load_manifest(small_bundle).depth_plan]
    assert len(lanes) == len(found) == 2 * 2 * len(tiers)
    for tier in tiers:
        for precision in ("fp32", "int8"):
            own, other = (lanes[tier, precision, role] for role in ("transfer", "dispatch"))
            assert own.passed and other.passed and other.worst_levels <= 1


def test_a_dispatching_file_that_takes_the_wrong_branch_fails(
    bundle_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((bundle_copy / "manifest.json").read_text())
    tiers = load_manifest(bundle_copy).depth_plan
    entry = next(
        f for f in manifest["files"] if (f["role"], f["precision"]) == ("dispatch", "int8")
    )
    own = [
        next(
            bundle_copy / f["path"]
            for f in manifest["files"]
            if (f["tier"], f["precision"], f["role"]) == (tier.id, "int8", "transfer")
        )
        for tier in tiers
    ]
    path = bundle_copy / entry["path"]
    merge_dispatch(list(zip(tiers, own[::-1], strict=True)), path)
    entry["sha256"], entry["bytes"] = sha256_file(path), path.stat().st_size
    (bundle_copy / "manifest.json").write_text(json.dumps(manifest))
    code = run(["golden", str(bundle_copy), "--runtime", "onnxruntime", "--json"])
    failed = [one for one in json.loads(capsys.readouterr().out)["goldens"] if not one["passed"]]
    assert code == 5
    assert failed and {(one["role"], one["precision"]) for one in failed} == {("dispatch", "int8")}
