"""What a search measured and chose: its report and the state that a stopped search goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iast_export.reports.base import (
    Milliseconds,
    Model,
    Positive,
    RelativePath,
    Report,
    SetFacts,
    Sha256,
)
from iast_export.specs import REFERENCE, Runtime

Operator = Literal[">=", "<="]
GroupPrecision = Literal["int8", "fp32"]
SearchVerdict = Literal["met", "not met", "out of time"]
Block = tuple[Milliseconds, Milliseconds]


# In file names; the first runtime that was searched has none.
_INFIXES: Mapping[Runtime, str] = {REFERENCE[0]: ""}


def search_name(runtime: Runtime) -> str:
    """File name of a runtime's report."""
    return f"search{infix(runtime)}.json"


def state_name(runtime: Runtime) -> str:
    """File name of a runtime's state."""
    return f"search{infix(runtime)}-state.json"


def infix(runtime: Runtime) -> str:
    """What tells the files of a runtime's searches from another's."""
    return _INFIXES.get(runtime, f"-{runtime}")


class Candidate(Model):
    """One measured file: these groups in float, the others in integers.

    `blocks_ms` and `base_blocks_ms` were timed in turn; the base has every group in integers.
    `psnr_db`, `ssim` and `scores` are per evaluation pair, in one order for all candidates.
    """

    in_float: tuple[str, ...]
    psnr_db: tuple[float, ...]
    ssim: tuple[float, ...]
    scores: tuple[dict[str, float | None], ...]
    blocks_ms: Annotated[tuple[Block, ...], Field(min_length=2)]
    base_blocks_ms: Annotated[tuple[Block, ...], Field(min_length=2)]
    file_bytes: Positive


class SearchState(Report):
    """All that a search has measured so far; another `key` means other inputs."""

    made_by: ClassVar[str] = "search"
    schema_version: Literal[1] = 1
    key: Sha256
    reference: tuple[dict[str, float | None], ...]
    candidates: tuple[Candidate, ...] = ()


class JudgedBudget(Model):
    """A budget, what was measured, and the one-sided 95 % bound that decides."""

    name: str
    operator: Operator
    limit: float
    value: float
    bound: float
    holds: bool


class GroupRow(Model):
    """One operator group: what it got and why.

    `gain_db` and `lost_ms` are of this group alone in FP32, all others INT8; `int8_speed` is its
    file's time over the time of the file with everything in INT8, so above 1 INT8 is faster.
    """

    name: str
    operators: tuple[str, ...]
    precision: GroupPrecision
    reason: str
    gain_db: float | None = None
    lost_ms: float | None = None
    int8_speed: float | None = None
    int8_speed_low: float | None = None
    int8_speed_high: float | None = None


class SearchedLane(Model):
    """A file's figures beside the chosen one's."""

    lane: Literal["fp32", "int8", "mixed"]
    median_ms: Milliseconds
    speed_to_int8: float
    psnr_db: float
    psnr_db_low: float
    file_bytes: Positive


class SearchReport(Report):
    """A search of one tier for one runtime, over the FP32 file of `fp32_sha256`.

    `verdict`: "met" where every budget holds by its bound; "not met" where the search came to its
    end without; "out of time" where the clock ended it, also where by then only the file with
    everything in float, which needs no search, was the best that holds. `file` is then the best
    found.
    """

    made_by: ClassVar[str] = "search"
    schema_version: Literal[1] = 1
    runtime: Runtime = "onnxruntime"
    tier: str
    threads: Positive
    fp32_sha256: Sha256
    set: SetFacts
    verdict: SearchVerdict
    complete: bool
    budgets: tuple[JudgedBudget, ...]
    groups: tuple[GroupRow, ...]
    lanes: tuple[SearchedLane, ...]
    measured: Positive
    measured_now: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]
    file: RelativePath
    sha256: Sha256
