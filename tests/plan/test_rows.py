"""The depth plan: parameters and multiply-adds of every tier, before anything is built."""

from __future__ import annotations

from torch import nn

from iast_export.network.checkpoint import packaged_network
from iast_export.plan.rows import plan_rows
from iast_export.recipe import load_recipe
from iast_export.specs import Tier
from tests.tiny_networks import OneTier


def test_the_packaged_tiers_cost_less_the_larger_they_serve() -> None:
    rows = plan_rows(packaged_network(None), load_recipe(None).plan)
    assert [row.depth for row in rows] == [3, 3, 1]
    assert all(row.gmac_at_256px <= 3.0 for row in rows)
    assert [row.parameters for row in rows] == sorted(
        (row.parameters for row in rows), reverse=True
    )


def test_a_network_that_hands_out_its_own_module_keeps_its_weights() -> None:
    network = OneTier(nn.Conv2d(3, 3, 1))
    plan_rows(network, [Tier(1, 16)])
    assert {str(one.device) for one in network.cut(1).parameters()} == {"cpu"}
