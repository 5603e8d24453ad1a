"""Every reader of the project, each with its seeds, its damage and what it owes.

A reader owes a valid result or one of the project's errors. Where a hash was recorded, it owes the error.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.trust.fuzz import seeds
from benchmarks.trust.fuzz.examples import example
from benchmarks.trust.fuzz.models import mutate_onnx, mutate_tflite
from benchmarks.trust.fuzz.mutate import (
    Mutator,
    mutate_bytes,
    mutate_json,
    mutate_safetensors,
    mutate_text,
    mutate_toml,
    mutate_zip,
)

ALLOWED_CODES = frozenset({2, 3, 4, 5, 6, 7})
Seeds = Mapping[str, bytes]


class SilentAcceptanceError(Exception):
    """A file was altered after its hash was recorded, and a reader took it."""


class WrongResultError(Exception):
    """A reader returned what no caller can use."""


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        seeds: valid inputs by name.
        mutate: the damage, by a seed's name.
        read: reads damaged bytes in an empty folder; the seed's name says what file it was.
        weight: share of the cases.
        all_valid: whether the reader takes every seed as it is.
    """

    name: str
    seeds: Callable[[], Seeds]
    mutate: Callable[[str], Mutator]
    read: Callable[[bytes, Path, str], None]
    weight: int = 2
    all_valid: bool = True


def _require(condition: bool, words: str) -> None:
    if not condition:
        raise WrongResultError(words)


def _picture(data: bytes, folder: Path, name: str) -> None:
    from iast_export.images import load_image

    (folder / name).write_bytes(data)
    rgb = load_image(folder / name)
    _require(rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.size > 0, f"{rgb.shape}")


def _set(data: bytes, folder: Path, name: str) -> None:
    from iast_export.imagesets import load_set

    (folder / "picture.png").write_bytes(seeds.pictures()["rgb.png"])
    (folder / name).write_bytes(data)
    found = load_set(str(folder / name))
    _require(len(found) > 0 and len(found.sha256) == 64, "an empty set")
    for _, rgb in found.images():
        _require(rgb.size > 0, "an empty picture")


def _set_seeds() -> Seeds:
    from iast_export.artifacts import sha256_bytes

    digest = sha256_bytes(seeds.pictures()["rgb.png"])
    facts = 'source = "drawn"\nlicence = "CC0"\n'
    return {
        "set.toml": (
            f'name = "drawn"\n[[images]]\nid = "one"\nfile = "picture.png"\nsha256 = "{digest}"\n{facts}'
            f'[[images]]\nid = "two"\nfile = "picture.png"\nsha256 = "{digest}"\n{facts}crop = [2, 2, 8, 8]\n'
        ).encode()
    }


def _recipe(data: bytes, folder: Path, name: str) -> None:
    from iast_export.recipe import load_recipe

    (folder / name).write_bytes(data)
    recipe = load_recipe(folder / name)
    _require(len(recipe.sha256) == 64 and len(recipe.plan) > 0, "an empty recipe")


def _packaged(*names: str) -> Callable[[], Seeds]:
    def read() -> Seeds:
        from iast_export import recipe

        folder = Path(recipe.__file__).parent / "data"
        root = folder.parent.parent
        return {
            Path(name).name: next(p for p in (folder / name, root / name) if p.is_file()).read_bytes()
            for name in names
        }

    return read


def _rules(data: bytes, folder: Path, name: str) -> None:
    from iast_export.gate.rules import load_rules

    (folder / name).write_bytes(data)
    load_rules(folder / name)


def _manifest(data: bytes, folder: Path, name: str) -> None:
    from iast_export.reports import load_manifest

    (folder / "manifest.json").write_bytes(data)
    manifest = load_manifest(folder)
    _require(
        all(not Path(p).is_absolute() and ".." not in Path(p).parts for p in manifest.hashes()),
        "a path outside",
    )
    manifest.to_json()


