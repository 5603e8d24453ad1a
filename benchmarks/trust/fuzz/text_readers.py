"""Readers of texts: TOML and JSON that people and stages write, and what a phone says."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trust.fuzz import seeds
from benchmarks.trust.fuzz.bundle_readers import small_bundle
from benchmarks.trust.fuzz.examples import example
from benchmarks.trust.fuzz.mutate_bytes import Mutator
from benchmarks.trust.fuzz.mutate_text import mutate_json, mutate_text, mutate_toml
from benchmarks.trust.fuzz.reader import Reader, Seeds, always, require


def _set(data: bytes, folder: Path, name: str) -> None:
    from iast_export.pictures.imagesets import load_set

    (folder / "picture.png").write_bytes(seeds.pictures()["rgb.png"])
    (folder / name).write_bytes(data)
    found = load_set(str(folder / name))
    require(len(found) > 0 and len(found.sha256) == 64, "an empty set")
    for _, rgb in found.images():
        require(rgb.size > 0, "an empty picture")


def _set_seeds() -> Seeds:
    from iast_export.files.artifacts import sha256_bytes

    digest = sha256_bytes(seeds.pictures()["rgb.png"])
    facts = 'source = "drawn"\nlicence = "CC0"\n'
    return {
        "set.toml": (
            'name = "drawn"\n[[images]]\nid = "one"\nfile = "picture.png"\nsha256 = '
            f'"{digest}"\n{facts}'
            f'[[images]]\nid = "two"\nfile = "picture.png"\nsha256 = "{digest}"\n{facts}crop = [2, '
            "2, 8, 8]\n"
        ).encode()
    }


def _recipe(data: bytes, folder: Path, name: str) -> None:
    from iast_export.recipe import load_recipe

    (folder / name).write_bytes(data)
    recipe = load_recipe(folder / name)
    require(len(recipe.sha256) == 64 and len(recipe.plan) > 0, "an empty recipe")


def _packaged(*names: str) -> Callable[[], Seeds]:
    def read() -> Seeds:
        from iast_export import recipe

        folder = Path(recipe.__file__).parent / "data"
        root = folder.parent.parent
        return {
            Path(name).name: next(
                p for p in (folder / name, root / name) if p.is_file()
            ).read_bytes()
            for name in names
        }

    return read


def _rules(data: bytes, folder: Path, name: str) -> None:
    from iast_export.gate.rules import load_rules

    (folder / name).write_bytes(data)
    load_rules(folder / name)


def report_kinds() -> dict[str, Any]:
    """Every report that has a file of its own, by a file name."""
    from iast_export.reports.benchmark import BenchmarkReport
    from iast_export.reports.convert import ConvertReport
    from iast_export.reports.depths import DepthsReport
    from iast_export.reports.device import DeviceResult
    from iast_export.reports.ladder import LadderReport
    from iast_export.reports.lanes import LanesReport
    from iast_export.reports.plan import PlanReport
    from iast_export.reports.quantize import QuantizeReport
    from iast_export.reports.search import SearchReport, SearchState
    from iast_export.reports.verify import VerifyReport

    kinds = (
        *(VerifyReport, BenchmarkReport, QuantizeReport, ConvertReport, DeviceResult),
        *(DepthsReport, LadderReport, LanesReport, SearchReport, SearchState, PlanReport),
    )
    return {f"{kind.__name__}.json": kind for kind in kinds}


def _report_seeds() -> Seeds:
    return {name: seeds.json_bytes(example(kind)) for name, kind in report_kinds().items()}


def _report(data: bytes, folder: Path, name: str) -> None:
    (folder / name).write_bytes(data)
    found = report_kinds()[name].load(folder / name)
    found.save(folder / "again.json")
    require(
        type(found).load(folder / "again.json") == found,
        "a report that is not read back as it was written",
    )


def _stage_record(data: bytes, folder: Path, name: str) -> None:
    from iast_export.files.artifacts import StageRecord, is_fresh

    (folder / "outside.txt").write_text("kept")
    root = folder / "bundle"
    (root / ".stages").mkdir(parents=True)
    (root / "x.bin").write_bytes(b"x")
    (root / ".stages" / "export.json").write_bytes(data)
    found = StageRecord.load(root, "export")
    is_fresh(root, "export", "0" * 64)
    for path in found.outputs if found is not None else ():
        inside = not Path(path).is_absolute() and ".." not in Path(path).parts
        require(inside, f"a stage record that names {path!r} as an output")


def _stage_record_seeds() -> Seeds:
    from iast_export.files.artifacts import record

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "x.bin").write_bytes(b"x")
        record(root, "export", "0" * 64, [root / "x.bin"])
        return {"export.json": (root / ".stages" / "export.json").read_bytes()}


def _ranges(data: bytes, folder: Path, name: str) -> None:
    from iast_export.quantize.calibrate import load_ranges

    (folder / name).write_bytes(data)
    for tensor, found in load_ranges(folder / name).items():
        finite = bool(np.isfinite([found.low, found.high]).all()) and found.low <= found.high
        require(finite, f"the range of {tensor!r} is {found}")


def _ranges_seeds() -> Seeds:
    from iast_export.quantize.calibrate import save_ranges
    from iast_export.quantize.ranges import Range

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ranges.json"
        held = {"content": Range(0.0, 1.0), "conv_1": Range(-3.5, 4.25), "relu_2": Range(0.0, 6.0)}
        save_ranges(path, held, {"method": "minmax"})
        return {"ranges.json": path.read_bytes()}


def _equalization(data: bytes, folder: Path, name: str) -> None:
    from iast_export.quantize.equalize.factors import Equalization

    (folder / name).write_bytes(data)
    found = Equalization.load(folder / name)
    factors = [*found.channels.values(), *(s for one in found.norms for s in one.factors)]
    require(all(np.isfinite(s) and s > 0 for s in factors), "a factor that divides nothing")


def _equalization_seeds() -> Seeds:
    from iast_export.quantize.equalize.factors import Equalization
    from iast_export.quantize.equalize.norms import NormFactors

    made = Equalization(
        {"row:" + "a" * 64: 2.0, "column:" + "b" * 64: 0.5},
        (NormFactors(((9.0, 9.0, 9.0), (3.0, 2.0, 1.0)), (2.0, 4.0), (0.0, 0.5)),),
    )
    with tempfile.TemporaryDirectory() as name:
        made.save(Path(name) / "factors.json")
        return {"factors.json": (Path(name) / "factors.json").read_bytes()}


def _plan_cache(data: bytes, folder: Path, name: str) -> None:
    from iast_export.plan import cache as measured
    from iast_export.reports.plan import GroupMeasurement

    place = folder / "iast-export" / "plan"
    place.mkdir(parents=True)
    (place / f"{'0' * 64}.json").write_bytes(data)
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        measured.load("0" * 64, GroupMeasurement)
    finally:
        os.environ.pop("XDG_CACHE_HOME")
        if before is not None:
            os.environ["XDG_CACHE_HOME"] = before


def _plan_cache_seeds() -> Seeds:
    from iast_export.reports.plan import GroupMeasurement

    return {"group.json": seeds.json_bytes(example(GroupMeasurement))}


_SAID = {
    "devices": b"List of devices attached\nR58N\tdevice\n\n",
    "battery": b"Current Battery Service state:\n  AC powered: false\n  level: 81\n  temperature: "
    b"304\n",
    "thermalservice": b"IsStatusOverride: false\nThermal Status: 1\n",
    "power": b"POWER MANAGER (dumpsys power)\n  mWakefulness=Awake\n",
}
_PHONE = """#!/bin/sh
case "$*" in
  *" pull "*) for last; do :; done; /bin/cp "{0}/result.json" "$last" ;;
  devices) /bin/cat "{0}/devices" ;;
  *" dumpsys "*) for last; do :; done; /bin/cat "{0}/$last" ;;
  *" pm "*|*" ls "*) echo there ;;
  *" pidof "*) echo 4711 ;;
