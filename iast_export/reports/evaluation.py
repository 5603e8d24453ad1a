"""What `evaluate` keeps: the plan of a run, a row for each picture of each lane, and their sum."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from iast_export.reports.base import Count, Model, Positive, Report, Sha256
from iast_export.reports.comparison import Side
from iast_export.reports.manifest import LaneKey
from iast_export.reports.verify import PairScore
from iast_export.specs import Precision, Runtime

# Names in the folder of a run.
PLAN_NAME = "plan.json"
REPORT_NAME = "evaluation.json"
MERGED_ROWS_NAME = "rows.jsonl"


class PictureFacts(Model):
    """A photograph or a style of a run; `sha256` is of its file, or of a ready-made style's codes.

    `unreadable`: why it is no picture, though its name says so; every row of it is a failure.
    """

    id: str
    sha256: Sha256
    unreadable: str = ""


class PlannedLane(Model):
    """A lane that is judged; `sha256` is of its file, `reference_sha256` of ONNX FP32's."""

    runtime: Runtime
    precision: Precision
    tier: str
    sha256: Sha256
    reference_sha256: Sha256

    @property
    def key(self) -> LaneKey:
        """Runtime, precision and tier id."""
        return self.runtime, self.precision, self.tier


class EvaluationPlan(Report):
    """What a run judges: each of `contents` in each of `styles` by each of `lanes`.

    Shards of one run have equal plans, whatever machine each runs on.

    Attributes:
        own_shape: whether photographs keep their shape; else they are cut to each tier's square.
        left_out: files of the folders that are not even called pictures, with the reason.
        versions: of what draws and judges.
    """

    made_by: ClassVar[str] = "evaluate"
    schema_version: Literal[1] = 1
    bundle: Side
    lanes: tuple[PlannedLane, ...] = Field(min_length=1)
    contents: tuple[PictureFacts, ...] = Field(min_length=1)
    styles: tuple[PictureFacts, ...] = Field(min_length=1)
    own_shape: bool = False
    left_out: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def tiers(self) -> tuple[str, ...]:
        """Ids of the tiers, in the bundle's order."""
        return tuple(dict.fromkeys(lane.tier for lane in self.lanes))

    def keys(self, tier: str) -> tuple[LaneKey, ...]:
        """The lanes of one tier."""
        return tuple(lane.key for lane in self.lanes if lane.tier == tier)


class Failed(Model):
    """Why a picture was not judged; `kind` is the error's class in `iast_export.errors`."""

    kind: str
    message: str


RowKey = tuple[str, str, LaneKey]


class EvaluatedRow(Model):
    """A photograph in a style by one lane: judged, or failed.

    `machine` is the processor that drew it, by `environment.kernel_facts`.
    """

    content: str
    style: str
    runtime: Runtime
    precision: Precision
    tier: str
    machine: str
    judged: PairScore | None = None
    failed: Failed | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.judged is None) == (self.failed is None):
            raise ValueError("a row is either judged or failed")
        return self

    @property
    def key(self) -> RowKey:
        """What was to be judged."""
        return self.content, self.style, (self.runtime, self.precision, self.tier)


class Estimate(Model):
    """A mean, or a drop of means, with its 95 % interval over photographs and styles.

    The interval is None where there are fewer than two of both.
    """

    value: float
    low: float | None = None
    high: float | None = None


class WorstPair(Model):
    """A picture that is far from FP32's."""

    content: str
    style: str
    psnr_db: float


class LaneEvaluation(Model):
    """A lane over all that it judged; None where it judged nothing.

    Attributes:
        pairs: judged.
        failed: not judged.
        psnr_p5_db: the 5th percentile over pairs, as a measured value.
        drop: relative loss of the task scores against FP32; positive is worse.
        worst: the pairs furthest from FP32, the worst first.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    pairs: Count
    failed: Count
    psnr_db: Estimate | None = None
    psnr_p5_db: float | None = None
    ssim: Estimate | None = None
    drop: dict[str, Estimate] = Field(default_factory=dict)
    worst: tuple[WorstPair, ...] = ()

    @property
    def label(self) -> str:
        """For example `litert int8 d3-256px`."""
        return f"{self.runtime} {self.precision} {self.tier}"


class FailureCount(Model):
    """Rows that failed alike."""

    kind: str
    message: str
    rows: Positive


class EvaluationReport(Report):
    """evaluation.json: the sum of all rows of a run, the same however it was split.

    Attributes:
        plan_sha256: of the run's plan.
        rows_sha256: of all rows in their order, as `rows.jsonl` of `merge` holds them.
        pairs: photographs times styles.
        machines: rows that each kind of processor drew.
    """

    made_by: ClassVar[str] = "merge"
    schema_version: Literal[1] = 1
    bundle: Side
    plan_sha256: Sha256
    rows_sha256: Sha256
    contents: Positive
    styles: Positive
    pairs: Positive
    own_shape: bool
    left_out: dict[str, str] = Field(default_factory=dict)
    lanes: tuple[LaneEvaluation, ...]
    failures: tuple[FailureCount, ...] = ()
    machines: dict[str, Positive]
