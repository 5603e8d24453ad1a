"""The rows as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.compare.rows import FP32, Row

DASH = "–"
HEAD = (
    "runtime",
    "tool",
    "median",
    "FP32 / this",
    "PSNR mean, p5",
    "drop SSIM",
    "drop style",
    "file",
    "spent",
    "peak memory",
)
RUNTIME_NAMES = {"onnxruntime": "ONNX Runtime", "litert": "LiteRT"}


def markdown(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """A table per network, with what it was measured on above."""
    lines = ["# INT8 by default tools and by this one", "", "`python -m benchmarks.compare`", ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    for network in dict.fromkeys(row.network for row in rows):
        lines += [
            "",
            f"## {network}",
            "",
            _line(HEAD),
            _line(["---"] * 2 + ["---:"] * (len(HEAD) - 2)),
        ]
        lines += [_line(cells(row)) for row in rows if row.network == network]
        said = [(row, row.problem or row.note) for row in rows if row.network == network]
        notes = [
            f"- {RUNTIME_NAMES[row.runtime]}, {row.tool}: {_short(text)}"
            for row, text in said
            if text
        ]
        lines += ["", *notes] if notes else []
    return "\n".join(lines).rstrip() + "\n"


def cells(row: Row) -> list[str]:
    """A row's cells; a tool without a file that runs says so."""
    first = [RUNTIME_NAMES[row.runtime], row.tool]
    if row.problem is not None:
        return [*first, "**does not run**", *[DASH] * (len(HEAD) - 3)]
    ratio, psnr = row.ratio, row.psnr_db
    return [
        *first,
        _told(row.median_ms, "{:.1f} ms"),
        f"{ratio.value:.2f}× ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else DASH,
        f"{psnr[0]:.1f}, {psnr[1]:.1f} dB" if psnr else DASH,
        _told(_percent(row.drops.get("ssim_content")), "{:+.2f} %"),
        _told(_percent(row.drops.get("style_distance")), "{:+.2f} %"),
        _told(row.file_bytes and row.file_bytes / 1e3, "{:.0f} kB"),
        _told(row.seconds, "{:.0f} s"),
        _told(row.peak_bytes and row.peak_bytes / 1e6, "{:.0f} MB"),
    ]


def as_json(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """Everything, unrounded."""
    content = {"schema_version": 1, "facts": dict(facts), "rows": [asdict(row) for row in rows]}
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def slower(rows: Sequence[Row]) -> list[Row]:
    """Rows of tools whose whole interval lies below FP32's speed."""
    return [
        row for row in rows if row.tool != FP32 and row.ratio is not None and row.ratio.high < 1.0
    ]


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value


def _told(value: float | None, form: str) -> str:
    return DASH if value is None else form.format(value)


def _short(text: str) -> str:
    flat = " ".join(text.split()).replace("|", "/")
    return flat if len(flat) <= 300 else flat[:297] + "..."


def _line(values: Sequence[str]) -> str:
    return "| " + " | ".join(values) + " |"
