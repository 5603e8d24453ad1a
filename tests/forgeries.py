"""Forged bundles, baselines and rules: small changes to genuine ones, with the exit codes they must end in.

Two sorts: those of `WRITTEN`, each with a thought behind it, and those of `generated`, which takes every field
of every document and forges it in every way that its type allows.
"""

from __future__ import annotations

import copy
import json
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iast_export.artifacts import json_bytes, sha256_bytes
from tests.gate_cases import fidelity, times
from tests.gate_models import onnx_file, tflite_file

DOCUMENTS = {
    "manifest": "bundle/manifest.json",
    "verify": "bundle/reports/verify.json",
    "benchmark": "bundle/reports/benchmark.json",
    "quantize": "bundle/reports/quantize.json",
    "convert": "bundle/reports/convert.json",
    "baseline": "baseline.json",
}
Json = Any


class Case:
    """A genuine bundle with its baseline and rules in memory, to be forged and written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.texts = {path: (root / path).read_bytes() for path in DOCUMENTS.values()}
        self.docs: dict[str, Json] = {}
        self.files: dict[str, bytes | None] = {}
        self.rules: str | None = None

    def fresh(self) -> Case:
        """An unforged copy."""
        other = copy.copy(self)
        other.docs, other.files, other.rules = {}, {}, None
        return other

    def __getitem__(self, name: str) -> Json:
        if name not in self.docs:
            self.docs[name] = json.loads(self.texts[DOCUMENTS[name]])
        return self.docs[name]

    def row(
        self, name: str, runtime: str = "litert", precision: str = "int8", tier: str = "d2-256px"
    ) -> Json:
        """A row of a report; `name` may be `baseline.verify`."""
        first, *rest = name.split(".")
        doc = self[first]
        for part in rest:
            doc = doc[part]
        return next(
            r for r in doc["rows"] if (r["runtime"], r["precision"], r["tier"]) == (runtime, precision, tier)
        )

    def entry(self, path: str) -> Json:
        """A file's entry in the manifest."""
        return next(one for one in self["manifest"]["files"] if one["path"] == path)

    def data(self, path: str) -> bytes:
        """The bytes of a bundle's file."""
        return (self.root / "bundle" / path).read_bytes()

    def put(self, path: str, data: bytes) -> None:
        """Other bytes for a file, and its hash and size rewritten wherever they stand."""
        before = sha256_bytes(self.data(path))
        self.files[f"bundle/{path}"] = data
        for name in DOCUMENTS:
            _rehash(self[name], before, path, data)

    def seal(self) -> None:
        """The baseline's own hash, made anew as anyone can."""
        held = {key: value for key, value in self["baseline"].items() if key != "sha256"}
        self["baseline"]["sha256"] = sha256_bytes(json_bytes(held))

    def write(self) -> list[str]:
        """Writes what was forged; the paths that were written or deleted."""
        self.files = {
            DOCUMENTS[name]: json.dumps(doc).encode() for name, doc in self.docs.items()
        } | self.files
        for path, data in self.files.items():
            if data is None:
                (self.root / path).unlink()
            else:
                (self.root / path).write_bytes(data)
        if self.rules is not None:
            (self.root / "rules.toml").write_text(self.rules)
        return list(self.files)


def _rehash(doc: Json, before: str, path: str, data: bytes) -> None:
    """Rewrites hash and size of a file in a document: everywhere where its old hash or its path stands."""
    if isinstance(doc, list):
        for one in doc:
            _rehash(one, before, path, data)
    elif isinstance(doc, dict):
        named = doc.get("path") == path or doc.get("sha256") == before
        for key, value in doc.items():
            if value == before and (named or key == path or key.endswith("sha256")):
                doc[key] = sha256_bytes(data)
            elif key in ("bytes", "file_bytes") and named and isinstance(value, int):
                doc[key] = len(data)
            elif key == "file_bytes" and isinstance(value, dict) and path in value:
                value[path] = len(data)
            else:
                _rehash(value, before, path, data)


@dataclass(frozen=True)
class Forgery:
    """A change and the exit codes that are right for it."""

    name: str
    codes: tuple[int, ...]
    change: Callable[[Case], None]


# --- written by hand -------------------------------------------------------------------------------

WRITTEN: list[Forgery] = []


def forged(*codes: int) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Adds a change to `WRITTEN`."""

    def add(change: Callable[[Case], None]) -> Callable[[Case], None]:
        WRITTEN.append(Forgery(change.__name__.replace("_", " "), codes, change))
        return change

    return add


def many(codes: tuple[int, ...], name: str, changes: dict[str, Callable[[Case], Any]]) -> None:
    """Adds several changes of one kind."""
    WRITTEN.extend(Forgery(f"{name}: {what}", codes, change) for what, change in changes.items())


def _set(name: str, **values: Any) -> Callable[[Case], None]:
    """Sets fields of LiteRT's INT8 row of a report."""
    return lambda case: case.row(name).update(values)


# Times.


