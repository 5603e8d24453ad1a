"""The manifest: every file of a bundle with its hash, exact edges and golden pictures.

Its JSON Schema is published at data/manifest.schema.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from iast_export.errors import InputError
from iast_export.files.paths import MANIFEST_NAME as MANIFEST_NAME
from iast_export.reports.base import Count, Model, Positive, RelativePath, Report, Sha256
from iast_export.reports.statistics import TierStatistics
from iast_export.specs import (
    PRECISIONS,
    RUNTIMES,
    Accelerator,
    EdgeLayout,
    Precision,
    Role,
    Runtime,
    Tier,
)

LaneKey = tuple[Runtime, Precision, str]
_LANES: dict[str, tuple[Runtime, Precision]] = {
    f"{r}-{p}": (r, p) for r in RUNTIMES for p in PRECISIONS
}


class NetworkFacts(Model):
    """The network that the bundle was made from."""

    name: str
    code_shapes: dict[str, tuple[Positive, ...]]
    size_multiple_px: Positive


class TierEntry(Model):
    """A tier; `shape_px` is height and width of its fixed-shape form.

    `any_shape` says that LiteRT's files take its pictures in any shape, by their tables of shapes.
    `statistics` says what large pictures, clips and albums can be; None: the bundle is older.
    """

    id: str
    depth: Positive
    max_side_px: Positive
    shape_px: tuple[Positive, Positive]
    any_shape: bool = False
    statistics: TierStatistics | None = None

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if min(self.shape_px) < self.max_side_px:
            raise ValueError(
                f"shape_px {self.shape_px} does not hold max_side_px {self.max_side_px}"
            )
        return self


class FileEntry(Model):
    """A model file of the bundle; `signatures` are LiteRT's (empty for ONNX).

    `accelerators` names per signature those of LiteRT that run it whole: XNNPACK ("cpu") and the
    GPU delegate ("gpu"). With any other, operators would hop to the CPU's slow built-in kernels, or
    off the GPU. `minimum_runtime` is the oldest release of its runtime that takes the file, by the
    file's own words. `shapes` is the table that re-shapes the signatures of a LiteRT file, and
    `statistics` the one that lifts their statistics out of it.
    """

    path: RelativePath
    bytes: Positive
    sha256: Sha256
    runtime: Runtime
    precision: Precision
    role: Role
    signatures: tuple[str, ...] = ()
    tier: str | None = None
    accelerators: dict[str, tuple[Accelerator, ...]] = Field(default_factory=dict)

    minimum_runtime: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){1,2}$")] | None = None
    shapes: RelativePath | None = None
    shapes_sha256: Sha256 | None = None
    statistics: RelativePath | None = None
    statistics_sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _shaped(self) -> Self:
        if (self.shapes is None) != (self.shapes_sha256 is None):
            raise ValueError("a table of shapes and its sha256 come together")
        if (self.statistics is None) != (self.statistics_sha256 is None):
            raise ValueError("a table of statistics and its sha256 come together")
        return self

    @model_validator(mode="after")
    def _accelerated(self) -> Self:
        unknown = sorted(set(self.accelerators) - set(self.signatures))
        if unknown:
            raise ValueError(
                f"{self.path}: accelerators of {unknown[0]}, which is no signature of it"
            )
        return self


class IoEntry(Model):
    """One input or output of a model file (of one signature of it, for LiteRT).

    A dimension is a size or a symbol ("H"). `scale` and `zero_point` stand for INT8 edges:
    value = scale * (level - zero_point).
    """

    path: RelativePath
    signature: str | None = None
    direction: Literal["input", "output"]
    name: str
    dtype: Literal["float32", "int8", "uint8"]
    layout: EdgeLayout
    shape: tuple[Positive | str, ...]
    scale: Annotated[float, Field(gt=0)] | None = None
    zero_point: int | None = None
    value_range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _quantized(self) -> Self:
        known = (
            self.scale is not None
            and self.zero_point is not None
            and -128 <= self.zero_point <= 127
        )
        if self.dtype == "int8" and not known:
            raise ValueError(
                f"{self.name} is int8 with scale {self.scale} and zero_point {self.zero_point}"
            )
        return self


class PadTo(Model):
    """What each runtime's picture is padded to: the next multiple from the second on, or the tier's
    shape.

    One multiple alone becomes one pixel inside a network, which it can't reflect. LiteRT has the
    multiple where a tier's `any_shape` says so; other tiers have their shape all the same.
    """

    onnxruntime: Literal["size_multiple_px_at_least_twice"] = "size_multiple_px_at_least_twice"
    litert: Literal["shape_px", "size_multiple_px_at_least_twice"] = "shape_px"


class Preprocess(Model):
    """From an upright 8-bit picture in sRGB to the tensor, exactly."""

    color_order: Literal["RGB"] = "RGB"
    alpha: Literal["over_white"] = "over_white"
    level_to_value: Literal["level / 255"] = "level / 255"
    value_range: tuple[float, float] = (0.0, 1.0)
    pad_sides: Literal["bottom_right"] = "bottom_right"
    pad_mode: Literal["reflect"] = "reflect"
    pad_mode_one_px: Literal["edge"] = "edge"
    pad_to: PadTo = Field(default_factory=PadTo)
    size_multiple_px: Positive
    style_side_px: Positive
    style_crop: Literal["center_square"] = "center_square"
    scaling: Literal["area_down_linear_up"] = "area_down_linear_up"
    scaling_rounding: Literal["half_up_exact"] = "half_up_exact"


class Postprocess(Model):
    """From the output tensor to the 8-bit picture, exactly."""

    value_to_level: Literal["floor(value * 255 + 0.5)"] = "floor(value * 255 + 0.5)"
    clip: tuple[int, int] = (0, 255)
    value_range: tuple[float, float] = (0.0, 1.0)
    crop: Literal["top_left"] = "top_left"


class StyleEntry(Model):
    """A ready-made style: its codes but `strength`, concatenated, float32 little endian.

    `licence` and `source` are the artwork's; `captions` say in sentences what it shows and how it
    is made, for those who search by words.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    category: str
    path: RelativePath
    sha256: Sha256
    title: str = ""
    licence: str = ""
    source: str = ""
    captions: tuple[str, ...] = ()
    thumbnail: RelativePath | None = None
    thumbnail_sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _hashed(self) -> Self:
        if (self.thumbnail is None) != (self.thumbnail_sha256 is None):
            raise ValueError("a thumbnail and its sha256 come together")
        return self


