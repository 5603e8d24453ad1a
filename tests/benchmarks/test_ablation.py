"""The ablation of ranges and weights: a row per switch and tier, and a remedy for what is
missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.quantization.ablation import VARIANTS, Row, ablate, main, markdown
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.pipeline import Request
from iast_export.build.request import Build


def test_every_switch_has_a_row_at_both_ends_of_the_plan(
    small_request: Request, tmp_path: Path
) -> None:
    build = Build(replace(small_request, out=tmp_path))
    ends = (build.tiers[0], build.tiers[-1])
    for tier in ends:
        export_tier(build.network, tier, build.layout.onnx(tier, "fp32"))
    convert_fp32(build.network, build.tiers, build.layout.tflite("fp32"))
    chosen = [VARIANTS[2], VARIANTS[4], VARIANTS[-1]]
    rows = ablate(build, tmp_path, chosen)
    assert [(row.tier, row.runtime, row.variant) for row in rows] == [
        (tier.id, runtime, variant.label)
        for tier in dict.fromkeys(ends)
        for runtime in ("onnxruntime", "litert")
        for variant in chosen
        if runtime in variant.runtimes
    ]
    assert {row.runtime for row in rows} == {"onnxruntime", "litert"}
    assert all(row.psnr_p5_db > 25 and row.seconds > 0 for row in rows)
    assert len({row.psnr_mean_db for row in rows}) == len(rows)


def test_switches_differ_in_one_thing_from_the_packaged_percentile() -> None:
    plain = VARIANTS[2]
    labels = [variant.label for variant in VARIANTS]
    assert plain.label == "packaged percentile" and len(set(labels)) == len(labels)
    fields = ("method", "share", "trim_sums", "bias_correction", "learned", "factors")
    differences = [sum(getattr(one, f) != getattr(plain, f) for f in fields) for one in VARIANTS]
    assert differences == [2, 1, 0, *[1] * 7, *[2] * 3]


def test_a_folder_that_is_no_bundle_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "absent"), "--out", str(tmp_path)]) == 3
    assert "run `iast-export build` for this bundle first" in capsys.readouterr().err


def test_a_tier_that_is_not_in_the_plan_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--tier", "d9-1px", "--out", str(tmp_path)]) == 2
    assert "choose of d3-256px, d3-512px, d1-1024px" in capsys.readouterr().err


def test_the_table_gives_units_and_signs() -> None:
    row = Row("litert", "d1-32px", "minmax", 8, 41.04, 37.01, 0.0123, -0.001, 31.4)
    text = markdown([row], "told")
    assert "| d1-32px | LiteRT | minmax | 41.0, 37.0 dB | +1.23 %, -0.10 % | 31 |" in text
