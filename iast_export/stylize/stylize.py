"""Pictures from a bundle: the tier by resolution, any runtime and precision, many at once."""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.bundle.belonging import load_own
from iast_export.bundle.claims import made_files
from iast_export.bundle.sealed import Seals
from iast_export.bundle.shaped import load_shapes
from iast_export.bundle.styles import Codes, style_id, unpack
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.files.notes import note
from iast_export.files.paths import check_not_overwriting
from iast_export.lanes.default_lane import load_defaults, padding_fault
from iast_export.pictures.images import (
    Rgb,
    center_square,
    fit_longest_side,
    fit_size,
    load_image,
    save_png,
    sheet,
    to_tensor,
)
from iast_export.pictures.tiling import run_tiled, tile_axes
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.manifest import FileEntry, Manifest, load_manifest
from iast_export.reports.verify import VerifyReport
from iast_export.runtimes.any_shape import takes_any_shape
from iast_export.runtimes.session import Session
from iast_export.runtimes.target import TARGETS, Target, find_target, stylize_tier
from iast_export.specs import (
    REFERENCE,
    STRENGTH,
    STYLE_ENCODER_SIDE_PX,
    STYLE_IMAGE,
    USUAL,
    Accelerator,
    Precision,
    Tier,
    select_tier,
    style_codes_of,
)
from iast_export.stylize.large import Large, LargeRun, thumbnail
from iast_export.stylize.lifted import Lifted
from iast_export.stylize.lifting import TierFile, lifted_tier
from iast_export.stylize.together import Together, TogetherRun, tier_together

Oversize = Literal["refuse", "scale_down", "tile"]
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


class Engines(Protocol):
    """What `stylize` takes pictures from: one engine for all, or one chosen by the picture."""

    folder: Path
    tiers: list[Tier]

    @property
    def manifest(self) -> Manifest:
        """Of the bundle."""
        ...

    def style_codes(self, style: str) -> tuple[str, Codes]:
        """See `BundleEngine.style_codes`."""
        ...

    def engine_for(self, rgb: Rgb, oversize: Oversize) -> tuple[BundleEngine, str]:
        """The engine for a picture, and why it is not the usual one ("" where it is)."""
        ...

    def engine_for_large(self, rgb: Rgb, how: Large) -> tuple[BundleEngine, str]:
        """The engine for a picture that is drawn at its own size, and why it is not the usual."""
        ...

    def lifting_engine(self, tier: Tier) -> tuple[BundleEngine, str]:
        """An engine that lifts statistics where there is one, and why it is not the usual."""
        ...


