"""What a bundle measured when it was accepted: the figures that later ones are held to."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from iast_export.artifacts import json_bytes, sha256_bytes
from iast_export.errors import CannotJudgeError, InputError
from iast_export.reports import (
    BENCHMARK_PATH,
    VERIFY_PATH,
    BenchmarkReport,
    Positive,
    RelativePath,
    Report,
    Sha256,
    VerifyReport,
    load_manifest,
)
from iast_export.sealed import Seals

# Ratios to FP32 compare where the instruction sets are equal, milliseconds only on the same machine.
RATIO_FIELDS = ("architecture", "flags")
MEMORY_FIELDS = ("architecture",)
MACHINE_FIELDS = ("cpu", "architecture", "flags", "cores")


class Baseline(Report):
    """Both reports of an accepted bundle and the sizes of its files; `sha256` is over all the rest."""

    made_by = "gate --write-baseline"
    bundle: str
    file_bytes: dict[RelativePath, Positive] = Field(min_length=1)
    verify: VerifyReport
    benchmark: BenchmarkReport
    sha256: Sha256

    def content_sha256(self) -> str:
        """SHA-256 of everything but `sha256` itself."""
        return sha256_bytes(json_bytes(self.model_dump(mode="json", exclude={"sha256"})))


def make_baseline(folder: Path, path: Path) -> Baseline:
    """Writes the figures of the bundle in `folder` as a baseline.

    Raises:
        InputError: the bundle or a report is missing, unreadable or altered.
    """
    manifest = load_manifest(folder)
    seals = Seals.of_bundle(folder, manifest)
    for entry in manifest.files:
        seals.check(folder / entry.path)
    draft = Baseline(
        bundle=manifest.name,
        file_bytes={entry.path: entry.bytes for entry in manifest.files},
        verify=VerifyReport.load(folder / VERIFY_PATH),
        benchmark=BenchmarkReport.load(folder / BENCHMARK_PATH),
        sha256="0" * 64,
    )
    baseline = draft.model_copy(update={"sha256": draft.content_sha256()})
    baseline.save(path)
    return baseline


def load_baseline(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        CannotJudgeError: there is no such file.
        InputError: unreadable, not valid, or altered since it was written.
    """
    if not path.is_file():
        raise CannotJudgeError(
            f"there is no baseline {path}", f"make one with `iast-export gate DIR --write-baseline {path}`"
        )
    baseline = Baseline.load(path)
    if baseline.content_sha256() != baseline.sha256:
        raise InputError(
            f"{path} was altered: its SHA-256 is not the one it holds",
            "take it from version control again, or write a new one with --write-baseline",
        )
    return baseline


def unlike(one: BenchmarkReport, other: BenchmarkReport, fields: tuple[str, ...]) -> list[str]:
    """What differs between the machines of two reports, among `fields`, as `cpu: A, B`."""
    return [
        f"{field}: {one.machine.get(field)}, {other.machine.get(field)}"
        for field in fields
        if one.machine.get(field) != other.machine.get(field)
    ]
