"""Tables of statistics at build time: proved against the edit in memory, or left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from iast_export.build import statistics
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.statistics import prove_statistics
from iast_export.errors import InputError
from iast_export.shapes.derive import derive
from iast_export.shapes.lifted import LiftedTable
from iast_export.shapes.table import ShapeTable
from iast_export.specs import Tier
from iast_export.stylize.lifted_tier import Reach
from tests.forms.test_lift import Normalizing, by_mean_of_squares
from tests.tiny_networks import OneTier

TIER = Tier(1, 32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[OneTier, Path, Path]:
    """A network with statistics, and its files for either runtime."""
    folder = tmp_path_factory.mktemp("statistics")
    network = OneTier(Normalizing(by_mean_of_squares))
    convert_fp32(network, [TIER], folder / "a.tflite")
    export_tier(network, TIER, folder / "a.onnx")
    return network, folder / "a.tflite", folder / "a.onnx"


def proved(made: tuple[OneTier, Path, Path], shapes: ShapeTable | None = None) -> LiftedTable:
    network, tflite, onnx = made
    known = shapes or derive(tflite.read_bytes(), network.size_multiple_px)
    (table,) = prove_statistics(network, [TIER], {TIER: onnx}, [(tflite, known)])
    return table


def test_a_tier_that_holds_is_in_the_table_with_how_far_it_looks(
    made: tuple[OneTier, Path, Path],
) -> None:
    table = proved(made)
    (tier,) = table.tiers
    assert not table.left_out and tier.signature == TIER.signature
    assert 0 < tier.halo_px <= 16 and len(tier.measure) == 2


def test_a_program_that_computes_another_number_is_left_out(
    made: tuple[OneTier, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = statistics._run

    def off(model: bytes, key: str, feeds: dict) -> dict:  # type: ignore[type-arg]
        found = own(model, key, feeds)
        return {k: v + 1e-3 for k, v in found.items()} if key.endswith("_render") else found

    monkeypatch.setattr(statistics, "_run", off)
    table = proved(made)
    assert table.tiers == () and table.shapes is None
    assert "is not what editing the file makes of it" in table.left_out[TIER.signature]


def test_a_tier_of_one_shape_or_without_a_reach_is_left_out(
    made: tuple[OneTier, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed = ShapeTable("", 4, (), {TIER.signature: "operator 3"})
    assert "32 px alone" in proved(made, fixed).left_out[TIER.signature]

    def none(*_: object) -> Reach:
        raise InputError("the network's result does not change", "check the checkpoint")

    monkeypatch.setattr(statistics, "reach_of", none)
    assert "does not change" in proved(made).left_out[TIER.signature]