class BundleEngine:
    """The transfer models of one bundle in one runtime and precision, opened when first needed.

    Without a precision each tier has its default lane (`default_lane`), by the bundle's reports.

    Raises:
        InputError: the folder is no bundle, any model in it is altered, or a file that is used is
            missing.
        UsageError: there is no such runtime, or the bundle has no such lane.
    """

    def __init__(
        self,
        folder: Path,
        runtime: str,
        precision: Precision | None = None,
        threads: int = 1,
        accelerator: Accelerator = "cpu",
    ) -> None:
        self.target = find_target(runtime, accelerator)
        self.folder, self.threads, self.accelerator = folder, threads, accelerator
        self.manifest: Manifest = load_manifest(folder)
        self._seals = Seals.of_bundle(folder, self.manifest)
        self._seals.check_present()
        self.tiers = list(self.manifest.depth_plan)
        self.code_shapes = self.manifest.network.code_shapes
        self.size_multiple_px = self.manifest.network.size_multiple_px
        self._precisions = self._chosen(precision)
        self._lanes = {tier.id: self._files(self.precision(tier)) for tier in self.tiers}
        self._sessions: dict[str, Session] = {}
        self._lifted: dict[str, Callable[[], Lifted] | None] = {}

    def engine_for(self, rgb: Rgb, oversize: Oversize) -> tuple[BundleEngine, str]:
        """Itself, whatever the picture; a note says where padding it loses."""
        fault = self.padding_fault(rgb, oversize)
        if fault:
            note("padded", f"{fault}; --runtime {_unpadded().name} does not pad it")
        return self, ""

    def engine_for_large(self, rgb: Rgb, how: Large) -> tuple[BundleEngine, str]:
        """Itself, whatever the picture."""
        return self, ""

    def lifting_engine(self, tier: Tier) -> tuple[BundleEngine, str]:
        """Itself, whether or not it lifts."""
        return self, ""

    def padding_fault(self, rgb: Rgb, oversize: Oversize) -> str | None:
        """What is against this runtime's padding of a picture; None: nothing, or no padding."""
        tier, height, width = self.seen(rgb, oversize)
        sides = tier.shape_px
        if not self.target.family.fixed_shape or (height, width) == sides:
            return None
        if takes_any_shape(self.session(tier)):
            return None
        lane = self.target.family.runtime, self.precision(tier)
        fault = padding_fault(self._verified, *lane, tier.id)
        shown = (
            f"{self.target.label} pads a picture of {width}x{height} px to {sides[1]}x{sides[0]} px"
        )
        return f"{shown}: {fault}" if fault else None

    @cached_property
    def _verified(self) -> VerifyReport | None:
        try:
            return load_own(VerifyReport, self.folder / VERIFY_PATH, self.manifest)
        except InputError:
            return None

    def seen(self, rgb: Rgb, oversize: Oversize) -> tuple[Tier, int, int]:
        """The tier, height and width at which the network sees a picture, or its tiles.

        Raises:
            InputError: larger than the largest tier, and `oversize` is "refuse".
        """
        height, width = rgb.shape[:2]
        largest = self.tiers[-1]
        if oversize == "refuse" or max(height, width) <= largest.max_side_px:
            return select_tier(self.tiers, width, height), height, width
        if oversize == "scale_down":
            height, width = fit_size(height, width, largest.max_side_px)
            return largest, height, width
        multiple = self.manifest.network.size_multiple_px
        down, across = tile_axes(height, width, largest.max_side_px, multiple)
        return largest, down.size_px, across.size_px

    def precision(self, tier: Tier) -> Precision:
        """The precision that a tier is computed in."""
        return self._precisions[tier.id]

    def _chosen(self, precision: Precision | None) -> dict[str, Precision]:
        if precision is not None:
            return {tier.id: precision for tier in self.tiers}
        try:
            defaults = load_defaults(self.folder, self.manifest)
        except InputError as error:
            raise InputError(
                f"the default precision is unknown: {error.message}",
                "name a precision (--precision), or build the bundle again",
            ) from error
        runtime = self.target.family.runtime
        return {tier.id: defaults.get((runtime, tier.id), "fp32") for tier in self.tiers}

    def _files(self, precision: Precision) -> list[FileEntry]:
        transfers = [f for f in self.manifest.files if f.role == "transfer"]
        lane = self.target.family.runtime, precision
        found = [f for f in transfers if (f.runtime, f.precision) == lane]
        if not found:
            known = sorted({f"{f.runtime} {f.precision}" for f in transfers})
            raise UsageError(
                f"{self.folder} has no {self.target.family.runtime} model in {precision}",
                f"choose one of: {', '.join(known)}",
            )
        return found

    def session(self, tier: Tier) -> Session:
        """The session that serves a tier."""
        if tier.id not in self._sessions:
            self._sessions[tier.id] = self._opened(self.entry(tier), tier)
        return self._sessions[tier.id]

    def stylize(
        self, rgb: Rgb, codes: Codes, strength: float = 1.0, oversize: Oversize = "refuse"
    ) -> tuple[Rgb, Tier]:
        """The picture in the style, and the tier that its resolution chose.

        Args:
            rgb: [H, W, 3] uint8.
            codes: of the style.
            strength: from 0 (the photograph) to 1.
            oversize: what to do with a picture beyond the largest tier. "scale_down" returns a
                smaller one; "tile" keeps the size, each tile normalized by its own statistics.

        Raises:
            InputError: the picture is larger than the largest tier, and `oversize` is "refuse".
            UsageError: a strength other than 1 on a network that takes none.
        """
        largest = self.tiers[-1]
        if oversize != "refuse" and max(rgb.shape[:2]) > largest.max_side_px:
            if oversize == "scale_down":
                return self._once(
                    fit_longest_side(rgb, largest.max_side_px), codes, strength, largest
                )
            multiple = self.manifest.network.size_multiple_px
            made, _ = run_tiled(
                rgb,
                largest.max_side_px,
                multiple,
                lambda tile: self._once(tile, codes, strength, largest)[0],
            )
            return made, largest
        return self._once(rgb, codes, strength, select_tier(self.tiers, rgb.shape[1], rgb.shape[0]))

    def _once(self, rgb: Rgb, codes: Codes, strength: float, tier: Tier) -> tuple[Rgb, Tier]:
        return self.draw(rgb, self.feeds(codes, strength), tier), tier

    def feeds(self, codes: Codes, strength: float) -> dict[str, NDArray[Any]]:
        """Codes of a style with the strength, as the network takes them.

        Raises:
            UsageError: a strength other than 1 on a network that takes none.
        """
        feeds: dict[str, NDArray[Any]] = dict(codes)
        if STRENGTH in self.code_shapes:
            feeds[STRENGTH] = np.full((1, 1), strength, np.float32)
        elif strength != 1.0:
            raise UsageError("this network takes no strength", "leave --strength out")
        return feeds

    def draw(self, rgb: Rgb, feeds: Mapping[str, NDArray[Any]], tier: Tier) -> Rgb:
        """A picture within the tier, in one run."""
        family, session = self.target.family, self.session(tier)
        return stylize_tier(family, session, rgb, feeds, tier, self.size_multiple_px)

    def lifted(self, tier: Tier) -> Callable[[], Lifted] | None:
        """What opens a tier with its statistics lifted out; None where that can't be, which a note
        gives the reason for.
        """
        if tier.id not in self._lifted:
            self._lifted[tier.id] = self._how_lifted(tier)
        return self._lifted[tier.id]

    def _how_lifted(self, tier: Tier) -> Callable[[], Lifted] | None:
        full = self._reference(tier)
        if full is None or self.accelerator != "cpu":
            return None
        path = self.folder / self.entry(tier).path
        data = self._seals.read(path)
        file = TierFile(self.target, tier, data, path, load_shapes(self._seals, path, data))
        reference = self._seals.read(self.folder / full.path)
        return lifted_tier(file, reference, self._any_feeds(), self.size_multiple_px)

    def _any_feeds(self) -> dict[str, NDArray[Any]]:
        """Codes of some style, at full strength."""
        feeds: dict[str, NDArray[Any]] = {
            name: np.ones(shape, np.float32) for name, shape in self.code_shapes.items()
        }
        if self.manifest.styles:
            feeds |= dict(self.style_codes(self.manifest.styles[0].id)[1])
        return feeds

    def _reference(self, tier: Tier) -> FileEntry | None:
        """The tier's model that lanes are compared with."""
        for file in self.manifest.files:
            if (file.role, file.runtime, file.precision, file.tier) == (
                "transfer",
                *REFERENCE,
                tier.id,
            ):
                return file
        return None

    def entry(self, tier: Tier) -> FileEntry:
        """The file that a tier is drawn by."""
        return next(f for f in self._lanes[tier.id] if f.tier in (None, tier.id))

    def style_codes(self, style: str) -> tuple[str, Codes]:
        """Id and codes of a style of the bundle, or of a picture (a path), encoded by the bundle.

        Raises:
            UsageError: neither a style's id nor a file.
            InputError: the picture is unreadable, or a file of the bundle is altered.
        """
        entry = next((s for s in self.manifest.styles if s.id == style), None)
        if entry is not None:
            path = self.folder / entry.path
            return entry.id, unpack(self._seals.read(path), self.code_shapes, path)
        if not Path(style).is_file():
            known = ", ".join(s.id for s in self.manifest.styles)
            raise UsageError(
                f"{style!r} is neither a style of the bundle nor a picture", f"styles: {known}"
            )
        return style_id(Path(style)), self.encode(load_image(Path(style)))

    def encode(self, rgb: Rgb) -> Codes:
        """Codes of an artwork [H, W, 3] by the bundle's style encoder, from its middle square.

        Raises:
            UsageError: the bundle has no style encoder.
            InputError: the encoder's file is missing or altered.
        """
        if not style_codes_of(self.code_shapes):
            raise UsageError(
                "this network has one style trained in, and takes no other",
                "leave --style out",
            )
        picture = to_tensor(center_square(rgb, STYLE_ENCODER_SIDE_PX))
        return self._encoder().run({STYLE_IMAGE: picture})

    def _encoder(self) -> Session:
        entry = next(
            (
                f
                for f in self.manifest.files
                if (f.role, f.runtime) == ("style_encoder", self.target.family.runtime)
            ),
            None,
        )
        if entry is None:
            raise UsageError(
                "this bundle has no style encoder", "choose one of its ready-made styles"
            )
        return self._opened(entry)

    def _opened(self, entry: FileEntry, tier: Tier | None = None) -> Session:
        """A session over a tier of a file; None: over an encoder, which runs once, on the CPU."""
        path = self.folder / entry.path
        data, threads = self._seals.read(path), self.threads
        if tier is None:
            return self.target.open(data, where=path)
        on, shapes = self.accelerator, load_shapes(self._seals, path, data)
        return self.target.open(
            data, tier, threads=threads, accelerator=on, where=path, shapes=shapes
        )


