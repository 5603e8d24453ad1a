"""Which groups the export gave another form, with its own names and reasons, by that form.

What ONNX files went through stands in `forms.registry`, what LiteRT's did in `litert_forms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from iast_export.decide.graph import CLAMPS, Network, Op
from iast_export.forms import REWRITES, Rewrite
from iast_export.forms.large_kernels import BLOCKS
from iast_export.forms.litert_forms import FORMS
from iast_export.forms.traced_forms import TRACED, Form
from iast_export.plan.groups import Group
from iast_export.reports.plan import PlanRewrite, PlanRewrites
from iast_export.specs import Runtime

LISTS: Mapping[Runtime, Sequence[Rewrite | Form]] = {
    "onnxruntime": (*TRACED, *REWRITES),
    "litert": FORMS,
}


def _has(group: Group, *types: str) -> bool:
    return any(op.type in types for op in group.ops)


def _no_trace(group: Group, network: Network) -> bool:
    """A scale inside a convolution looks like any convolution, a part of a split like a slice."""
    return False


def _is_corners(op: Op) -> bool:
    """Whether this is the convolution that stands for one behind nearest x2."""
    return op.type == "Conv" and op.weight[2:] == (2, 2) and op.stride == 1


def _edge_pads(group: Group, network: Network) -> bool:
    readers = network.readers.get(group.name, [])
    of_upsampling = bool(readers) and all(_is_corners(reader) for reader in readers)
    return group.kind == "reflection pad" and _has(group, "Pad") and not of_upsampling


def _upsampling(group: Group, network: Network) -> bool:
    return _is_corners(group.main) and _has(group, "DepthToSpace")


def _adaptive_normalization(group: Group, network: Network) -> bool:
    return group.kind == "adaptive normalization" and _has(group, "InstanceNormalization")


def _computes_blocks(group: Group, network: Network) -> bool:
    """A convolution that steps by blocks, or reads blocks side by side, before a pixel shuffle."""
    main = group.main
    steps = main.stride in BLOCKS and min(main.weight[2:], default=0) > main.stride
    return main.type == "Conv" and (steps or group.unfolds) and _is_shuffled(group, network)


def _is_shuffled(group: Group, network: Network) -> bool:
    """Whether a pixel shuffle follows, be it behind a function of each value."""
    reader = network.only_reader(group.name)
    while reader is not None and reader.type in (*CLAMPS, "Sigmoid"):
        reader = network.only_reader(reader.name)
    moved = reader is not None and reader.type == "DepthToSpace"
    return "pixel shuffle" in group.followed_by or moved


def _shuffles_at_once(group: Group, network: Network) -> bool:
    return (
        "pixel shuffle" in group.followed_by
        and _has(group, "DepthToSpace")
        and not _computes_blocks(group, network)
    )


def _slices(group: Group, network: Network) -> bool:
    return group.kind == "reflection pad" and _has(group, "Slice")


def _means_by_rows(group: Group, network: Network) -> bool:
    return sum(op.type == "ReduceMean" for op in group.ops) > 1


_TRACED: Mapping[str, Callable[[Group, Network], bool]] = dict.fromkeys(
    (one.name for one in TRACED), _no_trace
)
RECOGNIZERS: Mapping[Runtime, Mapping[str, Callable[[Group, Network], bool]]] = {
    "onnxruntime": {
        **_TRACED,
        "constants": _no_trace,
        "splits": _no_trace,
        "hard-swish": lambda group, _: _has(group, "HardSigmoid", "HardSwish"),
        "fold-affine": _no_trace,
        "edge-pads": _edge_pads,
        "upsampling": _upsampling,
        "adaptive-normalization": _adaptive_normalization,
        "normalization": _no_trace,
        "unbiased-normalization": _no_trace,
        "narrow-heads": lambda group, _: group.kind == "narrow head" and _has(group, "MatMul"),
        "large-kernels": _computes_blocks,
    },
    "litert": {
        **_TRACED,
        "edge-pads": _slices,
        "pixel-shuffle": _shuffles_at_once,
        "mean-by-rows": _means_by_rows,
        "large-kernels": _computes_blocks,
        "average-pools": _no_trace,
        "edge-pools": _no_trace,
        "largest-values": _no_trace,
        "nearest-places": _no_trace,
        "turns": _no_trace,
        "filled-pictures": _no_trace,
    },
}
"""Whether a group has the form that a rewrite leaves, by runtime and the rewrite's name."""


def rewrites_of(runtime: Runtime, places: Mapping[str, int]) -> tuple[PlanRewrites, ...]:
    """What fired in a file, in the order of its list, by the number of places of each."""
    return tuple(
        PlanRewrites(name=one.name, why=_clause(one), places=places[one.name])
        for one in LISTS[runtime]
        if places.get(one.name, 0)
    )


def rewrite_of(network: Network, group: Group, places: Mapping[str, int]) -> PlanRewrite | None:
    """The rewrite that made a group what it is; None where none that fired leaves such a form."""
    recognizers = RECOGNIZERS[network.runtime]
    for one in LISTS[network.runtime]:
        if places.get(one.name, 0) and recognizers[one.name](group, network):
            return PlanRewrite(name=one.name, why=_clause(one))
    return None


def _clause(one: Rewrite | Form) -> str:
    return one.reason.removesuffix(".")
