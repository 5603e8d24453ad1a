"""Where every file of a bundle, or of a build in progress, lies and what it is called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iast_export.families import FAMILIES
from iast_export.files.paths import MANIFEST_NAME, NOTICE_NAME
from iast_export.reports.search import infix
from iast_export.specs import (
    GOLDEN_LANES,
    LANDMARKS_LANE,
    RUNTIMES,
    Precision,
    Role,
    Runtime,
    Tier,
)

# Of the table that re-shapes a model, instead of the model's.
SHAPES_SUFFIX = ".shapes.json"
# Of the table that lifts a model's statistics out of it, likewise.
STATISTICS_SUFFIX = ".statistics.json"


@dataclass(frozen=True)
class ModelFile:
    """A model file of a bundle and what it is for; `tier` is None where it serves all of them."""

    path: Path
    runtime: Runtime
    precision: Precision
    role: Role
    tier: Tier | None = None


@dataclass(frozen=True)
class Layout:
    """Every path of a bundle; a path says nothing of whether the file is there.

    Attributes:
        root: the bundle's folder.
        name: of the bundle, with which its models' names begin.
    """

    root: Path
    name: str

    @property
    def manifest(self) -> Path:
        """The contract over all other files."""
        return self.root / MANIFEST_NAME

    @property
    def notice(self) -> Path:
        """Whose work is in the bundle."""
        return self.root / NOTICE_NAME

    @property
    def models(self) -> Path:
        """The folder of all models."""
        return self.root / "models"

    def onnx(self, tier: Tier, precision: Precision) -> Path:
        """A tier's ONNX model."""
        return self._model(f"{tier.id}-{precision}", "onnxruntime")

    def dispatch(self, precision: Precision) -> Path:
        """The ONNX model that holds all tiers."""
        return self._model(f"dispatch-{precision}", "onnxruntime")

    def tflite(self, precision: Precision) -> Path:
        """The TFLite model that holds all tiers as signatures."""
        return self._model(precision, "litert")

    def shapes(self, model: Path) -> Path:
        """The table by which a TFLite model is re-shaped, beside it."""
        return model.with_suffix(SHAPES_SUFFIX)

    def statistics(self, model: Path) -> Path:
        """The table by which a TFLite model measures and draws tiles, beside it."""
        return model.with_suffix(STATISTICS_SUFFIX)

    def tables(self) -> list[Path]:
        """The tables of all TFLite models: of shapes, and of statistics."""
        models = [self.tflite(one) for one in FAMILIES["litert"].precisions]
        return [table for one in models for table in (self.shapes(one), self.statistics(one))]

    def transfer(self, runtime: Runtime, precision: Precision, tier: Tier) -> Path:
        """The model that a runtime stylizes with at a tier."""
        return self._model(f"{_of_tier(runtime, tier)}{precision}", runtime)

    def style_encoder(self, runtime: Runtime) -> Path:
        """The FP32 model that turns a style picture into codes."""
        return self._model("style-encoder-fp32", runtime)

    @property
    def landmarks(self) -> Path:
        """The facial landmark model, where a bundle has one."""
        return self._model("landmarks68-fp32", LANDMARKS_LANE[0])

    def model_files(
        self, tiers: Sequence[Tier], landmarks: bool = False, encodes: bool = True
    ) -> list[ModelFile]:
        """Every model of a bundle, in the manifest's order."""
        found = [file for runtime in RUNTIMES for file in self._transfers(runtime, tiers)]
        found += [
            ModelFile(self.style_encoder(runtime), runtime, "fp32", "style_encoder")
            for runtime in RUNTIMES
            if encodes
        ]
        if landmarks:
            found.append(ModelFile(self.landmarks, *LANDMARKS_LANE, "landmarks"))
        return found

    def _transfers(self, runtime: Runtime, tiers: Sequence[Tier]) -> Iterator[ModelFile]:
        for one in FAMILIES[runtime].precisions:
            if FAMILIES[runtime].fixed_shape:
                path = self.transfer(runtime, one, tiers[0])
                yield ModelFile(path, runtime, one, "transfer")
                continue
            for tier in tiers:
                yield ModelFile(self.transfer(runtime, one, tier), runtime, one, "transfer", tier)
            yield ModelFile(self.dispatch(one), runtime, one, "dispatch")

    def codes(self, style: str) -> Path:
        """A style's codes."""
        return self.root / "styles" / f"{style}.f32"

    def thumbnail(self, style: str) -> Path:
        """A picture drawn in a style."""
        return self.root / "styles" / f"{style}.png"

    def golden_content(self, tier: Tier) -> Path:
        """The picture that a tier's goldens are drawn from."""
        return self._golden(tier, "content")

    def golden(self, tier: Tier, runtime: Runtime, precision: Precision) -> Path:
        """What a lane made of that picture."""
        return self._golden(tier, f"{runtime}-{precision}")

    def goldens(self, tier: Tier) -> list[Path]:
        """The golden pictures of a tier, the content first."""
        return [self.golden_content(tier), *(self.golden(tier, *lane) for lane in GOLDEN_LANES)]

    def ranges(self, runtime: Runtime, tier: Tier) -> Path:
        """What each activation of a tier ranges over in a runtime."""
        return self.root / "calibration" / f"ranges-{runtime}-{tier.id}.json"

    @property
    def equalization(self) -> Path:
        """The factors of cross-layer equalization that the prepared files have in them."""
        return self.root / "calibration" / "equalization.json"

    @property
    def learned(self) -> Path:
        """Rounded filters and shifted biases."""
        return self.root / "calibration" / "learned.safetensors"

    @property
    def fallback(self) -> Path:
        """The operator groups that a build left in float to hold the rule for default lanes."""
        return self.root / "calibration" / "fallback.json"

    def prepared(self, runtime: Runtime, tier: Tier) -> Path:
        """The FP32 file that a tier's INT8 is made of: one per tier for ONNX, one for LiteRT."""
        rest = f"{_of_tier(runtime, tier)}prepared{FAMILIES[runtime].suffix}"
        return self.root / "calibration" / f"{self.name}-{rest}"

    def all_prepared(self, tiers: Sequence[Tier]) -> list[Path]:
        """The prepared files of all tiers, runtime by runtime."""
        paths = [self.prepared(runtime, tier) for runtime in RUNTIMES for tier in tiers]
        return list(dict.fromkeys(paths))

    def all_ranges(self, tiers: Sequence[Tier]) -> list[Path]:
        """The ranges of all tiers in every runtime."""
        return [self.ranges(runtime, tier) for tier in tiers for runtime in RUNTIMES]

    @property
    def lanes(self) -> Path:
        """The folder of lanes that are made beside the bundle, to be compared."""
        return self.root / "lanes"

    def lane(self, runtime: Runtime, kind: str, tier: Tier) -> Path:
        """A model of a lane beside the bundle."""
        rest = f"{_of_tier(runtime, tier)}{kind}{FAMILIES[runtime].suffix}"
        return self.lanes / f"{self.name}-{rest}"

    def search(self, tier: Tier) -> Path:
        """The folder of a tier's searches."""
        return self.root / "search" / tier.id

    def mixed(self, runtime: Runtime, tier: Tier, folder: Path | None = None) -> Path:
        """The model that a search chose, in `folder` or its own."""
        name = f"{self.name}-{tier.id}{infix(runtime)}-mixed{FAMILIES[runtime].suffix}"
        return (folder or self.search(tier)) / name

    def relative(self, path: Path) -> str:
        """A path as the manifest and the reports write it."""
        return path.relative_to(self.root).as_posix()

    def _model(self, rest: str, runtime: Runtime) -> Path:
        return self.models / f"{self.name}-{rest}{FAMILIES[runtime].suffix}"

    def _golden(self, tier: Tier, kind: str) -> Path:
        return self.root / "golden" / f"{tier.id}-{kind}.png"


def _of_tier(runtime: Runtime, tier: Tier) -> str:
    """What tells a tier's file from those of others, where each has one."""
    return "" if FAMILIES[runtime].fixed_shape else f"{tier.id}-"
