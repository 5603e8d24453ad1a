"""The reports and the manifest: every JSON file that outlives a run, as one set of frozen models.

Numbers are finite or the report is refused; unknown fields are refused; paths are relative to the
bundle and can't leave it. The manifest's JSON Schema is published at data/manifest.schema.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from iast_export.artifacts import json_bytes, read_json, write_atomic
from iast_export.errors import InputError
from iast_export.paths import MANIFEST_NAME as MANIFEST_NAME
from iast_export.paths import inside
from iast_export.specs import PRECISIONS, RUNTIMES, Accelerator, Layout, Precision, Role, Runtime

VERIFY_PATH = "reports/verify.json"
BENCHMARK_PATH = "reports/benchmark.json"
QUANTIZE_PATH = "reports/quantize.json"
CONVERT_PATH = "reports/convert.json"
HTML_PATH = "reports/report.html"
# What the manifest of a whole bundle lists.
REPORT_PATHS = {
    "verify": VERIFY_PATH,
    "benchmark": BENCHMARK_PATH,
    "quantize": QUANTIZE_PATH,
    "convert": CONVERT_PATH,
    "html": HTML_PATH,
}

LaneKey = tuple[Runtime, Precision, str]
_LANES: dict[str, tuple[Runtime, Precision]] = {f"{r}-{p}": (r, p) for r in RUNTIMES for p in PRECISIONS}

_PATH_PATTERN = r"^(?!/)(?!.*(^|/)\.{1,2}(/|$))(?!.*//)[^\\:\x00-\x1f]*[^\\:/\x00-\x1f]$"


RelativePath = Annotated[str, AfterValidator(inside), Field(json_schema_extra={"pattern": _PATH_PATTERN})]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=1, le=65535)]
Milliseconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0)]
# A mean of quotients that are at most 1 may round a little beyond it.
Similarity = Annotated[float, Field(ge=-1.000001, le=1.000001)]
# One unequal level in a 256x256 picture is 101 dB; equal pictures have no finite PSNR.
PSNR_CAP_DB = 100.0


class Model(BaseModel):
    """Base: frozen, no unknown field, no NaN or infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,
        json_schema_serialization_defaults_required=True,
    )


class Report(Model):
    """A model with a file of its own; measured ones say in version 2 which files they speak of."""

    made_by: ClassVar[str] = "build"
    schema_version: int = 1

    def to_json(self) -> bytes:
        """The file's bytes: sorted keys, indent 2, the same for equal reports."""
        return json_bytes(self.model_dump(mode="json"))

    def save(self, path: Path) -> None:
        """Writes the report whole or not at all.

        Raises:
            InputError: the folder can't be written.
        """
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Self:
        """The report in a file.

        Raises:
            InputError: missing, not JSON, of another schema version, or not valid; names the first
                wrong field.
        """
        raw = read_json(path)
        found, needed = raw.get("schema_version"), cls.model_fields["schema_version"].default
        if type(found) is not int or found != needed:
            raise InputError(
                f"{path} has schema_version {found!r}, this iast-export reads {needed}",
                f"use the iast-export that wrote it, or make it again with `iast-export {cls.made_by}`",
            )
        try:
            # As ASCII: a lone surrogate is then the parser's to refuse.
            return cls.model_validate_json(json.dumps(raw), strict=True)
        except ValidationError as error:
            raise InputError(
                f"{path} is not a valid report: {first_error(error)}",
                f"it was altered or cut; make it again with `iast-export {cls.made_by}`",
            ) from error


def first_error(error: ValidationError) -> str:
    """Where and what the first of pydantic's complaints is, as `rows.0.images: ...`."""
    details = error.errors(include_url=False)
    where = ".".join(str(part) for part in details[0]["loc"]) or "the whole"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{where}: {details[0]['msg']}{more}"


# --- reports/verify.json ---------------------------------------------------------------------------


class Spread(Model):
    """Mean and 5th percentile over the images of a row."""

    mean: float
    p5: float


class Drop(Model):
    """Relative loss of the task scores against FP32; positive is worse. None: not judged."""

    ssim_content: float
    style_distance: float
    lpips_content: float | None = None
    identity: float | None = None


class TaskScores(Model):
    """Scores of one stylized picture; None where not judged."""

    ssim_content: Similarity
    style_distance: Share
    lpips_content: Share | None = None
    identity: Similarity | None = None


