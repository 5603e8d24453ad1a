"""Which bundle a report speaks of: every file, set and style that it names must be its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import singledispatch
from pathlib import Path
from typing import TypeVar

from iast_export.errors import InputError
from iast_export.reports.base import Report
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.convert import ConvertReport
from iast_export.reports.manifest import Manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verify import VerifyReport
from iast_export.specs import REFERENCE

R = TypeVar("R", bound=Report)


def strangers(manifest: Manifest, report: Report) -> list[str]:
    """What a report says of files, sets or styles that are not the bundle's; empty: it belongs.

    A style that was taken out of the bundle since is no stranger; one that was replaced is.
    """
    return list(dict.fromkeys(_told(report, manifest)))


def load_own(kind: type[R], path: Path, manifest: Manifest) -> R:
    """A report in a file, if it speaks of this bundle.

    Raises:
        InputError: missing, not valid, or of other files.
    """
    report = kind.load(path)
    found = strangers(manifest, report)
    if found:
        raise InputError(
            f"{path} is not of this bundle: {said(found)}",
            f"make it again with `iast-export {kind.made_by}`",
        )
    return report


def said(found: list[str]) -> str:
    """The first few of many findings."""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(found[:3]) + more


@singledispatch
def _told(report: Report, manifest: Manifest) -> Iterator[str]:
    raise TypeError(f"a {type(report).__name__} speaks of no bundle")


@_told.register
def _verify(report: VerifyReport, manifest: Manifest) -> Iterator[str]:
    lanes = {key: entry.sha256 for key, entry in manifest.lanes().items()}
    for row in report.rows:
        what = f"{row.runtime} {row.precision} {row.tier}"
        yield from _other(what, row.sha256, lanes.get((row.runtime, row.precision, row.tier)))
        reference = lanes.get((*REFERENCE, row.tier))
        yield from _other(f"the reference of {row.tier}", row.reference_sha256, reference)
        sides = [max(pair.width_px, pair.height_px) for part in row.parts() for pair in part.pairs]
        largest = next((tier.max_side_px for tier in manifest.tiers if tier.id == row.tier), 0)
        if max(sides) > largest:
            yield f"{what} was judged on pictures of {max(sides)} px"
    for large in report.large:
        lane = large.runtime, large.precision, large.tier
        what = f"{' '.join(lane)} by tiles"
        yield from _other(what, large.sha256, lanes.get(lane))
        reference = lanes.get((*REFERENCE, large.tier))
        yield from _other(f"the reference of {what}", large.reference_sha256, reference)
        if large.style not in report.styles:
            yield f"{what} was judged in {large.style}, of which nothing is told"
    for clip in report.video:
        lane = clip.runtime, clip.precision, clip.tier
        yield from _other(f"{' '.join(lane)} on {clip.clip}", clip.sha256, lanes.get(lane))
        yield from other_styles(manifest, {clip.style: clip.style_sha256})
    yield from other_styles(manifest, report.styles)
    judged = {pair.style for row in report.rows for part in row.parts() for pair in part.pairs}
    unnamed = judged ^ set(report.styles)
    yield from (f"the style {name} is judged or listed alone" for name in sorted(unnamed))
    if report.set.sha256 == manifest.source.calibration_set_sha256:
        yield f"it was judged on the set that calibrated, {report.set.sha256[:12]}"


@_told.register
def _benchmark(report: BenchmarkReport, manifest: Manifest) -> Iterator[str]:
    lanes = manifest.lanes()
    for row in report.rows:
        what = f"{row.runtime} {row.precision} {row.tier}"
        entry = lanes.get((row.runtime, row.precision, row.tier))
        yield from _other(what, row.sha256, entry.sha256 if entry else None)
        if entry is not None and entry.bytes != row.file_bytes:
            yield f"{what} has {row.file_bytes} bytes there, {entry.bytes} here"


@_told.register
def _quantize(report: QuantizeReport, manifest: Manifest) -> Iterator[str]:
    entries = {entry.path: entry for entry in manifest.files}
    for row in report.rows:
        entry = entries.get(row.path)
        yield from _other(row.path, row.sha256, entry.sha256 if entry else None)
        if entry and (entry.runtime, entry.precision, entry.tier) != (
            row.runtime,
            row.precision,
            row.tier,
        ):
            yield f"{row.path} is {row.runtime} {row.precision} {row.tier or 'of all tiers'} there"
    if report.set.sha256 != manifest.source.calibration_set_sha256:
        here = manifest.source.calibration_set_sha256
        yield f"it was calibrated on {report.set.sha256[:12]}, the bundle on {here[:12]}"


@_told.register
def _convert(report: ConvertReport, manifest: Manifest) -> Iterator[str]:
    entries = {entry.path: entry for entry in manifest.files}
    for row in report.rows:
        entry = entries.get(row.path)
        yield from _other(row.path, row.sha256, entry.sha256 if entry else None)
        if entry and (entry.bytes, entry.signatures) != (row.file_bytes, row.signatures):
            yield f"{row.path} has other bytes or signatures there"


def other_files(manifest: Manifest, files: Mapping[str, str]) -> Iterator[str]:
    """Paths whose SHA-256 is not the manifest's."""
    held = {entry.path: entry.sha256 for entry in manifest.files}
    for path, sha256 in sorted(files.items()):
        yield from _other(path, sha256, held.get(path))


def other_styles(manifest: Manifest, styles: Mapping[str, str]) -> Iterator[str]:
    """Styles of the bundle whose SHA-256 is not the manifest's."""
    held = {style.id: style.sha256 for style in manifest.styles}
    for name, sha256 in sorted(styles.items()):
        yield from _other(f"the style {name}", sha256, held.get(name, sha256))


def _other(what: str, there: str, here: str | None) -> Iterator[str]:
    if there != here:
        yield f"{what} is {there[:12]} there, {here[:12] if here else 'not'} here"