class ChosenByShape:
    """The usual runtime, and another for pictures that lose by its padding (`SHAPE_RULE`).

    Raises:
        InputError, UsageError: see `BundleEngine`.
    """

    def __init__(self, folder: Path, precision: Precision | None = None, threads: int = 1) -> None:
        self.usual = BundleEngine(folder, USUAL, precision, threads)
        self.folder, self.tiers = folder, self.usual.tiers
        self._precision, self._threads = precision, threads

    @property
    def manifest(self) -> Manifest:
        """Of the bundle."""
        return self.usual.manifest

    @cached_property
    def other(self) -> BundleEngine | None:
        """The engine that does not pad, made when needed; None where the bundle has no model."""
        target = _unpadded()
        known = {
            entry.precision
            for entry in self.usual.manifest.files
            if (entry.role, entry.runtime) == ("transfer", target.family.runtime)
        }
        if not known or self._precision not in {None, *known}:
            return None
        return BundleEngine(self.folder, target.name, self._precision, self._threads)

    def style_codes(self, style: str) -> tuple[str, Codes]:
        """See `BundleEngine.style_codes`."""
        return self.usual.style_codes(style)

    def engine_for(self, rgb: Rgb, oversize: Oversize) -> tuple[BundleEngine, str]:
        """The engine for a picture, and why it is not the usual one."""
        fault = self.usual.padding_fault(rgb, oversize)
        if fault is None:
            return self.usual, ""
        if self.other is None:
            label = _unpadded().label
            note("padded", f"{fault}; the bundle has no model of this precision for {label}")
            return self.usual, ""
        note("runtime", f"{fault}: {self.other.target.label} draws it instead")
        return self.other, fault

    def engine_for_large(self, rgb: Rgb, how: Large) -> tuple[BundleEngine, str]:
        """The engine for a picture that is drawn at its own size, and why it is not the usual."""
        if how.way == "guided":
            return self.engine_for(rgb, "scale_down")
        chosen, reason = self.lifting_engine(self.tiers[-1])
        lifts = chosen.lifted(self.tiers[-1]) is not None
        return (chosen, reason) if lifts else self.engine_for(rgb, "tile")

    def lifting_engine(self, tier: Tier) -> tuple[BundleEngine, str]:
        """The usual engine, or the other where that one alone lifts statistics."""
        if self.usual.lifted(tier) or not self.other or not self.other.lifted(tier):
            return self.usual, ""
        reason = f"{self.usual.target.label} can't take statistics over tiles of this bundle"
        note("runtime", f"{reason}: {self.other.target.label} draws it instead")
        return self.other, reason