@forged(3)
def twenty_times_slower_with_the_old_ratio(case: Case) -> None:
    row = case.row("benchmark")
    row["samples_ms"] = [20 * sample for sample in row["samples_ms"]]
    row["median_ms"] = statistics.median(row["samples_ms"])


def _samples(change: Callable[[list[float], list[float]], list[float]], where: str = "benchmark") -> Any:
    """Other samples, with a median that follows."""

    def forge(case: Case) -> None:
        row = case.row(where)
        row["samples_ms"] = change(row["samples_ms"], case.row(where, precision="fp32")["samples_ms"])
        row["median_ms"] = statistics.median(row["samples_ms"])
        if where.startswith("baseline"):
            case.seal()

    return forge


_SAMPLES: dict[str, Any] = {
    "an odd number": lambda own, base: own[:-1],
    "one": lambda own, base: own[:1],
    "one block": lambda own, base: own[:2],
    "fewer than FP32's": lambda own, base: own[:-2],
    "more than FP32's": lambda own, base: own + own[:2],
    "all equal": lambda own, base: [own[0]] * len(own),
    "all but one equal": lambda own, base: [own[0]] * (len(own) - 1) + [own[0] * 1.5],
    "FP32's": lambda own, base: base,
    "FP32's, a third of each": lambda own, base: [one / 3.0 for one in base],
    "in another order": lambda own, base: sorted(own),
    "the fastest alone": lambda own, base: [min(own)] * 2 + [1.001 * min(own)] * (len(own) - 2),
}
many((3,), "samples", {what: _samples(change) for what, change in _SAMPLES.items()})
many(
    (3,),
    "baseline samples",
    {what: _samples(change, "baseline.benchmark") for what, change in _SAMPLES.items()},
)


def _ratio(**values: float) -> Callable[[Case], None]:
    return lambda case: case.row("benchmark")["ratio_to_fp32"].update(values)


many(
    (3,),
    "ratio",
    {
        "fifty, invented": _ratio(value=50.0, low=49.0, high=51.0),
        "a little better": _ratio(value=3.05, high=3.1),
        "a narrower interval": _ratio(low=2.999, high=3.001),
        "a wider interval": _ratio(low=1.0, high=5.0),
        "none": _set("benchmark", ratio_to_fp32=None),
        "of FP32 to itself": lambda case: case.row("benchmark", precision="fp32").update(
            ratio_to_fp32={"value": 1.5, "low": 1.4, "high": 1.6}
        ),
        "reversed": _ratio(low=5.0, high=1.0),
        "zero": _ratio(low=0.0),
    },
)
many(
    (3,),
    "a time",
    {
        "median halved": _set("benchmark", median_ms=5.0),
        "P90 of too few samples": _set("benchmark", p90_ms=9.0),
        "threads unlike FP32's": _set("benchmark", threads=2),
        "bytes of another file": lambda case: case.row("benchmark").update(
            file_bytes=case.entry("models/encoder.onnx")["bytes"]
        ),
    },
)


@forged(3)
def a_long_row_with_another_p90(case: Case) -> None:
    base, row = case.row("benchmark", precision="fp32"), case.row("benchmark")
    base["samples_ms"] = [30.0 + 0.01 * i for i in range(30)]
    base |= {"median_ms": statistics.median(base["samples_ms"]), "p90_ms": 30.26}
    row |= times(base["samples_ms"], [3.0 + 0.01 * i for i in range(15)])
    row["p90_ms"] = min(row["samples_ms"])


@forged(7)
def more_threads_than_the_baseline_in_every_row(case: Case) -> None:
    for row in case["benchmark"]["rows"]:
        row["threads"] = 4


# Fidelity.


def _fidelity(change: Callable[[Json], Any]) -> Callable[[Case], None]:
    return lambda case: change(case.row("verify"))


def _keep(row: Json, pairs: list[Json]) -> None:
    """The row with other pairs, and every summary made to follow."""
    psnrs, ssims = [one["psnr_db"] for one in pairs], [one["ssim"] for one in pairs]
    row |= {
        "pairs": pairs,
        "images": len(pairs),
        "psnr_db": {"mean": statistics.fmean(psnrs), "p5": min(psnrs)},
        "ssim": {"mean": statistics.fmean(ssims), "p5": min(ssims)},
    }


def _renamed(pairs: list[Json], **values: Any) -> list[Json]:
    return [one | values for one in pairs]


def _each(change: Callable[[Json], Any]) -> Callable[[Case], None]:
    """The same change to every row of verify.json."""

    def forge(case: Case) -> None:
        for row in case["verify"]["rows"]:
            change(row)

    return forge


