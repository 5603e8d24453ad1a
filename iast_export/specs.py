"""Names and small facts that every stage shares: tiers, precisions, the selection rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

from iast_export.errors import InputError, RecipeError, UsageError

Runtime = Literal["onnxruntime", "litert"]
# Of the files in a bundle.
Precision = Literal["fp32", "fp16", "dynamic_int8", "int8"]
# Those, and all that is made beside a bundle to be compared with them.
AnyPrecision = Literal[
    "fp32", "fp16", "weight_only_int8", "dynamic_int8", "int8", "int16x8", "mixed", "ceiling"
]
Role = Literal["transfer", "dispatch", "style_encoder", "landmarks"]
EdgeLayout = Literal["NCHW", "NHWC", "NC", "other"]

Accelerator = Literal["cpu", "gpu"]
# How pictures beyond the largest tier are drawn at their own size, and by which statistics.
Way = Literal["tiles", "preview", "guided"]
Statistics = Literal["exact", "quick"]

RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
ANY_PRECISIONS: tuple[AnyPrecision, ...] = get_args(AnyPrecision)
# Whose pictures every lane's fidelity is measured to.
REFERENCE: tuple[Runtime, Precision] = ("onnxruntime", "fp32")
# What stylizes where nobody chose a runtime.
USUAL: Runtime = "litert"
PRECISION_LABELS: Mapping[str, str] = {
    "fp32": "FP32",
    "fp16": "FP16",
    "weight_only_int8": "weight-only INT8",
    "dynamic_int8": "dynamic INT8",
    "int8": "INT8",
    "int16x8": "16x8",
    "mixed": "searched mixed",
    "ceiling": "ceiling",
}

CONTENT = "content"
STRENGTH = "strength"
STYLIZED = "stylized"
STYLE_IMAGE = "style"
# Of a graph that measures: each pixel's share of the whole picture, times the tile's pixels.
PIXEL_WEIGHT = "pixel_weight"
IMAGE_NAMES = (CONTENT, STYLIZED, STYLE_IMAGE, PIXEL_WEIGHT)
SIZE_MULTIPLE_KEY = "size_multiple_px"  # of an ONNX file's metadata
# Sides that every bundle has: of the artwork that a style encoder sees, of a thumbnail, of a tier,
# and of the face crop with the 68 points of iBUG 300-W.
STYLE_ENCODER_SIDE_PX = 256
THUMBNAIL_SIDE_PX = 128
LARGEST_SIDE_PX = 8192  # of a tier: its picture alone is 0.8 GB in float32
LANDMARKS_SIDE_PX = 112
LANDMARKS = 68
LANDMARKS_LANE: tuple[Runtime, Precision] = ("onnxruntime", "fp32")

# What no machine or picture needs more of; beyond it arithmetic, memory or time gives out
# elsewhere.
MOST_DEPTH = 1000
MOST_PICTURES = 100_000
MOST_THREADS = 1024
MOST_BLOCKS = 10_000

# Lanes that a golden picture is promised for.
_PROMISED: tuple[Precision, ...] = ("fp32", "int8")
GOLDEN_LANES = tuple((runtime, precision) for runtime in RUNTIMES for precision in _PROMISED)
# Largest difference in 8-bit levels of LiteRT's GPU delegate in FP16 to the CPU's golden picture of
# the same file (`Family.tolerance_levels` is between CPUs): found 1 at 256 px to 4 at 1024 px, and
# 8 to 10, on Mesa's software driver. Twice as much is allowed: other GPUs sum in other orders.
GPU_TOLERANCE_LEVELS: Mapping[Precision, int] = {"fp32": 8, "int8": 20}


@dataclass(frozen=True)
class Tier:
    """A subnetwork and the largest picture it serves, whose square is its LiteRT signature."""

    depth: int
    max_side_px: int

    @property
    def id(self) -> str:
        """The tier's name, such as `d3-256px`; with `_` for `-` also the LiteRT signature key."""
        return f"d{self.depth}-{self.max_side_px}px"

    @property
    def signature(self) -> str:
        """The LiteRT signature key: letters, digits and underscores only."""
        return self.id.replace("-", "_")

    @property
    def shape_px(self) -> tuple[int, int]:
        """Height and width of the fixed-shape form."""
        return self.max_side_px, self.max_side_px


