r"""INT8 before and after quantization-aware fine-tuning: fidelity and scores, as by `verify`.

    python -m benchmarks.quantization --after runs/qat/weights.pt \
        [--out benchmarks/quantization/qat.md]

Per tier both networks are exported, calibrated and quantized for ONNX Runtime by the packaged
recipe, with the packaged style codes (fine-tuning leaves the style encoder alone), and judged on
the evaluation set. The fine-tuned INT8 is judged a second time against the FP32 that it started
from: fidelity to a network of its own could also be had by drifting away.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from iast_export.build.export import export_tier
from iast_export.build.request import Build, Request
from iast_export.bundle.styles import feeds_of
from iast_export.environment import usable_cores
from iast_export.errors import InputError
from iast_export.lanes.lane import Lane
from iast_export.lanes.verify import verify
from iast_export.lanes.views import EvaluationPair
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT
from iast_export.quantize.calibrate import calibrate_tier, pairs_at, save_ranges, tier_feeds
from iast_export.quantize.learned import Learned
from iast_export.quantize.observers import observe_onnx
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.ranges import method_of
from iast_export.recipe import load_recipe
from iast_export.reports.base import SetFacts
from iast_export.reports.verify import VerifyRow
from iast_export.specs import Tier
from models.sheet import load_weights

TIERS = ("d3-256px", "d1-1024px")
_HEAD = (
    "| tier | INT8 of | against FP32 of | PSNR mean / p5, dB | SSIM | loss of SSIM to the "
    "photograph | loss of style distance |"
)


@dataclass(frozen=True)
class Pair:
    """One network's files of a tier."""

    fp32: Path
    int8: Path


def make(build: Build, net: Any, tier: Tier, folder: Path) -> Pair:
    """Exports, calibrates and quantizes one tier as `build` does, for ONNX Runtime alone."""
    chosen = build.recipe.calibration
    folder.mkdir(parents=True)
    fp32, int8 = folder / "fp32.onnx", folder / "int8.onnx"
    export_tier(net, tier, fp32)
    codes = [feeds_of(s, net.code_shapes) for s in build.styles if not s.held_out]
    pairs = pairs_at(tier, chosen.max_pairs)
    feeds = tier_feeds(tier, build.calibration_set, codes, pairs, net.size_multiple_px)
    observe = observe_onnx(fp32, tensors_to_calibrate(fp32), usable_cores())
    ranges = calibrate_tier(
        observe, feeds, method_of(chosen.method, chosen.percentile), pairs, tier.id
    )
    save_ranges(folder / "ranges.json", ranges, {"method": chosen.method, "pairs": pairs})
    quantize_onnx(fp32, Learned(ranges), int8)
    return Pair(fp32, int8)


def judge(build: Build, tier: Tier, fp32: Path, int8: Path) -> VerifyRow:
    """One INT8 file against one FP32 file, on the pairs that `verify` takes."""
    held_out = [style for style in build.styles if style.held_out]
    pairs = []
    for i, (name, rgb) in enumerate(build.evaluation_pictures()):
        style = held_out[i % len(held_out)]
        feeds = feeds_of(style, build.network.code_shapes)
        pairs.append(EvaluationPair(name, style.id, rgb, feeds, style.statistics))
    lanes = [Lane("onnxruntime", "fp32", tier, fp32), Lane("onnxruntime", "int8", tier, int8)]
    found = build.evaluation_set
    facts = SetFacts(name=found.name, sha256=found.sha256, images=len(pairs))
    return verify(lanes, pairs, facts, threads=usable_cores()).rows[0]


def line(tier: Tier, int8: str, fp32: str, row: VerifyRow) -> str:
    """One line of the table; losses in percent, positive is worse."""
    drops = (row.drop.ssim_content, row.drop.style_distance)
    losses = " | ".join("not judged" if drop is None else f"{100 * drop:+.2f} %" for drop in drops)
    psnr = row.psnr_db
    return (
        f"| {tier.id} | {int8} | {fp32} | {psnr.mean:.2f} / {psnr.p5:.2f} | "
        f"{row.ssim.mean:.4f} | {losses} |"
    )


def table(before: Path, after: Path, tiers: list[str], scratch: Path) -> list[str]:
    """The table's lines over the tiers.

    Raises:
        InputError: a tier that the packaged recipe lacks.
    """
    build = Build(Request(scratch, load_recipe(None)))
    known = {tier.id: tier for tier in build.tiers}
    unknown = sorted(set(tiers) - set(known))
    if unknown:
        raise InputError(f"no tier {unknown[0]}", f"choose among {', '.join(known)}")
    nets = {"before": load_weights(before), "after": load_weights(after)}
    lines = [_HEAD, "| --- | --- | --- | --- | --- | --- | --- |"]
    for name in tqdm(tiers, disable=bool(os.environ.get("CI"))):
        tier = known[name]
        made = {key: make(build, net, tier, scratch / name / key) for key, net in nets.items()}
        for int8, fp32 in (("before", "before"), ("after", "after"), ("after", "before")):
            row = judge(build, tier, made[fp32].fp32, made[int8].int8)
            lines.append(line(tier, int8, fp32, row))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, default=PACKAGED_CHECKPOINT)
    parser.add_argument(
        "--after", type=Path, required=True, help="weights.pt of the run, or a safetensors file"
    )
    parser.add_argument("--tiers", nargs="+", default=list(TIERS))
    parser.add_argument(
        "--out", type=Path, help="markdown to write the table to; else it is printed"
    )
    parser.add_argument("--note", default="", help="what the run was, for the file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        lines = table(args.before, args.after, args.tiers, Path(scratch))
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        command = (
            f"python -m benchmarks.quantization --after {args.after.as_posix()} --out {args.out}"
        )
        head = (
            "# INT8 before and after quantization-aware "
            f"fine-tuning\n\n{args.note}\n\n`{command}`\n\n"
        )
        args.out.write_text(head + text)


if __name__ == "__main__":
    main()
