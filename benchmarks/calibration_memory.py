"""Peak memory of calibration at 20 and at 500 pictures, each in a fresh process.

    python benchmarks/calibration_memory.py dist/demo

Draws the pictures into a temporary folder, calibrates the smallest ONNX tier of the bundle on all
of them and prints the peak resident memory of both runs and their ratio.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from iast_export.bundle.styles import unpack
from iast_export.environment import peak_rss_bytes
from iast_export.pictures.images import save_png
from iast_export.pictures.imagesets import load_set
from iast_export.quantize.calibrate import collect, tier_feeds
from iast_export.quantize.observers import observe_onnx
from iast_export.quantize.onnx.qdq import tensors_to_calibrate
from iast_export.quantize.ranges import method_of
from iast_export.reports.manifest import load_manifest
from iast_export.specs import STRENGTH, Tier


def calibrate(bundle: Path, pictures: Path, count: int) -> int:
    """Calibrates on `count` pictures with full histograms; the peak in bytes."""
    manifest = load_manifest(bundle)
    tier = Tier(manifest.tiers[0].depth, manifest.tiers[0].max_side_px)
    model = next(
        bundle / f.path for f in manifest.files if (f.tier, f.precision) == (tier.id, "fp32")
    )
    shapes = manifest.network.code_shapes
    codes = [
        dict(unpack((bundle / style.path).read_bytes(), shapes, style.id))
        for style in manifest.styles
    ]
    if STRENGTH in shapes:
        codes = [{**code, STRENGTH: np.ones(shapes[STRENGTH], np.float32)} for code in codes]
    observe = observe_onnx(model, tensors_to_calibrate(model))
    feeds = tier_feeds(
        tier, load_set(str(pictures)), codes, count, manifest.network.size_multiple_px
    )
    collect(observe, feeds, method_of("mse"))
    return peak_rss_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--worker", nargs=2, metavar=("FOLDER", "COUNT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(calibrate(args.bundle, Path(args.worker[0]), int(args.worker[1])))
        return
    peaks = []
    for count in (20, 500):
        with tempfile.TemporaryDirectory() as folder:
            for i in range(count):
                picture = np.random.default_rng(i).integers(0, 256, (256, 256, 3), dtype=np.uint8)
                save_png(Path(folder) / f"{i:04d}.png", picture)
            command = [sys.executable, __file__, str(args.bundle), "--worker", folder, str(count)]
            peaks.append(
                int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            )
        print(f"{count} pictures: {peaks[-1] / 1e6:.1f} MB peak")
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
