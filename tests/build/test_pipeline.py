"""The pipeline: everything from a checkpoint, fresh stages skipped, interrupted ones resumed,
bytes equal."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.trust.kills import plant, state
from iast_export.build.pipeline import (
    STAGE_NAMES,
    Build,
    Request,
    _remove_superseded,
    planned_outputs,
    run_stages,
)
from iast_export.errors import InputError, RecipeError, UsageError
from iast_export.files.artifacts import StageRecord, sha256_file
from iast_export.metrics.perceptual import expected_shapes
from iast_export.recipe import parse_recipe
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.manifest import load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verify import VerifyReport
from tests.conftest import SMALL_RECIPE

_TIMED = {
    "reports/benchmark.json",
    "reports/gallery.json",
    "reports/report.html",
    ".stages/bench.json",
    ".stages/bundle.json",
}


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


def test_two_builds_are_byte_identical(
    small_bundle: Path, small_request: Request, tmp_path: Path
) -> None:
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


def test_one_stage_alone_refuses_what_is_missing_before_it(
    small_request: Request, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="needs the outputs of `export`"):
        run_stages(Build(replace(small_request, out=tmp_path)), "quantize")


def test_one_stage_alone_refuses_an_altered_artifact(
    bundle_copy: Path, small_request: Request
) -> None:
    (bundle_copy / "models" / "tiny-fp32.tflite").write_bytes(b"foreign")
    with pytest.raises(InputError, match="missing, stale or altered"):
        run_stages(Build(replace(small_request, out=bundle_copy)), "verify")


def test_a_plan_that_the_network_cannot_serve_is_a_recipe_error(
    small_request: Request, tmp_path: Path
) -> None:
    recipe = parse_recipe(SMALL_RECIPE.replace(b"depth = 4", b"depth = 9"), "deep")
    with pytest.raises(RecipeError, match="depth 9"):
        run_stages(Build(replace(small_request, out=tmp_path, recipe=recipe)))


def test_every_output_is_known_before_the_first_is_written(
    small_bundle: Path, small_request: Request
) -> None:
    made = {name for stage in STAGE_NAMES for name in _outputs(small_bundle, stage)}
    assert {
        p.relative_to(small_bundle).as_posix() for p in planned_outputs(Build(small_request))
    } == made


def _outputs(root: Path, stage: str) -> Mapping[str, str]:
    found = StageRecord.load(root, stage)
    assert found is not None
    return found.outputs


DYING = """
import os, signal, sys
from iast_export.files import artifacts
left, take_place = int(sys.argv[1]), artifacts._take_place
def dying(*paths):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    take_place(*paths)
artifacts._take_place = dying
from iast_export.cli.main import run
sys.exit(run(sys.argv[2:]))
"""


def test_builds_killed_while_two_work_in_one_folder_resume_to_the_same_bytes(
    small_request: Request, small_bundle: Path, tmp_path: Path
) -> None:
    recipe, out = tmp_path / "small.toml", tmp_path / "killed"
    recipe.write_bytes(SMALL_RECIPE)
    decoys = plant(out)
    words = ["build", str(small_request.checkpoint), "--out", str(out)]
    words += ["--recipe", str(recipe), "--styles", str(small_request.styles)]
    builds = [
        subprocess.Popen(
            [sys.executable, "-c", DYING, str(writes), *words], stdout=subprocess.DEVNULL
        )
        for writes in (
            3,
            9,
        )  # in `export`; in `convert` or later, since the other's files are fresh
    ]
    assert [build.wait() for build in builds] == [-signal.SIGKILL] * 2
    assert list(out.rglob(".iast-export-tmp-????????????????")), (
        "a kill leaves what was being written"
    )
    run_stages(Build(replace(small_request, out=out)))
    assert {n: d for n, d in hashes(out).items() if n not in decoys} == hashes(small_bundle)
    assert {name: state(out / name) for name in decoys} == decoys
    assert not list(out.rglob(".iast-export-tmp-????????????????"))


@pytest.mark.parametrize(
    ("lost", "stage"),
    [
        ((".stages/quantize.json", ".stages/claims.json", "models/tiny-int8.tflite"), "quantize"),
        (("manifest.json", "styles", "golden", ".stages/bundle.json"), "bundle"),
    ],
)
@pytest.mark.parametrize("emptied", [True, False], ids=["emptied", "missing"])
def test_what_a_power_cut_emptied_or_lost_is_made_again(
    lost: tuple[str, ...],
    stage: str,
    emptied: bool,
    bundle_copy: Path,
    small_request: Request,
    small_bundle: Path,
) -> None:
    for name in lost:
        place = bundle_copy / name
        for path in place.iterdir() if place.is_dir() else [place]:
            path.write_bytes(b"") if emptied else path.unlink()
    results = run_stages(Build(replace(small_request, out=bundle_copy)))
    assert [r.stage for r in results if r.ran] == [stage]
    assert hashes(bundle_copy) == hashes(small_bundle)


def test_a_record_that_names_a_users_file_deletes_nothing(
    bundle_copy: Path, small_request: Request
) -> None:
    names = ("../victim.txt", ".env-local", "photo.jpg")
    outputs = dict(_outputs(bundle_copy, "bundle"))
    for name in names:
        (bundle_copy / name).write_text("the user's own")
        outputs[name] = sha256_file(bundle_copy / name)
        StageRecord("bundle", "0" * 64, outputs).save(bundle_copy)
        run_stages(Build(replace(small_request, out=bundle_copy)))
        assert (bundle_copy / name).read_text() == "the user's own"


def test_an_output_that_the_user_changed_is_not_deleted_when_another_recipe_drops_it(
    bundle_copy: Path,
) -> None:
    before = StageRecord.load(bundle_copy, "bundle")
    names = sorted(name for name in _outputs(bundle_copy, "bundle") if name.startswith("golden/"))
    (bundle_copy / names[0]).write_bytes(b"drawn over")
    _remove_superseded(bundle_copy, before, [])
    assert [path.name for path in (bundle_copy / "golden").iterdir()] == [Path(names[0]).name]
    assert not (bundle_copy / "manifest.json").exists()


@pytest.mark.parametrize(
    "which", ["styles", "checkpoint", "calibration", "recipe_file", "landmarks", "set"]
)
def test_inputs_among_the_outputs_are_refused_before_anything_is_made(
    which: str, small_request: Request, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    held = out / ("styles" if which == "styles" else "models")
    shutil.copytree(small_request.styles or tmp_path, held)
    mine = held / "mine.bin"
    shutil.copy(small_request.checkpoint or tmp_path, mine)
    text = SMALL_RECIPE.replace(b"images = 4", f'images = 4\nset = "{held}"'.encode())
    if which == "landmarks":
        text = SMALL_RECIPE + f'[bundle]\nlandmarks = "{mine}"\n'.encode()
    recipe = parse_recipe(text, "own") if which in ("landmarks", "set") else small_request.recipe
    given = {"styles": held, "checkpoint": mine, "calibration": str(held), "recipe_file": mine}
    options = {which: given[which]} if which in given else {}
    before = hashes(out)
    with pytest.raises(UsageError, match=r"which the build writes itself\n.*choose another --out"):
        run_stages(Build(replace(small_request, out=out, recipe=recipe, **options)))
    assert hashes(out) == before


def test_a_users_file_of_an_outputs_name_is_refused_before_anything_is_made(
    small_request: Request, tmp_path: Path
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny-fp32.tflite").write_bytes(b"the user's own")
    (tmp_path / "manifest.json").write_text("{}")
    before = hashes(tmp_path)
    with pytest.raises(InputError, match="not made by a build"):
        run_stages(Build(replace(small_request, out=tmp_path)))
    assert hashes(tmp_path) == before


def test_folders_that_lead_out_of_the_bundle_are_refused(
    small_request: Request, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    out.mkdir()
    other.mkdir()
    (out / "models").symlink_to(other)
    with pytest.raises(InputError, match="would land outside"):
        run_stages(Build(replace(small_request, out=out)))
    assert list(other.iterdir()) == []


def test_users_perceptual_weights_are_judged_with(
    bundle_copy: Path, small_request: Request, tmp_path: Path
) -> None:
    weights = tmp_path / "squeezenet.pt"
    generator = torch.Generator().manual_seed(0)
    shapes = expected_shapes()
    torch.save(
        {k: torch.randn(shape, generator=generator) * 0.1 for k, shape in shapes.items()}, weights
    )
    text = SMALL_RECIPE.replace(
        b"images = 4", f'images = 4\nperceptual_weights = "{weights}"'.encode()
    )
    recipe = parse_recipe(text, "judged")
    build = Build(replace(small_request, out=bundle_copy, recipe=recipe))
    assert "verify" in [r.stage for r in run_stages(build, "verify") if r.ran]
    rows = VerifyReport.load(bundle_copy / "reports/verify.json").rows
    assert all(
        row.drop.lpips_content is not None and set(row.not_judged) == {"identity"} for row in rows
    )


def test_xnnpack_takes_every_integer_operator(small_bundle: Path) -> None:
    rows = QuantizeReport.load(small_bundle / "reports/quantize.json").rows
    int8 = next(row for row in rows if row.runtime == "litert" and row.precision == "int8")
    assert int8.quantized_ops["CONV_2D"] > 0 and all(int8.delegated.values())
    assert not any(int8.not_delegated.values())
