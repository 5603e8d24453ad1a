"""Readers of a bundle and of what it is held to: manifest, baseline, gate, what has a hash."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.trust.fuzz.mutate_bytes import mutate_bytes
from benchmarks.trust.fuzz.mutate_text import mutate_json
from benchmarks.trust.fuzz.reader import (
    ALLOWED_CODES,
    Reader,
    Seeds,
    SilentAcceptanceError,
    WrongResultError,
    always,
    require,
)


@cache
def small_bundle() -> Path:
    """A small bundle with reports and a baseline; the tests' own."""
    from iast_export.gate import make_baseline
    from tests.gate_cases import make_bundle

    folder = Path(tempfile.mkdtemp(prefix="fuzz-bundle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "bundle").mkdir()
    make_bundle(folder / "bundle")
    make_baseline(folder / "bundle", folder / "baseline.json")
    return folder


def _manifest(data: bytes, folder: Path, name: str) -> None:
    from iast_export.reports.manifest import load_manifest

    (folder / "manifest.json").write_bytes(data)
    manifest = load_manifest(folder)
    require(
        all(not Path(p).is_absolute() and ".." not in Path(p).parts for p in manifest.hashes()),
        "a path outside",
    )
    manifest.to_json()


def _manifest_seeds() -> Seeds:
    return {"manifest.json": (small_bundle() / "bundle" / "manifest.json").read_bytes()}


def _baseline_seeds() -> Seeds:
    return {"baseline.json": (small_bundle() / "baseline.json").read_bytes()}


def _baseline(data: bytes, folder: Path, name: str) -> None:
    from iast_export.gate.baseline import load_baseline

    (folder / name).write_bytes(data)
    found = load_baseline(folder / name)
    given = json.loads(_baseline_seeds()[name])
    if found.model_dump(mode="json") != json.loads(json.dumps(given)):
        raise SilentAcceptanceError("a baseline whose content is not that of its own hash")


def _gate(data: bytes, folder: Path, name: str) -> None:
    """A report or the manifest of a bundle is damaged; the gate must end in a verdict."""
    from iast_export.gate import gate
    from iast_export.pages import junit_xml, markdown_text

    shutil.copytree(small_bundle() / "bundle", folder / "bundle")
    (folder / "bundle" / name.replace("--", "/")).write_bytes(data)
    verdict = gate(folder / "bundle", small_bundle() / "baseline.json")
    require(verdict.exit_code in {0, *ALLOWED_CODES}, f"exit code {verdict.exit_code}")
    junit_xml(verdict)
    markdown_text(verdict).encode()


def _gate_seeds() -> Seeds:
    names = ("manifest.json", "reports/verify.json", "reports/benchmark.json")
    return {
        name.replace("/", "--"): (small_bundle() / "bundle" / name).read_bytes() for name in names
    }


def _recorded_seeds() -> Seeds:
    from iast_export.reports.manifest import load_manifest

    folder = small_bundle() / "bundle"
    return {
        path.replace("/", "--"): (folder / path).read_bytes()
        for path in load_manifest(folder).hashes()
    }


def _recorded(data: bytes, folder: Path, name: str) -> None:
    """A file is damaged whose hash the manifest holds: whoever opens it must refuse."""
    from iast_export.errors import IastExportError
    from iast_export.gate import gate

    if data == _recorded_seeds()[name]:
        return
    bundle = folder / "bundle"
    shutil.copytree(small_bundle() / "bundle", bundle)
    (bundle / name.replace("--", "/")).write_bytes(data)
    if gate(bundle, small_bundle() / "baseline.json").exit_code == 0:
        raise SilentAcceptanceError(f"the gate passed with an altered {name}")
    try:
        _open(bundle, name.replace("--", "/"))
    except IastExportError as error:
        if error.exit_code != 3:
            raise WrongResultError(
                f"an altered {name} ends in exit code {error.exit_code}"
            ) from error


def _open(bundle: Path, path: str) -> None:
    from iast_export.bundle.inspection import inspect_bundle
    from iast_export.reports.manifest import load_manifest
    from iast_export.stylize.engine import BundleEngine

    if path.startswith("golden/"):
        return
    if path.startswith("styles/"):
        BundleEngine(bundle, "onnxruntime", "fp32").style_codes("ink")
        raise SilentAcceptanceError(f"stylize took the altered {path}")
    entry = next(e for e in load_manifest(bundle).files if e.path == path)
    engine = BundleEngine(bundle, entry.runtime, entry.precision)
    if entry.role == "style_encoder":
        engine.encode(np.zeros((8, 8, 3), np.uint8))
    else:
        engine.session(next(t for t in engine.tiers if entry.tier in (None, t.id)))
    inspect_bundle(bundle)
    raise SilentAcceptanceError(f"stylize took the altered {path}")


READERS = (
    Reader("manifest", _manifest_seeds, always(mutate_json), _manifest, 4),
    Reader("baseline", _baseline_seeds, always(mutate_json), _baseline, 3),
    Reader("gate", _gate_seeds, always(mutate_json), _gate, 6),
    Reader("recorded", _recorded_seeds, always(mutate_bytes), _recorded, 3),
)
