"""All rewrites of an exported FP32 graph, in the order in which they are tried."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import onnx

from iast_export.errors import InputError
from iast_export.files.json_text import parse_json
from iast_export.formats.onnx_graph import add_property
from iast_export.forms.adaptive_normalization import fuse_adaptive_normalization
from iast_export.forms.affine import fold_affine
from iast_export.forms.constants import fold_constants
from iast_export.forms.edge_pads import fold_edge_pads
from iast_export.forms.edit import Rewritten
from iast_export.forms.hard_swish import fuse_hard_swish
from iast_export.forms.large_kernels import block_large_kernels
from iast_export.forms.narrow_heads import split_narrow_heads
from iast_export.forms.normalizations import fuse_normalization
from iast_export.forms.splits import slice_splits
from iast_export.forms.upsampling import fold_upsampling

_NOTE = "rewrites"


@dataclass(frozen=True)
class Rewrite:
    """An exact rewrite.

    Attributes:
        name: as in reports.
        reason: one sentence, what it gains.
        apply: a rewritten copy of a model, and where; what it does not recognize stays as it is.
        nearly: equal but for what some networks show in some pictures: it is left out where an
            export finds that this one does.
    """

    name: str
    reason: str
    apply: Callable[[onnx.ModelProto], Rewritten]
    nearly: bool = False

    def find(self, model: onnx.ModelProto) -> tuple[str, ...]:
        """First outputs of the operators that it would replace."""
        return self.apply(model).places


@dataclass(frozen=True)
class Fired:
    """What a rewrite did to one model; `places` as in `Rewritten`."""

    rewrite: Rewrite
    places: tuple[str, ...]


# Hard swish comes first: its division by 6 would be folded into the next convolution.
REWRITES: tuple[Rewrite, ...] = (
    Rewrite(
        "constants",
        "What is computed of constants alone costs nothing as a constant, and is a filter that "
        "integers are made of.",
        fold_constants,
    ),
    Rewrite(
        "splits",
        "Slices move integers as they are, each part by itself.",
        slice_splits,
    ),
    Rewrite(
        "hard-swish",
        "HardSwish is one operator, which stays in integers, where its written-out form is four in "
        "float.",
        fuse_hard_swish,
    ),
    Rewrite(
        "fold-affine",
        "Scales and shifts per channel cost nothing inside a convolution, and two conversions "
        "beside it.",
        fold_affine,
    ),
    Rewrite(
        "edge-pads",
        "Pad moves a picture once, where slices and a concatenation move it several times.",
        fold_edge_pads,
    ),
    Rewrite(
        "upsampling",
        "A 3x3 convolution behind nearest x2 reads four different values of nine, so that four "
        "products do.",
        fold_upsampling,
    ),
    Rewrite(
        "adaptive-normalization",
        "InstanceNormalization is one kernel, where the written-out form reads the picture seven "
        "times.",
        fuse_adaptive_normalization,
    ),
    Rewrite(
        "normalization",
        "InstanceNormalization is one kernel, gain and offset included, and integers before it may "
        "be scaled freely.",
        fuse_normalization,
    ),
    Rewrite(
        "unbiased-normalization",
        "InstanceNormalization is one kernel, also where the variance is divided by one less than "
        "the number of pixels.",
        partial(fuse_normalization, corrected=True),
        nearly=True,
    ),
    Rewrite(
        "narrow-heads",
        "A 1x1 convolution of one or two outputs computes 16, rows times matrices only those "
        "needed.",
        split_narrow_heads,
    ),
    Rewrite(
        "large-kernels",
        "A large kernel of a few outputs computes 16; over blocks of pixels all of them are "
        "needed.",
        block_large_kernels,
    ),
)


def rewrite(
    model: onnx.ModelProto, rewrites: Sequence[Rewrite] = REWRITES
) -> tuple[onnx.ModelProto, list[Fired]]:
    """A rewritten copy of a model, and what fired where, in the order of `rewrites`."""
    fired = []
    for one in rewrites:
        made = one.apply(model)
        model = made.model
        if made.places:
            fired.append(Fired(one, made.places))
    return model, fired


def note(model: onnx.ModelProto, fired: Sequence[Fired]) -> None:
    """Says in a model's metadata which rewrites it went through, and how often; in place."""
    counts = {one.rewrite.name: len(one.places) for one in fired}
    add_property(model, _NOTE, json.dumps(counts))


def note_more(model: onnx.ModelProto, counts: Mapping[str, int]) -> None:
    """Adds to `note`'s what a model was traced in; in place."""
    if any(counts.values()):
        add_property(model, _NOTE, json.dumps({**noted(model), **counts}))


def noted(model: onnx.ModelProto) -> dict[str, int]:
    """Places by the name of each rewrite that `note` told of; empty for another's model.

    Raises:
        InputError: the note was altered.
    """
    told = {item.key: item.value for item in model.metadata_props}.get(_NOTE, "{}")
    remedy = "export the model again"
    found = parse_json(told.encode(), "the model's note of its rewrites", InputError, remedy)
    wrong = [name for name, count in found.items() if type(count) is not int or count < 0]
    if wrong:
        raise InputError(f"the model's note of its rewrites has no count of {wrong[0]}", remedy)
    return found
