"""What is worth integers in each runtime, as data: the one thing in which their decisions differ.

Each value was chosen by measured cost and damage; the numbers stand in DESIGN.md and, of groups, in
`forms.grouped`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from iast_export.decide.graph import CLAMPS, Op, Shape
from iast_export.forms.grouped import GroupForm, form_in_litert, form_in_onnx
from iast_export.forms.large_kernels import is_shallow
from iast_export.specs import Runtime

MOVEMENTS = frozenset(
    [
        "Concat",
        "DepthToSpace",
        "Flatten",
        "MaxPool",
        "Pad",
        "Reshape",
        "Resize",
        "Slice",
        "SpaceToDepth",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ]
)


@dataclass(frozen=True)
class Policy:
    """What is worth integers in one runtime.

    Attributes:
        convolutions: types that compute in integers wherever they stand.
        smallest_head: of a convolution of 1x1, outputs below which it stays in float.
        large_kernels: those on few channels too, even where they can't read blocks of pixels.
        form: in which a convolution of a weight [O, I / groups, kH, kW] and so many groups
            computes; "joined" where integers alone read it, "float" never.
        joined_lead: a joined convolution leads a group of its own, else it goes with a neighbor.
        padding: modes of a pad that exist for integers.
        clamps: types that clamp in integers.
        clamps_fold: they do as part of the range of what they alone read, moved before movements
            for that; else wherever what they read was made by integers.
        activations: types of functions of each value that are integers between integers.
        sums_among: sums are integers where they are clamped and integers alone read them; else
            wherever both sides were made by integers.
        concatenation_alone: one of unlike values is written in integers where integers alone read
            it, and what float operators make for it is quantized for it alone; else wherever an
            integer reads it or integers made it all.
        fused: types that the file leaves in float and the runtime computes in integers where
            conversions alone are around them.
        reshapes_stay: one that float operators alone read stays in float with them: it moves
            nothing, and its readers would dequantize once more.
    """

    convolutions: frozenset[str]
    smallest_head: int
    large_kernels: bool
    form: Callable[[Shape, int], GroupForm]
    joined_lead: bool
    padding: frozenset[str]
    clamps: frozenset[str]
    clamps_fold: bool
    activations: frozenset[str]
    sums_among: bool
    concatenation_alone: bool
    fused: frozenset[str]
    reshapes_stay: bool

    def form_of(self, op: Op) -> GroupForm:
        """The form in which an operator computes; "unchanged" of what is no convolution."""
        weighted = op.type == "Conv" and op.weight
        return self.form(op.weight, op.groups) if weighted else "unchanged"

    def takes(self, op: Op) -> bool:
        """Whether an operator computes in integers wherever it stands."""
        if op.type not in self.convolutions or not op.weight:
            return (
                False  # no kernel takes weights that are computed: they have no scale per channel
            )
        outputs, _, height, width = op.weight
        fits = outputs >= self.smallest_head or height * width > 1
        slow = not self.large_kernels and op.mode != "blocks" and self.is_shallow(op)
        return fits and not slow and self.form_of(op) in ("unchanged", "dense")

    def is_shallow(self, op: Op) -> bool:
        """Whether an operator is a large kernel over few channels, as of a first layer."""
        if not op.weight or op.type != "Conv":
            return False
        outputs, inputs, *kernel = op.weight
        form = self.form_of(op)
        read = inputs * op.groups if form == "dense" else inputs
        return (op.groups == 1 or form == "dense") and is_shallow((outputs, read, *kernel))

    def moves(self, kind: str, mode: str) -> bool:
        """Whether operators of a type only move values, in a mode that exists for integers."""
        if kind == "Pad":
            return mode in self.padding
        return kind in MOVEMENTS and (kind != "Resize" or mode == "nearest")


ONNX = Policy(
    convolutions=frozenset(["Conv"]),  # transposed ones are slower in INT8
    smallest_head=4,
    large_kernels=False,  # 28 ms to 12 in float
    form=form_in_onnx,
    joined_lead=True,
    padding=frozenset(["edge", "reflect"]),
    clamps=CLAMPS,
    clamps_fold=True,
    # In float, a hard swish's sum and product cost a quarter of an island; a LeakyRelu is a table.
    activations=frozenset(["HardSwish", "LeakyRelu"]),
    sums_among=True,  # a residual one without ReLU: measured as fast in float, and 5 dB closer
    concatenation_alone=True,
    fused=frozenset(["AveragePool"]),
    reshapes_stay=True,
)
LITERT = Policy(
    convolutions=frozenset(["Conv", "ConvTranspose"]),
    smallest_head=1,
    large_kernels=True,
    form=form_in_litert,
    joined_lead=False,
    padding=frozenset(["constant"]),
    clamps=frozenset(["Relu"]),
    clamps_fold=False,
    activations=frozenset(["LeakyRelu"]),  # HARD_SWISH in INT8 is a slow reference kernel
    sums_among=False,  # of two convolutions: one rounding. Along a trunk: 5 dB for 3 % of the time
    concatenation_alone=False,
    fused=frozenset(),
    reshapes_stay=False,
)
POLICIES: Mapping[Runtime, Policy] = {"onnxruntime": ONNX, "litert": LITERT}
