"""The recipe: every choice of a build in one TOML file, read into frozen models."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from iast_export.errors import RecipeError
from iast_export.files.artifacts import json_bytes, read_bytes, sha256_bytes
from iast_export.files.settings import Settings, parse_settings
from iast_export.specs import (
    LARGEST_SIDE_PX,
    MOST_BLOCKS,
    MOST_DEPTH,
    MOST_PICTURES,
    MOST_THREADS,
    Tier,
    check_facts,
)

DEFAULT_RECIPE = "default_recipe.toml"

Method = Literal["minmax", "percentile", "entropy", "mse"]
Edges = Literal["float32", "int8"]
Rounding = Literal["nearest", "learned"]
# Chosen: a search that lasts longer wants a person, and `iast-export search`.
MOST_FALLBACK_MINUTES = 120.0


# A name or path: none is empty, and no file system takes a zero byte or more than this.
Name = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]


class TierRecipe(Settings):
    """One [[tiers]] entry: how deep a network serves pictures up to `max_side_px`."""

    depth: Annotated[int, Field(ge=1, le=MOST_DEPTH)]
    max_side_px: Annotated[int, Field(ge=1, le=LARGEST_SIDE_PX)]


class CalibrationRecipe(Settings):
    """Which pictures set the INT8 ranges, and how.

    `percentile` is the share of values kept, in percent; only the method "percentile" reads it.
    """

    set: Name = "default"
    method: Method = "percentile"
    percentile: Annotated[float, Field(gt=50, le=100)] = 99.99
    max_pairs: Annotated[int, Field(ge=1, le=MOST_PICTURES)] = 24


class QuantizeRecipe(Settings):
    """How the INT8 models are made.

    `edges`: element type at the edges of the TFLite model. `trim_sums`: ranges around relu(a + b)
    without what the ReLU removes. `rounding`: weights to the nearest level, or learned for the
    least error of each layer. `bias_correction`: each layer's mean error goes into its bias.
    `equalize`: channels that share a scale and are very unlike are made alike, their factors moved
    into the next layer. `fallback`: minutes for each tier and runtime whose INT8 misses the rule
    for default lanes, in which a search leaves the worst groups in float, first those that it left
    so in another tier of the same depth; 0: never.
    """

    edges: Edges = "float32"
    trim_sums: bool = True
    rounding: Rounding = "learned"
    bias_correction: bool = False
    equalize: bool = True
    fallback: Annotated[float, Field(ge=0, le=MOST_FALLBACK_MINUTES)] = 2.0


class VerifyRecipe(Settings):
    """What fidelity is measured on.

    `perceptual_weights`: a SqueezeNet 1.1 state dict with torchvision's key names; with it the drop
    of the perceptual distance to the photograph is judged, without it the report says that it was
    not.
    """

    set: Name = "evaluation"
    images: Annotated[int, Field(ge=1, le=MOST_PICTURES)] = 8
    perceptual_weights: Name | None = None


class BenchmarkRecipe(Settings):
    """How speed is measured: `blocks` blocks of FP32, INT8, INT8, FP32 after `warmup` runs."""

    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    warmup: Annotated[int, Field(ge=0, le=MOST_BLOCKS)] = 3
    blocks: Annotated[int, Field(ge=2, le=MOST_BLOCKS)] = 15


class BundleRecipe(Settings):
    """What a bundle carries beyond the style network.

    `landmarks`: an ONNX file of your own that finds 68 facial landmarks, float32 [1, 3, 112, 112]
    RGB in [0, 1] to [1, 136], x and y of each point in [0, 1] of the crop. The Android app corrects
    faces with it.
    """

    landmarks: Name | None = None


_DEFAULT_TIERS = ((3, 256), (3, 512), (1, 1024))


class Recipe(Settings):
    """Every choice of a build. Equal recipes have equal `sha256`, however they were written."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)] = "iast"
    tiers: Annotated[tuple[TierRecipe, ...], Field(min_length=1, max_length=64, strict=False)] = (
        tuple(TierRecipe(depth=depth, max_side_px=side) for depth, side in _DEFAULT_TIERS)
    )
    calibration: CalibrationRecipe = CalibrationRecipe()
    quantize: QuantizeRecipe = QuantizeRecipe()
    verify: VerifyRecipe = VerifyRecipe()
    benchmark: BenchmarkRecipe = BenchmarkRecipe()
    bundle: BundleRecipe = BundleRecipe()

    @property
    def plan(self) -> tuple[Tier, ...]:
        """The depth plan as `specs.Tier`s; `specs.check_plan` judges it against a network."""
        return tuple(Tier(tier.depth, tier.max_side_px) for tier in self.tiers)

    def fitted(self, depths: Sequence[int], size_multiple_px: int) -> Recipe:
        """This recipe with its depth plan in the depths and side steps that a network has.

        Each tier gets the deepest depth up to its own, or the shallowest; a tier whose side is less
        than twice the one before is left out where both would have the same depth.

        Raises:
            InputError: see `specs.check_facts`.
        """
        check_facts(depths, size_multiple_px)
        kept: list[TierRecipe] = []
        for tier in self.tiers:
            depth = max([d for d in depths if d <= tier.depth], default=min(depths))
            side = max(1, tier.max_side_px // size_multiple_px) * size_multiple_px
            same = bool(kept) and kept[-1].depth == depth and side < 2 * kept[-1].max_side_px
            if not same:
                kept.append(TierRecipe(depth=depth, max_side_px=side))
        return self.model_copy(update={"tiers": tuple(kept)})

    @property
    def sha256(self) -> str:
        """Hash of the values, whatever the file's layout and comments."""
        return sha256_bytes(json_bytes(self.model_dump(mode="json")))


def load_recipe(path: Path | None) -> Recipe:
    """The recipe in a TOML file; without one the packaged default.

    Raises:
        InputError: the file is missing or can't be read.
        RecipeError: not TOML, an unknown key (with the nearest known one), or a value that can't be
            used.
    """
    if path is None:
        packaged = resources.files("iast_export") / "data" / DEFAULT_RECIPE
        return parse_recipe(packaged.read_bytes(), DEFAULT_RECIPE)
    return parse_recipe(read_bytes(path), str(path))


def parse_recipe(data: bytes, name: str) -> Recipe:
    """As `load_recipe`, from a file's bytes; `name` is for messages.

    Raises:
        RecipeError: see `load_recipe`.
    """
    return parse_settings(data, name, Recipe, RecipeError)
