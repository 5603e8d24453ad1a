"""Depths side by side: every depth at every size, on a bundle that stays as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iast_export.build import depths
from iast_export.build.depths import compare_build_depths
from iast_export.build.pipeline import Build, Request
from iast_export.cli.main import run
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.files.artifacts import sha256_file
from iast_export.lanes.compare import ComparisonOptions
from iast_export.pages import write_html
from iast_export.pictures.images import save_png
from iast_export.reports.depths import DEPTHS_PATH, DepthsReport
from tests.conftest import SMALL_RECIPE

QUICK = ComparisonOptions(warmup=1, blocks=2)


def test_every_depth_has_a_row_at_every_size_and_nothing_else_is_touched(
    bundle_copy: Path,
    small_request: Request,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {p: sha256_file(p) for p in bundle_copy.rglob("*") if p.is_file()}
    recipe = tmp_path / "small.toml"
    recipe.write_bytes(SMALL_RECIPE)
    words = ["--recipe", str(recipe), "--styles", str(small_request.styles)]
    words += ["--checkpoint", str(small_request.checkpoint), "--blocks", "2"]
    assert run(["depths", str(bundle_copy), *words, "--json"]) == 0
    report = DepthsReport.load(bundle_copy / DEPTHS_PATH)
    assert json.loads(capsys.readouterr().out) == report.model_dump(mode="json")
    assert [size.size_px for size in report.sizes] == [32, 64]
    for size in report.sizes:
        rows = {row.depth: row for row in size.rows}
        assert sorted(rows) == [1, 2, 3, 4] and len(size.common_style) == 4
        assert all(row.int8_ms for row in size.rows) and size.rows[0].on_front
        assert [row.fp32_ms for row in size.rows] == sorted(row.fp32_ms for row in size.rows)
        assert all(len(row.gains) == place for place, row in enumerate(size.rows))
        assert [row.depth for row in size.rows if row.shipped] == [4 if size.size_px == 32 else 1]
    after = {p: sha256_file(p) for p in bundle_copy.rglob("*") if p.is_file()}
    assert {p for p in after if before.get(p) != after[p]} <= {
        bundle_copy / DEPTHS_PATH,
        bundle_copy / "reports" / "report.html",
    }
    assert 'id="depths"' in (bundle_copy / "reports" / "report.html").read_text()
    changed = report.model_copy(update={"fp32_sha256": ("7" * 64,)})
    changed.save(bundle_copy / DEPTHS_PATH)
    assert "depths.json is of another build" in write_html(bundle_copy).read_text()


def test_a_network_whose_int8_does_not_run_is_timed_in_fp32_and_says_why(
    bundle_copy: Path, small_request: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise ToolError("ONNX Runtime does not run it", "leave it")

    monkeypatch.setattr(depths, "quantize_onnx", refused)
    report = compare_build_depths(
        Build(replace(small_request, out=bundle_copy)), ["d4-32px"], QUICK
    )
    assert report.no_int8 == "depth 1: ONNX Runtime does not run it"
    assert all(row.int8_ms is None for row in report.sizes[0].rows)
    assert [size.size_px for size in report.sizes] == [32]


def test_a_network_of_one_depth_has_nothing_to_choose(tmp_path: Path) -> None:
    request = Request.of_options(
        tmp_path, None, "tests.tiny_networks:tiny_adain_factory", None, None, None
    )
    with pytest.raises(UsageError, match="nothing to choose"):
        compare_build_depths(Build(request), [], QUICK)


def test_a_set_of_ones_own_judges_if_it_calibrated_nothing(
    bundle_copy: Path, small_request: Request, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(5):
        drawn = np.random.default_rng(i).integers(0, 256, (40, 40, 3))
        save_png(folder / f"{i}.png", drawn.astype(np.uint8))
    build = Build(replace(small_request, out=bundle_copy))
    report = compare_build_depths(build, ["d4-32px"], QUICK, str(folder))
    assert (report.set.name, report.set.images) == ("pictures", 5)
    with pytest.raises(InputError, match="calibrat"):
        compare_build_depths(build, ["d4-32px"], QUICK, "default")
