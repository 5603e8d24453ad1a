"""What a phone's result holds: the Android demo's JSON, and what was seen from outside."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from iast_export.reports.base import Count, Milliseconds, Model, Positive, Report, Sha256
from iast_export.specs import Accelerator, Precision, Runtime

DEVICE_FOLDER = "reports/device"


class DeviceFacts(Model):
    """A phone as it describes itself; `emulated` where it is an emulator or a desktop.

    `soc`: maker and model of its chip in one; version 1 has that alone.
    """

    manufacturer: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)]
    soc: str | None
    soc_maker: str | None = None
    soc_model: str | None = None
    android_release: str
    sdk_int: Count
    abi: str
    cores: Positive
    emulated: bool


class DeviceState(Model):
    """What else bears on a measurement, as the app saw it; None where the phone doesn't say."""

    battery_percent: Annotated[int, Field(ge=0, le=100)] | None
    charging: bool | None
    thermal_status: str | None
    screen_on: bool | None


class HostObservation(Model):
    """The same from outside, over adb; `thermal_status` counts from 0 (none) to 6 (shutdown)."""

    screen_on: bool | None
    battery_percent: Annotated[int, Field(ge=0, le=100)] | None
    battery_celsius: float | None
    thermal_status: Annotated[int, Field(ge=0, le=6)] | None


class HostObservations(Model):
    """Before and after a run that `iast-export device bench` drove."""

    before: HostObservation
    after: HostObservation
    core_mask: str | None


class BundleIdentity(Model):
    """Which bundle an app carried."""

    name: str
    manifest_sha256: Sha256


class DeviceRow(Model):
    """What a row is of.

    `asked`: the accelerator that was to compute alone, and `accelerator` the one that did, with
    what the app had to say of it; "none" where nothing could be opened. `files`: one a tier, or in
    LiteRT one of all tiers; or ONNX Runtime's that dispatches. `operators_on_accelerator`: None
    where the runtime does not tell. Version 1 has neither, and names a fallback in `accelerator`.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    accelerator: str
    asked: Accelerator = "cpu"
    files: Literal["tiers", "dispatch"] = "tiers"
    operators_on_accelerator: Count | None = None


class SelfTestRow(DeviceRow):
    """One golden picture through one lane on a phone: `error` where it did not run."""

    style: str
    status: Literal["pass", "fail", "error"]
    max_level_difference: Annotated[int, Field(ge=0, le=255)] | None
    differing_share: Annotated[float, Field(ge=0, le=1)] | None
    tolerance_levels: Annotated[int, Field(ge=0, le=255)]
    message: str

    @model_validator(mode="after")
    def _follows(self) -> Self:
        worst = self.max_level_difference
        wanted = "error" if worst is None else "pass" if worst <= self.tolerance_levels else "fail"
        if self.status != wanted:
            raise ValueError(
                f"status {self.status!r}, but {worst} of {self.tolerance_levels} levels is "
                f"{wanted!r}"
            )
        return self


class DeviceBenchmarkRow(DeviceRow):
    """Raw times of one lane and tier on a phone: run plus read-back of one picture, in order.

    None at all where `message` says why it could not be measured.
    """

    threads: Positive
    warmup_ms: tuple[Milliseconds, ...]
    samples_ms: tuple[Milliseconds, ...]
    message: str = ""

    @model_validator(mode="after")
    def _measured_or_explained(self) -> Self:
        if bool(self.samples_ms) == bool(self.message):
            raise ValueError(f"{len(self.samples_ms)} samples and the message {self.message!r}")
        return self


class DeviceResult(Report):
    """What the Android demo writes; JSON Schema at data/device_result.schema.json.

    `state` is that at the end, `before` that when the check began.
    """

    made_by: ClassVar[str] = "device import"

    schema_version: Literal[1, 2] = 2
    kind: Literal["selftest", "benchmark"]
    created_by: str
    created_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    bundle: BundleIdentity
    device: DeviceFacts
    state: DeviceState
    before: DeviceState | None = None
    selftest: tuple[SelfTestRow, ...]
    benchmark: tuple[DeviceBenchmarkRow, ...]
    host: HostObservations | None = None

    @property
    def rows(self) -> tuple[DeviceRow, ...]:
        """The rows, whatever the kind."""
        return (*self.selftest, *self.benchmark)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        held = [name for name in ("selftest", "benchmark") if getattr(self, name)]
        if held != [self.kind]:
            raise ValueError(f"a {self.kind} result holds {' and '.join(held) or 'nothing'}")
        rows = [(r.runtime, r.precision, r.tier, r.asked, r.files) for r in self.rows]
        if len(set(rows)) < len(rows):
            raise ValueError("a lane and tier is listed more than once")
        return self


def device_result_schema() -> dict[str, Any]:
    """The device result's JSON Schema (2020-12), as published at data/device_result.schema.json."""
    schema = DeviceResult.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
