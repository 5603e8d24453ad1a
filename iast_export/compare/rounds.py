"""Times of both bundles' lanes in turn, each round in a fresh process.

Where memory lies differs from process to process and makes one of two equal files a little faster
than the other for as long as the process lives. So a round counts once, and who is opened first
alternates. `lanes.timing.clock_of` says by which clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iast_export.compare.sides import Sides
from iast_export.files.apart import call_apart
from iast_export.lanes.lane import Lane, timed_run
from iast_export.lanes.timing import TimingOptions, clock_of, time_in_turn
from iast_export.pictures.images import Rgb, center_square, to_tensor
from iast_export.reports.comparison import Block
from iast_export.reports.manifest import LaneKey
from iast_export.specs import CONTENT, Tier

# Of a lane in a round; chosen: an odd number has a median of its own, and more of them only know
# better what this one process does.
_BLOCKS, _WARMUP = 3, 2
_TIMEOUT_S = 3600.0
_BASE, _HEAD = "base", "head"


def write_inputs(path: Path, sides: Sides, rgb: Rgb) -> None:
    """What every lane runs on: one photograph at each tier, and each bundle's first style."""
    arrays: dict[str, Any] = {}
    for tier in sides.tiers:
        content = center_square(rgb, sides.base.tiers[tier].max_side_px)
        arrays[f"{CONTENT}/{tier}"] = to_tensor(content)
    for name, side in zip((_BASE, _HEAD), sides.both, strict=True):
        arrays |= {f"{name}/{key}": value for key, value in side.feeds(sides.styles[0]).items()}
    np.savez(path, **arrays)


def time_round(
    sides: Sides, keys: Sequence[LaneKey], inputs: Path, number: int, threads: int
) -> dict[LaneKey, tuple[Block, ...]]:
    """The blocks of some lanes in one fresh process.

    Args:
        sides: both bundles.
        keys: lanes, one after another.
        inputs: from `write_inputs`.
        number: of the round; in odd ones HEAD comes first.
        threads: of each session.

    Raises:
        InputError: a file is missing or altered, or ended the process.
        ToolError: a runtime failed.
    """
    job = {
        "lanes": [
            {name: _told(side.lane(key)) for name, side in _named(sides).items()} for key in keys
        ],
        "inputs": str(inputs),
        "order": [_HEAD, _BASE] if number % 2 else [_BASE, _HEAD],
        "threads": threads,
    }
    target = "iast_export.compare.rounds:time_lanes"
    found = call_apart(target, job, "the timing of both bundles", timeout_s=_TIMEOUT_S)
    return {
        key: tuple((tuple(base), tuple(head)) for base, head in blocks)
        for key, blocks in zip(keys, found, strict=True)
    }


def time_lanes(
    lanes: Sequence[Mapping[str, Any]], inputs: str, order: Sequence[str], threads: int
) -> list[list[Any]]:
    """The process's half of `time_round`: per lane its blocks, of BASE and HEAD."""
    with np.load(inputs) as kept:
        fed = {name: kept[name] for name in kept.files}
    _, clock_ns = clock_of(threads)
    options = TimingOptions(threads, _WARMUP, _BLOCKS, budget_s=None, clock_ns=clock_ns)
    return [_time_lane(lane, fed, order, options) for lane in lanes]


def _time_lane(
    told: Mapping[str, Any], fed: Mapping[str, Any], order: Sequence[str], options: TimingOptions
) -> list[Any]:
    runs = {}
    for name in order:
        lane = _lane(told[name])
        prefix = f"{name}/"
        feeds = {k.removeprefix(prefix): v for k, v in fed.items() if k.startswith(prefix)}
        content = fed[f"{CONTENT}/{lane.tier.id}"]
        runs[name] = timed_run(lane.open(options.threads), content, feeds)
    samples = time_in_turn(runs, options)
    both = (samples[_BASE].blocks_ms, samples[_HEAD].blocks_ms)
    return [list(blocks) for blocks in zip(*both, strict=True)]


def _named(sides: Sides) -> dict[str, Any]:
    return dict(zip((_BASE, _HEAD), sides.both, strict=True))


def _told(lane: Lane) -> dict[str, Any]:
    return {
        "runtime": lane.runtime,
        "precision": lane.precision,
        "depth": lane.tier.depth,
        "max_side_px": lane.tier.max_side_px,
        "path": str(lane.path.absolute()),
        "sha256": lane.sha256,
    }


def _lane(told: Mapping[str, Any]) -> Lane:
    tier = Tier(told["depth"], told["max_side_px"])
    path = Path(told["path"])
    return Lane(told["runtime"], told["precision"], tier, path, told["sha256"])
