"""Pictures from a bundle: the tier by resolution, any runtime and precision, many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from iast_export.artifacts import Progress, no_progress
from iast_export.claims import made_files
from iast_export.default_lane import load_defaults
from iast_export.errors import InputError, UsageError
from iast_export.gpu import open_gpu
from iast_export.images import Rgb, center_square, fit_longest_side, load_image, save_png, sheet, to_tensor
from iast_export.paths import check_not_overwriting
from iast_export.reports import FileEntry, Manifest, load_manifest
from iast_export.runtimes import Session, open_litert, open_onnx, stylize_rgb
from iast_export.sealed import Seals
from iast_export.specs import (
    STRENGTH,
    STYLE_ENCODER_SIDE_PX,
    STYLE_IMAGE,
    Accelerator,
    Precision,
    Runtime,
    Tier,
    select_tier,
)
from iast_export.styles import Codes, style_id, unpack
from iast_export.tiling import run_tiled

Oversize = Literal["refuse", "scale_down", "tile"]
_THUMBNAIL_PX = 256


@dataclass(frozen=True)
class Picture:
    """One stylized picture that was written."""

    path: Path
    content: str
    style: str
    tier: str
    precision: Precision


class BundleEngine:
    """The transfer models of one bundle in one runtime and precision, opened when first needed.

    Without a precision each tier has its default lane (`default_lane`), by the bundle's reports.

    Raises:
        InputError: the folder is no bundle, any model in it is altered, or a file that is used is missing.
        UsageError: the bundle has no such lane.
    """

    def __init__(
        self,
        folder: Path,
        runtime: Runtime,
        precision: Precision | None = None,
        threads: int = 1,
        accelerator: Accelerator = "cpu",
    ) -> None:
        if accelerator == "gpu" and runtime != "litert":
            raise UsageError(f"no GPU computes for {runtime} here", "use --runtime litert, or the CPU")
        self.folder, self.runtime, self.threads = folder, runtime, threads
        self.accelerator = accelerator
        self.manifest: Manifest = load_manifest(folder)
        self._seals = Seals.of_bundle(folder, self.manifest)
        self._seals.check_present()
        self.tiers = [Tier(t.depth, t.max_side_px) for t in self.manifest.tiers]
        self.code_shapes = self.manifest.network.code_shapes
        self._precisions = self._chosen(precision)
        self._lanes = {tier.id: self._files(self.precision(tier)) for tier in self.tiers}
        self._sessions: dict[str, Session] = {}

    def precision(self, tier: Tier) -> Precision:
        """The precision that a tier is computed in."""
        return self._precisions[tier.id]

    def _chosen(self, precision: Precision | None) -> dict[str, Precision]:
        if precision is not None:
            return {tier.id: precision for tier in self.tiers}
        try:
            defaults = load_defaults(self.folder)
        except InputError as error:
            raise InputError(
                f"the default precision is unknown: {error.message}",
                "name a precision (--precision), or build the bundle again",
            ) from error
        return {tier.id: defaults.get((self.runtime, tier.id), "fp32") for tier in self.tiers}

    def _files(self, precision: Precision) -> list[FileEntry]:
        transfers = [f for f in self.manifest.files if f.role == "transfer"]
        found = [f for f in transfers if (f.runtime, f.precision) == (self.runtime, precision)]
        if not found:
            known = sorted({f"{f.runtime} {f.precision}" for f in transfers})
            raise UsageError(
                f"{self.folder} has no {self.runtime} model in {precision}",
                f"choose one of: {', '.join(known)}",
            )
        return found

    def session(self, tier: Tier) -> Session:
        """The session that serves a tier."""
        if tier.id not in self._sessions:
            lane = self._lanes[tier.id]
            if self.runtime == "litert":
                data, path = self._opened(lane[0])
                self._sessions[tier.id] = (
                    open_gpu(data, tier.signature, where=path)
                    if self.accelerator == "gpu"
                    else open_litert(data, tier.signature, self.threads, path)
                )
            else:
                entry = next(f for f in lane if f.tier == tier.id)
                data, path = self._opened(entry)
                self._sessions[tier.id] = open_onnx(data, self.threads, where=path)
        return self._sessions[tier.id]

    def stylize(
        self, rgb: Rgb, codes: Codes, strength: float = 1.0, oversize: Oversize = "refuse"
    ) -> tuple[Rgb, Tier]:
        """The picture in the style, and the tier that its resolution chose.

        Args:
            rgb: [H, W, 3] uint8.
            codes: of the style.
            strength: from 0 (the photograph) to 1.
            oversize: what to do with a picture beyond the largest tier. "scale_down" returns a smaller
                one; "tile" keeps the size, each tile normalised by its own statistics.

        Raises:
            InputError: the picture is larger than the largest tier, and `oversize` is "refuse".
            UsageError: a strength other than 1 on a network that takes none.
        """
        largest = self.tiers[-1]
        if oversize != "refuse" and max(rgb.shape[:2]) > largest.max_side_px:
            if oversize == "scale_down":
                return self._once(fit_longest_side(rgb, largest.max_side_px), codes, strength, largest)
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
        feeds: dict[str, NDArray[Any]] = dict(codes)
        if STRENGTH in self.code_shapes:
            feeds[STRENGTH] = np.full((1, 1), strength, np.float32)
        elif strength != 1.0:
            raise UsageError("this network takes no strength", "leave --strength out")
        if self.runtime == "litert":
            return stylize_rgb(self.session(tier), rgb, feeds, fixed_shape_px=tier.shape_px), tier
        multiple = self.manifest.network.size_multiple_px
        return stylize_rgb(self.session(tier), rgb, feeds, multiple_px=multiple), tier

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
            raise UsageError(f"{style!r} is neither a style of the bundle nor a picture", f"styles: {known}")
        return style_id(Path(style)), self.encode(load_image(Path(style)))

    def encode(self, rgb: Rgb) -> Codes:
        """Codes of an artwork [H, W, 3] by the bundle's style encoder, from its middle square.

        Raises:
            UsageError: the bundle has no style encoder.
            InputError: the encoder's file is missing or altered.
        """
        picture = to_tensor(center_square(rgb, STYLE_ENCODER_SIDE_PX))
        return self._encoder().run({STYLE_IMAGE: picture})

    def _encoder(self) -> Session:
        entry = next(
            (f for f in self.manifest.files if (f.role, f.runtime) == ("style_encoder", self.runtime)), None
        )
        if entry is None:
            raise UsageError("this bundle has no style encoder", "choose one of its ready-made styles")
        data, path = self._opened(entry)
        return open_litert(data, where=path) if self.runtime == "litert" else open_onnx(data, where=path)

    def _opened(self, entry: FileEntry) -> tuple[bytes, Path]:
        path = self.folder / entry.path
        return self._seals.read(path), path


def stylize(
    engine: BundleEngine,
    contents: Sequence[Path],
    styles: Sequence[str],
    out: Path,
    *,
    strength: float = 1.0,
    oversize: Oversize = "refuse",
    progress: Progress = no_progress,
) -> list[Picture]:
    """Writes every content in every style as PNG, and `sheet.png` with all of them.

    Args:
        strength: from 0 (the photograph) to 1.
        oversize: what to do with pictures beyond the largest tier, see `BundleEngine.stylize`.

    Raises:
        UsageError: a strength outside [0, 1], two inputs that would write the same file, or a result
            that would replace an input or a file of the bundle.
        InputError: a picture that is unreadable or too large; nothing is written then.
    """
    if not 0.0 <= strength <= 1.0:
        raise UsageError(
            f"--strength {strength} is outside 0..1", "0 keeps the photograph, 1 is the full style"
        )
    pictures = {path.stem: _load(path, engine.tiers, oversize) for path in contents}
    codes = dict(engine.style_codes(style) for style in styles)
    if len(pictures) < len(contents) or len(codes) < len(styles):
        raise UsageError("two inputs share one name", "rename one, or run them apart")
    places = {(c, s): out / f"{c}--{s}.png" for c in pictures for s in codes}
    kept = chain(contents, map(Path, styles), made_files(engine.folder))
    check_not_overwriting([*places.values(), out / "sheet.png"], kept)
    written: list[Picture] = []
    rows: list[list[Rgb]] = []
    for content, rgb in pictures.items():
        row = [rgb]
        for name, code in codes.items():
            progress("stylize", len(written), len(pictures) * len(codes))
            image, tier = engine.stylize(rgb, code, strength, oversize)
            path = places[content, name]
            save_png(path, image)
            written.append(Picture(path, content, name, tier.id, engine.precision(tier)))
            row.append(image)
        rows.append(row)
    progress("stylize", len(written), len(written))
    _save_sheet(out / "sheet.png", rows, list(pictures), list(codes))
    return written


def _load(path: Path, tiers: Sequence[Tier], oversize: Oversize) -> Rgb:
    rgb = load_image(path)
    if oversize == "refuse":
        select_tier(tiers, rgb.shape[1], rgb.shape[0])
    return rgb


def _save_sheet(path: Path, rows: list[list[Rgb]], contents: list[str], styles: list[str]) -> None:
    small = [[_thumbnail(image) for image in row] for row in rows]
    labels = [[content, *styles] for content in contents]
    save_png(path, sheet(small, labels))


def _thumbnail(rgb: Rgb) -> Rgb:
    return fit_longest_side(rgb, _THUMBNAIL_PX) if max(rgb.shape[:2]) > _THUMBNAIL_PX else rgb


def lanes_of(manifest: Manifest) -> Mapping[str, list[str]]:
    """Precisions of the transfer models by runtime."""
    lanes: dict[str, list[str]] = {}
    for entry in manifest.files:
        if entry.role == "transfer" and entry.precision not in lanes.setdefault(entry.runtime, []):
            lanes[entry.runtime].append(entry.precision)
    return lanes
