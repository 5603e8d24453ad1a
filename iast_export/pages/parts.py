"""What the page shows: the manifest, the reports of its files, what was added, another bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from iast_export.bundle.added import added_strangers, check_result_belongs
from iast_export.bundle.belonging import load_own, said
from iast_export.errors import InputError
from iast_export.reports.base import (
    BENCHMARK_PATH,
    CONVERT_PATH,
    QUANTIZE_PATH,
    VERIFY_PATH,
    Report,
)
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.convert import ConvertReport
from iast_export.reports.depths import DEPTHS_PATH, DepthsReport
from iast_export.reports.device import DEVICE_FOLDER, DeviceResult
from iast_export.reports.gallery import GALLERY_PATH, GalleryReport
from iast_export.reports.ladder import LADDER_PATH, LadderReport
from iast_export.reports.lanes import LANES_PATH, LanesReport
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.search import SearchReport, search_name
from iast_export.reports.verdict import Verdict
from iast_export.reports.verify import VerifyReport
from iast_export.specs import RUNTIMES

R = TypeVar("R", bound=Report)
A = TypeVar("A", DepthsReport, GalleryReport, LadderReport, LanesReport, SearchReport)


@dataclass(frozen=True)
class ReportParts:
    """Everything that a section may show.

    `left_out` says what lies in the bundle's folder and is not shown, and why; `against` is another
    bundle to stand beside this one.
    """

    folder: Path
    manifest: Manifest
    verify: VerifyReport
    benchmark: BenchmarkReport
    quantize: QuantizeReport | None = None
    convert: ConvertReport | None = None
    gallery: GalleryReport | None = None
    verdict: Verdict | None = None
    devices: Sequence[DeviceResult] = ()
    ladder: LadderReport | None = None
    searches: Sequence[SearchReport] = ()
    lanes: LanesReport | None = None
    depths: DepthsReport | None = None
    left_out: Sequence[str] = ()
    against: ReportParts | None = None


def load_parts(
    folder: Path, verdict: Verdict | None = None, against: Path | None = None
) -> ReportParts:
    """Everything that a bundle's folder holds for its page.

    Args:
        folder: the bundle; what is no report of `verify` and `bench` may be absent.
        verdict: of the gate.
        against: another bundle.

    Raises:
        InputError: the manifest or a report is missing or can't be read, or a report of the build
            is of other files.
    """
    manifest = load_manifest(folder)
    extras = _Extras(folder, manifest)
    return ReportParts(
        folder=folder,
        manifest=manifest,
        verify=load_own(VerifyReport, folder / VERIFY_PATH, manifest),
        benchmark=load_own(BenchmarkReport, folder / BENCHMARK_PATH, manifest),
        quantize=_own_if_there(QuantizeReport, folder / QUANTIZE_PATH, manifest),
        convert=_own_if_there(ConvertReport, folder / CONVERT_PATH, manifest),
        gallery=extras.one(GalleryReport, GALLERY_PATH),
        verdict=verdict,
        devices=extras.devices(),
        ladder=extras.one(LadderReport, LADDER_PATH),
        searches=[
            found
            for name in map(search_name, RUNTIMES)
            for path in sorted(folder.glob(f"search/*/{name}"))
            if (found := extras.one(SearchReport, path.relative_to(folder).as_posix()))
        ],
        lanes=extras.one(LanesReport, LANES_PATH),
        depths=extras.one(DepthsReport, DEPTHS_PATH),
        left_out=extras.left_out,
        against=load_parts(against) if against is not None else None,
    )


def _own_if_there(kind: type[R], path: Path, manifest: Manifest) -> R | None:
    return load_own(kind, path, manifest) if path.is_file() else None


@dataclass
class _Extras:
    """Reports that were added to a bundle later: those of this very bundle.

    Attributes:
        folder: the bundle.
        manifest: of the bundle.
        left_out: what was not shown, and why.
    """

    folder: Path
    manifest: Manifest
    left_out: list[str] = field(default_factory=list)

    def one(self, kind: type[A], name: str) -> A | None:
        """The report at a path of the bundle, if it is there, valid and its own."""
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            report = kind.load(path)
        except InputError as error:
            self.left_out.append(f"{name}: {error.message.removeprefix(f'{path} ')}")
            return None
        found = added_strangers(self.manifest, report)
        if found:
            self.left_out.append(f"{name} is of another build of this bundle: {said(found)}")
            return None
        return report

    def devices(self) -> list[DeviceResult]:
        """Results of phones that carried this very bundle."""
        own = []
        for path in sorted((self.folder / DEVICE_FOLDER).glob("*.json")):
            name = path.relative_to(self.folder).as_posix()
            try:
                result = DeviceResult.load(path)
                check_result_belongs(self.folder, result)
                own.append(result)
            except InputError as error:
                self.left_out.append(f"{name}: {error.message.removeprefix(f'{path} ')}")
        return own
