"""Every network of the zoo is exported as its authors write it, and what is exported is planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.zoo.catalog import ENTRIES, Entry
from iast_export.build.export import export_tier
from iast_export.network.adapters import load_network
from iast_export.plan.groups import find_groups
from iast_export.plan.planned import plan_onnx
from iast_export.plan.rows import plan_rows
from iast_export.specs import Tier

TIER = Tier(1, 64)


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_it_is_exported_and_each_operator_has_a_place_in_the_plan(
    entry: Entry, tmp_path: Path
) -> None:
    network = load_network(entry.target("tiny"), None)
    assert plan_rows(network, [TIER])[0].gmac > 0
    export_tier(network, TIER, tmp_path / "tier.onnx")
    planned = plan_onnx(tmp_path / "tier.onnx", TIER, network.code_shapes)
    placed = [op for group in find_groups(planned.decisions) for op in group.ops]
    assert len(placed) == len({op.name for op in placed})
    assert placed
