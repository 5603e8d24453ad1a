"""A network of one's own, of the kind that default tools crash on, through the whole pipeline."""

from __future__ import annotations

from pathlib import Path

from iast_export.build.pipeline import Build, Request, run_stages
from iast_export.recipe import parse_recipe
from iast_export.reports.manifest import load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verify import VerifyReport

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
