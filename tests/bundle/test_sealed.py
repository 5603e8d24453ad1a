"""Altered is refused by everything: one place opens the files of bundles and builds."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from iast_export.build.pipeline import run_stages
from iast_export.build.request import Build, Request, seals_of
from iast_export.bundle.sealed import Seals, read_sealed
from iast_export.cli.main import run
from iast_export.errors import InputError
from iast_export.files.artifacts import StageRecord, sha256_bytes
from iast_export.files.paths import STAGES_DIR
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.manifest import load_manifest
from iast_export.stylize.engine import BundleEngine
from tests.conftest import SMALL_RECIPE
from tests.formats.test_onnx_wire import elsewhere
from tests.sealing import reseal

VERBS = (
    "ladder",
    "golden",
    "lanes",
    "search",
    "stylize",
    "inspect",
    "style add",
    "gate",
    "bench",
    "verify",
    "bundle",
)


@pytest.fixture(scope="module")
def altered_bundle(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose INT8 file of LiteRT has one bit flipped where weights are."""
    folder = Path(shutil.copytree(small_bundle, tmp_path_factory.mktemp("altered") / "bundle"))
    path = folder / "models" / "tiny-int8.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return folder


def arguments(verb: str, folder: Path, request: Request, scratch: Path) -> list[str]:
    recipe, picture = scratch / "recipe.toml", scratch / "picture.png"
    recipe.write_bytes(SMALL_RECIPE)
    cv2.imwrite(str(picture), np.full((32, 32, 3), 77, np.uint8))
    origin = ["--recipe", str(recipe), "--styles", str(request.styles)]
    of_bundle = [str(folder), *origin, "--checkpoint", str(request.checkpoint)]
    style = load_manifest(folder).styles[0].id
    if verb in ("bench", "verify", "bundle"):
        return [verb, str(request.checkpoint), *origin, "--out", str(folder)]
    return {
        "ladder": ["ladder", str(folder), "--pictures", "1"],
        "golden": ["golden", str(folder)],
        "lanes": ["lanes", *of_bundle, "--blocks", "2"],
        "search": [
            "search",
            *of_bundle,
            "--tier",
            "d4-32px",
            "--budget",
            "psnr_db>=1",
            "--minutes",
            "0.01",
        ],
        "stylize": [
            *("stylize", str(folder), "--content", str(picture), "--style", style),
            *("--out", str(scratch / "out"), "--runtime", "onnxruntime", "--precision", "fp32"),
        ],
        "inspect": ["inspect", str(folder)],
        "style add": [
            "style",
            "add",
            str(folder),
            str(picture),
            "--name",
            "new",
            "--category",
            "ink",
        ],
        "gate": ["gate", str(folder), "--write-baseline", str(scratch / "baseline.json")],
    }[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_a_bundle_with_one_altered_bit_is_refused_by_every_verb(
    verb: str,
    altered_bundle: Path,
    small_request: Request,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(altered_bundle.rglob("*"))
    assert run(arguments(verb, altered_bundle, small_request, tmp_path)) == 3
    assert "altered" in capsys.readouterr().err
    assert sorted(altered_bundle.rglob("*")) == before


def test_what_is_read_is_what_was_hashed(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"good")
    assert read_sealed(path, sha256_bytes(b"good")) == b"good"
    path.write_bytes(b"evil")
    with pytest.raises(InputError, match="altered"):
        read_sealed(path, sha256_bytes(b"good"))
    with pytest.raises(InputError, match="is missing"):
        read_sealed(tmp_path / "gone.onnx", sha256_bytes(b"good"))


def test_a_build_in_progress_is_held_to_the_records_of_its_stages(
    small_request: Request, bundle_copy: Path
) -> None:
    build = Build(Request(bundle_copy, small_request.recipe, checkpoint=small_request.checkpoint))
    (bundle_copy / MANIFEST_NAME).unlink()
    path = bundle_copy / "models" / "tiny-d4-32px-int8.onnx"
    assert seals_of(build).read(path) == path.read_bytes()
    with pytest.raises(InputError, match="not listed in the record of its stage"):
        seals_of(build).read(bundle_copy / "models" / "stray.onnx")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        InputError, match="altered: its SHA-256 is not that of the record of its stage"
    ):
        seals_of(build)
    shutil.rmtree(bundle_copy / STAGES_DIR)
    with pytest.raises(InputError, match="not listed"):
        Seals.of_build(bundle_copy).read(path)


def test_a_finished_bundle_is_not_gone_on_with_once_its_network_changed(
    small_request: Request, bundle_copy: Path
) -> None:
    build = Build(Request(bundle_copy, small_request.recipe, checkpoint=small_request.checkpoint))
    exported = StageRecord.load(bundle_copy, "export")
    assert exported is not None and exported.network == build.network_sha256
    assert seals_of(build).source == "the manifest"
    replace(exported, network=sha256_bytes(b"its weights were others")).save(bundle_copy)
    with pytest.raises(InputError, match="another recipe, checkpoint or network") as refusal:
        seals_of(build)
    assert "weights or code changed since, build it again" in refusal.value.remedy


def test_a_build_makes_an_altered_file_again(
    small_request: Request, small_bundle: Path, bundle_copy: Path
) -> None:
    path = bundle_copy / "models" / "tiny-dispatch-int8.onnx"
    path.write_bytes(b"altered")
    request = Request(
        bundle_copy,
        small_request.recipe,
        checkpoint=small_request.checkpoint,
        styles=small_request.styles,
    )
    run_stages(Build(request), "quantize")
    assert path.read_bytes() == (small_bundle / path.relative_to(bundle_copy)).read_bytes()


def test_a_bundle_whose_hashes_were_written_anew_may_still_hold_no_values_elsewhere(
    bundle_copy: Path,
) -> None:
    manifest = load_manifest(bundle_copy)
    entry = next(
        f for f in manifest.files if f.role == "transfer" and f.path.endswith("-fp32.onnx")
    )
    path = bundle_copy / entry.path
    model = onnx.load_from_string(path.read_bytes())
    tensor = model.graph.initializer[0]
    (path.parent / "weights.bin").write_bytes(tensor.raw_data)
    outside = elsewhere()
    outside.name, outside.data_type, outside.dims[:] = tensor.name, tensor.data_type, tensor.dims
    tensor.CopyFrom(outside)
    path.write_bytes(model.SerializeToString())
    reseal(bundle_copy)
    engine = BundleEngine(bundle_copy, "onnxruntime", "fp32")
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    side = next(t for t in engine.tiers if t.id == entry.tier).max_side_px
    with pytest.raises(InputError, match="keeps values in another file"):
        engine.stylize(np.zeros((side, side, 3), np.uint8), codes)
