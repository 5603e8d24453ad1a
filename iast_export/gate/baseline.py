"""What a bundle measured when it was accepted: the figures that later ones are held to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from iast_export.errors import CannotJudgeError, InputError
from iast_export.files.artifacts import sha256_bytes
from iast_export.gate.common import check_of
from iast_export.gate.recompute import check_figures
from iast_export.reports.base import Positive, RelativePath, Report, Sha256
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.manifest import Manifest
from iast_export.reports.verdict import Check, Outcome
from iast_export.reports.verify import VerifyReport

# Ratios to FP32 compare where the instruction sets are equal, milliseconds only on the same
# machine.
RATIO_FIELDS = ("architecture", "flags")
MEMORY_FIELDS = ("architecture",)
MACHINE_FIELDS = ("cpu", "architecture", "flags", "cores")


class Baseline(Report):
    """Both reports of an accepted bundle, and the sizes of its files; `sha256` is over the rest."""

    made_by = "gate DIR --write-baseline"
    schema_version: Literal[2] = 2
    bundle: str
    file_bytes: dict[RelativePath, Positive] = Field(min_length=1)
    verify: VerifyReport
    benchmark: BenchmarkReport
    sha256: Sha256

    def content_sha256(self) -> str:
        """SHA-256 of everything but `sha256` itself."""
        return content_sha256(self.model_dump(mode="json", exclude={"sha256"}))


def content_sha256(content: Mapping[str, Any]) -> str:
    """SHA-256 of a baseline's content as JSON without spaces, keys sorted."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256_bytes(text.encode())


def load_baseline(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        CannotJudgeError: there is no such file.
        InputError: unreadable, not valid, or altered since it was written.
    """
    if not path.is_file():
        raise CannotJudgeError(
            f"there is no baseline {path}",
            f"make one with `iast-export gate DIR --write-baseline {path}`",
        )
    baseline = Baseline.load(path)
    if baseline.content_sha256() != baseline.sha256:
        raise InputError(
            f"{path} was altered: its SHA-256 is not the one it holds",
            "take it from version control again, or write a new one with --write-baseline",
        )
    return baseline


def check_baseline(manifest: Manifest, accepted: Baseline) -> list[Check]:
    """The baseline is of this bundle, names its machine, and follows from its own raw values."""
    outcome: Outcome = "pass" if accepted.bundle == manifest.name else "cannot judge"
    remedy = "give the baseline of this bundle, or write one"
    name = "baseline: of this bundle"
    return [
        check_of(name, "coverage", outcome, accepted.bundle, manifest.name, remedy),
        check_machine("baseline", accepted.benchmark),
        *check_figures(accepted.verify, accepted.benchmark, "baseline"),
    ]


def check_machine(whose: str, measured: BenchmarkReport) -> Check:
    """The machine is named well enough to compare by."""
    wanted = {"cpu": str, "architecture": str, "flags": list, "cores": int}
    missing = [
        field
        for field, kind in wanted.items()
        if not isinstance(measured.machine.get(field), kind)
        or (field != "flags" and not measured.machine[field])
    ]
    outcome: Outcome = "cannot judge" if missing else "pass"
    found = f"no {', '.join(missing)}" if missing else str(measured.machine["cpu"])
    remedy = "measure again with `iast-export bench`, which names the machine"
    rule = f"{', '.join(wanted)} of the machine"
    return check_of(f"{whose}: machine", "coverage", outcome, found, rule, remedy)


def unlike(one: BenchmarkReport, other: BenchmarkReport, fields: tuple[str, ...]) -> list[str]:
    """What differs between the machines of two reports, among `fields`, as `cpu: A, B`."""
    return [
        f"{field}: {one.machine.get(field)}, {other.machine.get(field)}"
        for field in fields
        if one.machine.get(field) != other.machine.get(field)
    ]
