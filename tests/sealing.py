"""Bundles that were altered together with all that speaks of them, as a forger would."""

from __future__ import annotations

from pathlib import Path

from iast_export.files.artifacts import sha256_file
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.manifest import load_manifest


def reseal(folder: Path) -> None:
    """Writes the hashes and sizes of the model files into the manifest and the reports."""
    manifest, files = load_manifest(folder), []
    for entry in manifest.files:
        path = folder / entry.path
        found = {"sha256": sha256_file(path), "bytes": path.stat().st_size}
        files.append(entry.model_copy(update=found))
        size = f'"file_bytes": {entry.bytes}'
        for report in (folder / "reports").glob("*.json"):
            text = report.read_text().replace(entry.sha256, files[-1].sha256)
            report.write_text(text.replace(f"{size},", f'"file_bytes": {path.stat().st_size},'))
    manifest.model_copy(update={"files": tuple(files)}).save(folder / MANIFEST_NAME)
