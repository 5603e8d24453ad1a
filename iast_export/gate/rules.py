"""The gate's rules: limits in one TOML file, read into frozen models."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from iast_export.errors import RecipeError
from iast_export.files.artifacts import read_bytes
from iast_export.files.settings import Settings, parse_settings
from iast_export.specs import PRECISIONS, RUNTIMES, Accelerator, Precision, Runtime

DEFAULT_RULES = "default_rules.toml"

Share = Annotated[float, Field(ge=0)]
Limit = Annotated[float, Field(gt=0)]


class AccuracyRules(Settings):
    """Floors and ceilings for every row of one precision; None is not checked."""

    min_psnr_mean_db: Limit | None = None
    min_psnr_p5_db: Limit | None = None
    min_ssim_mean: Annotated[float, Field(gt=0, le=1)] | None = None
    min_ssim_p5: Annotated[float, Field(gt=0, le=1)] | None = None
    max_drop_ssim_content: Share | None = None
    max_drop_style_distance: Share | None = None
    max_drop_lpips_content: Share | None = None
    max_drop_identity: Share | None = None


class VideoRules(Settings):
    """Ceilings for every clip that a precision was judged on; None is not checked.

    `max_flicker_rise`: share by which the warping error may exceed FP32's of the same runtime and
    clip.
    """

    max_tone_flicker: Share | None = None
    max_warping_excess: Share | None = None
    max_noise_gain: Share | None = None
    max_exposure_levels: Share | None = None
    max_flicker_rise: Share | None = None


class LargeRules(Settings):
    """Floors for large pictures by tiles, to FP32 of the whole picture; None is not checked."""

    min_psnr_db: Limit | None = None
    min_ssim: Annotated[float, Field(gt=0, le=1)] | None = None


class AccuracyBaselineRules(Settings):
    """How far a row may fall behind the baseline's; None is not checked."""

    max_psnr_mean_fall_db: Share | None = None
    max_psnr_p5_fall_db: Share | None = None
    max_ssim_mean_fall: Share | None = None


class SpeedRules(Settings):
    """Limits on the ratio to FP32, and on milliseconds where the machine is the same.

    `max_four_thirds`: how many times as long as in the square a pixel of a 4:3 picture may take.
    """

    min_samples: Annotated[int, Field(ge=2)] = 8
    max_interval_width: Limit = 0.5
    max_ratio_fall: Annotated[float, Field(ge=0, lt=1)] | None = None
    max_median_rise: Share | None = None
    max_four_thirds: Limit | None = None
    min_ratio: dict[Runtime, dict[Precision, Limit]] = Field(default_factory=dict)


class ComparisonRules(Settings):
    """How far HEAD of `compare BASE HEAD` may fall behind BASE, and how sure to be of it.

    A verdict needs a size that matters, so every limit has one. The defaults are chosen: what a
    release may lose unnoticed, and one false alarm in a hundred comparisons.
    """

    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.99
    max_slowdown: Limit = 0.03
    max_psnr_fall_db: Limit = 0.5
    max_score_drop: Limit = 0.01
    max_file_rise: Share = 0.02


class DeviceRules(Settings):
    """What is asked of the phones whose results were imported; nothing, unless a rule does.

    `min_phones`: how many must have drawn the golden pictures. `selftest`: the accelerators whose
    pictures must all be within the bundle's own tolerance. `min_ratio`: to FP32 on the same phone's
    processor. `max_median_ms`: by RUNTIME-PRECISION and tier, of the fastest accelerator.
    """

    min_phones: Annotated[int, Field(ge=1)] | None = None
    selftest: Annotated[tuple[Accelerator, ...], Field(strict=False)] = ()
    min_samples: Annotated[int, Field(ge=2)] = 8
    min_ratio: dict[Runtime, dict[Precision, Limit]] = Field(default_factory=dict)
    max_median_ms: dict[str, dict[str, Limit]] = Field(default_factory=dict)

    @property
    def times(self) -> bool:
        """Whether a rule speaks of milliseconds."""
        return bool(self.min_ratio or self.max_median_ms)

    @property
    def asks(self) -> bool:
        """Whether there is any rule."""
        return bool(self.min_phones is not None or self.selftest or self.times)