class NoticeEntry(Model):
    """The text that says whose work is in the bundle; `checkpoint_licence` is of its weights.

    "" where no card beside the checkpoint says it.
    """

    path: RelativePath
    sha256: Sha256
    checkpoint_licence: str = ""


class GoldenEntry(Model):
    """A picture and what the bundle's models made of it; `outputs` keys are `RUNTIME-PRECISION`.

    `tolerance_levels` is the largest difference in 8-bit levels that another machine may show on
    its CPU, `gpu_tolerance_levels` what LiteRT may show on a GPU, which computes in FP16, by
    precision; `sha256` holds the hash of every picture named, so that a self-test can't be made to
    pass.
    """

    tier: str
    content: RelativePath
    style: str
    strength: Annotated[float, Field(ge=0, le=1)]
    outputs: dict[str, RelativePath] = Field(min_length=1)
    tolerance_levels: dict[Runtime, Count]
    gpu_tolerance_levels: dict[Precision, Count] = Field(default_factory=dict)
    sha256: dict[RelativePath, Sha256]

    @model_validator(mode="after")
    def _hashed(self) -> Self:
        missing = sorted({self.content, *self.outputs.values()} ^ set(self.sha256))
        if missing:
            raise ValueError(f"golden pictures and their sha256 differ in {', '.join(missing)}")
        unknown = [key for key in self.outputs if key not in _LANES]
        if unknown:
            raise ValueError(f"{unknown[0]} is no RUNTIME-PRECISION")
        untold = sorted({runtime for runtime, _ in self.lanes()} - set(self.tolerance_levels))
        if untold:
            raise ValueError(f"no tolerance_levels for {', '.join(untold)}")
        return self

    def lanes(self) -> list[tuple[Runtime, Precision]]:
        """Runtime and precision of every output."""
        return [_LANES[key] for key in self.outputs]

    def wanted(self, runtime: Runtime, precision: Precision) -> RelativePath | None:
        """The picture that a file is judged by: its own, FP32's for FP16; None where none is.

        A file of half-precision weights is made for GPUs, where FP32's computes in FP16 just so.
        """
        own = self.outputs.get(f"{runtime}-{precision}")
        return self.outputs.get(f"{runtime}-fp32") if own is None and precision == "fp16" else own

    def tolerance(self, runtime: Runtime, precision: Precision, accelerator: Accelerator) -> int:
        """Largest difference to `wanted` in 8-bit levels that a machine may show there."""
        judged_as: Precision = "fp32" if precision == "fp16" else precision
        on_cpu = self.tolerance_levels[runtime]
        return on_cpu if accelerator == "cpu" else self.gpu_tolerance_levels.get(judged_as, on_cpu)


class ToolFacts(Model):
    """Versions of everything that took part."""

    versions: dict[str, str]


class SourceFacts(Model):
    """What the bundle was made from. `checkpoint_sha256` is None for a network without a file."""

    network: str
    checkpoint_sha256: Sha256 | None
    recipe_sha256: Sha256
    calibration_set: str
    calibration_set_sha256: Sha256
    tool: ToolFacts