esac
"""


def _adb(data: bytes, folder: Path, name: str) -> None:
    """What a phone says through adb, and its result; a stand-in on PATH plays it."""
    from iast_export.device import adb
    from iast_export.reports.device import DeviceResult

    shutil.copytree(small_bundle() / "bundle", folder / "bundle")
    for said, words in {**_adb_seeds(), name: data}.items():
        (folder / said).write_bytes(words)
    tool = folder / "adb"
    tool.write_text(_PHONE.format(folder))
    tool.chmod(0o755)
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = str(folder)
    try:
        made = adb.bench(
            folder / "bundle", adb.BenchOptions("selftest", timeout_s=20.0, poll_s=0.01)
        )
    finally:
        os.environ["PATH"] = before
    require(bool(DeviceResult.load(made).selftest), "a result without rows")


def _adb_seeds() -> Seeds:
    from iast_export.files.artifacts import sha256_file
    from iast_export.reports.device import DeviceResult

    result = example(DeviceResult)
    digest = sha256_file(small_bundle() / "bundle" / "manifest.json")
    result["bundle"] = {"name": "small", "manifest_sha256": digest}
    result["selftest"][0] |= {"runtime": "onnxruntime", "precision": "fp32", "tier": "d2-256px"}
    return {**_SAID, "result.json": seeds.json_bytes(result)}


def _of_phone(name: str) -> Mutator:
    return mutate_json if name.endswith(".json") else mutate_text


READERS = (
    Reader("set", _set_seeds, always(mutate_toml), _set, 4),
    Reader("recipe", _packaged("default_recipe.toml"), always(mutate_toml), _recipe, 4),
    Reader("rules", _packaged("default_rules.toml"), always(mutate_toml), _rules, 4),
    Reader("report", _report_seeds, always(mutate_json), _report, 10),
    Reader("stage-record", _stage_record_seeds, always(mutate_json), _stage_record, 3),
    Reader("ranges", _ranges_seeds, always(mutate_json), _ranges, 3),
    Reader("equalization", _equalization_seeds, always(mutate_json), _equalization, 3),
    Reader("plan-cache", _plan_cache_seeds, always(mutate_json), _plan_cache, 2),
    Reader("adb", _adb_seeds, _of_phone, _adb, 3),
)