many(
    (3,),
    "pairs of a row",
    {
        "emptied": _fidelity(lambda row: row.update(pairs=[])),
        "emptied, of no image": _fidelity(lambda row: row.update(pairs=[], images=0)),
        "the best alone": _fidelity(lambda row: _keep(row, row["pairs"][-1:])),
        "the best three times": _fidelity(lambda row: _keep(row, row["pairs"][-1:] * 3)),
        "the best eight times": _fidelity(lambda row: _keep(row, row["pairs"][-1:] * 8)),
        "the worst dropped": _fidelity(lambda row: _keep(row, row["pairs"][1:])),
        "other pictures": _fidelity(
            lambda row: _keep(row, [p | {"content": f"x{p['content']}"} for p in row["pairs"]])
        ),
        "another style": _fidelity(lambda row: _keep(row, _renamed(row["pairs"], style="oil"))),
        "smaller pictures": _fidelity(
            lambda row: _keep(row, _renamed(row["pairs"], width_px=8, height_px=8))
        ),
        "larger than the tier": _each(lambda row: _keep(row, _renamed(row["pairs"], width_px=4096))),
        "the best three times in every row": _each(lambda row: _keep(row, row["pairs"][-1:] * 3)),
        "a style without a hash in every row": _each(
            lambda row: _keep(row, _renamed(row["pairs"], style="oil"))
        ),
        "FP32's": lambda case: case.row("verify").update(
            {
                k: v
                for k, v in case.row("verify", precision="fp32").items()
                if k in ("pairs", "psnr_db", "ssim", "drop")
            }
        ),
        "other scores of FP32": _fidelity(
            lambda row: row["pairs"][0].update(reference=row["pairs"][0]["reference"] | {"ssim_content": 0.4})
        ),
    },
)


@forged(7)
def the_best_pair_alone_in_every_row_and_in_the_set(case: Case) -> None:
    for row in case["verify"]["rows"]:
        _keep(row, row["pairs"][-1:])
    case["verify"]["set"]["images"] = 1


@forged(3)
def the_best_pair_alone_in_every_row(case: Case) -> None:
    for row in case["verify"]["rows"]:
        _keep(row, row["pairs"][-1:])


@forged(7)
def other_pictures_in_every_row(case: Case) -> None:
    for row in case["verify"]["rows"]:
        _keep(row, [one | {"content": f"easy-{one['content']}"} for one in row["pairs"]])


@forged(7)
def another_evaluation_set(case: Case) -> None:
    case["verify"]["set"]["sha256"] = "9" * 64


def _pair(**values: Any) -> Callable[[Case], None]:
    """One pair with other values, and summaries that follow."""

    def forge(case: Case) -> None:
        row = case.row("verify")
        _keep(row, [row["pairs"][0] | values, *row["pairs"][1:]])

    return forge


many(
    (3,),
    "a pair",
    {
        "SSIM above 1": _pair(ssim=1.5),
        "SSIM below -1": _pair(ssim=-2.0),
        "a PSNR above the cap": _pair(psnr_db=500.0),
        "a negative PSNR": _pair(psnr_db=-3.0),
        "an SSIM that its PSNR forbids": _pair(psnr_db=75.0, ssim=0.3),
        "equal pictures of SSIM 0.98": _pair(psnr_db=100.0),
        "equal pictures with other scores": _pair(psnr_db=100.0, ssim=1.0),
        "a score without FP32's": _pair(scores={"ssim_content": 0.5, "style_distance": 1.0, "identity": 0.9}),
        "a similarity above 1": _pair(scores={"ssim_content": 1.5, "style_distance": 1.0}),
        "a negative distance": _pair(scores={"ssim_content": 0.5, "style_distance": -1.0}),
        "no picture": _pair(width_px=0),
    },
)
many(
    (3,),
    "a summary",
    {
        "p5 the mean": _fidelity(lambda row: row["psnr_db"].update(p5=row["psnr_db"]["mean"])),
        "p5 the second worst": _fidelity(lambda row: row["psnr_db"].update(p5=row["pairs"][1]["psnr_db"])),
        "a better mean": _fidelity(lambda row: row["psnr_db"].update(mean=row["psnr_db"]["mean"] + 0.01)),
        "a better SSIM": _fidelity(lambda row: row["ssim"].update(mean=1.0, p5=1.0)),
        "a smaller drop": _fidelity(lambda row: row["drop"].update(ssim_content=0.0)),
        "a drop of nothing judged": _fidelity(
            lambda row: (row["drop"].update(identity=0.0), row["not_judged"].pop("identity"))
        ),
        "more images": _fidelity(lambda row: row.update(images=300)),
    },
)


@forged(5)
def a_picture_worse_than_the_floor_told_truly(case: Case) -> None:
    case.row("verify").update(fidelity([20.0, 21.0, 22.0], 0.9))


@forged(6)
def a_slow_lane_told_truly(case: Case) -> None:
    row, base = case.row("benchmark"), case.row("benchmark", precision="fp32")
    row.update(times(base["samples_ms"], [0.7, 0.71, 0.72, 0.73, 0.74]))


# Rows.


def _rows(name: str, change: Callable[[list[Json]], Any]) -> Callable[[Case], None]:
    return lambda case: change(case[name]["rows"])


