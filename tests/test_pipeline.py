"""The pipeline: everything from a checkpoint, fresh stages skipped, interrupted ones resumed, bytes equal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from iast_export.artifacts import sha256_file
from iast_export.errors import InputError, RecipeError
from iast_export.metrics.perceptual import expected_shapes
from iast_export.pipeline import STAGE_NAMES, Build, Request, run_stages
from iast_export.recipe import parse_recipe
from iast_export.reports import BenchmarkReport, QuantizeReport, VerifyReport, load_manifest
from tests.conftest import SMALL_RECIPE

_TIMED = {"reports/benchmark.json", "reports/report.html", ".stages/bench.json", ".stages/bundle.json"}


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, timings aside."""
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    return {name: sha256_file(folder / name) for name in sorted(names) if name not in _TIMED}


def test_a_build_makes_every_file_that_the_manifest_promises(small_bundle: Path) -> None:
    manifest = load_manifest(small_bundle)
    roles = {(f.runtime, f.role, f.precision) for f in manifest.files}
    assert ("onnxruntime", "dispatch", "int8") in roles and ("litert", "transfer", "int8") in roles
    for entry in manifest.files:
        path = small_bundle / entry.path
        assert (sha256_file(path), path.stat().st_size) == (entry.sha256, entry.bytes)
    for relative in (*manifest.reports.values(), *(s.path for s in manifest.styles)):
        assert (small_bundle / relative).is_file()
    assert {g.tier for g in manifest.golden} == {t.id for t in manifest.tiers}


def test_reports_cover_every_lane_and_tier(small_bundle: Path) -> None:
    verify = VerifyReport.load(small_bundle / "reports/verify.json")
    bench = BenchmarkReport.load(small_bundle / "reports/benchmark.json")
    lanes = {(r.runtime, r.precision, r.tier) for r in bench.rows}
    assert len(lanes) == 2 * (2 + 4)
    assert {(r.runtime, r.precision, r.tier) for r in verify.rows} <= lanes
    assert all(r.images == 4 for r in verify.rows)


def test_a_second_build_runs_nothing(small_bundle: Path, small_request: Request) -> None:
    results = run_stages(Build(small_request))
    assert [r.stage for r in results] == list(STAGE_NAMES)
    assert not any(r.ran for r in results)


def test_two_builds_are_byte_identical(small_bundle: Path, small_request: Request, tmp_path: Path) -> None:
    other = replace(small_request, out=tmp_path / "other")
    run_stages(Build(other))
    assert hashes(other.out) == hashes(small_bundle)


def test_an_altered_model_is_made_again_and_nothing_else(
    bundle_copy: Path, small_request: Request, small_bundle: Path
) -> None:
    model = bundle_copy / "models" / "tiny-d4-32px-int8.onnx"
    model.write_bytes(model.read_bytes()[:-7])
    results = run_stages(Build(replace(small_request, out=bundle_copy)))
    assert [r.stage for r in results if r.ran] == ["quantize"]
    assert hashes(bundle_copy) == hashes(small_bundle)


def test_one_stage_alone_refuses_what_is_missing_before_it(small_request: Request, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs the outputs of `export`"):
        run_stages(Build(replace(small_request, out=tmp_path)), "quantize")


def test_one_stage_alone_refuses_an_altered_artifact(bundle_copy: Path, small_request: Request) -> None:
    (bundle_copy / "models" / "tiny-fp32.tflite").write_bytes(b"foreign")
    with pytest.raises(InputError, match="missing, stale or altered"):
        run_stages(Build(replace(small_request, out=bundle_copy)), "verify")


def test_a_plan_that_the_network_cannot_serve_is_a_recipe_error(
    small_request: Request, tmp_path: Path
) -> None:
    recipe = parse_recipe(SMALL_RECIPE.replace(b"depth = 4", b"depth = 9"), "deep")
    with pytest.raises(RecipeError, match="depth 9"):
        run_stages(Build(replace(small_request, out=tmp_path, recipe=recipe)))


@pytest.mark.parametrize("seconds", [7.0])
def test_a_killed_build_resumes_to_the_same_bytes(
    seconds: float, small_request: Request, small_bundle: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_bytes(SMALL_RECIPE)
    out = tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "iast_export.cli",
        "build",
        str(small_request.checkpoint),
        "--out",
        str(out),
    ]
    command += ["--recipe", str(recipe), "--styles", str(small_request.styles)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run_stages(Build(replace(small_request, out=out)))
    assert hashes(out) == hashes(small_bundle)
    shutil.rmtree(out)


def test_users_perceptual_weights_are_judged_with(
    bundle_copy: Path, small_request: Request, tmp_path: Path
) -> None:
    weights = tmp_path / "squeezenet.pt"
    generator = torch.Generator().manual_seed(0)
    shapes = expected_shapes()
    torch.save({k: torch.randn(shape, generator=generator) * 0.1 for k, shape in shapes.items()}, weights)
    text = SMALL_RECIPE.replace(b"images = 4", f'images = 4\nperceptual_weights = "{weights}"'.encode())
    recipe = parse_recipe(text, "judged")
    build = Build(replace(small_request, out=bundle_copy, recipe=recipe))
    assert "verify" in [r.stage for r in run_stages(build, "verify") if r.ran]
    rows = VerifyReport.load(bundle_copy / "reports/verify.json").rows
    assert all(row.drop.lpips_content is not None and set(row.not_judged) == {"identity"} for row in rows)


def test_xnnpack_takes_every_integer_operator(small_bundle: Path) -> None:
    rows = QuantizeReport.load(small_bundle / "reports/quantize.json").rows
    int8 = next(row for row in rows if row.runtime == "litert" and row.precision == "int8")
    assert int8.quantized_ops["CONV_2D"] > 0 and all(int8.delegated.values())
    assert not any(int8.not_delegated.values())
