"""Which groups the export gave another form, by the table of rewrites that it does.

An entry names a rewrite, says why, and recognizes a group that has its form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from iast_export.planning.groups import Group
from iast_export.specs import Runtime

Forms = Mapping[str, int]
"""How often the network itself pads by mirroring, shuffles pixels and takes means (`count_forms`)."""


@dataclass(frozen=True)
class Rewrite:
    """A rewrite of the export.

    Attributes:
        name: as the plan shows it.
        why: one clause.
        runtime: whose file it is about.
        made: whether a group is its work, given all groups of the graph and the network's own forms.
    """

    name: str
    why: str
    runtime: Runtime
    made: Callable[[Group, Sequence[Group], Forms], bool]


def _folded_pad(group: Group, groups: Sequence[Group], forms: Forms) -> bool:
    mirrors = sum(one.kind == "reflection pad" for one in groups)
    return group.kind == "reflection pad" and forms.get("mirror pad", 0) < mirrors


def _types(group: Group) -> Counter[str]:
    return Counter(op.type for op in group.ops)


REWRITES: tuple[Rewrite, ...] = (
    Rewrite("edge pads folded", "slices and concatenations are one Pad", "onnxruntime", _folded_pad),
    Rewrite(
        "normalization fused",
        "its arithmetic is one operator",
        "onnxruntime",
        lambda group, _, __: (
            group.kind == "adaptive normalization" and _types(group)["InstanceNormalization"] > 0
        ),
    ),
    Rewrite(
        "narrow head as rows",
        "a row times a matrix reads each value once",
        "onnxruntime",
        lambda group, _, __: group.kind == "narrow head" and _types(group)["MatMul"] > 0,
    ),
    Rewrite(
        "reflection by slices",
        "XNNPACK does not take MIRROR_PAD",
        "litert",
        lambda group, _, forms: group.kind == "reflection pad" and forms.get("mirror pad", 0) > 0,
    ),
    Rewrite(
        "pixel shuffle in one move",
        "the convolution's channels are sorted for it",
        "litert",
        lambda group, _, forms: (
            _types(group)["Transpose"] > 0 and group.main.type == "Conv" and forms.get("pixel shuffle", 0) > 0
        ),
    ),
    Rewrite(
        "means by rows",
        "short sums keep float32's digits",
        "litert",
        lambda group, _, forms: (
            group.kind.endswith("normalization")
            and _types(group)["ReduceMean"] > 1
            and forms.get("mean", 0) > 0
        ),
    ),
)


def rewrite_of(runtime: Runtime, group: Group, groups: Sequence[Group], forms: Forms) -> Rewrite | None:
    """The rewrite that made a group what it is; None where the export left it as it was."""
    found = (one for one in REWRITES if one.runtime == runtime and one.made(group, groups, forms))
    return next(found, None)