for _name in ("verify", "benchmark"):
    many(
        (7,),
        f"rows of {_name}.json",
        {"emptied": _rows(_name, list.clear), "one dropped": _rows(_name, list.pop)},
    )
    many(
        (3, 7),
        f"rows of {_name}.json",
        {
            "one twice": _rows(_name, lambda rows: rows.append(copy.deepcopy(rows[-1]))),
            "FP32 dropped": _rows(
                _name, lambda rows: rows.remove(next(r for r in rows if r["precision"] == "fp32"))
            ),
        },
    )
    many(
        (3,),
        f"rows of {_name}.json",
        {
            "a tier that is not there": _rows(_name, lambda rows: rows.append(rows[-1] | {"tier": "d9-9px"})),
            "renamed to another lane": _rows(_name, lambda rows: rows[-1].update(precision="fp16")),
        },
    )


# Files.


def _swapped(one: str, two: str) -> Callable[[Case], None]:
    """Two files change places; all hashes and sizes follow, so that only a look inside tells."""

    def forge(case: Case) -> None:
        first, second = case.data(one), case.data(two)
        case.put(one, second + b"\xa2\x1f\x01x" if one.startswith("models/onnx") else second + b"\0")
        case.put(two, first + b"\xa2\x1f\x01y" if two.startswith("models/onnx") else first + b"\0")
        case.seal()

    return forge


def _replaced(path: str, data: Callable[[Case], bytes]) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        case.put(path, data(case))
        case.seal()

    return forge


_ONNX = "models/onnxruntime-{}-d2-256px.bin"
_SIDES = {"d2-256px": 256, "d1-512px": 512}
many(
    (3,),
    "files swapped, hashes rewritten",
    {
        "ONNX INT8 and FP32": _swapped(_ONNX.format("int8"), _ONNX.format("fp32")),
        "LiteRT INT8 and FP32": _swapped("models/litert-int8.bin", "models/litert-fp32.bin"),
        "LiteRT FP16 and FP32": _swapped("models/litert-fp16.bin", "models/litert-fp32.bin"),
        "LiteRT INT8 and FP16": _swapped("models/litert-int8.bin", "models/litert-fp16.bin"),
        "LiteRT INT8 and dynamic": _swapped("models/litert-int8.bin", "models/litert-dynamic_int8.bin"),
        "ONNX and LiteRT": _swapped(_ONNX.format("fp32"), "models/litert-fp32.bin"),
        "encoder and network": _swapped("models/encoder.onnx", _ONNX.format("fp32")),
    },
)
many(
    (3,),
    "a file replaced, hashes rewritten",
    {
        "INT8 by FP32": _replaced("models/litert-int8.bin", lambda case: case.data("models/litert-fp32.bin")),
        "INT8 by FP32, in ONNX": _replaced(
            _ONNX.format("int8"), lambda case: case.data(_ONNX.format("fp32"))
        ),
        "FP16 by FP32": _replaced("models/litert-fp16.bin", lambda case: case.data("models/litert-fp32.bin")),
        "by nothing": _replaced("models/litert-int8.bin", lambda case: b""),
        "by text": _replaced(_ONNX.format("int8"), lambda case: b"not a model at all"),
        "cut in half": _replaced(
            "models/litert-int8.bin", lambda case: case.data("models/litert-int8.bin")[:200]
        ),
        "weights elsewhere": _replaced(
            _ONNX.format("fp32"), lambda case: onnx_file(integers=False, external=True)
        ),
        "one signature dropped": _replaced(
            "models/litert-int8.bin", lambda case: tflite_file("int8", {"d2-256px": 256})
        ),
        "the tiers' sides swapped": _replaced(
            "models/litert-int8.bin", lambda case: tflite_file("int8", {"d2-256px": 512, "d1-512px": 256})
        ),
        "a style of 7 bytes": _replaced("styles/ink.f32", lambda case: case.data("styles/ink.f32")[:7]),
        "a style of no bytes": _replaced("styles/ink.f32", lambda case: b""),
        "a style of NaN": _replaced("styles/ink.f32", lambda case: b"\0\0\xc0\x7f" * 4),
        "a golden picture by text": _replaced("golden/d2-256px-litert-int8.png", lambda case: b"picture"),
        "a golden picture cut": _replaced(
            "golden/d2-256px-litert-int8.png", lambda case: case.data("golden/d2-256px-litert-int8.png")[:10]
        ),
        "a golden picture of another size": _replaced(
            "golden/d2-256px-litert-int8.png", lambda case: case.data("golden/d1-512px-litert-int8.png")
        ),
    },
)


def _gone(path: str) -> Callable[[Case], None]:
    return lambda case: case.files.update({path: None})


