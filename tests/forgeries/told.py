"""Reports of other files, forged baselines, and rules that judge nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.forgeries.case import Case, Json, forged, many, rows_of, set_row

# What reports speak of.

many(
    (3,),
    "a report of other files",
    {
        "verify, the file": set_row("verify", sha256="7" * 64),
        "verify, the reference": set_row("verify", reference_sha256="7" * 64),
        "verify, the style": lambda case: case["verify"]["styles"].update(ink="7" * 64),
        "verify, no style": lambda case: case["verify"]["styles"].clear(),
        "verify, a style too many": lambda case: case["verify"]["styles"].update(oil="7" * 64),
        "benchmark": set_row("benchmark", sha256="7" * 64),
        "benchmark, another lane's": lambda case: case.row("benchmark").update(
            sha256=case.row("benchmark", precision="fp32")["sha256"]
        ),
        "quantize": rows_of("quantize", lambda rows: rows[0].update(sha256="7" * 64)),
        "quantize, another path": rows_of(
            "quantize", lambda rows: rows[0].update(path="models/other.bin")
        ),
        "quantize, another precision": rows_of(
            "quantize", lambda rows: rows[0].update(precision="fp16")
        ),
        "quantize, nothing quantized": rows_of(
            "quantize", lambda rows: [r.update(quantized_ops={}) for r in rows]
        ),
        "quantize, a row dropped": rows_of("quantize", list.pop),
        "quantize, a row twice": rows_of("quantize", lambda rows: rows.append(rows[0])),
        "convert": rows_of("convert", lambda rows: rows[0].update(sha256="7" * 64)),
        "convert, other bytes": rows_of("convert", lambda rows: rows[0].update(file_bytes=7)),
        "convert, other signatures": rows_of(
            "convert", lambda rows: rows[0].update(signatures=["x"])
        ),
    },
)
many((7,), "convert.json", {"a row dropped": rows_of("convert", list.pop)})


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
        "not there": lambda case: case.files.update({"baseline.json": None}),
        "a null peak": _own("benchmark", peak_rss_bytes=None),
        "a row twice": _baseline(lambda b: b["verify"]["rows"].append(b["verify"]["rows"][0])),
        "a timed row twice": _baseline(
            lambda b: b["benchmark"]["rows"].append(b["benchmark"]["rows"][0])
        ),
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
    for doc in (
        case["verify"],
        case["benchmark"],
        case["baseline"]["verify"],
        case["baseline"]["benchmark"],
    ):
        doc["rows"] = [one for one in doc["rows"] if one["precision"] != "fp16"]
    case["quantize"]["rows"] = [one for one in case["quantize"]["rows"] if one["path"] != path]
    case["baseline"]["file_bytes"].pop(path)
    case.seal()
