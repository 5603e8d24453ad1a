"""Forged rows, files and manifests."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from tests.forgeries.case import Case, Json, forged, many, rows_of
from tests.gate_models import onnx_file, tflite_file

# Rows.


for _name in ("verify", "benchmark"):
    many(
        (7,),
        f"rows of {_name}.json",
        {"emptied": rows_of(_name, list.clear), "one dropped": rows_of(_name, list.pop)},
    )
    many(
        (3, 7),
        f"rows of {_name}.json",
        {
            "one twice": rows_of(_name, lambda rows: rows.append(copy.deepcopy(rows[-1]))),
            "FP32 dropped": rows_of(
                _name, lambda rows: rows.remove(next(r for r in rows if r["precision"] == "fp32"))
            ),
        },
    )
    many(
        (3,),
        f"rows of {_name}.json",
        {
            "a tier that is not there": rows_of(
                _name, lambda rows: rows.append(rows[-1] | {"tier": "d9-9px"})
            ),
            "renamed to another lane": rows_of(
                _name, lambda rows: rows[-1].update(precision="fp16")
            ),
        },
    )


# Files.


def _swapped(one: str, two: str) -> Callable[[Case], None]:
    """Two files change places; all hashes and sizes follow, so that only a look inside tells."""

    def forge(case: Case) -> None:
        first, second = case.data(one), case.data(two)
        case.put(
            one, second + b"\xa2\x1f\x01x" if one.startswith("models/onnx") else second + b"\0"
        )
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
        "LiteRT INT8 and dynamic": _swapped(
            "models/litert-int8.bin", "models/litert-dynamic_int8.bin"
        ),
        "ONNX and LiteRT": _swapped(_ONNX.format("fp32"), "models/litert-fp32.bin"),
        "encoder and network": _swapped("models/encoder.onnx", _ONNX.format("fp32")),
    },
)
many(
    (3,),
    "a file replaced, hashes rewritten",
    {
        "INT8 by FP32": _replaced(
            "models/litert-int8.bin", lambda case: case.data("models/litert-fp32.bin")
        ),
        "INT8 by FP32, in ONNX": _replaced(
            _ONNX.format("int8"), lambda case: case.data(_ONNX.format("fp32"))
        ),
        "FP16 by FP32": _replaced(
            "models/litert-fp16.bin", lambda case: case.data("models/litert-fp32.bin")
        ),
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
            "models/litert-int8.bin",
            lambda case: tflite_file("int8", {"d2-256px": 512, "d1-512px": 256}),
        ),
        "a style of 7 bytes": _replaced(
            "styles/ink.f32", lambda case: case.data("styles/ink.f32")[:7]
        ),
        "a style of no bytes": _replaced("styles/ink.f32", lambda case: b""),
        "a style of NaN": _replaced("styles/ink.f32", lambda case: b"\0\0\xc0\x7f" * 4),
        "a golden picture by text": _replaced(
            "golden/d2-256px-litert-int8.png", lambda case: b"picture"
        ),
        "a golden picture cut": _replaced(
            "golden/d2-256px-litert-int8.png",
            lambda case: case.data("golden/d2-256px-litert-int8.png")[:10],
        ),
        "a golden picture of another size": _replaced(
            "golden/d2-256px-litert-int8.png",
            lambda case: case.data("golden/d1-512px-litert-int8.png"),
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
        "a bit of INT8": lambda case: case.files.update(
            {"bundle/models/litert-int8.bin": b"\1" * 100}
        ),
        "bytes behind INT8's end": lambda case: case.files.update(
            {"bundle/models/litert-int8.bin": case.data("models/litert-int8.bin") + b"\0"}
        ),
        "the size in the manifest": lambda case: case.entry("models/litert-int8.bin").update(
            bytes=1
        ),
        "the hash in the manifest": lambda case: case.entry("models/litert-int8.bin").update(
            sha256="0" * 64
        ),
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
        "tolerance 9": _golden(lambda g: g["tolerance_levels"].update(litert=9)),
        "tolerance 20 in ONNX Runtime": _golden(
            lambda g: g["tolerance_levels"].update(onnxruntime=20)
        ),
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
        "an integer edge": _manifest(
            lambda m: m["io"][0].update(dtype="int8", scale=0.1, zero_point=0)
        ),
        "an integer edge without scale": _manifest(lambda m: m["io"][0].update(dtype="int8")),
        "a signature": _manifest(lambda m: m["io"][-1].update(signature="d2_256px")),
    },
)
many(
    (3,),
    "the manifest",
    {
        "a tier's side": _manifest(
            lambda m: m["tiers"][0].update(max_side_px=300, shape_px=[300, 300])
        ),
        "a tier's depth": _manifest(lambda m: m["tiers"][0].update(depth=4)),
        "a tier's shape": _manifest(lambda m: m["tiers"][0].update(shape_px=[512, 512])),
        "a tier dropped": _manifest(lambda m: m["tiers"].pop()),
        "size multiple": _manifest(lambda m: m["network"].update(size_multiple_px=8)),
        "both size multiples": _manifest(
            lambda m: (
                m["network"].update(size_multiple_px=8),
                m["preprocess"].update(size_multiple_px=8),
            )
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
        "a report elsewhere": _manifest(
            lambda m: m["reports"].update(verify="reports/benchmark.json")
        ),
        "a report that is not there": _manifest(
            lambda m: m["reports"].update(extra="reports/extra.json")
        ),
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