class SizeRules(Settings):
    """How much larger than the baseline's a file or a peak may be; None is not checked."""

    max_file_rise: Share | None = None
    max_peak_rss_rise: Share | None = None


class Rules(Settings):
    """Everything that the gate holds a bundle to."""

    # Not Literal[1], which `true` and 1.0 equal.
    schema_version: Annotated[int, Field(ge=1, le=1)]
    accuracy: dict[Precision, AccuracyRules] = Field(default_factory=dict)
    own_shape: dict[Precision, AccuracyRules] = Field(default_factory=dict)
    large: dict[Precision, LargeRules] = Field(default_factory=dict)
    video: dict[Precision, VideoRules] = Field(default_factory=dict)
    require_video: bool = False
    accuracy_baseline: AccuracyBaselineRules = AccuracyBaselineRules()
    speed: SpeedRules = SpeedRules()
    size: SizeRules = SizeRules()
    comparison: ComparisonRules = ComparisonRules()
    devices: DeviceRules = DeviceRules()


def load_rules(path: Path | None) -> Rules:
    """The rules in a TOML file; without one the packaged ones.

    Raises:
        InputError: the file is missing or can't be read.
        RecipeError: not TOML, an unknown key (with the nearest known one), or a value that can't be
            used.
    """
    if path is None:
        packaged = resources.files("iast_export") / "data" / DEFAULT_RULES
        return parse_rules(packaged.read_bytes(), DEFAULT_RULES)
    return parse_rules(read_bytes(path), str(path))


def parse_rules(data: bytes, name: str) -> Rules:
    """As `load_rules`, from a file's bytes; `name` is for messages.

    Raises:
        RecipeError: see `load_rules`.
    """
    rules = parse_settings(data, name, Rules, RecipeError)
    _check_limits(name, rules)
    return rules


def _check_limits(name: str, rules: Rules) -> None:
    """Refuses tables that limit nothing: a gate without a limit passes whatever it is shown."""
    empty = [f"accuracy.{key}" for key, table in rules.accuracy.items() if not _limits(table)]
    empty += [f"large.{key}" for key, table in rules.large.items() if not _limits(table)]
    empty += [f"video.{key}" for key, table in rules.video.items() if not _limits(table)]
    empty += [f"speed.min_ratio.{key}" for key, table in rules.speed.min_ratio.items() if not table]
    for part in ("min_ratio", "max_median_ms"):
        tables = getattr(rules.devices, part)
        empty += [f"devices.{part}.{key}" for key, table in tables.items() if not table]
    lanes = [f"{runtime}-{one}" for runtime in RUNTIMES for one in PRECISIONS]
    unknown = [lane for lane in rules.devices.max_median_ms if lane not in lanes]
    if unknown:
        raise RecipeError(
            f"{name}: devices.max_median_ms.{unknown[0]} is no lane", f"use {', '.join(lanes)}"
        )
    if empty:
        raise RecipeError(
            f"{name}: {', '.join(empty)} sets no limit", "write one there, or take it out"
        )
    compared = (rules.accuracy_baseline, rules.speed, rules.size)
    judged = rules.accuracy or rules.large or rules.video or rules.devices.asks
    limited = judged or rules.speed.min_ratio or any(_limits(table) for table in compared)
    if not limited and not rules.comparison.model_fields_set:
        raise RecipeError(
            f"{name} sets no limit", "write at least one, such as min_ssim_mean in [accuracy.int8]"
        )


def _limits(table: Settings) -> list[str]:
    """Names of the limits that a table sets."""
    return [
        key for key, value in table if key.startswith(("min_", "max_")) and _is_limit(key, value)
    ]


def _is_limit(key: str, value: Any) -> bool:
    return value is not None and key not in ("min_samples", "max_interval_width", "min_ratio")
