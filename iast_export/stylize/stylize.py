"""Every content in every style, written as pictures, with a sheet of all."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from iast_export.bundle.claims import made_files
from iast_export.errors import UsageError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.files.paths import check_not_overwriting
from iast_export.pictures.images import Rgb, load_image, save_png, sheet
from iast_export.specs import Precision, Tier, select_tier
from iast_export.stylize.engine import Engines, Oversize
from iast_export.stylize.large import Large, LargeRun, thumbnail
from iast_export.stylize.style_words import names_of, only_style
from iast_export.stylize.together import Together, TogetherRun, tier_together

_SHEET = "sheet.png"


@dataclass(frozen=True)
class Picture:
    """One picture that was written.

    Attributes:
        milliseconds: that it took to draw and to write, by the clock on the wall.
        reason: why by this runtime, if not the usual one.
    """

    path: Path
    content: str
    style: str
    tier: str
    runtime: str
    precision: Precision
    milliseconds: float
    reason: str = ""


def stylize(
    engine: Engines,
    contents: Sequence[Path],
    styles: Sequence[str],
    out: Path,
    *,
    strength: float = 1.0,
    oversize: Oversize = "refuse",
    large: Large | None = None,
    together: Together | None = None,
    progress: Progress = no_progress,
) -> list[Picture]:
    """Writes every content in every style as PNG, and `sheet.png` with all of them.

    Args:
        engine: what draws.
        contents: photographs.
        styles: ids, blends (`a:0.7+b:0.3`) or pictures; none: the bundle's one style.
        out: the folder that is written to.
        strength: from 0 (the photograph) to 1.
        oversize: what to do with pictures beyond the largest tier, see `BundleEngine.stylize`.
        large: how to draw them at their own size instead, row by row.
        together: draw all contents, whatever their size, with the statistics of all of them.

    Raises:
        UsageError: a strength outside [0, 1], two inputs of one name, two results that would be one
            file, or a result that would replace an input or a file of the bundle.
        InputError: a picture that is unreadable or too large; nothing is written then.
    """
    if not 0.0 <= strength <= 1.0:
        raise UsageError(
            f"--strength {strength} is outside 0..1", "0 keeps the photograph, 1 is the full style"
        )
    styles = styles or only_style(engine.manifest)
    names = names_of(contents, styles)
    paths = _result_paths(out, contents, names)
    kept = chain(contents, map(Path, styles), made_files(engine.folder))
    check_not_overwriting([*paths.values(), out / _SHEET], kept)
    if together is not None:
        found = _together(engine, contents, styles, paths, strength, together, progress)
        _save_sheet(out, found[1], contents, names)
        return found[0]
    pictures = _Contents(contents, engine.tiers, oversize, large is not None)
    codes = [engine.style_codes(style) for style in styles]
    written: list[Picture] = []
    rows: list[list[Rgb]] = []
    with LargeRun(large or Large(), progress) as run:
        for content in contents:
            rgb = pictures.take(content)
            beyond = large is not None and max(rgb.shape[:2]) > engine.tiers[-1].max_side_px
            chosen, reason = (
                engine.engine_for_large(rgb, run.how)
                if beyond
                else engine.engine_for(rgb, oversize)
            )
            row = [thumbnail(rgb)]
            for name, code in codes:
                progress("stylize", len(written), len(paths))
                path, start_s = paths[content, name], time.perf_counter()
                if beyond:
                    tier = engine.tiers[-1]
                    row.append(run.save(path, chosen, rgb, code, strength))
                else:
                    image, tier = chosen.stylize(rgb, code, strength, oversize)
                    save_png(path, image)
                    row.append(thumbnail(image))
                lane = chosen.target.name, chosen.precision(tier)
                took_ms = 1e3 * (time.perf_counter() - start_s)
                written.append(Picture(path, content.stem, name, tier.id, *lane, took_ms, reason))
            rows.append(row)
    progress("stylize", len(written), len(written))
    _save_sheet(out, rows, contents, names)
    return written


def _save_sheet(
    out: Path, rows: list[list[Rgb]], contents: Sequence[Path], names: list[str]
) -> None:
    labels = [[path.stem, *names] for path in contents]
    save_png(out / _SHEET, sheet(rows, labels))


def _together(
    engine: Engines,
    contents: Sequence[Path],
    styles: Sequence[str],
    paths: Mapping[tuple[Path, str], Path],
    strength: float,
    how: Together,
    progress: Progress,
) -> tuple[list[Picture], list[list[Rgb]]]:
    """What `stylize` writes and shows of contents that share their statistics."""
    tier = tier_together(engine.tiers, [load_image(path).shape[:2] for path in contents])
    chosen, reason = engine.lifting_engine(tier)
    codes = [chosen.style_codes(style) for style in styles]
    lane = chosen.target.name, chosen.precision(tier)
    written: list[Picture] = []
    rows: list[list[Rgb]] = []
    loads = [partial(load_image, path) for path in contents]
    with TogetherRun(chosen, tier, loads, how.workers, progress) as run:
        moments = {name: run.moments(code, strength) for name, code in codes}
        for content, load in zip(contents, loads, strict=True):
            rgb = load()
            row = [thumbnail(rgb)]
            for name, code in codes:
                progress("stylize", len(written), len(paths))
                path, start_s = paths[content, name], time.perf_counter()
                image = run.draw(rgb, code, strength, moments[name])
                save_png(path, image)
                took_ms = 1e3 * (time.perf_counter() - start_s)
                row.append(thumbnail(image))
                written.append(Picture(path, content.stem, name, tier.id, *lane, took_ms, reason))
            rows.append(row)
    progress("stylize", len(written), len(written))
    return written, rows


class _Contents:
    """The photographs of a run: all are decoded before anything is written; large ones twice.

    Raises:
        InputError: a picture that is unreadable or too large.
    """

    def __init__(
        self, paths: Sequence[Path], tiers: Sequence[Tier], oversize: Oversize, large: bool
    ) -> None:
        self._kept: dict[Path, Rgb] = {}
        for path in paths:
            rgb = load_image(path)
            if oversize == "refuse" and not large:
                select_tier(tiers, rgb.shape[1], rgb.shape[0])
            if len(paths) == 1 or max(rgb.shape[:2]) <= tiers[-1].max_side_px:
                self._kept[path] = rgb

    def take(self, path: Path) -> Rgb:
        """A photograph, which is let go of here."""
        rgb = self._kept.pop(path, None)
        return load_image(path) if rgb is None else rgb


def _result_paths(
    out: Path, contents: Sequence[Path], names: Sequence[str]
) -> dict[tuple[Path, str], Path]:
    """Where each content in each style is written.

    Raises:
        UsageError: two would be one file, such as `a` in `b--c` and `a--b` in `c`.
    """
    paths = {
        (content, name): out / f"{content.stem}--{name}.png"
        for content in contents
        for name in names
    }
    files = Counter(paths.values())
    twice = next((path for path, count in files.items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"two pictures would be {twice}", "rename an input, or run them apart")
    return paths
