r"""What textbook MobileNetV3 blocks cost beside integer-first ones: time, INT8, quality.

Both students were trained on the same budget by the same teacher; both bundles are built here, one
after the other, and their reports hold times that were taken in turn with each bundle's own FP32:

    iast-export build runs/scratch/weights.pt --network models.sheet:load_weights \
        --out dist/scratch
    iast-export build runs/mobilenet/weights.pt --network models.sheet:load_weights \
        --out dist/mobilenet
    python -m models.evaluate --data DIR --out build/blocks --methods adain \
        --network scratch=... --network mobilenet=... --name blocks
    python -m models.evaluation.blocks --bundle scratch=dist/scratch \
        --bundle mobilenet=dist/mobilenet --quality build/blocks/blocks.json \
        --out benchmarks/quality/blocks.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iast_export.errors import IastExportError, InputError
from iast_export.files.artifacts import write_atomic

_LANES = (("litert", "LiteRT"), ("onnxruntime", "ONNX Runtime"))


def _read(path: Path) -> Any:
    """A report's JSON.

    Raises:
        InputError: it is missing or no JSON.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: {error}", "build the bundle or judge the networks first"
        ) from error


def _only(rows: Sequence[Mapping[str, Any]], what: str, **wanted: str) -> Mapping[str, Any]:
    found = [row for row in rows if all(row[k] == v for k, v in wanted.items())]
    if not found:
        raise InputError(
            f"{what} has no row for {wanted}", "build the bundle with INT8 and with a benchmark"
        )
    return found[0]


def costs(name: str, bundle: Path) -> list[str]:
    """A line of the table per runtime: FP32 and INT8 of the bundle's first tier.

    Raises:
        InputError: a report is missing, or a lane in it.
    """
    times = _read(bundle / "reports" / "benchmark.json")["rows"]
    kept = _read(bundle / "reports" / "verify.json")["rows"]
    tier = times[0]["tier"]
    lines = []
    for runtime, label in _LANES:
        lanes = {"runtime": runtime, "tier": tier}
        full = _only(times, f"{bundle}'s benchmark", precision="fp32", **lanes)["median_ms"]
        small = _only(times, f"{bundle}'s benchmark", precision="int8", **lanes)
        fidelity = _only(kept, f"{bundle}'s verification", precision="int8", **lanes)
        drop = fidelity["drop"]
        lines.append(
            f"| {name} | {label} | {full:.1f} | {small['median_ms']:.1f} | "
            f"{full / small['median_ms']:.2f} "
            f"| {fidelity['psnr_db']['mean']:.1f}, {fidelity['psnr_db']['p5']:.1f} "
            f"| {drop['ssim_content']:+.2%}, {drop['style_distance']:+.2%} |"
        )
    return lines


def kept(name: str, quality: Mapping[str, Any]) -> str:
    """A line of the second table: scores at full strength and at AdaIN's style distance.

    Raises:
        InputError: the network was not judged.
    """
    rows = [r for r in quality["rows"] if r["method"] == name]
    if not rows:
        raise InputError(f"{name} was not judged", f"give models.evaluate --network {name}=WEIGHTS")
    scores = rows[-1]["scores"]
    at_equal = []
    for score in ("ssim", "identity"):
        found = quality["at_equal_style"].get(score, {}).get("methods", [])
        value = next((m["value"] for m in found if m["name"] == name), None)
        at_equal.append("does not reach it" if value is None else f"{value['value']:.3f}")
    return (
        f"| {name} | {quality['parameters'][name] / 1e6:.2f} M | {scores['ssim']:.3f} "
        f"| {scores['style']:.3f} | {at_equal[0]} | {at_equal[1]} |"
    )


def markdown(bundles: Mapping[str, Path], quality: Mapping[str, Any]) -> str:
    """Both tables."""
    costly = [line for name, path in bundles.items() for line in costs(name, path)]
    lines = [
        "Times in ms on one thread, FP32 in turn with its own INT8; PSNR and drops are of INT8 "
        "against FP32.",
        "",
        "| student | runtime | FP32 | INT8 | FP32 / INT8 | PSNR mean, p5 (dB) | drop SSIM, style |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
        *costly,
        "",
        f"Quality in FP32 over {quality['facts']['pictures']} pictures:",
        "",
        "| student | parameters | SSIM | style distance | SSIM at AdaIN's style | identity there |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *[kept(name, quality) for name in bundles],
    ]
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--quality", type=Path, required=True, help="JSON of models.evaluate")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    bundles = {
        name: Path(path) for name, _, path in (entry.partition("=") for entry in args.bundle)
    }
    try:
        text = markdown(bundles, _read(args.quality))
    except IastExportError as error:
        raise SystemExit(f"{error}") from error
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(args.out, text.encode())
    print(text)


if __name__ == "__main__":
    main()
