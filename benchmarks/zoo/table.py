"""The rows as one JSON file, which later runs go on from, and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.zoo.catalog import ENTRIES
from iast_export.files.artifacts import write_atomic
from iast_export.specs import RUNTIMES

Row = dict[str, Any]
DASH = "–"
RUNTIME_LABELS = {"onnxruntime": "ONNX Runtime", "litert": "LiteRT"}
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
    lane = next((one for one in found["rows"] if one["what"] == found["default"]), None)
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
