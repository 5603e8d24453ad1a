"""Lanes side by side: every precision that can exist in each runtime, made, timed in turn and
judged."""

from iast_export.side_by_side.compare import compare_lanes
from iast_export.side_by_side.measure import TimingOptions

__all__ = ["TimingOptions", "compare_lanes"]
