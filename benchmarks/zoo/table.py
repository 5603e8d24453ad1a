"""The rows as one JSON file, which later runs go on from, and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.zoo.catalog import ENTRIES
from iast_export.files.artifacts import write_atomic
from iast_export.lanes.default_lane import FLOOR_DB, MAX_DROP
from iast_export.specs import RUNTIMES

Row = dict[str, Any]
DASH = "–"
RUNTIME_LABELS = {"onnxruntime": "ONNX Runtime", "litert": "LiteRT"}
LEAST_RATIO = 1.5  # what a default lane of another's network is to gain
SUMMARY = ("network", "weights", "plan", "build", "peak memory", *RUNTIME_LABELS.values())
LANES = (
    "network",
    "runtime",
    "file",
    "FP32 / this",
    "PSNR mean, worst",
    "drop SSIM, style",
    "size",
)


def load(path: Path) -> dict[str, Row]:
    """Rows of an earlier run by network; none where there was none."""
    rows = json.loads(path.read_text())["rows"] if path.is_file() else []
    return {row["name"]: row for row in rows}


def save(rows: Mapping[str, Row], path: Path) -> None:
    """Writes the JSON file and the page beside it, in the catalog's order."""
    ordered = [rows[entry.name] for entry in ENTRIES if entry.name in rows]
    content = {"schema_version": 1, "rows": ordered}
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_atomic(path, text.encode())
    write_atomic(path.with_suffix(".md"), markdown(ordered).encode())


def finished(row: Row | None, width: str, sizes_px: Sequence[int]) -> bool:
    """Whether a row need not be made again: it was asked for so, built and measured."""
    if row is None or row["build"]["code"] != 0 or "problem" in (row["measured"] or {"problem": 1}):
        return False
    return bool(row["width"] == width and row["sizes_px"] == list(sizes_px))


def markdown(rows: Sequence[Row]) -> str:
    """What became of each network, then every file beside FP32."""
    lines = [
        "# The zoo",
        "",
        "`python -m benchmarks.zoo`: what each figure is, README.md says.",
        "",
    ]
    held = [row["name"] for row in rows if holds(row)]
    lines += [
        f"{len(held)} of {len(rows)} draw in integers unasked in both runtimes, at least "
        f"{LEAST_RATIO} times as fast as FP32, by at least {FLOOR_DB:.0f} dB and with scores at "
        f"most {MAX_DROP:.0%} worse: {', '.join(held) or DASH}.",
        "",
    ]
    lines += [_line(SUMMARY), _line(["---"] * 3 + ["---:"] * 2 + ["---"] * 2)]
    lines += [_line(summary(row)) for row in rows]
    told = [(row["title"], row[verb]["sentence"]) for row in rows for verb in ("plan", "build")]
    told += [(row["title"], row["measured"]["problem"]) for row in rows if _unmeasured(row)]
    lines += ["", *(f"- {title}: {_plain(said)}" for title, said in dict.fromkeys(told) if said)]
    lines += ["", "## Every file", "", _line(LANES), _line(["---"] * 3 + ["---:"] * 4)]
    lines += [_line(cells) for row in rows for cells in lane_cells(row)]
    lines += ["", "## Measured with", ""]
    lines += [f"- {names}: {fact}" for fact, names in _facts(rows).items()]
    return "\n".join(lines).rstrip() + "\n"


def summary(row: Row) -> list[str]:
    """A row's first line: exit codes, seconds, memory, and the default lane of each runtime."""
    built = row["build"]
    ends = "builds" if built["code"] == 0 else f"**exit {built['code']}**"
    planned = "plans" if row["plan"]["code"] == 0 else f"**exit {row['plan']['code']}**"
    first = [row["title"], row["weights"], planned, f"{ends}, {built['seconds']:.0f} s"]
    return [
        *first,
        f"{built['peak_bytes'] / 1e9:.2f} GB",
        *(_default(row, one) for one in RUNTIMES),
    ]


def holds(row: Row) -> bool:
    """Whether the default lane of both runtimes is as fast and as near to FP32 as is asked for."""
    return row["measured"] is not None and all(_holds(row, runtime) for runtime in RUNTIMES)


def _holds(row: Row, runtime: str) -> bool:
    lane = None if _unmeasured(row) else _default_lane(row, runtime)
    if lane is None or not lane["ratio"] or not lane["psnr_db"] or not lane["drops"]:
        return False
    near = lane["psnr_db"][0] >= FLOOR_DB
    kept = all(drop is None or drop <= MAX_DROP for drop in lane["drops"].values())
    return bool(lane["ratio"][0] >= LEAST_RATIO and near and kept)


def _default_lane(row: Row, runtime: str) -> Row | None:
    found = row["measured"][runtime]
    return next((one for one in found["rows"] if one["what"] == found["default"]), None)


def lane_cells(row: Row) -> list[list[str]]:
    """A line for each file of a network that was measured."""
    if _unmeasured(row) or row["measured"] is None:
        return []
    return [
        [row["name"], RUNTIME_LABELS[runtime], *_file_cells(one)]
        for runtime in RUNTIMES
        for one in row["measured"][runtime]["rows"]
    ]


def _file_cells(one: Row) -> list[str]:
    if one["problem"]:
        return [one["what"], "**does not run**", _plain(one["problem"])[:80], DASH, DASH]
    ratio, psnr, drops = one["ratio"], one["psnr_db"], one["drops"]
    shown = [drops.get(name) for name in ("ssim_content", "style_distance")]
    return [
        f"{one['what']}, {one['median_ms']:.1f} ms",
        f"{ratio[0]:.2f}× ({ratio[1]:.2f} to {ratio[2]:.2f})" if ratio else DASH,
        f"{psnr[0]:.1f}, {psnr[1]:.1f} dB" if psnr else DASH,
        ", ".join(DASH if drop is None else f"{drop:+.2%}" for drop in shown) if psnr else DASH,
        f"{one['bytes'] / 1e3:.0f} kB",
    ]


def _default(row: Row, runtime: str) -> str:
    """The default lane with its figures."""
    if _unmeasured(row) or row["measured"] is None:
        return DASH
    found = row["measured"][runtime]
    lane = _default_lane(row, runtime)
    label = found["default"].removeprefix("iast-export ")
    if lane is None or not lane["ratio"] or not lane["psnr_db"]:
        return label
    return f"{label}: {lane['ratio'][0]:.2f}×, {lane['psnr_db'][0]:.1f} dB"


def _unmeasured(row: Row) -> bool:
    return "problem" in (row["measured"] or {})


def _facts(rows: Sequence[Row]) -> dict[str, str]:
    """What was measured with, and the networks that it is true of."""
    facts: dict[str, list[str]] = {}
    for row in rows:
        sides = ", ".join(str(side) for side in row["sizes_px"])
        fact = f"{row['width']} width, {sides} px, code {row['commit']}, {row['machine']}"
        facts.setdefault(fact, []).append(f"{row['name']} ({row['date']}, load {row['load']})")
    return {fact: ", ".join(names) for fact, names in facts.items()}


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")


def _line(values: Sequence[str]) -> str:
    return "| " + " | ".join(values) + " |"
