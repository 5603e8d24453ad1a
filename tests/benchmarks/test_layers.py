"""The networks of layers are networks, and the page says what became of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks.layers import __main__ as command
from benchmarks.layers import catalog
from benchmarks.layers.catalog import ENTRIES
from benchmarks.zoo.child import Ran


@pytest.mark.parametrize("name", ENTRIES)
def test_a_network_draws_a_picture_of_the_content_s_size_that_follows_it(name: str) -> None:
    network = getattr(catalog, name.replace("-", "_"))(None)
    sides = [side * network.size_multiple_px for side in (16, 24)]
    content = torch.rand(1, 3, *sides, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        codes = network.encode_style(torch.rand(1, 3, 64, 64))
        drawn, other = (network.cut(1)(x, *codes) for x in (content, 1 - content))
    assert tuple(tuple(code.shape) for code in codes) == tuple(network.code_shapes.values())
    assert drawn.shape == content.shape and drawn.isfinite().all()
    assert drawn.min() >= 0 and drawn.max() <= 1 and (drawn - other).abs().max() > 0.01


def test_there_is_no_other_network() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        catalog.__getattr__("nothing")


def ran(code: int, sentence: str | None = None) -> Ran:
    return Ran(code, 1.0, 1, sentence)


def test_a_bundle_a_refusal_and_a_mishap_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "gated" / "bundle"
    (bundle / "reports").mkdir(parents=True)
    (bundle / "models").mkdir()
    table = {"fixed": {"d1_64px": "operator 3, ADD: no"}}
    (bundle / "models" / "layers-fp32.shapes.json").write_text(json.dumps(table))
    lanes = [("onnxruntime", "int8", 44.0), ("litert", "fp32", 99.0), ("litert", "int8", 43.0)]
    rows = [
        {"runtime": runtime, "precision": precision, "psnr_db": {"mean": mean}}
        for runtime, precision, mean in lanes
    ]
    (bundle / "reports" / "verify.json").write_text(json.dumps({"rows": rows}))
    monkeypatch.setattr(command, "run", lambda *_: ran(0))
    built = command.row_of("gated", tmp_path, 1.0)
    assert built == command.Row("gated", "", "operator 3, ADD: no", (44.0, 43.0))
    monkeypatch.setattr(command, "run", lambda *_: ran(3, "no operator"))
    refused = command.row_of("fourier", tmp_path, 1.0)
    monkeypatch.setattr(command, "run", lambda *_: ran(1, "KeyError: 1"))
    with pytest.raises(SystemExit, match="KeyError: 1"):
        command.row_of("dense", tmp_path, 1.0)
    told = command.page([built, refused])
    assert "1 of 2 build, 0 draw any shape in LiteRT." in told
    assert "| no | 44.0 dB | 43.0 dB |" in told and "- gated: operator 3, ADD: no" in told
    assert "- fourier: no operator (exit code 3)" in told
