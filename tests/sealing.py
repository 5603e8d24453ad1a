"""Bundles that were altered together with their manifest, as a forger would."""

from __future__ import annotations

from pathlib import Path

from iast_export.artifacts import sha256_file
from iast_export.reports import MANIFEST_NAME, load_manifest


def reseal(folder: Path) -> None:
    """Writes the hashes and sizes of the model files that are there into the manifest."""
    manifest = load_manifest(folder)
    files = tuple(
        entry.model_copy(
            update={
                "sha256": sha256_file(folder / entry.path),
                "bytes": (folder / entry.path).stat().st_size,
            }
        )
        for entry in manifest.files
    )
    manifest.model_copy(update={"files": files}).save(folder / MANIFEST_NAME)