class PairScore(Model):
    """Raw figures of one content and style pair at one size: all that the row's summaries follow from.

    `scores` are those of the row's own picture, `reference` those of FP32's.
    """

    content: str
    style: str
    width_px: Side
    height_px: Side
    psnr_db: Annotated[float, Field(ge=0, le=PSNR_CAP_DB)]
    ssim: Similarity
    scores: TaskScores
    reference: TaskScores

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What was judged."""
        return self.content, self.style, self.width_px, self.height_px


class Figures(Model):
    """Fidelity and score drops over some pictures, from `pairs`.

    `not_judged` gives, for each score of `drop` that is None, the reason.
    """

    images: Positive
    psnr_db: Spread
    ssim: Spread
    drop: Drop
    not_judged: dict[str, str] = Field(default_factory=dict)
    pairs: tuple[PairScore, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _explains_gaps(self) -> Self:
        gaps = {name for name in ("lpips_content", "identity") if getattr(self.drop, name) is None}
        if gaps != set(self.not_judged):
            raise ValueError(
                f"not_judged must explain exactly {sorted(gaps)}, found {sorted(self.not_judged)}"
            )
        return self


class VerifyRow(Figures):
    """Figures of one model at one tier: over squares of the tier's side, which no runtime pads.

    `own_shape` are those over pictures that keep their aspect ratio, which LiteRT pads to the square;
    None where no picture of the set is other than square. `sha256` is of the model's file,
    `reference_sha256` of the ONNX FP32 file that it was compared with.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    sha256: Sha256
    reference_sha256: Sha256
    own_shape: Figures | None = None

    def parts(self) -> tuple[Figures, ...]:
        """The figures for squares, then those for own shapes where there are any."""
        return (self, self.own_shape) if self.own_shape else (self,)

    def keys(self) -> tuple[set[tuple[str, str, int, int]], ...]:
        """What was judged, part by part."""
        return tuple({pair.key for pair in part.pairs} for part in self.parts())


class SetFacts(Model):
    """The image set that a report was measured on."""

    name: str
    sha256: Sha256
    images: Positive


class VerifyReport(Report):
    """reports/verify.json; `styles` are the SHA-256 of the codes of every style that was judged in."""

    made_by = "verify"
    schema_version: Literal[2] = 2
    set: SetFacts
    styles: dict[str, Sha256]
    rows: tuple[VerifyRow, ...] = Field(min_length=1)


# --- reports/benchmark.json ------------------------------------------------------------------------


class Ratio(Model):
    """FP32 time over this time, with its bootstrap interval: above 1 is faster than FP32."""

    value: Annotated[float, Field(gt=0)]
    low: Annotated[float, Field(gt=0)]
    high: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"a ratio of {self.value} lies outside its interval {self.low}..{self.high}")
        return self