@cache
def _bundle() -> Path:
    """A small bundle with reports and a baseline; the tests' own."""
    import atexit
    import tempfile

    from iast_export.gate import make_baseline
    from tests.gate_cases import make_bundle

    folder = Path(tempfile.mkdtemp(prefix="fuzz-bundle-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "bundle").mkdir()
    make_bundle(folder / "bundle")
    make_baseline(folder / "bundle", folder / "baseline.json")
    return folder


def _manifest_seeds() -> Seeds:
    return {"manifest.json": (_bundle() / "bundle" / "manifest.json").read_bytes()}


def _report_kinds() -> dict[str, Any]:
    from iast_export import (
        device_reports,
        ladder_reports,
        lane_reports,
        plan_reports,
        reports,
        search_reports,
    )

    kinds = (
        reports.VerifyReport, reports.BenchmarkReport, reports.QuantizeReport, reports.ConvertReport,
        device_reports.DeviceResult, ladder_reports.LadderReport, lane_reports.LanesReport,
        search_reports.SearchReport, search_reports.SearchState, plan_reports.PlanReport,
    )  # fmt: skip
    return {f"{kind.__name__}.json": kind for kind in kinds}


def _report_seeds() -> Seeds:
    return {name: seeds.json_bytes(example(kind)) for name, kind in _report_kinds().items()}


def _report(data: bytes, folder: Path, name: str) -> None:
    (folder / name).write_bytes(data)
    found = _report_kinds()[name].load(folder / name)
    found.save(folder / "again.json")
    _require(
        type(found).load(folder / "again.json") == found, "a report that is not read back as it was written"
    )


def _baseline_seeds() -> Seeds:
    return {"baseline.json": (_bundle() / "baseline.json").read_bytes()}


def _baseline(data: bytes, folder: Path, name: str) -> None:
    import json

    from iast_export.gate.baseline import load_baseline

    (folder / name).write_bytes(data)
    found = load_baseline(folder / name)
    given = json.loads(_baseline_seeds()[name])
    if found.model_dump(mode="json") != json.loads(json.dumps(given)):
        raise SilentAcceptanceError("a baseline whose content is not that of its own hash")


def _gate(data: bytes, folder: Path, name: str) -> None:
    """A report or the manifest of a bundle is damaged; the gate must end in a verdict."""
    from iast_export.gate import gate
    from iast_export.report import junit_xml, markdown_text

    shutil.copytree(_bundle() / "bundle", folder / "bundle")
    (folder / "bundle" / name.replace("--", "/")).write_bytes(data)
    verdict = gate(folder / "bundle", _bundle() / "baseline.json")
    _require(verdict.exit_code in (0, 2, 3, 5, 6, 7), f"exit code {verdict.exit_code}")
    junit_xml(verdict)
    markdown_text(verdict).encode()


def _gate_seeds() -> Seeds:
    names = ("manifest.json", "reports/verify.json", "reports/benchmark.json")
    return {name.replace("/", "--"): (_bundle() / "bundle" / name).read_bytes() for name in names}


def _recorded_seeds() -> Seeds:
    from iast_export.reports import load_manifest

    folder = _bundle() / "bundle"
    return {path.replace("/", "--"): (folder / path).read_bytes() for path in load_manifest(folder).hashes()}


def _recorded(data: bytes, folder: Path, name: str) -> None:
    """A file is damaged whose hash the manifest holds: whoever opens it must refuse."""
    from iast_export.errors import IastExportError
    from iast_export.gate import gate

    if data == _recorded_seeds()[name]:
        return
    bundle = folder / "bundle"
    shutil.copytree(_bundle() / "bundle", bundle)
    (bundle / name.replace("--", "/")).write_bytes(data)
    if gate(bundle, _bundle() / "baseline.json").exit_code == 0:
        raise SilentAcceptanceError(f"the gate passed with an altered {name}")
    try:
        _open(bundle, name.replace("--", "/"))
    except IastExportError as error:
        if error.exit_code != 3:
            raise WrongResultError(f"an altered {name} ends in exit code {error.exit_code}") from error


def _open(bundle: Path, path: str) -> None:
    from iast_export.inspection import inspect_bundle
    from iast_export.stylize import BundleEngine

    if path.startswith("golden/"):
        return
    if path.startswith("styles/"):
        BundleEngine(bundle, "onnxruntime", "fp32").style_codes("ink")
        raise SilentAcceptanceError(f"stylize took the altered {path}")
    engine_of = next(e for e in BundleEngine(bundle, "onnxruntime", "fp32").manifest.files if e.path == path)
    engine = BundleEngine(bundle, engine_of.runtime, engine_of.precision)
    tier = next(t for t in engine.tiers if engine_of.tier in (None, t.id))
    engine.session(tier)
    inspect_bundle(bundle)
    raise SilentAcceptanceError(f"stylize took the altered {path}")


def _stage_record(data: bytes, folder: Path, name: str) -> None:
    from iast_export.artifacts import StageRecord, is_fresh

    (folder / "outside.txt").write_text("kept")
    root = folder / "bundle"
    (root / ".stages").mkdir(parents=True)
    (root / "x.bin").write_bytes(b"x")
    (root / ".stages" / "export.json").write_bytes(data)
    found = StageRecord.load(root, "export")
    is_fresh(root, "export", "0" * 64)
    for path in found.outputs if found is not None else ():
        inside = not Path(path).is_absolute() and ".." not in Path(path).parts
        _require(inside, f"a stage record that names {path!r} as an output")


def _stage_record_seeds() -> Seeds:
    import tempfile

    from iast_export.artifacts import record

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "x.bin").write_bytes(b"x")
        record(root, "export", "0" * 64, [root / "x.bin"])
        return {"export.json": (root / ".stages" / "export.json").read_bytes()}


def _ranges(data: bytes, folder: Path, name: str) -> None:
    from iast_export.calibrate import load_ranges

    (folder / name).write_bytes(data)
    for tensor, found in load_ranges(folder / name).items():
        finite = bool(np.isfinite([found.low, found.high]).all()) and found.low <= found.high
        _require(finite, f"the range of {tensor!r} is {found}")


def _ranges_seeds() -> Seeds:
    import tempfile

    from iast_export.calibrate import save_ranges
    from iast_export.ranges import Range

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "ranges.json"
        held = {"content": Range(0.0, 1.0), "conv_1": Range(-3.5, 4.25), "relu_2": Range(0.0, 6.0)}
        save_ranges(path, held, {"method": "minmax"})
        return {"ranges.json": path.read_bytes()}


def _equalization(data: bytes, folder: Path, name: str) -> None:
    from iast_export.quantize.equalize import Equalization

    (folder / name).write_bytes(data)
    found = Equalization.load(folder / name)
    weight = np.ones((2, 1, 3, 3), np.float32)
    found.among([weight])
    list(found.rows.values()), list(found.columns.values())
    factors = [s for one in (*found.pairs, *found.norms) for s in one.factors]
    _require(all(np.isfinite(s) and s > 0 for s in factors), "a factor that divides nothing")
    found.changed(weight, np.zeros(2, np.float32))


def _equalization_seeds() -> Seeds:
    import tempfile

    from iast_export.quantize.equalize import Equalization, PairFactors
    from iast_export.quantize.equalize_norms import NormFactors

    made = Equalization(
        (PairFactors(("a" * 64, ""), ("b" * 64, "c" * 64), (2.0, 1.0), False),),
        (NormFactors(((9.0, 9.0, 9.0), (3.0, 2.0, 1.0)), (2.0, 4.0), (0.0, 0.5)),),
    )
    with tempfile.TemporaryDirectory() as name:
        made.save(Path(name) / "factors.json")
        return {"factors.json": (Path(name) / "factors.json").read_bytes()}


def _plan_cache(data: bytes, folder: Path, name: str) -> None:
    from iast_export.planning import cache as measured
    from iast_export.plan_reports import GroupMeasurement

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
    from iast_export.plan_reports import GroupMeasurement

    return {"group.json": seeds.json_bytes(example(GroupMeasurement))}


def _checkpoint_seeds() -> Seeds:
    return {name: data for name, data in seeds.tensors().items() if not name.endswith(".toml")}


def _checkpoint(data: bytes, folder: Path, name: str) -> None:
    import torch

    from iast_export.checkpoint import load_checkpoint

    (folder / name).write_bytes(data)
    net = load_checkpoint(folder / name)
    _require(
        all(bool(torch.isfinite(t).all()) for t in net.state_dict().values()), "weights that are not finite"
    )


def _checked_checkpoint(data: bytes, folder: Path, name: str) -> None:
    """The card beside a checkpoint holds its hash."""
    from iast_export.checkpoint import load_card

    given = seeds.tensors()
    is_card = name.endswith(".toml")
    weights, card = (given["tiny.safetensors"], data) if is_card else (data, given["tiny.card.toml"])
    (folder / "tiny.safetensors").write_bytes(weights)
    (folder / "tiny.card.toml").write_bytes(card)
    load_card(folder / "tiny.safetensors")
    if weights != given["tiny.safetensors"]:
        raise SilentAcceptanceError("an altered checkpoint beside its card")


def _checked_seeds() -> Seeds:
    return {name: seeds.tensors()[name] for name in ("tiny.safetensors", "tiny.card.toml")}


def _code(data: bytes, folder: Path, name: str) -> None:
    from iast_export.reports import Manifest
    from iast_export.style_add import read_code

    manifest = Manifest.load(_bundle() / "bundle" / "manifest.json")
    source = manifest.source.model_copy(update={"checkpoint_sha256": "0" * 64})
    (folder / name).write_bytes(data)
    found = read_code(folder / name, manifest.model_copy(update={"source": source}))
    _require(all(bool(np.isfinite(one).all()) for one in found.values()), "a code that is not finite")


def _packed_code(data: bytes, folder: Path, name: str) -> None:
    from iast_export.styles import unpack

    (folder / name).write_bytes(data)
    found = unpack(folder / name, {"style_code": (1, 4)})
    _require(bool(np.isfinite(found["style_code"]).all()), "a code that is not finite")


def _onnx(data: bytes, folder: Path, name: str) -> None:
    from iast_export.inspection import inspect_model
    from iast_export.quantize.onnx_qdq import operator_groups, tensors_to_calibrate
    from iast_export.runtimes import open_onnx

    path = folder / "x.onnx"
    path.write_bytes(data)
    inspect_model(path)
    tensors_to_calibrate(path)
    operator_groups(path)
    session = open_onnx(path)
    feeds = {"content": np.full((1, 3, 16, 16), 0.5, np.float32), "gain": np.ones((1, 8), np.float32)}
    session.run({key: feeds[key] for key in session.input_names if key in feeds})


def _tflite(data: bytes, folder: Path, name: str) -> None:
    from iast_export.inspection import inspect_model
    from iast_export.runtimes import open_litert

    path = folder / "x.tflite"
    path.write_bytes(data)
    found = inspect_model(path)
    session = open_litert(path, next(iter(found["entries"]), None))
    feeds = {"content": np.full((1, 3, 16, 16), 0.5, np.float32), "gain": np.ones((1, 8), np.float32)}
    session.run({key: feeds[key] for key in session.input_names if key in feeds})


_BATTERY = b"Current Battery Service state:\n  AC powered: false\n  level: 81\n  temperature: 304\n"
_THERMAL = b"IsStatusOverride: false\nThermal Status: 1\n"
_DEVICES = b"List of devices attached\nR58N\tdevice\n\n"
_POWER = b"POWER MANAGER (dumpsys power)\n  mWakefulness=Awake\n"


def _adb(data: bytes, folder: Path, name: str) -> None:
    """What a phone says through adb: a stand-in on PATH prints it."""
    from iast_export.device import adb
    from iast_export.device_reports import HostObservation

    for said, words in (
        ("devices", _DEVICES),
        ("battery", _BATTERY),
        ("thermalservice", _THERMAL),
        ("power", _POWER),
    ):
        (folder / said).write_bytes(data if name == said else words)
    tool = folder / "adb"
    tool.write_text(f'#!/bin/sh\nfor last; do :; done\n/bin/cat "{folder}/$last"\n')
    tool.chmod(0o755)
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = str(folder)
    try:
        found = adb.observe(adb.Adb(None))
    finally:
        os.environ["PATH"] = before
    HostObservation.model_validate(found)


def _adb_seeds() -> Seeds:
    return {"devices": _DEVICES, "battery": _BATTERY, "thermalservice": _THERMAL, "power": _POWER}


_COMMANDS = (
    "inspect FILE", "inspect DIR --json", "gate DIR --baseline JSON", "gate DIR --rules TOML --json", "style list DIR",
    "gate DIR --baseline JSON --junit NEW --markdown NEW", "style remove DIR ink", "style add DIR PNG --name x --category y",
    "stylize DIR --content PNG --style ink --out NEW", "stylize DIR --content PNG --style PNG --out NEW --precision int8",
    "device import JSON --bundle DIR", "search DIR --tier d2-256px --budget psnr_db>=40 --minutes 0.01",
    "lanes DIR --tier d2-256px", "verify DIR --ladder --tier d2-256px", "plan FILE --recipe TOML --no-measure",
    "build FILE --recipe TOML --out NEW", "export FILE --calibration DIR --recipe TOML --out NEW", "doctor --json",
    "gate DIR --write-baseline NEW", "device bench DIR --serial x --core-mask f0", "-h", "style", "build --recipe TOML --out NEW",
    "build --calibration DIR --styles DIR --recipe TOML --out NEW", "build --network FILE:x --recipe TOML --out NEW",
)  # fmt: skip
_WORDS = (
    "--", "-", "--json", "-v", "--help", "--out", "--tier", "", " ", "[red]", "[/x]", "\udce9", "a\x00b", "x" * 300,
    "--threads=0", "--threads=99999999999999999999", "--strength=nan", "--minutes=-1", "--budget", "psnr_db>=nan",
    "--core-mask=-1", "--samples=0", "..", "\u202e", "--runtime=litert", "caf\u00e9", "--recipe=DIR",
    "--precision=fp16", "--scale-down", "--tile", "FILE", "DIR", "TOML", "JSON", "PNG", "NEW", "skimage:nothing", "%s", "~",
)  # fmt: skip


def mutate_command(data: bytes, rng: Random, others: Any = ()) -> bytes:
    """A command line, one word a line, with words changed, dropped or added."""
    words = data.decode("utf-8", "surrogateescape").split("\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, kind = rng.randrange(len(words)), rng.randrange(4)
        if kind == 0 and at:
            words[at] = rng.choice(_WORDS)
        elif kind == 1 and at and len(words) > 2:
            del words[at]
        elif kind == 2:
            words.insert(at + 1, rng.choice(_WORDS))
        elif kind == 3 and at:
            words[at] = (
                mutate_text(words[at].encode("utf-8", "surrogateescape"), rng)[:4000]
                .decode("utf-8", "surrogateescape")
                .replace("\n", " ")
            )
    return "\n".join(words).encode("utf-8", "surrogateescape")


def _command(data: bytes, folder: Path, name: str) -> None:
    """A command line in a folder of its own, which no word can leave; no build can begin on that recipe."""
    from iast_export.cli import run

    words = [w.replace("/", "_") for w in data.decode("utf-8", "surrogateescape").split("\n")]
    if words[0] in ("build", "plan", *_STAGES):
        words += ["--recipe=TOML"] * 2  # the first may be taken for another option's value
    shutil.copytree(_bundle() / "bundle", folder / "DIR")
    shutil.copyfile(_bundle() / "baseline.json", folder / "JSON")
    (folder / "FILE").write_bytes(b"\x08\x07not a model")
    (folder / "TOML").write_text("no_such_key = 1\n")
    (folder / "PNG").write_bytes(seeds.pictures()["rgb.png"])
    before = Path.cwd()
    os.chdir(folder)
    try:
        with _terminal():
            code = run(words)
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        os.chdir(before)
    _require(code in {0, *ALLOWED_CODES}, f"exit code {code}")


_STAGES = ("export", "convert", "calibrate", "quantize", "verify", "bench", "bundle")


@contextlib.contextmanager
def _terminal() -> Any:
    """Streams as a process has them in a UTF-8 place."""
    held = sys.stdout, sys.stderr
    sys.stdout = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict")
    sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    try:
        yield
    finally:
        sys.stdout, sys.stderr = held


def _command_seeds() -> Seeds:
    return {
        f"{i:02d}-{line.split()[0]}": line.replace(" ", "\n").encode() for i, line in enumerate(_COMMANDS)
    }


def _always(mutator: Mutator) -> Callable[[str], Mutator]:
    return lambda name: mutator


def _of_checkpoint(name: str) -> Mutator:
    return (
        mutate_safetensors
        if name.endswith(".safetensors")
        else mutate_zip
        if "legacy" not in name
        else mutate_bytes
    )


def _of_checked(name: str) -> Mutator:
    return mutate_toml if name.endswith(".toml") else mutate_safetensors


READERS: Mapping[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader("picture", seeds.pictures, _always(mutate_bytes), _picture, 8, all_valid=False),
        Reader("set", _set_seeds, _always(mutate_toml), _set, 4),
        Reader("recipe", _packaged("default_recipe.toml"), _always(mutate_toml), _recipe, 4),
        Reader("rules", _packaged("default_rules.toml"), _always(mutate_toml), _rules, 4),
        Reader("manifest", _manifest_seeds, _always(mutate_json), _manifest, 4),
        Reader("report", _report_seeds, _always(mutate_json), _report, 10),
        Reader("baseline", _baseline_seeds, _always(mutate_json), _baseline, 3),
        Reader("gate", _gate_seeds, _always(mutate_json), _gate, 6),
        Reader("recorded", _recorded_seeds, _always(mutate_bytes), _recorded, 3),
        Reader("stage-record", _stage_record_seeds, _always(mutate_json), _stage_record, 3),
        Reader("ranges", _ranges_seeds, _always(mutate_json), _ranges, 3),
        Reader("equalization", _equalization_seeds, _always(mutate_json), _equalization, 3),
        Reader("plan-cache", _plan_cache_seeds, _always(mutate_json), _plan_cache, 2),
        Reader("checkpoint", _checkpoint_seeds, _of_checkpoint, _checkpoint, 8, all_valid=False),
        Reader("card", _checked_seeds, _of_checked, _checked_checkpoint, 3),
        Reader("code", lambda: {"code.safetensors": seeds.code()}, _always(mutate_safetensors), _code, 4),
        Reader("packed-code", lambda: {"ink.f32": bytes(16)}, _always(mutate_bytes), _packed_code, 1),
        Reader("onnx", seeds.onnx_files, _always(mutate_onnx), _onnx, 10),
        Reader("tflite", seeds.tflite_files, _always(mutate_tflite), _tflite, 10),
        Reader("adb", _adb_seeds, _always(mutate_text), _adb, 3),
        Reader("command", _command_seeds, _always(mutate_command), _command, 4, all_valid=False),
    )
}
