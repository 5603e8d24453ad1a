"""The parity ladder: every step judged or explained, a wrong kernel found, a gap never a pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from iast_export.bundle.layout import Layout
from iast_export.cli.main import run
from iast_export.ladder import cpu as module
from iast_export.ladder.cpu import processor
from iast_export.ladder.inputs import bundle_inputs
from iast_export.ladder.judge import LIMIT_LEVELS, anomaly, compare
from iast_export.ladder.steps import load_source
from iast_export.reports.ladder import (
    GPU_STEPS,
    LADDER_PATH,
    STEP_NAMES,
    LadderReport,
    LadderRow,
    StepError,
)
from iast_export.reports.manifest import load_manifest
from iast_export.runtimes.gpu_process import DRIVER_VARIABLE
from iast_export.specs import Tier
from tests.gpu_driver import use_software_gpu
from tests.sealing import reseal
from tests.tiny_networks import TINY_CONFIG

STEPS = [step for step in STEP_NAMES if step not in GPU_STEPS]


def climb(bundle: Path, checkpoint: Path, *more: str) -> int:
    return run(["ladder", str(bundle), "--checkpoint", str(checkpoint), *more])


def rows_of(bundle: Path, tier: str) -> dict[str, LadderRow]:
    report = LadderReport.load(bundle / LADDER_PATH)
    return {row.step: row for row in report.rows if row.tier == tier}


def test_every_step_of_every_tier_has_its_error_to_the_step_before_and_to_pytorch(
    bundle_copy: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert climb(bundle_copy, tiny_checkpoint) == 0
    said = capsys.readouterr().out
    assert "XNNPACK" in said and "lacks" in said
    for tier in ("d4-32px", "d1-64px"):
        rows = rows_of(bundle_copy, tier)
        assert list(rows) == STEPS
        assert all(row.before and row.total for step, row in rows.items() if step != "pytorch")
        exact = rows["onnx_fp32"].before
        lossy = rows["onnx_int8_plain"].before
        assert exact and lossy and exact.max_levels <= 1 < lossy.max_levels
        assert lossy.psnr_db < exact.psnr_db
    page = (bundle_copy / "reports" / "report.html").read_text()
    assert "Parity ladder" in page and STEP_NAMES["litert_int8_reference"] in page


def test_a_step_that_cannot_run_is_no_pass(
    bundle_copy: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (Layout(bundle_copy, "tiny").onnx(Tier(4, 32), "int8")).write_bytes(b"not a model")
    reseal(bundle_copy)
    assert climb(bundle_copy, tiny_checkpoint, "--tier", "d4-32px", "--json") == 7
    assert json.loads(capsys.readouterr().out)["schema_version"] == 2
    row = rows_of(bundle_copy, "d4-32px")["onnx_int8"]
    assert row.before is None and row.not_run and "no ONNX model" in row.not_run
    assert "not judged" in (bundle_copy / "reports" / "report.html").read_text()


def test_without_its_own_checkpoint_the_network_is_a_gap_with_a_reason(bundle_copy: Path) -> None:
    assert run(["ladder", str(bundle_copy), "--tier", "d1-64px"]) == 7
    rows = rows_of(bundle_copy, "d1-64px")
    assert "was made from checkpoint" in (rows["pytorch"].not_run or "")
    assert rows["onnx_fp32"].total is None and "PyTorch" in (rows["onnx_fp32"].not_run or "")
    assert rows["onnx_int8"].before is not None, "steps below are still compared with each other"


def test_a_module_that_the_manifest_names_is_run_only_where_the_user_names_it_too(
    bundle_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named_by_a_bundle.py").write_text(
        "from pathlib import Path\nPath('was-run').touch()\n"
        "from tests.tiny_networks import tiny_iast_factory as factory\n"
    )
    monkeypatch.chdir(tmp_path)
    manifest = json.loads((bundle_copy / "manifest.json").read_text())
    manifest["source"] |= {"network": "named_by_a_bundle:factory", "checkpoint_sha256": None}
    (bundle_copy / "manifest.json").write_text(json.dumps(manifest))
    assert run(["ladder", str(bundle_copy), "--tier", "d1-64px"]) == 7
    assert not (tmp_path / "was-run").exists()
    said = rows_of(bundle_copy, "d1-64px")["pytorch"].not_run or ""
    assert "give --network named_by_a_bundle:factory to run its code" in said
    named = load_source(load_manifest(bundle_copy), "named_by_a_bundle:factory")
    assert named.network is not None and (tmp_path / "was-run").exists()
    since = load_source(load_manifest(bundle_copy), "named_by_a_bundle:factory", None, "0" * 64)
    assert since.network is None and "changed since the bundle was built" in since.reason


def test_an_export_that_is_not_the_network_is_flagged_in_words(
    bundle_copy: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Layout(bundle_copy, "tiny").onnx(Tier(1, 64), "fp32")
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 4:
            tensor.CopyFrom(numpy_helper.from_array(values * np.float32(1.3), tensor.name))
    onnx.save(model, path)
    reseal(bundle_copy)
    assert climb(bundle_copy, tiny_checkpoint, "--tier", "d1-64px") == 5
    assert "the export is not the network" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("levels", "psnr", "flagged"),
    [(0, 100.0, False), (24, 45.0, False), (25, 45.0, True), (3, 39.0, True)],
)
def test_kernels_that_differ_by_more_than_the_stated_levels_are_flagged(
    levels: int, psnr: float, flagged: bool
) -> None:
    assert LIMIT_LEVELS["litert_int8"] == 24
    error = StepError(
        against="litert_int8_reference",
        psnr_db=psnr,
        worst_psnr_db=psnr,
        max_levels=levels,
        differing_share=0.5,
    )
    said = anomaly("litert_int8", error)
    assert (said is not None) == flagged
    assert said is None or ("XNNPACK" in said and f"{levels} levels" in said)
    assert anomaly("onnx_int8_plain", error) is None, "quantization itself may cost more"


def test_errors_are_counted_in_levels_and_pixels() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    spot = black.copy()
    spot[0, 0] = (0, 9, 3)
    error = compare("pytorch", [black, black], [black, spot])
    assert (error.max_levels, error.differing_share) == (9, 1 / 32)
    assert error.worst_psnr_db < error.psnr_db
    assert compare("pytorch", [black], [black]).psnr_db == 100.0


@pytest.mark.parametrize(
    ("found", "lacks", "says"),
    [
        ({"architecture": "x86_64", "flags": ["avx2"]}, "avx512_vnni", "x64quantprecision"),
        ({"architecture": "x86_64", "flags": ["avx2", "avx512_vnni"]}, "amx_int8", "exactly"),
        ({"architecture": "aarch64", "flags": []}, "i8mm", "oldest phones"),
    ],
)
def test_the_report_says_what_the_processor_lacks(
    monkeypatch: pytest.MonkeyPatch, found: Mapping[str, Any], lacks: str, says: str
) -> None:
    monkeypatch.setattr(module, "machine_fingerprint", lambda: {"cpu": "a processor", **found})
    told = processor()
    assert lacks in told.lacks and says in told.remark


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "Missing argument 'DIR'"),
        (["nowhere"], 3, "iast-export build"),
        (["DIR", "--tier", "d9-1px"], 2, "choose of d4-32px, d1-64px"),
        (["DIR", "--pictures", "500"], 3, "lower --pictures"),
        (["DIR", "--styles", "x"], 2, "No such option '--styles'"),
    ],
)
def test_what_a_user_gets_wrong_is_said_with_its_remedy(
    small_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    assert run(["ladder", *(str(small_bundle) if a == "DIR" else a for a in arguments)]) == code
    assert says in " ".join(capsys.readouterr().err.split())


def test_a_row_without_figures_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="no reason"):
        LadderRow(tier="d1-64px", step="onnx_int8")


def test_every_picture_has_a_style_and_the_checkpoint_is_the_bundles(
    small_bundle: Path, tiny_checkpoint: Path
) -> None:
    from iast_export.pictures.imagesets import load_set

    manifest = load_manifest(small_bundle)
    inputs = bundle_inputs(small_bundle, manifest, load_set("evaluation"), 3)
    assert len({one.style for one in inputs}) == 3
    source = load_source(manifest, checkpoint=tiny_checkpoint)
    assert source.network is not None and source.network.cut(1) is not None
    assert TINY_CONFIG.width == 8


@pytest.mark.parametrize("count, own", [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_a_third_of_the_pictures_keep_their_own_shape(
    small_bundle: Path, count: int, own: int
) -> None:
    from iast_export.pictures.imagesets import load_set

    manifest = load_manifest(small_bundle)
    inputs = bundle_inputs(small_bundle, manifest, load_set("evaluation"), count)
    kept = [one for one in inputs if one.own_shape]
    assert len(inputs) == count and len(kept) == own
    assert all(one.content.shape[0] != one.content.shape[1] for one in kept)


def test_on_a_gpu_fp16_is_foretold_by_a_simulation_that_agrees(
    bundle_copy: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_software_gpu(monkeypatch)
    climbed = climb(
        bundle_copy, tiny_checkpoint, "--tier", "d4-32px", "--pictures", "1", "--accelerator", "gpu"
    )
    assert climbed == 0
    said = capsys.readouterr().out
    assert "llvmpipe" in said and " ms" not in said
    rows = rows_of(bundle_copy, "d4-32px")
    foretold, agreed = (rows[step].before for step in GPU_STEPS)
    assert list(rows) == [*STEPS, *GPU_STEPS] and foretold and agreed
    assert foretold.against == "litert_fp32" and foretold.psnr_db > 50.0
    assert agreed.against == GPU_STEPS[0] and agreed.max_levels <= LIMIT_LEVELS[GPU_STEPS[1]]
    assert "models/tiny-fp16.tflite" in LadderReport.load(bundle_copy / LADDER_PATH).files


def test_without_a_gpu_its_step_is_a_gap_that_says_why(
    bundle_copy: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = tmp_path / "nothing.json"
    nothing.write_text('{"ICD": {"library_path": "./nothing.so"}}')
    monkeypatch.setenv(DRIVER_VARIABLE, str(nothing))
    more = ("--tier", "d4-32px", "--pictures", "1", "--accelerator", "gpu")
    assert climb(bundle_copy, tiny_checkpoint, *more) == 7
    rows = rows_of(bundle_copy, "d4-32px")
    assert "LiteRT found no GPU" in (rows["litert_fp16_gpu"].not_run or "")
    assert rows["litert_fp16_simulated"].total is not None