class BenchmarkRow(Model):
    """Speed, memory and size of one model at one tier; `sha256` is of its file.

    `p90_ms` is None where the samples are too few for it; `ratio_to_fp32` is None for FP32 itself
    and where FP32 was not measured; `warmup_ms` is kept apart and enters no figure.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    sha256: Sha256
    threads: Positive
    median_ms: Milliseconds
    p90_ms: Milliseconds | None = None
    samples_ms: tuple[Milliseconds, ...] = Field(min_length=1)
    warmup_ms: tuple[Milliseconds, ...] = ()
    ratio_to_fp32: Ratio | None = None
    peak_rss_bytes: Positive | None = None
    file_bytes: Positive


class BenchmarkReport(Report):
    """reports/benchmark.json; `machine` is `environment.machine_fingerprint()`."""

    made_by = "bench"
    schema_version: Literal[2] = 2
    machine: dict[str, str | int | list[str]]
    versions: dict[str, str] = Field(default_factory=dict)
    rows: tuple[BenchmarkRow, ...] = Field(min_length=1)


# --- reports/quantize.json, reports/convert.json ---------------------------------------------------


class QuantizeRow(Model):
    """What quantization did to one file, of that `sha256`. `islands` are the operators left float on purpose.

    For LiteRT `delegated` counts per signature the operators that XNNPACK takes, `not_delegated`
    names those that it leaves to the built-in kernels. `rewrites` counts, for ONNX, the places that each
    exact rewrite changed in the FP32 file.
    """

    path: RelativePath
    sha256: Sha256
    runtime: Runtime
    precision: Precision
    tier: str | None = None
    quantized_ops: dict[str, Count]
    islands: tuple[str, ...] = ()
    delegated: dict[str, Count] = Field(default_factory=dict)
    not_delegated: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rewrites: dict[str, Count] = Field(default_factory=dict)


class CalibratedOn(Model):
    """Which pictures calibrated: of `found` ones, how many at each tier, and what was left out and why."""

    found: Positive
    used: dict[str, Positive]
    skipped: dict[str, str] = Field(default_factory=dict)


class QuantizeReport(Report):
    """reports/quantize.json; `set` holds the pictures that were chosen, at most one per pair."""

    made_by = "quantize"
    schema_version: Literal[2] = 2
    method: str
    set: SetFacts
    calibrated: CalibratedOn | None = None
    rows: tuple[QuantizeRow, ...] = Field(min_length=1)


class ConvertRow(Model):
    """One TFLite file: its signatures, the bytes they share and what XNNPACK takes.

    `largest_alone_bytes` is the size of the largest tier converted alone, `parity` the largest
    `parity_error` against PyTorch per signature (FP32 only), `not_delegated` counts operators
    that XNNPACK leaves to the built-in kernels, `rewrites` the places that were traced in another form.
    """

    path: RelativePath
    sha256: Sha256
    precision: Precision
    role: Role
    signatures: tuple[str, ...]
    file_bytes: Positive
    unique_bytes: Count
    shared_bytes: Count
    largest_alone_bytes: Positive | None = None
    parity: dict[str, Share] = Field(default_factory=dict)
    delegated: dict[str, Count] = Field(default_factory=dict)
    not_delegated: dict[str, Count] = Field(default_factory=dict)
    rewrites: dict[str, Count] = Field(default_factory=dict)


class ConvertReport(Report):
    """reports/convert.json."""

    made_by = "convert"
    schema_version: Literal[2] = 2
    rows: tuple[ConvertRow, ...] = Field(min_length=1)


# --- manifest.json ---------------------------------------------------------------------------------


class NetworkFacts(Model):
    """The network that the bundle was made from."""

    name: str
    code_shapes: dict[str, tuple[Positive, ...]]
    size_multiple_px: Positive


class TierEntry(Model):
    """A tier; `shape_px` is height and width of its fixed-shape form."""

    id: str
    depth: Positive
    max_side_px: Positive
    shape_px: tuple[Positive, Positive]

    @model_validator(mode="after")
    def _holds(self) -> Self:
        if min(self.shape_px) < self.max_side_px:
            raise ValueError(f"shape_px {self.shape_px} does not hold max_side_px {self.max_side_px}")
        return self


class FileEntry(Model):
    """A model file of the bundle; `signatures` are LiteRT's (empty for ONNX).

    `accelerators` names per signature those of LiteRT that run it whole: XNNPACK ("cpu") and the GPU
    delegate ("gpu"). With any other, operators would hop to the CPU's slow built-in kernels, or off the GPU.
    `minimum_runtime` is the oldest release of its runtime that takes the file, by the file's own words.
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

    @model_validator(mode="after")
    def _accelerated(self) -> Self:
        unknown = sorted(set(self.accelerators) - set(self.signatures))
        if unknown:
            raise ValueError(f"{self.path}: accelerators of {unknown[0]}, which is no signature of it")
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
    layout: Layout
    shape: tuple[Positive | str, ...]
    scale: Annotated[float, Field(gt=0)] | None = None
    zero_point: int | None = None
    value_range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _quantized(self) -> Self:
        known = self.scale is not None and self.zero_point is not None and -128 <= self.zero_point <= 127
        if self.dtype == "int8" and not known:
            raise ValueError(f"{self.name} is int8 with scale {self.scale} and zero_point {self.zero_point}")
        return self


class PadTo(Model):
    """What each runtime's picture is padded to: the next multiple from the second on, or the tier's shape.

    One multiple alone becomes one pixel inside a network, which it can't reflect.
    """

    onnxruntime: Literal["size_multiple_px_at_least_twice"] = "size_multiple_px_at_least_twice"
    litert: Literal["shape_px"] = "shape_px"


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

    `licence` and `source` are the artwork's.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    category: str
    path: RelativePath
    sha256: Sha256
    title: str = ""
    licence: str = ""
    source: str = ""
    thumbnail: RelativePath | None = None
    thumbnail_sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _hashed(self) -> Self:
        if (self.thumbnail is None) != (self.thumbnail_sha256 is None):
            raise ValueError("a thumbnail and its sha256 come together")
        return self


class GoldenEntry(Model):
    """A picture and what the bundle's models made of it; `outputs` keys are `RUNTIME-PRECISION`.

    `tolerance_levels` is the largest difference in 8-bit levels that another machine may show on its CPU,
    `gpu_tolerance_levels` what LiteRT may show on a GPU, which computes in FP16, by precision;
    `sha256` holds the hash of every picture named, so that a self-test can't be made to pass.
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

    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file that an app loads, by path: models, styles, thumbnails, goldens."""
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
        yield from ((entry.path, entry.sha256) for entry in self.files)
        for style in self.styles:
            yield style.path, style.sha256
            if style.thumbnail and style.thumbnail_sha256:
                yield style.thumbnail, style.thumbnail_sha256
        for golden in self.golden:
            yield from golden.sha256.items()

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
            (entry.runtime, entry.precision, entry.tier) for entry in self.files if entry.role == "transfer"
        }
        for golden in self.golden:
            for runtime, precision in golden.lanes():
                if not made & {(runtime, precision, golden.tier), (runtime, precision, None)}:
                    raise ValueError(f"no model for the golden {runtime}-{precision} at {golden.tier}")
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


def _unique(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} lists {', '.join(twice)} more than once")


def _known(what: str, names: list[str], known: set[str]) -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(f"{what} {', '.join(unknown)} is not in the manifest")
