"""The gains of adapters and refined codes, as Markdown for people and JSON for the release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from iast_export.files.artifacts import write_atomic, write_json
from iast_export.metrics.bootstrap import Interval
from models.styles.measure import ALL, Gain, Measured

NAME = "styles"
_HEAD = (
    "| code | kind | artworks | style distance, shared to own | SSIM, shared to own | closer by "
    "| SSIM kept more at equal style |"
)


def write(out: Path, found: Measured, steps: Mapping[str, int]) -> str:
    """Writes styles.md and styles.json; the Markdown."""
    text = markdown(found, steps)
    write_atomic(out / f"{NAME}.md", text.encode())
    rows = [{**asdict(gain), "gains": gain.gains} for gain in found.gains]
    plan, checkpoint = asdict(found.plan), found.checkpoint_sha256
    write_json(
        out / f"{NAME}.json",
        {"checkpoint_sha256": checkpoint, "plan": plan, "steps": dict(steps), "gains": rows},
    )
    return text


def markdown(found: Measured, steps: Mapping[str, int]) -> str:
    """A table with a line per code and kind, and how it was measured."""
    plan = found.plan
    lines = [
        "# Adapters and refined codes beside the shared style encoder",
        "",
        f"Up to {plan.artworks} artworks of each kind that trained nothing ({plan.refined} for "
        "refined "
        f"codes), each on {plan.photographs} photographs of Kodak-24; deepest network, FP32, 256 "
        "px. "
        "Style distance: `iast_export/metrics/style.py`, no trained weights; lower is closer. An "
        "adapter had "
        f"{steps['adapter']} steps on the kind's training artworks, a refined code "
        f"{steps['refined']} steps "
        'on its artwork. "Closer by" is at full strength; the last column compares SSIM at the '
        "style "
        "distance that the shared code has at strength 0.75. 95 % bootstrap intervals over "
        "artworks; above 0 "
        "is a gain.",
        "",
        _HEAD,
        "| --- | --- | ---: | --- | --- | --- | --- |",
    ]
    lines += [_line(gain) for gain in found.gains]
    used = [g.kind for g in found.gains if g.code == "adapter" and g.gains and g.kind != ALL]
    lines += [
        "",
        f"Kinds whose adapter gains (whole interval above 0): {', '.join(used) or 'none'}.",
        "",
    ]
    lines += [
        f"Checkpoint: `{found.checkpoint_sha256[:16]}`. Written by `python -m models.styles "
        "measure`.",
        "",
    ]
    return "\n".join(lines)


def _line(gain: Gain) -> str:
    ends = [f"{a:.3f} to {b:.3f}" for a, b in (gain.style, gain.ssim)]
    kept = _signed(gain.kept) if gain.kept else "not reached"
    return (
        f"| {gain.code} | {gain.kind} | {gain.artworks} | {ends[0]} | {ends[1]} "
        f"| {_signed(gain.closer)} | {kept} |"
    )


def _signed(value: Interval) -> str:
    return f"{value.value:+.3f} ({value.low:+.3f} to {value.high:+.3f})"
