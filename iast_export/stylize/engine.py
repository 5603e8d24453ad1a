"""What draws from a bundle: the tier by resolution, in any runtime and precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.bundle.belonging import load_own
from iast_export.bundle.sealed import Seals
from iast_export.bundle.shaped import load_shapes
from iast_export.bundle.styles import Codes, unpack
from iast_export.errors import InputError, UsageError
from iast_export.files.notes import note
from iast_export.lanes.default_lane import load_defaults, padding_fault
from iast_export.pictures.images import (
    Rgb,
    center_square,
    fit_longest_side,
    fit_size,
    load_image,
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
from iast_export.stylize.large import Large
from iast_export.stylize.lifted import Lifted
from iast_export.stylize.lifting import TierFile, lifted_tier
from iast_export.stylize.style_words import blend_of, name_of

Oversize = Literal["refuse", "scale_down", "tile"]


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
        """Name and codes of a style of the bundle, a blend of some, or a picture's (a path).

        Args:
            style: as `style_words` says; a picture is encoded by the bundle.

        Raises:
            UsageError: neither a style's id nor a blend nor a file.
            InputError: the picture is unreadable, or a file of the bundle is altered.
        """
        if style in (known := [entry.id for entry in self.manifest.styles]):
            return style, self._ready_made(style)
        if (shares := blend_of(style)) is not None:
            if lacking := [name for name in shares if name not in known]:
                raise UsageError(
                    f"{lacking[0]!r} of {style!r} is no style of the bundle",
                    f"styles: {', '.join(known)}",
                )
            return name_of(style), _blended(
                [(self._ready_made(name), share) for name, share in shares.items()]
            )
        if not Path(style).is_file():
            raise UsageError(
                f"{style!r} is neither a style of the bundle nor a picture",
                f"styles: {', '.join(known)}",
            )
        return name_of(style), self.encode(load_image(Path(style)))

    def _ready_made(self, name: str) -> Codes:
        """The codes of a style of the bundle."""
        entry = next(entry for entry in self.manifest.styles if entry.id == name)
        path = self.folder / entry.path
        return unpack(self._seals.read(path), self.code_shapes, path)

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


def _blended(parts: Sequence[tuple[Codes, float]]) -> Codes:
    """Codes by shares of sum 1, mixed in float64."""
    shares = [share for _, share in parts]
    return {
        name: np.average([codes[name] for codes, _ in parts], axis=0, weights=shares).astype(
            np.float32
        )
        for name in parts[0][0]
    }