class Manifest(Report):
    """manifest.json, schema version 1: the contract with every app that loads a bundle."""

    schema_version: Literal[1] = 1
    name: str
    created_by: str
    network: NetworkFacts
    tiers: tuple[TierEntry, ...] = Field(min_length=1)
    files: tuple[FileEntry, ...] = Field(min_length=1)
    io: tuple[IoEntry, ...]
    preprocess: Preprocess
    postprocess: Postprocess
    styles: tuple[StyleEntry, ...]
    golden: tuple[GoldenEntry, ...]
    source: SourceFacts
    reports: dict[str, RelativePath]
    notice: NoticeEntry | None = None

    @property
    def depth_plan(self) -> tuple[Tier, ...]:
        """The tiers, as rules about them take them."""
        return tuple(Tier(entry.depth, entry.max_side_px) for entry in self.tiers)

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file that an app carries, by path: models, styles, thumbnails, goldens
        and the notice.
        """
        return dict(self._listed())

    def lanes(self) -> dict[LaneKey, FileEntry]:
        """The file that serves each runtime, precision and tier id."""
        return {
            (entry.runtime, entry.precision, tier.id): entry
            for entry in self.files
            if entry.role == "transfer"
            for tier in self.tiers
            if entry.tier in (None, tier.id)
        }

    def _listed(self) -> Iterator[tuple[str, str]]:
        for entry in self.files:
            yield entry.path, entry.sha256
            if entry.shapes and entry.shapes_sha256:
                yield entry.shapes, entry.shapes_sha256
            if entry.statistics and entry.statistics_sha256:
                yield entry.statistics, entry.statistics_sha256
        for style in self.styles:
            yield style.path, style.sha256
            if style.thumbnail and style.thumbnail_sha256:
                yield style.thumbnail, style.thumbnail_sha256
        for golden in self.golden:
            yield from golden.sha256.items()
        if self.notice is not None:
            yield self.notice.path, self.notice.sha256

    @model_validator(mode="after")
    def _one_hash_each(self) -> Self:
        first: dict[str, str] = {}
        for path, sha256 in self._listed():
            if path == MANIFEST_NAME:
                raise ValueError("the manifest lists itself")
            if first.setdefault(path, sha256) != sha256:
                raise ValueError(f"{path} has two hashes")
        return self

    @model_validator(mode="after")
    def _goldens_have_models(self) -> Self:
        """A tier's own file, or one that holds every tier."""
        made = {
            (entry.runtime, entry.precision, entry.tier)
            for entry in self.files
            if entry.role == "transfer"
        }
        for golden in self.golden:
            for runtime, precision in golden.lanes():
                if not made & {(runtime, precision, golden.tier), (runtime, precision, None)}:
                    raise ValueError(
                        f"no model for the golden {runtime}-{precision} at {golden.tier}"
                    )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _unique("tiers", [tier.id for tier in self.tiers])
        _unique("files", [entry.path for entry in self.files])
        _unique("styles", [style.id for style in self.styles])
        sides = [tier.max_side_px for tier in self.tiers]
        if sides != sorted(set(sides)):
            raise ValueError(f"tiers must be listed by rising max_side_px, found {sides}")
        tiers, paths = {tier.id for tier in self.tiers}, {entry.path for entry in self.files}
        styles = {style.id for style in self.styles}
        _known("golden tier", [golden.tier for golden in self.golden], tiers)
        _known("golden style", [golden.style for golden in self.golden], styles)
        _known("file tier", [entry.tier for entry in self.files if entry.tier], tiers)
        lacking = [entry.path for entry in self.files if _lacks_shapes(entry)]
        if lacking and any(tier.any_shape for tier in self.tiers):
            raise ValueError(f"{lacking[0]} has no table of shapes, which its tiers need")
        _known("io path", [entry.path for entry in self.io], paths)
        return self


def load_manifest(folder: Path) -> Manifest:
    """The manifest of the bundle in `folder`; the files it names are not opened.

    Raises:
        InputError: no bundle there, another schema version, or not valid (a path that leaves the
            bundle, an unknown field, a number that is not finite).
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise InputError(
            f"{folder} is not a bundle: {MANIFEST_NAME} is missing",
            f"make one with `iast-export build --out {folder}`",
        )
    return Manifest.load(path)


def manifest_schema() -> dict[str, Any]:
    """The manifest's JSON Schema (2020-12), as published at data/manifest.schema.json."""
    schema = Manifest.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _lacks_shapes(entry: FileEntry) -> bool:
    return (entry.role, entry.runtime, entry.shapes) == ("transfer", "litert", None)


def _unique(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} lists {', '.join(twice)} more than once")


def _known(what: str, names: list[str], known: set[str]) -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(f"{what} {', '.join(unknown)} is not in the manifest")
