"""Lanes: every way a bundle can run a tier (runtime, precision, file), to be verified and timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals, read_sealed
from iast_export.bundle.shaped import load_shapes
from iast_export.environment import peak_rss_bytes
from iast_export.errors import InputError, ToolError
from iast_export.families import FAMILIES
from iast_export.files.apart import call_apart
from iast_export.files.artifacts import read_bytes
from iast_export.pictures.images import Rgb
from iast_export.runtimes.onnx import OnnxSession, open_onnx
from iast_export.runtimes.session import Session
from iast_export.runtimes.target import TARGETS, stylize_tier
from iast_export.shapes.derive import derive
from iast_export.shapes.table import ShapeTable
from iast_export.specs import CONTENT, RUNTIMES, Accelerator, AnyPrecision, Precision, Runtime, Tier

Feeds = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Lane:
    """One tier in one runtime and precision, and the file that holds it.

    Attributes:
        sha256: of the file of a bundle or build; None of one that its opener has just written.
        accelerator: what computes; a GPU takes all of the file or nothing.
        shapes: how the file is re-shaped, of a TFLite file that can be.
    """

    runtime: Runtime
    precision: AnyPrecision
    tier: Tier
    path: Path
    sha256: str | None = None
    accelerator: Accelerator = "cpu"
    shapes: ShapeTable | None = field(default=None, compare=False, repr=False)

    @property
    def label(self) -> str:
        """For example `litert int8 d3-256px`."""
        where = " on the GPU" if self.accelerator == "gpu" else ""
        return f"{self.runtime} {self.precision} {self.tier.id}{where}"

    @property
    def keeps_shape(self) -> bool:
        """Whether pictures of any shape are padded to the network's multiple alone."""
        if not FAMILIES[self.runtime].fixed_shape:
            return True
        return self.shapes is not None and self.shapes.find(self.tier.signature) is not None

    def reshaped(self, multiple_px: int) -> Lane:
        """The lane with the table of shapes that its file has, proved or not."""
        if not FAMILIES[self.runtime].fixed_shape:
            return self
        return replace(self, shapes=derive(self.read(), multiple_px))

    def open(self, threads: int = 1) -> Session:
        """A session over the lane's file.

        Raises:
            InputError: the file or the signature is missing, or the file was altered.
            ToolError: the runtime refuses the file, or there is no such accelerator here.
        """
        return TARGETS[self.runtime].open(
            self.read(),
            self.tier,
            threads=threads,
            accelerator=self.accelerator,
            where=self.path,
            shapes=self.shapes,
        )

    def open_onnx(self, options: Any) -> OnnxSession:
        """As `open`, under other options than `onnx_session_options`."""
        return open_onnx(self.read(), where=self.path, options=options)

    def read(self) -> bytes:
        """The file's bytes.

        Raises:
            InputError: missing or altered.
        """
        return read_sealed(self.path, self.sha256) if self.sha256 else read_bytes(self.path)

    def stylize(
        self, session: Session, rgb: Rgb, feeds: Feeds, multiple_px: int | None = None
    ) -> Rgb:
        """The stylized picture of a square of the tier's side, which no runtime pads.

        Args:
            session: from `open`.
            rgb: uint8 [side, side, 3].
            feeds: every style input by name.
            multiple_px: the network's size multiple, to take pictures of any shape within the tier
                as `stylize` does: padded to the next multiple, or to the square where LiteRT's file
                can't be re-shaped.

        Raises:
            InputError: another size, or the result holds NaN.
            ToolError: the runtime failed.
        """
        if multiple_px is None and rgb.shape[:2] != self.tier.shape_px:
            raise InputError(
                f"{self.label} was given {rgb.shape[1]}x{rgb.shape[0]} px",
                "scale the picture to the tier first",
            )
        family = FAMILIES[self.runtime]
        return stylize_tier(family, session, rgb, feeds, self.tier, multiple_px)


def find_lanes(layout: Layout, tiers: Sequence[Tier], seals: Seals) -> list[Lane]:
    """Every transfer lane of a bundle, tier by tier, FP32 first in each runtime.

    Args:
        layout: where the files lie.
        tiers: those to find lanes of.
        seals: what the files must hash to; each is held to it whenever it is opened.

    Raises:
        InputError: a file is missing, or nothing vouches for it.
    """
    return [
        _found(layout, runtime, precision, tier, seals)
        for tier in tiers
        for runtime in RUNTIMES
        for precision in FAMILIES[runtime].precisions
    ]


def _found(
    layout: Layout, runtime: Runtime, precision: Precision, tier: Tier, seals: Seals
) -> Lane:
    path = layout.transfer(runtime, precision, tier)
    if not path.is_file():
        raise InputError(
            f"{path} is missing", "run `iast-export build`, which makes what is missing"
        )
    sha256 = seals.expected(path)
    shapes = load_shapes(seals, path, read_sealed(path, sha256, seals.source))
    return Lane(runtime, precision, tier, path, sha256, shapes=shapes)


def timed_run(session: Session, content: NDArray[np.float32], feeds: Feeds) -> Callable[[], object]:
    """A call that runs the bare model once on feeds laid out beforehand.

    Args:
        session: an open lane.
        content: float32 [1, 3, H, W].
        feeds: every style input by name.
    """
    return session.bare_run({CONTENT: content, **feeds})


def run_apart(lane: Lane, feed_shapes: Mapping[str, Sequence[int]], threads: int = 1) -> int:
    """The peak of resident memory, in bytes, of a fresh process that runs a lane once.

    Python's own is included. In a process, as some files end the one that runs them.

    Raises:
        InputError: the file is missing or altered.
        ToolError: the process failed.
    """
    job = {
        "runtime": lane.runtime,
        "precision": lane.precision,
        "depth": lane.tier.depth,
        "max_side_px": lane.tier.max_side_px,
        "path": str(lane.path.absolute()),
        "feed_shapes": {name: list(shape) for name, shape in feed_shapes.items()},
        "sha256": lane.sha256,
        "threads": threads,
    }
    return int(call_apart("iast_export.lanes.lane:peak_of_lane", {"job": job}, lane.label))


def measure_peak_rss_bytes(
    lane: Lane, feed_shapes: Mapping[str, Sequence[int]], threads: int = 1
) -> int:
    """Peak memory of `run_apart`.

    Raises:
        ToolError: the process failed.
    """
    try:
        return run_apart(lane, feed_shapes, threads)
    except (InputError, ToolError) as error:
        raise ToolError(
            f"the memory of {lane.label} can't be measured: {' '.join(error.message.split())}",
            "run the model by itself with `iast-export stylize` to see why",
        ) from error


def peak_of_lane(job: Mapping[str, Any]) -> int:
    """Peak memory of this process, which should be a fresh one, after one run of a lane."""
    tier = Tier(job["depth"], job["max_side_px"])
    lane = Lane(job["runtime"], job["precision"], tier, Path(job["path"]), job["sha256"])
    feeds = {name: np.full(shape, 0.5, np.float32) for name, shape in job["feed_shapes"].items()}
    content = np.full((1, 3, *tier.shape_px), 0.5, np.float32)
    timed_run(lane.open(job["threads"]), content, feeds)()
    return peak_rss_bytes()


def open_runs(
    lanes: Iterable[Lane], content: NDArray[np.float32], feeds: Feeds, threads: int = 1
) -> dict[Lane, Callable[[], object]]:
    """For each lane a session of its own and `timed_run` over it.

    Raises:
        InputError: a file is missing or altered.
        ToolError: a runtime refuses its file.
    """
    return {lane: timed_run(lane.open(threads), content, feeds) for lane in lanes}
