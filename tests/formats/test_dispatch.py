"""The dispatching file: same results as the tiers' own files, each weight once, errors beyond."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from iast_export.build.tracing import pseudo_photograph
from iast_export.errors import InputError, ToolError
from iast_export.formats.dispatch import merge_dispatch
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import Tier
from tests.tiny_networks import tiny_codes, tiny_onnx

TIERS = (Tier(2, 32), Tier(1, 64))


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dispatch") / "iast-dispatch-fp32.onnx"
    merge_dispatch(
        [(tier, tiny_onnx("iast", tier.depth, tier.max_side_px)) for tier in TIERS], path
    )
    return path


@pytest.mark.parametrize(
    ("height", "width", "tier"),
    [(8, 8, 0), (32, 32, 0), (12, 32, 0), (32, 12, 0), (36, 12, 1), (12, 36, 1), (64, 64, 1)],
)
def test_the_longest_side_chooses_the_tier(
    merged: Path, height: int, width: int, tier: int
) -> None:
    feeds = {"content": pseudo_photograph(height, width), **tiny_codes("iast")}
    chosen = TIERS[tier]
    own = open_onnx(tiny_onnx("iast", chosen.depth, chosen.max_side_px)).run(feeds)["stylized"]
    np.testing.assert_allclose(open_onnx(merged).run(feeds)["stylized"], own, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(68, 8), (8, 68), (128, 128)])
def test_a_picture_beyond_the_largest_tier_fails(merged: Path, height: int, width: int) -> None:
    feeds = {"content": pseudo_photograph(height, width), **tiny_codes("iast")}
    with pytest.raises(ToolError, match="picture_larger_than_the_largest_tier"):
        open_onnx(merged).run(feeds)


def test_every_weight_is_kept_once(merged: Path) -> None:
    model = onnx.load(str(merged))
    keys = [(item.data_type, tuple(item.dims), item.raw_data) for item in model.graph.initializer]
    assert len(keys) == len(set(keys))
    inner = [
        a.g
        for node in model.graph.node
        for a in node.attribute
        if a.type == onnx.AttributeProto.GRAPH
    ]
    assert inner and not any(graph.initializer for graph in inner)
    stems = [item for item in model.graph.initializer if tuple(item.dims) == (8, 3, 3, 3)]
    assert len(stems) == 1  # both tiers read the one stem


def test_merging_twice_gives_the_same_bytes(merged: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    merge_dispatch(
        [(tier, tiny_onnx("iast", tier.depth, tier.max_side_px)) for tier in TIERS], again
    )
    assert again.read_bytes() == merged.read_bytes()


def test_edges_are_those_of_the_tiers(merged: Path) -> None:
    own, both = onnx.load(str(tiny_onnx("iast", 2, 32))).graph, onnx.load(str(merged)).graph
    assert list(own.input) == list(both.input) and list(own.output) == list(both.output)


def test_tiers_out_of_order_and_none_are_refused(tmp_path: Path) -> None:
    pairs = [(tier, tiny_onnx("iast", tier.depth, tier.max_side_px)) for tier in reversed(TIERS)]
    for wrong in (pairs, []):
        with pytest.raises(InputError, match="rising"):
            merge_dispatch(wrong, tmp_path / "x.onnx")


def test_files_of_different_networks_are_refused(tmp_path: Path) -> None:
    pairs = [(Tier(1, 32), tiny_onnx("adain", 1, 32)), (Tier(1, 64), tiny_onnx("iast", 1, 64))]
    with pytest.raises(InputError, match="same network"):
        merge_dispatch(pairs, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_one_tier_is_enough(tmp_path: Path) -> None:
    merge_dispatch([(Tier(2, 32), tiny_onnx("iast", 2, 32))], tmp_path / "one.onnx")
    feeds = {"content": pseudo_photograph(16, 32), **tiny_codes("iast")}
    assert open_onnx(tmp_path / "one.onnx").run(feeds)["stylized"].shape == (1, 3, 16, 32)