def engine_for_clips(
    folder: Path,
    runtime: str | None,
    precision: Precision | None,
    tier_of: Callable[[BundleEngine], Tier],
) -> BundleEngine:
    """The engine for a clip: of the runtime that is named, or the first that lifts its tier."""
    usual = BundleEngine(folder, runtime or USUAL, precision)
    if runtime is not None or usual.lifted(tier_of(usual)):
        return usual
    return BundleEngine(folder, _unpadded().name, precision)


def _unpadded() -> Target:
    """The runtime that takes pictures in their own shape."""
    return next(target for target in TARGETS.values() if not target.family.fixed_shape)


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
        styles: ids or pictures; none: the bundle's one style.
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
    styles = styles or _only_style(engine.manifest)
    names = _named(contents, styles)
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


def _only_style(manifest: Manifest) -> list[str]:
    """The style of a bundle that has one.

    Raises:
        UsageError: it has more, or none.
    """
    known = [style.id for style in manifest.styles]
    if len(known) != 1:
        listed = f": {', '.join(known)}" if known else ""
        raise UsageError(
            f"the bundle has {len(known)} styles, --style says which to draw in",
            f"give --style ID or a picture{listed}",
        )
    return known


def _named(contents: Sequence[Path], styles: Sequence[str]) -> list[str]:
    """The name of each style, in the way `BundleEngine.style_codes` makes it.

    Raises:
        UsageError: two of the contents or of the styles have one name; says which.
    """
    names = [style_id(Path(style)) if Path(style).is_file() else style for style in styles]
    for given, found in (([str(c) for c in contents], [c.stem for c in contents]), (styles, names)):
        first: dict[str, str] = {}
        for text, name in zip(given, found, strict=True):
            # Case and composed accents tell no files apart on macOS and Windows.
            key = unicodedata.normalize("NFC", name).casefold()
            if key in first:
                raise UsageError(
                    f"{first[key]} and {text} share one name, {name!r}",
                    "rename one, or run them apart",
                )
            first[key] = text
    return names


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