many(
    (3,),
    "a file missing",
    {
        path: _gone(f"bundle/{path}")
        for path in (
            "models/litert-int8.bin",
            "styles/ink.f32",
            "golden/d2-256px-content.png",
            "reports/verify.json",
            "reports/benchmark.json",
            "reports/quantize.json",
            "reports/convert.json",
            "reports/report.html",
            "manifest.json",
        )
    },
)
many(
    (3,),
    "a file altered",
    {
        "a bit of INT8": lambda case: case.files.update({"bundle/models/litert-int8.bin": b"\1" * 100}),
        "bytes behind INT8's end": lambda case: case.files.update(
            {"bundle/models/litert-int8.bin": case.data("models/litert-int8.bin") + b"\0"}
        ),
        "the size in the manifest": lambda case: case.entry("models/litert-int8.bin").update(bytes=1),
        "the hash in the manifest": lambda case: case.entry("models/litert-int8.bin").update(sha256="0" * 64),
        "a verify.json cut": lambda case: case.files.update(
            {"bundle/reports/verify.json": case.texts["bundle/reports/verify.json"][:-30]}
        ),
        "a benchmark.json that is a list": lambda case: case.files.update(
            {"bundle/reports/benchmark.json": b"[]"}
        ),
        "a verify.json of NaN": lambda case: case.files.update(
            {
                "bundle/reports/verify.json": re.sub(
                    rb"40\.1", b"NaN", case.texts["bundle/reports/verify.json"]
                )
            }
        ),
    },
)


# The manifest.


def _manifest(change: Callable[[Json], Any]) -> Callable[[Case], None]:
    return lambda case: change(case["manifest"])


def _labelled(**values: Any) -> Callable[[Case], None]:
    """LiteRT's INT8 file called something else, in the manifest and in quantize.json."""

    def forge(case: Case) -> None:
        case.entry("models/litert-int8.bin").update(values)
        for row in case["quantize"]["rows"]:
            if row["path"] == "models/litert-int8.bin":
                row.update({key: value for key, value in values.items() if key in row})

    return forge


def _golden(change: Callable[[Json], Any]) -> Callable[[Case], None]:
    return lambda case: change(case["manifest"]["golden"][0])


def _drop_lane(golden: Json) -> None:
    golden["sha256"].pop(golden["outputs"].pop("litert-int8"))


many(
    (3,),
    "golden pictures",
    {
        "all dropped": _manifest(lambda m: m["golden"].clear()),
        "a tier dropped": _manifest(lambda m: m["golden"].pop()),
        "a tier told twice": _manifest(lambda m: m["golden"].append(m["golden"][0])),
        "a lane dropped": _golden(_drop_lane),
        "tolerance 255": _golden(lambda g: g["tolerance_levels"].update(litert=255)),
        "tolerance 2": _golden(lambda g: g["tolerance_levels"].update(litert=2)),
        "tolerance 20 in ONNX Runtime": _golden(lambda g: g["tolerance_levels"].update(onnxruntime=20)),
        "a negative tolerance": _golden(lambda g: g["tolerance_levels"].update(litert=-1)),
        "no tolerance": _golden(lambda g: g["tolerance_levels"].pop("litert")),
        "no style": _golden(lambda g: g.update(strength=0.0)),
        "one picture for two lanes": _golden(
            lambda g: (
                g["sha256"].pop(g["outputs"]["litert-int8"]),
                g["outputs"].update({"litert-int8": g["outputs"]["litert-fp32"]}),
            )
        ),
        "no hash": _golden(lambda g: g["sha256"].pop(g["content"])),
    },
)
many(
    (3,),
    "io",
    {
        "emptied": _manifest(lambda m: m["io"].clear()),
        "a row dropped": _manifest(lambda m: m["io"].pop()),
        "a row twice": _manifest(lambda m: m["io"].append(m["io"][0])),
        "a shape": _manifest(lambda m: m["io"][-2].update(shape=[1, 3, 256, 256])),
        "a name": _manifest(lambda m: m["io"][0].update(name="contents")),
        "a direction": _manifest(lambda m: m["io"][0].update(direction="output")),
        "a layout": _manifest(lambda m: m["io"][0].update(layout="NHWC")),
        "a value range": _manifest(lambda m: m["io"][0].update(value_range=[0.0, 255.0])),
        "no value range": _manifest(lambda m: m["io"][0].update(value_range=None)),
        "an integer edge": _manifest(lambda m: m["io"][0].update(dtype="int8", scale=0.1, zero_point=0)),
        "an integer edge without scale": _manifest(lambda m: m["io"][0].update(dtype="int8")),
        "a signature": _manifest(lambda m: m["io"][-1].update(signature="d2_256px")),
    },
)
many(
    (3,),
    "the manifest",
    {
        "a tier's side": _manifest(lambda m: m["tiers"][0].update(max_side_px=300, shape_px=[300, 300])),
        "a tier's depth": _manifest(lambda m: m["tiers"][0].update(depth=4)),
        "a tier's shape": _manifest(lambda m: m["tiers"][0].update(shape_px=[512, 512])),
        "a tier dropped": _manifest(lambda m: m["tiers"].pop()),
        "size multiple": _manifest(lambda m: m["network"].update(size_multiple_px=8)),
        "both size multiples": _manifest(
            lambda m: (m["network"].update(size_multiple_px=8), m["preprocess"].update(size_multiple_px=8))
        ),
        "code shape": _manifest(lambda m: m["network"]["code_shapes"].update(style_code=[1, 5])),
        "code name": _manifest(lambda m: m["network"].update(code_shapes={"other": [1, 4]})),
        "no code": _manifest(lambda m: m["network"].update(code_shapes={})),
        "no style": _manifest(lambda m: (m["styles"].clear(), m["golden"].clear())),
        "levels to 255": _manifest(lambda m: m["preprocess"].update(value_range=[0.0, 255.0])),
        "results to 2": _manifest(lambda m: m["postprocess"].update(value_range=[0.0, 2.0])),
        "clip": _manifest(lambda m: m["postprocess"].update(clip=[0, 128])),
        "style side": _manifest(lambda m: m["preprocess"].update(style_side_px=128)),
        "no report": _manifest(lambda m: m["reports"].clear()),
        "a report not listed": _manifest(lambda m: m["reports"].pop("quantize")),
        "a report elsewhere": _manifest(lambda m: m["reports"].update(verify="reports/benchmark.json")),
        "a report that is not there": _manifest(lambda m: m["reports"].update(extra="reports/extra.json")),
        "a path outside": _manifest(lambda m: m["files"][0].update(path="../models/x.onnx")),
        "a file twice": _manifest(lambda m: m["files"].append(m["files"][0])),
        "a file dropped": _manifest(lambda m: m["files"].pop(0)),
        "INT8 called FP16": _labelled(precision="fp16"),
        "INT8 called dynamic": _labelled(precision="dynamic_int8"),
        "INT8 called FP32": _labelled(precision="fp32"),
        "LiteRT called ONNX Runtime": _labelled(runtime="onnxruntime"),
        "INT8 called an encoder": _labelled(role="style_encoder"),
        "INT8 called another role": _labelled(role="dispatch"),
        "a signature dropped": _labelled(signatures=["d2_256px"]),
        "no signature": _labelled(signatures=[]),
        "a tier of a file of all": _labelled(tier="d2-256px"),
        "calibrated on the evaluation set": lambda case: case["manifest"]["source"].update(
            calibration_set_sha256=case["verify"]["set"]["sha256"]
        ),
        "calibrated on another set than told": _manifest(
            lambda m: m["source"].update(calibration_set_sha256="9" * 64)
        ),
    },
)