def style_codes_of(code_shapes: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """The codes that make a style; none where one style is trained in."""
    return tuple(name for name in code_shapes if name != STRENGTH)


def is_shipped(precision: AnyPrecision) -> TypeGuard[Precision]:
    """Whether files of a bundle can have it."""
    return precision in PRECISIONS


def check_facts(depths: Sequence[int], size_multiple_px: int) -> None:
    """Refuses what a network says of itself where no tier could follow from it.

    Raises:
        InputError: no depth, one that is not a whole number of at least 1, or a side step beyond
            1..8192.
    """
    if not depths or not all(type(depth) is int and depth >= 1 for depth in depths):
        raise InputError(
            f"the network's depths are {depths!r}", "give whole numbers of at least 1, one or more"
        )
    if type(size_multiple_px) is not int or not 1 <= size_multiple_px <= LARGEST_SIDE_PX:
        raise InputError(
            f"the network's size_multiple_px is {size_multiple_px!r}",
            f"give a whole number in 1..{LARGEST_SIDE_PX}, the largest side of a tier",
        )


def check_plan(tiers: Sequence[Tier], depths: Sequence[int], size_multiple_px: int) -> None:
    """Refuses a depth plan that can't be built.

    Raises:
        RecipeError: no tier, sides not rising, a depth that rises with the side or is not one of
            `depths`, a side that is not a multiple of `size_multiple_px`.
        InputError: see `check_facts`.
    """
    check_facts(depths, size_multiple_px)
    if not tiers:
        raise RecipeError("the depth plan has no tier", "add at least one [[tiers]] entry")
    for tier in tiers:
        if tier.depth not in depths:
            raise RecipeError(
                f"tier {tier.id}: depth {tier.depth} is not one of {tuple(depths)}",
                "choose a depth that the network can be cut to",
            )
        if tier.max_side_px <= 0 or tier.max_side_px % size_multiple_px:
            raise RecipeError(
                f"tier {tier.id}: {tier.max_side_px} px is not a multiple of {size_multiple_px}",
                f"use {max(1, round(tier.max_side_px / size_multiple_px)) * size_multiple_px}",
            )
    for small, large in zip(tiers[:-1], tiers[1:], strict=True):
        if large.max_side_px <= small.max_side_px:
            raise RecipeError(
                f"tier {large.id} follows {small.id}, but its side is not larger",
                "list tiers by rising max_side_px, each once",
            )
        if large.depth > small.depth:
            raise RecipeError(
                f"tier {large.id} is deeper than the smaller tier {small.id}",
                "let depth fall or stay as pixels rise, so that cost per frame stays in hand",
            )


def find_tiers(tiers: Sequence[Tier], ids: Sequence[str], whose: str) -> list[Tier]:
    """Those of `tiers` that a user names, in their own order; all of them where none is named.

    Args:
        tiers: the depth plan of a recipe or bundle.
        ids: as given with --tier.
        whose: "the recipe" or "the bundle", for the message.

    Raises:
        UsageError: an id that none of them has.
    """
    known = [tier.id for tier in tiers]
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise UsageError(f"{whose} has no tier {unknown[0]!r}", f"choose of {', '.join(known)}")
    return [tier for tier in tiers if not ids or tier.id in ids]


def select_tier(tiers: Sequence[Tier], width_px: int, height_px: int) -> Tier:
    """The first tier whose `max_side_px` is at least the picture's longest side.

    This is the one selection rule; the dispatching ONNX and the Android core follow the same cases
    (tests/testdata/tier_cases.json).

    Raises:
        InputError: a side below 1 px, or a picture larger than the largest tier.
    """
    longest = max(width_px, height_px)
    if min(width_px, height_px) < 1:
        raise InputError(f"a picture of {width_px}x{height_px} px is empty", "use a real picture")
    for tier in tiers:
        if longest <= tier.max_side_px:
            return tier
    largest = tiers[-1].max_side_px
    raise InputError(
        f"the picture is {width_px}x{height_px} px, the largest tier takes {largest} px",
        f"scale its longest side down to {largest} px (--scale-down), keep its size (--large "
        "tiles, preview or guided), or build with a larger tier",
    )


def edge_layout(name: str, rank: int, in_litert: bool) -> EdgeLayout:
    """How the numbers of a model's input or output are laid out."""
    if name in IMAGE_NAMES:
        return "NHWC" if in_litert else "NCHW"
    return "NC" if rank == 2 else "other"


def edge_value_range(name: str) -> tuple[float, float] | None:
    """Between which values an input or output lies; None where nothing bounds it."""
    return (0.0, 1.0) if name in (*IMAGE_NAMES, STRENGTH) else None
