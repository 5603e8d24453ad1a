"""A network of one's own, of the kind that default tools crash on, through the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from iast_export.build.convert import convert_fp32, convert_style_encoder
from iast_export.build.export import export_style_encoder, export_tier
from iast_export.build.pipeline import Build, Request, run_stages
from iast_export.cli.build import styles_note
from iast_export.errors import UsageError
from iast_export.network.brought import Brought
from iast_export.pictures.images import save_png
from iast_export.pictures.imagesets import load_set
from iast_export.recipe import parse_recipe
from iast_export.reports.manifest import load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verify import VerifyReport
from iast_export.specs import Tier
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.stylize import stylize
from tests.network_mistakes import Transfer, with_forward

RECIPE = b"""
name = "adain"
tiers = [{depth = 1, max_side_px = 48}]
[calibration]
max_pairs = 8
[verify]
images = 4
[benchmark]
warmup = 1
blocks = 3
"""


def test_an_adain_network_with_depthwise_layers_and_reflection_padding_becomes_a_bundle(
    tmp_path: Path,
) -> None:
    request = Request(
        tmp_path, parse_recipe(RECIPE, "adain"), network="tests.tiny_networks:tiny_adain_factory"
    )
    run_stages(Build(request))
    manifest = load_manifest(tmp_path)
    assert set(manifest.network.code_shapes) == {"mean", "std"}
    islands = {
        row.path: row.islands
        for row in QuantizeReport.load(tmp_path / "reports/quantize.json").rows
    }
    assert any("statistics" in text for text in islands["models/adain-d1-48px-int8.onnx"])
    rows = VerifyReport.load(tmp_path / "reports/verify.json").rows
    int8 = [row for row in rows if row.precision == "int8"]
    assert {row.runtime for row in int8} == {"onnxruntime", "litert"}
    assert all(row.psnr_db.mean > 30 for row in int8)
    assert "give --styles FOLDER" in str(styles_note(request))


def test_a_network_of_one_style_becomes_a_bundle_that_needs_no_style(tmp_path: Path) -> None:
    network, out = "tests.tiny_networks:one_style_factory", tmp_path / "bundle"
    request = Request(out, parse_recipe(RECIPE, "one style"), network=network)
    run_stages(Build(request))
    assert styles_note(request) is None
    manifest = load_manifest(out)
    assert not manifest.network.code_shapes
    assert [(style.id, (out / style.path).read_bytes()) for style in manifest.styles] == [
        ("built-in", b"")
    ]
    assert {file.role for file in manifest.files} == {"transfer", "dispatch"}
    photograph = tmp_path / "photograph.png"
    save_png(photograph, load_set("evaluation")[0][:48, :40].copy())
    for runtime in ("onnxruntime", "litert"):
        (drawn,) = stylize(BundleEngine(out, runtime), [photograph], [], tmp_path / runtime)
        assert drawn.style == "built-in" and drawn.path.is_file()
    with pytest.raises(UsageError, match="one style trained in"):
        stylize(BundleEngine(out, "litert"), [photograph], [str(photograph)], tmp_path / "other")


def _star(self: Transfer, content: Tensor, *codes: Tensor) -> Tensor:
    return torch.sigmoid(self.core(content / 255, *codes)) * 255


def test_codes_of_any_name_are_exported_converted_and_encoded(tmp_path: Path) -> None:
    names = {"style": (1, 8, 1, 1), "the class": (1, 8, 1, 1)}
    network = Brought(with_forward(_star, code_shapes=names, value_range=(0, 255)))
    assert list(network.code_shapes) == ["code_style", "the_class"]
    tier = Tier(1, 48)
    assert export_tier(network, tier, tmp_path / "tier.onnx") < 1e-4
    assert export_style_encoder(network, tmp_path / "encoder.onnx") < 1e-4
    convert_fp32(network, [tier], tmp_path / "tiers.tflite")
    convert_style_encoder(network, tmp_path / "encoder.tflite")
