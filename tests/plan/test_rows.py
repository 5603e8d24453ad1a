"""The depth plan: parameters and multiply-adds of every tier, before anything is built."""

from __future__ import annotations

from iast_export.network.checkpoint import packaged_network
from iast_export.plan.rows import plan_rows
from iast_export.recipe import load_recipe


def test_the_packaged_tiers_cost_less_the_larger_they_serve() -> None:
    rows = plan_rows(packaged_network(None), load_recipe(None).plan)
    assert [row.depth for row in rows] == [4, 3, 2, 1]
    assert all(row.gmac_at_256px <= 3.0 for row in rows)
    assert [row.parameters for row in rows] == sorted(
        (row.parameters for row in rows), reverse=True
    )
