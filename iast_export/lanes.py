"""Lanes: every way a bundle can run a tier (runtime, precision, file), to be verified and timed.

Run as `python -m iast_export.lanes JSON`, this module is the fresh process that loads one lane, runs it
once and reports its peak memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iast_export.environment import peak_rss_bytes
from iast_export.errors import InputError, ToolError
from iast_export.images import Rgb
from iast_export.runtimes import LiteRtSession, Session, open_litert, open_onnx, stylize_rgb
from iast_export.specs import (
    CONTENT,
    ONNX_PRECISIONS,
    PRECISIONS,
    Precision,
    Runtime,
    Tier,
    onnx_name,
    tflite_name,
)

Feeds = Mapping[str, NDArray[np.float32]]
_WORKER_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Lane:
    """One tier in one runtime and precision, and the file that holds it."""

    runtime: Runtime
    precision: Precision
    tier: Tier
    path: Path

    @property
    def label(self) -> str:
        """For example `litert int8 d4-256px`."""
        return f"{self.runtime} {self.precision} {self.tier.id}"

    def open(self, threads: int = 1) -> Session:
        """A session over the lane's file.

        Raises:
            InputError: the file or the signature is missing.
            ToolError: the runtime refuses the file.
        """
        if self.runtime == "litert":
            return open_litert(self.path, self.tier.signature, threads)
        return open_onnx(self.path, threads)

    def stylize(self, session: Session, rgb: Rgb, feeds: Feeds) -> Rgb:
        """The stylized picture of a square of the tier's side, which needs no padding in any runtime.

        Args:
            session: from `open`.
            rgb: uint8 [side, side, 3].
            feeds: every style input by name.

        Raises:
            InputError: another size, or the result holds NaN.
            ToolError: the runtime failed.
        """
        if rgb.shape[:2] != self.tier.shape_px:
            raise InputError(
                f"{self.label} was given {rgb.shape[1]}x{rgb.shape[0]} px",
                "scale the picture to the tier first",
            )
        return stylize_rgb(session, rgb, feeds, fixed_shape_px=self.tier.shape_px)


def find_lanes(models: Path, name: str, tiers: Sequence[Tier]) -> list[Lane]:
    """Every transfer lane of a bundle, tier by tier, FP32 first in each runtime.

    Raises:
        InputError: a file is missing.
    """
    lanes = []
    for tier in tiers:
        for precision in ONNX_PRECISIONS:
            lanes.append(Lane("onnxruntime", precision, tier, models / onnx_name(name, tier, precision)))
        for precision in PRECISIONS:
            lanes.append(Lane("litert", precision, tier, models / tflite_name(name, precision)))
    for lane in lanes:
        if not lane.path.is_file():
            raise InputError(
                f"{lane.path} is missing", "run `iast-export build`, which makes what is missing"
            )
    return lanes


def timed_run(session: Session, content: NDArray[np.float32], feeds: Feeds) -> Callable[[], object]:
    """A call that runs the bare model once on feeds laid out beforehand.

    Args:
        session: an open lane.
        content: float32 [1, 3, H, W].
        feeds: every style input by name.
    """
    everything = {CONTENT: np.ascontiguousarray(content), **feeds}
    if isinstance(session, LiteRtSession):
        litert, prepared = session, session.prepared(everything)
        return lambda: litert.invoke(prepared)
    return lambda: session.run(everything)


def measure_peak_rss_bytes(lane: Lane, feed_shapes: Mapping[str, Sequence[int]], threads: int = 1) -> int:
    """Peak resident memory of a fresh process that loads the lane and runs it once, Python included.

    Raises:
        ToolError: the process failed.
    """
    job = {
        "runtime": lane.runtime,
        "precision": lane.precision,
        "depth": lane.tier.depth,
        "max_side_px": lane.tier.max_side_px,
        "path": str(lane.path.absolute()),
        "feed_shapes": {name: list(shape) for name, shape in feed_shapes.items()},
        "threads": threads,
    }
    command = [sys.executable, "-m", "iast_export.lanes", json.dumps(job)]
    package_parent = str(Path(__file__).resolve().parent.parent)
    paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        # In the package's own folder: `-m` puts the current one, with whatever lies there, first.
        done = subprocess.run(
            command,
            cwd=package_parent,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_WORKER_TIMEOUT_S,
            check=True,
        )
        return int(json.loads(done.stdout.splitlines()[-1])["peak_rss_bytes"])
    except (subprocess.SubprocessError, ValueError, IndexError, KeyError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        if isinstance(error, subprocess.CalledProcessError) and error.returncode < 0:
            said = [f"the process was ended by signal {-error.returncode}"]
        raise ToolError(
            f"the memory of {lane.label} can't be measured: {said[-1] if said else error}",
            "run the model by itself with `iast-export stylize` to see why",
        ) from error


def _work(job: Mapping[str, Any]) -> int:
    tier = Tier(job["depth"], job["max_side_px"])
    lane = Lane(job["runtime"], job["precision"], tier, Path(job["path"]))
    feeds = {name: np.full(shape, 0.5, np.float32) for name, shape in job["feed_shapes"].items()}
    content = np.full((1, 3, *tier.shape_px), 0.5, np.float32)
    timed_run(lane.open(job["threads"]), content, feeds)()
    return peak_rss_bytes()


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"peak_rss_bytes": _work(json.loads(sys.argv[1]))}) + "\n")
