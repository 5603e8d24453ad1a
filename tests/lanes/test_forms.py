"""The files of lanes: made once per input, what does not run left out, what was searched taken."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from iast_export.bundle.layout import Layout
from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import sha256_file
from iast_export.lanes import forms
from iast_export.lanes.forms import (
    LaneMaker,
    searched_lane,
    write_if_stale,
    write_litert_ceiling,
)
from iast_export.lanes.lane import Lane
from iast_export.reports.base import SetFacts
from iast_export.reports.search import GroupRow, SearchReport, search_name
from iast_export.runtimes.litert import open_litert
from iast_export.specs import Tier
from tests.litert_cases import feeds, foreign
from tests.tiny_networks import tiny_onnx


def test_a_second_run_makes_no_file_again_and_an_altered_one_is_made_again(tmp_path: Path) -> None:
    made: list[Path] = []

    def write(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"lane")

    (tmp_path / "input").write_bytes(b"fp32")
    maker = LaneMaker(
        "fp16", "onnxruntime", tmp_path / "lane.onnx", write, [tmp_path / "input"], {"a": 1}
    )
    assert write_if_stale(tmp_path, maker) and not write_if_stale(tmp_path, maker)
    maker.path.write_bytes(b"altered")
    assert write_if_stale(tmp_path, maker) and maker.path.read_bytes() == b"lane"
    (tmp_path / "input").write_bytes(b"other")
    assert write_if_stale(tmp_path, maker) and len(made) == 3


def test_the_ceiling_of_a_foreign_network_leaves_in_float_what_does_not_run(tmp_path: Path) -> None:
    network, fp32, _ = foreign()
    path, tier = tmp_path / "ceiling.tflite", Tier(1, 32)
    shapes = {name: value.shape for name, value in feeds(network, 32).items() if name != "content"}
    write_litert_ceiling(fp32, tier, shapes, path)
    session = open_litert(path, tier.signature)
    assert np.isfinite(session.run(feeds(network, 32))["stylized"]).all()
    assert Lane("litert", "int8", tier, path).path.stat().st_size < fp32.stat().st_size


def test_a_ceiling_leaves_in_float_only_what_the_runtime_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, fp32, _ = foreign()
    kinds = [
        one
        for one in forms.litert_lanes.operator_kinds(forms.tf.read_model(fp32))
        if one not in forms._NEVER_REFUSED
    ]
    refused = {kinds[0]}
    tried: list[set[str]] = []

    def write(source: Path, path: Path, without: list[str]) -> None:
        tried.append(set(without))

    def runs(lane: Lane, shapes: object) -> int:
        if not refused <= tried[-1]:
            raise ToolError("it dies", "leave it out")
        return 1

    monkeypatch.setattr(forms.litert_lanes, "write_ceiling", write)
    monkeypatch.setattr(forms, "run_apart", runs)
    write_litert_ceiling(fp32, Tier(1, 32), {}, tmp_path / "ceiling.tflite")
    assert tried[0] == set() and tried[-1] == refused
    refused |= {"NEVER"}
    with pytest.raises(ToolError, match="leave the ceiling out"):
        write_litert_ceiling(fp32, Tier(1, 32), {}, tmp_path / "ceiling.tflite")


TIER = Tier(2, 32)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A bundle with a tier's ONNX FP32 file and what a search chose from it."""
    found = Layout(tmp_path, "tiny")
    for path in (found.onnx(TIER, "fp32"), found.mixed("onnxruntime", TIER)):
        path.parent.mkdir(parents=True)
        shutil.copyfile(tiny_onnx("iast", 2, 32), path)
    return found


def save_search(layout: Layout, fp32_sha256: str, sha256: str) -> None:
    groups = tuple(
        GroupRow(name=name, operators=("Conv",), precision=precision, reason="measured")
        for name, precision in (("one", "fp32"), ("two", "int8"), ("three", "int8"))
    )
    SearchReport(
        runtime="onnxruntime", tier=TIER.id, threads=1, fp32_sha256=fp32_sha256,
        set=SetFacts(name="drawn", sha256="0" * 64, images=4), verdict="met", complete=True,
        budgets=(), groups=groups, lanes=(), measured=1, measured_now=1, seconds=1.0,
        file=layout.mixed("onnxruntime", TIER).name, sha256=sha256,
    ).save(layout.search(TIER) / search_name("onnxruntime"))  # fmt: skip


def test_a_searched_file_enters_where_it_is_of_the_fp32_file_that_is_there(layout: Layout) -> None:
    mixed = layout.mixed("onnxruntime", TIER)
    save_search(layout, sha256_file(layout.onnx(TIER, "fp32")), sha256_file(mixed))
    found = searched_lane(layout, TIER, "onnxruntime")
    assert not found.not_run and not found.shipped
    assert found.lane == Lane("onnxruntime", "mixed", TIER, mixed, sha256_file(mixed))
    assert found.computes.endswith("; 1 of 3 groups in FP32")


def test_a_searched_file_of_other_files_or_none_is_a_reason(layout: Layout) -> None:
    own = sha256_file(layout.onnx(TIER, "fp32"))
    for fp32, mixed in (("7" * 64, own), (own, "7" * 64)):
        save_search(layout, fp32, mixed)
        again = searched_lane(layout, TIER, "onnxruntime")
        assert again.not_run == "searched over other files: search again"
    never = searched_lane(layout, TIER, "litert")
    assert "iast-export search DIR --tier d2-32px --runtime litert" in never.not_run
    layout.mixed("onnxruntime", TIER).unlink()
    assert "not searched yet" in searched_lane(layout, TIER, "onnxruntime").not_run
    (layout.search(TIER) / search_name("onnxruntime")).write_text("{}")
    shutil.copyfile(tiny_onnx("iast", 2, 32), layout.mixed("onnxruntime", TIER))
    with pytest.raises(InputError, match="schema_version"):
        searched_lane(layout, TIER, "onnxruntime")
