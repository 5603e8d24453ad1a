"""The files of lanes: made once per input, what does not run left out, what was searched taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iast_export.lanes.forms import LaneMaker, write_if_stale, write_litert_ceiling
from iast_export.lanes.lane import Lane
from iast_export.runtimes.litert import open_litert
from iast_export.specs import Tier
from tests.litert_cases import feeds, foreign


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