@forged(7)
def another_name_than_the_baselines(case: Case) -> None:
    case["manifest"]["name"] = "other"


@forged(3)
def calibrated_on_the_evaluation_set_by_all_reports(case: Case) -> None:
    case["manifest"]["source"]["calibration_set_sha256"] = case["verify"]["set"]["sha256"]
    case["quantize"]["set"]["sha256"] = case["verify"]["set"]["sha256"]


@forged(3)
def calibrated_on_the_evaluation_set_by_quantize(case: Case) -> None:
    case["quantize"]["set"] |= {"sha256": case["verify"]["set"]["sha256"]}


# What reports speak of.

many(
    (3,),
    "a report of other files",
    {
        "verify, the file": _set("verify", sha256="7" * 64),
        "verify, the reference": _set("verify", reference_sha256="7" * 64),
        "verify, the style": lambda case: case["verify"]["styles"].update(ink="7" * 64),
        "verify, no style": lambda case: case["verify"]["styles"].clear(),
        "verify, a style too many": lambda case: case["verify"]["styles"].update(oil="7" * 64),
        "benchmark": _set("benchmark", sha256="7" * 64),
        "benchmark, another lane's": lambda case: case.row("benchmark").update(
            sha256=case.row("benchmark", precision="fp32")["sha256"]
        ),
        "quantize": _rows("quantize", lambda rows: rows[0].update(sha256="7" * 64)),
        "quantize, another path": _rows("quantize", lambda rows: rows[0].update(path="models/other.bin")),
        "quantize, another precision": _rows("quantize", lambda rows: rows[0].update(precision="fp16")),
        "quantize, nothing quantized": _rows(
            "quantize", lambda rows: [r.update(quantized_ops={}) for r in rows]
        ),
        "quantize, a row dropped": _rows("quantize", list.pop),
        "quantize, a row twice": _rows("quantize", lambda rows: rows.append(rows[0])),
        "convert": _rows("convert", lambda rows: rows[0].update(sha256="7" * 64)),
        "convert, other bytes": _rows("convert", lambda rows: rows[0].update(file_bytes=7)),
        "convert, other signatures": _rows("convert", lambda rows: rows[0].update(signatures=["x"])),
    },
)
many((7,), "convert.json", {"a row dropped": _rows("convert", list.pop)})


# The baseline.


def _baseline(change: Callable[[Json], Any], *, sealed: bool = True) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        change(case["baseline"])
        if sealed:
            case.seal()

    return forge


def _own(what: str, **values: Any) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        case.row(f"baseline.{what}").update(values)
        case.seal()

    return forge


