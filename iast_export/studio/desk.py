"""What the studio draws: a photograph in a style by a lane, beside FP32's of the same picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from iast_export.bundle.styles import Codes, style_id
from iast_export.errors import UsageError
from iast_export.files.notes import heard
from iast_export.lanes.timing import clock_of
from iast_export.metrics.fidelity import psnr_db
from iast_export.pages.format import precision_name
from iast_export.pictures.images import Rgb, center_square, fit_longest_side
from iast_export.pictures.picture_reader import read_picture
from iast_export.reports.benchmark import ClockName
from iast_export.runtimes.target import TARGETS
from iast_export.specs import (
    PRECISIONS,
    REFERENCE,
    STRENGTH,
    STYLE_ENCODER_SIDE_PX,
    Precision,
    Tier,
    find_tiers,
    style_codes_of,
)
from iast_export.stylize.engine import BundleEngine, ChosenByShape
from iast_export.stylize.style_words import blend_of

# Artworks of a visitor's own that are kept, 0.2 MB each; the oldest goes first. Chosen.
MOST_ARTWORKS = 32


@dataclass(frozen=True)
class Wish:
    """What to draw, and by what.

    Attributes:
        style: id of a style of the bundle, a blend of some (`style_words`), or the id of an artwork
            that was added.
        strength: from 0 (the photograph) to 1.
        lane: "RUNTIME" (each tier's default precision), "RUNTIME PRECISION", or "": as `stylize`
            chooses.
        tier: its id, or "": by the picture's size.
    """

    style: str
    strength: float = 1.0
    lane: str = ""
    tier: str = ""


@dataclass(frozen=True)
class Painting:
    """A picture that was drawn.

    Attributes:
        photograph: as the network saw it, [H, W, 3].
        picture: what was drawn of it.
        reference: what FP32 drew of it; None where the lane is that itself.
        size_px: width and height of the photograph as it came.
        style: title of the style.
        file: what to save the picture as, named as `stylize` names it.
        lane: runtime and precision, in words.
        milliseconds: from pixels to pixels, once everything is open.
        clock: what told them.
        psnr_db: of the picture to the reference.
        notes: what a visitor may not expect.
    """

    photograph: Rgb
    picture: Rgb
    reference: Rgb | None
    size_px: tuple[int, int]
    style: str
    file: str
    tier: Tier
    lane: str
    milliseconds: float
    clock: ClockName
    psnr_db: float | None
    notes: list[str]


@dataclass
class Artwork:
    """A picture of a visitor's own, as the style encoder sees it."""

    id: str
    title: str
    square: Rgb


class Desk:
    """The engines of a bundle and the artworks that visitors added; draws one picture at a time.

    Nothing is written to the disk.

    Raises:
        InputError, UsageError: see `BundleEngine`.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.folder, self.threads = folder, threads
        self._usual = ChosenByShape(folder, threads=threads)
        self._reference = BundleEngine(folder, *REFERENCE, threads)
        self._engines: dict[str, BundleEngine] = {" ".join(REFERENCE): self._reference}
        self._artworks: dict[str, Artwork] = {}
        self._added = 0
        # The shape that each engine drew last at a tier: another one is opened anew.
        self._drawn: dict[tuple[BundleEngine, str], tuple[int, ...]] = {}
        self._clock_name, self._clock = clock_of(threads)
        self._one_at_a_time = Lock()
        self.manifest = self._usual.manifest

    @property
    def takes_strength(self) -> bool:
        """Whether the network has a strength to choose."""
        return STRENGTH in self.manifest.network.code_shapes

    @property
    def takes_artworks(self) -> bool:
        """Whether styles can be taken from pictures."""
        encoders = any(entry.role == "style_encoder" for entry in self.manifest.files)
        return encoders and bool(style_codes_of(self.manifest.network.code_shapes))

    def lanes(self) -> dict[str, str]:
        """What `Wish.lane` may be, with its name, the usual one first."""
        had = {
            (entry.runtime, entry.precision)
            for entry in self.manifest.files
            if entry.role == "transfer"
        }
        found = {"": "as stylize chooses"}
        for name, target in TARGETS.items():
            own = [one for one in target.family.precisions if (target.family.runtime, one) in had]
            if own:
                found[name] = f"{target.label}, each tier's default"
            found |= {f"{name} {one}": f"{target.label} {precision_name(one)}" for one in own}
        return found

    def add_artwork(self, data: bytes, name: str) -> Artwork:
        """Keeps an artwork as a style to draw in.

        Raises:
            InputError: no picture that can be read, see `read_picture`.
            UsageError: the bundle takes no style from a picture.
        """
        if not self.takes_artworks:
            raise UsageError(
                "this bundle takes no style from a picture", "choose one of its ready-made styles"
            )
        with self._one_at_a_time:
            square = center_square(read_picture(data, name), STYLE_ENCODER_SIDE_PX)
            self._added += 1
            made = Artwork(f"own/{self._added}", Path(name).stem or "artwork", square)
            self._artworks[made.id] = made
            while len(self._artworks) > MOST_ARTWORKS:
                del self._artworks[next(iter(self._artworks))]
        return made

    def paint(self, data: bytes, name: str, wish: Wish) -> Painting:
        """A photograph in a style; one that is larger than the tier is scaled down to it.

        Args:
            data: the photograph's file.
            name: of it, for messages.
            wish: what to draw, and by what.

        Raises:
            InputError: no picture that can be read, or a file of the bundle is altered.
            UsageError: no such style, lane or tier, or a strength that the network does not take.
            ToolError: the runtime failed.
        """
        if not (math.isfinite(wish.strength) and 0.0 <= wish.strength <= 1.0):
            raise UsageError(
                f"a strength of {wish.strength} is outside 0..1", "0 keeps the photograph"
            )
        with self._one_at_a_time, heard() as notes:
            rgb = read_picture(data, name)
            tier = self._tier(rgb, wish.tier)
            fits = max(rgb.shape[:2]) <= tier.max_side_px
            seen = rgb if fits else fit_longest_side(rgb, tier.max_side_px)
            engine = self._engine(wish.lane, seen)
            title, style, codes = self._codes(wish.style, engine)
            picture, took_ms = self._timed(engine, seen, engine.feeds(codes, wish.strength), tier)
            precision = engine.precision(tier)
            is_reference = (engine.target.name, precision) == REFERENCE
            feeds = self._reference.feeds(codes, wish.strength)
            reference = None if is_reference else self._reference.draw(seen, feeds, tier)
            return Painting(
                photograph=seen,
                picture=picture,
                reference=reference,
                size_px=(rgb.shape[1], rgb.shape[0]),
                style=title,
                file=f"{Path(name).stem}--{style}.png",
                tier=tier,
                lane=f"{engine.target.label} {precision_name(precision)}",
                milliseconds=took_ms,
                clock=self._clock_name,
                psnr_db=None if reference is None else psnr_db(reference, picture),
                notes=notes,
            )

    def _tier(self, rgb: Rgb, asked: str) -> Tier:
        if asked:
            return find_tiers(self._usual.tiers, [asked], "the bundle")[0]
        return self._usual.usual.seen(rgb, "scale_down")[0]

    def _engine(self, lane: str, seen: Rgb) -> BundleEngine:
        if not lane:
            return self._usual.engine_for(seen, "scale_down")[0]
        if lane not in self._engines:
            runtime, _, precision = lane.partition(" ")
            self._engines[lane] = BundleEngine(
                self.folder, runtime, _known(precision) if precision else None, self.threads
            )
        return self._engines[lane]

    def _codes(self, style: str, engine: BundleEngine) -> tuple[str, str, Codes]:
        """Title, id and codes of a style; never of a file, whatever a visitor names."""
        if style in self._artworks:
            artwork = self._artworks[style]
            return (
                artwork.title,
                style_id(Path(f"{artwork.title}.png")),
                engine.encode(artwork.square),
            )
        titles = {one.id: one.title or one.id for one in self.manifest.styles}
        if style not in titles and (shares := blend_of(style)) is not None:
            name, codes = engine.style_codes(style)
            parts = [f"{share:.0%} {titles[one]}" for one, share in shares.items()]
            return " + ".join(parts), name, codes
        if style not in titles:
            raise UsageError(
                f"{style!r} is no style of the bundle and no artwork that is kept",
                f"choose a style, or add the artwork again: the last {MOST_ARTWORKS} are kept",
            )
        return titles[style], *engine.style_codes(style)

    def _timed(
        self, engine: BundleEngine, seen: Rgb, feeds: dict[str, Any], tier: Tier
    ) -> tuple[Rgb, float]:
        """A picture and its milliseconds, the opening for its shape left out."""
        key = engine, tier.id
        if self._drawn.get(key) != seen.shape:
            engine.draw(seen, feeds, tier)
            self._drawn[key] = seen.shape
        start_ns = self._clock()
        picture = engine.draw(seen, feeds, tier)
        return picture, 1e-6 * (self._clock() - start_ns)


def _known(precision: str) -> Precision:
    known = next((one for one in PRECISIONS if one == precision), None)
    if known is None:
        raise UsageError(f"there is no precision {precision!r}", "choose a lane of the list")
    return known
