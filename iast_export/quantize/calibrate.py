"""Calibration: which content meets which style, and what every activation then ranges over.

Pictures stream through one at a time, so memory does not depend on how many there are. A tier is
calibrated at its own resolution, in each runtime on that runtime's own FP32 file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from iast_export.errors import InputError
from iast_export.files.artifacts import Progress, no_progress, read_json, write_json
from iast_export.pictures.images import Rgb, fit_longest_side, pad_to, pad_to_multiple, to_tensor
from iast_export.pictures.imagesets import spread
from iast_export.quantize.observers import Feeds, Observe
from iast_export.quantize.ranges import Histogram, Method, Range, minmax
from iast_export.specs import CONTENT, Tier

# Chosen: fewer pictures show no range. Above 384 px pairs are fewer, by side, and never below 8: a
# larger picture has more values, and calibration takes the time of a pass over each.
MINIMUM_IMAGES = 4
_FULL_PAIRS_SIDE_PX = 384
_LEAST_PAIRS = 8
_SCHEMA_VERSION = 1


class Pictures(Protocol):
    """A sequence of RGB pictures, of which none needs to be in memory; an `ImageSet` is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Rgb: ...


def latin_square(contents: int, styles: int, pairs: int) -> list[tuple[int, int]]:
    """Pairs of content and style indices that use every content and every style evenly.

    Walks the diagonals of the contents x styles square, so that no pair repeats before all have
    come, and counts differ by at most one after any whole round.

    Raises:
        InputError: nothing to pair.
    """
    if min(contents, styles, pairs) < 1:
        raise InputError(
            f"{contents} contents and {styles} styles make no pairs", "give at least one of each"
        )
    count = min(pairs, contents * styles)
    found: list[tuple[int, int]] = []
    seen: set[tuple[int, int]] = set()
    step = shift = 0
    while len(found) < count:
        pair = (step % contents, (step + shift) % styles)
        if pair in seen:
            shift += 1
            continue
        seen.add(pair)
        found.append(pair)
        step += 1
    return found


def pairs_at(tier: Tier, max_pairs: int) -> int:
    """How many pairs calibrate a tier: fewer where a picture holds many more activations.

    Up to 384 px `max_pairs`, above in inverse proportion to the side, at least 8: a 1024 px
    picture has 16 times the activations of a 256 px one.
    """
    scaled = max_pairs * _FULL_PAIRS_SIDE_PX // tier.max_side_px
    return min(max_pairs, max(scaled, _LEAST_PAIRS))


def check_enough(name: str, images: int, left_out: str = "") -> None:
    """Refuses a calibration set that is too small; `left_out` is for the message.

    Raises:
        InputError: fewer than `MINIMUM_IMAGES`.
    """
    if images < MINIMUM_IMAGES:
        raise InputError(
            f"the calibration set {name} holds {images} pictures, at least {MINIMUM_IMAGES} are "
            "needed"
            f"{left_out}",
            "add photographs like those that the app will see",
        )


def pictures_at(tier: Tier, max_pairs: int, images: int) -> int:
    """How many of `images` pictures calibrate a tier."""
    return min(images, pairs_at(tier, max_pairs))


def collect(observe: Observe, feeds: Iterable[Feeds], method: Method = minmax) -> dict[str, Range]:
    """Ranges by tensor name over all feeds, whatever their order.

    Args:
        observe: runs one feed and yields activations by name, one array at a time.
        feeds: consumed one by one.
        method: from `ranges.method_of`.

    Raises:
        InputError: no feed, or an activation that is not finite.
    """
    histograms: dict[str, Histogram] = {}
    count = method is not minmax
    for feed in feeds:
        for name, values in observe(feed):
            if name not in histograms:
                histograms[name] = Histogram(name)
            histograms[name].update(values, count)
    if not histograms:
        raise InputError(
            "nothing was calibrated: there was no picture", "give a calibration set with pictures"
        )
    return {name: method(histogram) for name, histogram in sorted(histograms.items())}


def tier_feeds(
    tier: Tier, contents: Pictures, codes: Sequence[Feeds], pairs: int, multiple_px: int | None
) -> Iterator[Feeds]:
    """One feed per pair, each content scaled so that its longest side is the tier's.

    Of more contents than pairs as many are used, spread over all of them.

    Args:
        contents: RGB pictures of any size, each read when its turn comes and then let go.
        codes: every style input by name, per style.
        multiple_px: pad to this multiple (ONNX); None: pad to the tier's square (LiteRT).
    """
    chosen = spread(len(contents), pairs)
    for content, style in latin_square(len(chosen), len(codes), pairs):
        rgb = fit_longest_side(contents[chosen[content]], tier.max_side_px)
        padded = (
            pad_to(rgb, *tier.shape_px)
            if multiple_px is None
            else pad_to_multiple(rgb, multiple_px)
        )
        yield {CONTENT: to_tensor(padded), **codes[style]}


def calibrate_tier(
    observe: Observe,
    feeds: Iterable[Feeds],
    method: Method,
    pairs: int,
    what: str,
    progress: Progress = no_progress,
) -> dict[str, Range]:
    """`collect` with progress; `what` names the tier and runtime."""
    return collect(observe, counted(feeds, what, pairs, progress), method)


def counted(feeds: Iterable[Feeds], what: str, pairs: int, progress: Progress) -> Iterator[Feeds]:
    """The feeds themselves; each that is taken is told."""
    for i, feed in enumerate(feeds):
        progress(what, i, pairs)
        yield feed
    progress(what, pairs, pairs)


def save_ranges(path: Path, ranges: Mapping[str, Range], facts: Mapping[str, Any]) -> None:
    """Writes ranges as JSON with `facts` about how they were found, tensors sorted."""
    tensors = {name: [r.low, r.high] for name, r in sorted(ranges.items())}
    write_json(path, {"schema_version": _SCHEMA_VERSION, **facts, "tensors": tensors})


def _range(low: object, high: object) -> Range:
    """A range of two finite numbers, written as numbers."""
    if type(low) not in (int, float) or type(high) not in (int, float):
        raise TypeError(f"[{low!r}, {high!r}] is no range")
    found = Range(float(low), float(high))  # type: ignore[arg-type]
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        raise ValueError(f"[{low!r}, {high!r}] is not finite")
    return found


def load_ranges(path: Path) -> dict[str, Range]:
    """Ranges from `save_ranges`.

    Raises:
        InputError: missing, altered beyond reading, or empty.
    """
    raw = read_json(path)
    try:
        ranges = {str(name): _range(*bounds) for name, bounds in raw["tensors"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path} holds no ranges: {error!r}", "run `iast-export calibrate` again"
        ) from error
    if not ranges or any(r.low > r.high for r in ranges.values()):
        raise InputError(
            f"{path} holds an empty or reversed range", "run `iast-export calibrate` again"
        )
    return ranges