many(
    (3,),
    "the baseline",
    {
        "edited, not sealed": _baseline(
            lambda b: b["verify"]["rows"][0]["psnr_db"].update(mean=1.0), sealed=False
        ),
        "a null ratio": _own("benchmark", ratio_to_fp32=None),
        "a slower ratio": _own("benchmark", ratio_to_fp32={"value": 1.0, "low": 0.9, "high": 1.1}),
        "a slower median": _own("benchmark", median_ms=100.0),
        "a worse mean": _own("verify", psnr_db={"mean": 33.0, "p5": 38.1}),
        "a worse SSIM": _own("verify", ssim={"mean": 0.94, "p5": 0.94}),
        "a worse drop": _own("verify", drop={"ssim_content": 0.5, "style_distance": 0.5}),
        "other threads in a row": _own("benchmark", threads=4),
        "no pairs": _own("verify", pairs=[]),
        "no row": _baseline(lambda b: b["verify"].update(rows=[])),
        "of version 1": _baseline(lambda b: b.update(schema_version=1)),
        "of version true": _baseline(lambda b: b.update(schema_version=True)),
        "no file": _baseline(lambda b: b.update(file_bytes={})),
        "a list": lambda case: case.files.update({"baseline.json": b"[]"}),
        "empty": lambda case: case.files.update({"baseline.json": b""}),
    },
)


def _both_machines(change: Callable[[Json], Any]) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        change(case["benchmark"]["machine"])
        change(case["baseline"]["benchmark"]["machine"])
        case.seal()

    return forge


many(
    (7,),
    "the baseline",
    {
        "not there": _gone("baseline.json"),
        "a null peak": _own("benchmark", peak_rss_bytes=None),
        "a row twice": _baseline(lambda b: b["verify"]["rows"].append(b["verify"]["rows"][0])),
        "a timed row twice": _baseline(lambda b: b["benchmark"]["rows"].append(b["benchmark"]["rows"][0])),
        "a row dropped": _baseline(lambda b: b["verify"]["rows"].pop()),
        "a timed row dropped": _baseline(lambda b: b["benchmark"]["rows"].pop()),
        "a file dropped": _baseline(lambda b: b["file_bytes"].pop("models/litert-int8.bin")),
        "a file too many": _baseline(lambda b: b["file_bytes"].update({"models/x.bin": 1})),
        "another bundle's": _baseline(lambda b: b.update(bundle="other")),
        "another set": _baseline(lambda b: b["verify"]["set"].update(sha256="9" * 64)),
        "another machine": _baseline(lambda b: b["benchmark"]["machine"].update(flags=["neon"])),
        "no machine": _baseline(lambda b: b["benchmark"]["machine"].clear()),
        "no machine on both sides": _both_machines(dict.clear),
        "no processor on both sides": _both_machines(lambda m: m.pop("cpu")),
        "an empty processor on both sides": _both_machines(lambda m: m.update(cpu="")),
        "no architecture on both sides": _both_machines(lambda m: m.update(architecture="")),
        "no flags on both sides": _both_machines(lambda m: m.pop("flags")),
        "no cores on both sides": _both_machines(lambda m: m.update(cores=0)),
    },
)


@forged(6)
def a_file_that_was_half_as_large(case: Case) -> None:
    case["baseline"]["file_bytes"]["models/litert-int8.bin"] //= 2
    case.seal()


@forged(7)
def no_peak_on_both_sides(case: Case) -> None:
    for row in (*case["benchmark"]["rows"], *case["baseline"]["benchmark"]["rows"]):
        row["peak_rss_bytes"] = None
    case.seal()


# Rules.


def _rules(text: str) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        case.rules = text if text.startswith("#") else f"schema_version = 1\n{text}\n"

    return forge


many(
    (2,),
    "rules",
    {
        text: _rules(text)
        for text in (
            "[accuracy.int8]\nmin_psnr_mean_db = true",
            "[accuracy.int8]\nmin_ssim_mean = true",
            "[accuracy.int8]\nmax_drop_ssim_content = false",
            '[accuracy.int8]\nmin_psnr_mean_db = "32"',
            "[accuracy.int8]\nmin_psnr_mean_db = []",
            "[accuracy.int8]\nmin_psnr_mean_db = {}",
            "[accuracy.int8]\nmin_psnr_mean_db = nan",
            "[accuracy.int8]\nmin_psnr_mean_db = -inf",
            "[accuracy.int8]\nmin_psnr_mean_db = -1",
            "[accuracy.int8]\nmin_psnr_mean_db = 1979-05-27",
            "[accuracy.int8]",
            "[accuracy]",
            "accuracy = true",
            "[accuracy.int8]\nmin_psnr_mean = 32",
            "[speed]\nmin_samples = true",
            "[speed]\nmin_samples = 8.5",
            "[speed]\nmax_ratio_fall = true",
            "[speed]\nmax_ratio_fall = 1",
            "[speed.min_ratio]\nlitert = true",
            "[speed.min_ratio.litert]",
            "[speed.min_ratio.litert]\nint8 = true",
            "[speed.min_ratio.litert]\nint8 = 0",
            "[size]\nmax_file_rise = true",
            "[size]",
            "",
            "# nothing at all",
            "#\nschema_version = true\n[size]\nmax_file_rise = 0.02",
            "#\nschema_version = 1.0\n[size]\nmax_file_rise = 0.02",
            "#\nschema_version = 2\n[size]\nmax_file_rise = 0.02",
            "#\n[size]\nmax_file_rise = 0.02",
        )
    },
)
many(
    (7,),
    "rules of what is not there",
    {
        text: _rules(text)
        for text in (
            "[speed.min_ratio.onnxruntime]\nfp16 = 1.0",
            "[speed.min_ratio.onnxruntime]\ndynamic_int8 = 1.0",
            "[speed.min_ratio.litert]\nfp32 = 1.0",
            "[accuracy.int8]\nmax_drop_identity = 0.1",
            "[accuracy.int8]\nmax_drop_lpips_content = 0.1",
        )
    },
)


