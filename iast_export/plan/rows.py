"""The depth plan before anything is built: what each tier costs."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

from iast_export.forms.on_shapes import on_shapes
from iast_export.reports.plan import TierCost
from iast_export.specs import CONTENT, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork


def plan_rows(network: StyleNetwork, tiers: Sequence[Tier]) -> list[TierCost]:
    """Parameters and multiply-adds of every tier, counted on shapes alone (nothing is computed)."""
    return [
        TierCost(
            tier=tier.id,
            depth=tier.depth,
            max_side_px=tier.max_side_px,
            parameters=sum(p.numel() for p in network.cut(tier.depth).parameters()),
            gmac=_gmac(network, tier.depth, tier.max_side_px),
            gmac_at_256px=_gmac(network, tier.depth, 256),
        )
        for tier in tiers
    ]


def _gmac(network: StyleNetwork, depth: int, side_px: int) -> float:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    shapes = {CONTENT: (1, 3, side_px, side_px), **network.code_shapes}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        on_shapes(deepcopy(network.cut(depth)), tuple(shapes.values()))
    return float(counter.get_total_flops()) / 2e9
