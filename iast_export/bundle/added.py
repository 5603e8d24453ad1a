"""Whether what was added to a bundle beside its manifest's reports is of its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from iast_export.bundle.belonging import other_files, other_styles
from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.depths import DepthsReport
from iast_export.reports.device import DeviceResult
from iast_export.reports.gallery import GalleryReport
from iast_export.reports.ladder import LadderReport
from iast_export.reports.lanes import LanesReport
from iast_export.reports.manifest import Manifest
from iast_export.reports.search import SearchReport

Added = DepthsReport | GalleryReport | LadderReport | LanesReport | SearchReport


def added_strangers(manifest: Manifest, report: Added) -> list[str]:
    """As `belonging.strangers`, of a report that was added."""
    if isinstance(report, LadderReport | GalleryReport):
        return [*other_files(manifest, report.files), *other_styles(manifest, report.styles)]
    if isinstance(report, LanesReport):
        return list(_lanes(report, manifest))
    of_fp32 = report.fp32_sha256 if isinstance(report, DepthsReport) else (report.fp32_sha256,)
    return list(_other_fp32(of_fp32, manifest))


def check_result_belongs(folder: Path, result: DeviceResult) -> None:
    """Refuses a phone's result of another bundle than the one in `folder`.

    Raises:
        InputError: it names another manifest.
    """
    found = sha256_file(folder / MANIFEST_NAME)
    if result.bundle.manifest_sha256 != found:
        raise InputError(
            f"the result is of a bundle whose manifest is {result.bundle.manifest_sha256[:16]}, "
            f"{folder} has {found[:16]}",
            "build the app with this bundle (copyBundle), install it and run it again",
        )


def _lanes(report: LanesReport, manifest: Manifest) -> Iterator[str]:
    yield from _other_fp32(report.fp32_sha256, manifest)
    shipped = {
        row.path: row.sha256 for row in report.rows if row.shipped and row.path and row.sha256
    }
    yield from other_files(manifest, shipped)


def _other_fp32(files: Iterable[str], manifest: Manifest) -> Iterator[str]:
    held = {entry.sha256 for entry in manifest.files}
    yield from (f"an FP32 file {one[:12]}" for one in files if one not in held)