@forged(7)
def a_floor_for_a_lane_that_the_bundle_never_had(case: Case) -> None:
    """FP16 taken out of manifest, reports and baseline alike; the rules still speak of it."""
    path = "models/litert-fp16.bin"
    manifest = case["manifest"]
    manifest["files"] = [one for one in manifest["files"] if one["path"] != path]
    manifest["io"] = [one for one in manifest["io"] if one["path"] != path]
    for doc in (case["verify"], case["benchmark"], case["baseline"]["verify"], case["baseline"]["benchmark"]):
        doc["rows"] = [one for one in doc["rows"] if one["precision"] != "fp16"]
    case["quantize"]["rows"] = [one for one in case["quantize"]["rows"] if one["path"] != path]
    case["baseline"]["file_bytes"].pop(path)
    case.seal()


# --- generated -------------------------------------------------------------------------------------

# Fields that nothing in a bundle can prove: another value of the same type passes, another type doesn't.
FREE = re.compile(
    r"manifest\.(created_by|network\.name|styles\.0\.(category|title|licence|source)|golden\.0\.strength"
    r"|source\.(network|checkpoint_sha256|recipe_sha256|calibration_set|tool\..*))"
    r"|verify\.rows\.0\.not_judged\..*"
    r"|benchmark\.(machine\.(os|python|cpu|cores)|versions\..*|rows\.0\.(peak_rss_bytes|warmup_ms.*))"
    r"|quantize\.(method|set\.(name|images)|rows\.0\.(quantized_ops|islands|delegated|not_delegated|rewrites).*)"
    r"|convert\.rows\.0\.(precision|role|unique_bytes|shared_bytes|largest_alone_bytes|parity|delegated"
    r"|not_delegated|rewrites).*"
)
# Other values that say the same, or nothing that anyone judges by.
HARMLESS = {
    "manifest.postprocess: emptied",
    "manifest.preprocess.pad_to: emptied",
    "benchmark.machine.os: a number",
    "benchmark.machine.python: a number",
    "benchmark.versions: emptied",
}
Place = tuple[str | int, ...]


def generated(case: Case) -> Iterator[Forgery]:
    """Every field of every document but the baseline (which is sealed), forged in every way its type allows."""
    for name in ("manifest", "verify", "benchmark", "quantize", "convert"):
        for place in _places(case[name]):
            label = ".".join(map(str, (name, *place)))
            for what, value in _values(_at(case[name], place)):
                genuine = _at(case[name], place)
                free = type(value) is type(genuine) and FREE.fullmatch(label)
                if not (free or value == genuine or f"{label}: {what}" in HARMLESS):
                    yield Forgery(f"{label}: {what}", (3, 7), _put(name, place, value))


def _places(doc: Json, place: Place = ()) -> Iterator[Place]:
    """Every field, of lists the first entry alone."""
    if place:
        yield place
    if isinstance(doc, dict):
        for key, value in doc.items():
            yield from _places(value, (*place, key))
    elif isinstance(doc, list) and doc:
        yield from _places(doc[0], (*place, 0))


def _values(value: Json) -> Sequence[tuple[str, Json]]:
    """Other values, by what they are."""
    wrong: list[tuple[str, Json]] = [("a list", [[]]), ("an object", {"x": {}})]
    if isinstance(value, bool) or value is None:
        return wrong
    if isinstance(value, (int, float)):
        changed: list[tuple[str, Json]] = [("larger", value * 2 + 1), ("negative", -abs(value) - 1)]
        return [*changed, ("true", True), ("a string", str(value)), ("huge", 10**400), *wrong]
    if isinstance(value, str):
        other = "f" * 64 if len(value) == 64 else f"{value}x"
        return [("another", other), ("empty", ""), ("a number", 7), ("a surrogate", "\ud800"), *wrong]
    return [("emptied", type(value)()), ("null", None), ("a number", 7), ("a string", "x")]


def _at(doc: Json, place: Place) -> Json:
    for part in place:
        doc = doc[part]
    return doc


def _put(name: str, place: Place, value: Json) -> Callable[[Case], None]:
    def forge(case: Case) -> None:
        _at(case[name], place[:-1])[place[-1]] = value

    return forge
