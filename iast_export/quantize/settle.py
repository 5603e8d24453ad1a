"""The range that each tensor in integers gets: of its root, bounded and trimmed."""

from __future__ import annotations

from collections.abc import Mapping

from iast_export.decide.decide import Decisions
from iast_export.decide.roots import Root
from iast_export.quantize.ranges import RangeLike, found_range
from iast_export.quantize.rectified_sums import Bounds, tighten


def settled_ranges(
    decisions: Decisions, ranges: Mapping[str, RangeLike], trim_sums: bool = True
) -> dict[str, Bounds]:
    """The range of every tensor that integers read or write.

    Args:
        decisions: over the graph.
        ranges: by the names of the FP32 file's tensors.
        trim_sums: whether the terms of a rectified sum get only what can outlast it.

    Raises:
        InputError: a range is missing or not finite.
    """
    found = {
        name: _range(root, ranges)
        for name, root in decisions.roots.items()
        if decisions.root_of[name] == name
    }
    settled = tighten(found, decisions.rectified if trim_sums else ())
    return {name: settled[root] for name, root in decisions.root_of.items()}


def _range(root: Root, ranges: Mapping[str, RangeLike]) -> Bounds:
    if root.exact and root.low is not None and root.high is not None:
        return root.low, root.high
    low, high = found_range(root.range_name, ranges)
    low = low if root.low is None else max(low, root.low)
    high = high if root.high is None else min(high, root.high)
    return low, max(low, high)
