"""Bands of rows of large pictures: by tiles, under a preview's colors, or by a local affine map.

Each function yields the rows of the result from top to bottom, [rows, W, 3] levels, and holds no
more than what it needs for the next ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.files.artifacts import Progress, no_progress
from iast_export.pictures.images import Rgb
from iast_export.pictures.resize import AreaRows
from iast_export.stylize.cover import Span
from iast_export.stylize.crew import Crew, Job
from iast_export.stylize.lifted import Lifted, Moments
from iast_export.stylize.statistics import Covered

Plane = NDArray[np.float32]
# Rows worked on at a time; chosen: some megabytes of a picture 12000 px wide.
_ROWS = 64
# Of the local affine map at the preview's resolution; chosen by eye on photographs of 12 MP.
# Windows of 2 r + 1 px, and the variance below which a window counts as flat.
_RADIUS_PX = 8
_FLAT = 1e-3


def tile_bands(
    crew: Crew,
    picture: Covered,
    codes: Moments,
    moments: Moments,
    progress: Progress = no_progress,
) -> Iterator[Rgb]:
    """The picture with given moments, tile by tile.

    Raises:
        InputError: the result holds NaN.
    """
    made = crew.run(_jobs(picture, codes, moments))
    done = 0
    for row in picture.cover.rows():
        parts = []
        for _ in row:
            parts.append(next(made))
            done += 1
            progress("tiles", done, picture.cover.count)
        yield np.concatenate(parts, axis=1)


def _jobs(picture: Covered, codes: Moments, moments: Moments) -> Iterator[Job[Rgb]]:
    for row in picture.cover.rows():
        for down, across in row:

            def render(engine: Lifted, down: Span = down, across: Span = across) -> Rgb:
                made = engine.render(picture.tile(down, across), codes, moments)
                return picture.given(down, across, made)

            yield render


def preview_bands(bands: Iterable[Rgb], preview: Rgb, size_px: tuple[int, int]) -> Iterator[Rgb]:
    """Bands whose low frequencies are the preview's: what differs at its resolution is added.

    That is the lowest band of a Laplacian pyramid (Burt and Adelson 1983) exchanged.

    Args:
        bands: the picture in tiles.
        preview: [h, w, 3], the whole picture as the network draws it at a lower resolution.
        size_px: height and width of the picture.
    """
    small, wanted = AreaRows(size_px, preview.shape[:2]), preview.astype(np.float32)
    known, waiting = np.zeros((0, *preview.shape[1:]), np.float32), list[Rgb]()
    first = 0
    for band in bands:
        found = small.add(band)
        known = np.concatenate([known, wanted[len(known) : len(known) + len(found)] - found])
        waiting.append(band)
        rows = np.concatenate(waiting)
        ready = _rows_known(len(known), preview.shape[0], size_px[0]) - first
        for top in range(0, ready, _ROWS):
            part = rows[top : min(top + _ROWS, ready)]
            offset = enlarged_rows(known, preview.shape[0], size_px, first + top, len(part))
            yield _rounded(part + offset)
        waiting, first = [rows[ready:]], first + ready


def _rows_known(known: int, small: int, large: int) -> int:
    """How many rows of the large picture need no row of the small one beyond the `known` ones."""
    return large if known == small else max(0, (large * (2 * known - 1)) // (2 * small))


def affine_bands(photograph: Rgb, small: Rgb, preview: Rgb) -> Iterator[Rgb]:
    """The photograph through a local affine map of colors, which leads from `small` to `preview`.

    The guided filter (He, Sun and Tang, TPAMI 2013, equations 19 and 20) with the photograph as the
    guide, its coefficients found at the preview's resolution (He and Sun, arXiv 1505.00996).

    Args:
        photograph: [H, W, 3].
        small: the photograph at the preview's size, [h, w, 3].
        preview: as the network draws it.
    """
    map_ = _affine_map(_unit(small), _unit(preview))
    size = photograph.shape[0], photograph.shape[1]
    for top in range(0, size[0], _ROWS):
        guide = _unit(photograph[top : top + _ROWS])
        rows = enlarged_rows(map_, len(map_), size, top, len(guide))
        gains, offsets = rows[..., :9].reshape(*guide.shape, 3), rows[..., 9:]
        yield _rounded((np.einsum("hwig,hwg->hwi", gains, guide) + offsets) * 255)


def _affine_map(guide: Plane, wanted: Plane) -> Plane:
    """Per pixel the gains [result, guide] and offsets of the least squares fit around it, smoothed.

    Returns:
        [h, w, 12]: nine gains, row by row of the result's channels, and three offsets.
    """
    mean_g, mean_w = _box(guide), _box(wanted)
    around = _box(np.einsum("hwi,hwj->hwij", guide, guide).reshape(*guide.shape[:2], 9))
    across = _box(np.einsum("hwi,hwj->hwij", guide, wanted).reshape(*guide.shape[:2], 9))
    spread = around.reshape(*guide.shape[:2], 3, 3) - mean_g[..., :, None] * mean_g[..., None, :]
    shared = across.reshape(*guide.shape[:2], 3, 3) - mean_g[..., :, None] * mean_w[..., None, :]
    gains = np.linalg.solve(spread + _FLAT * np.eye(3, dtype=np.float32), shared)  # [guide, result]
    offsets = mean_w - np.einsum("hwgi,hwg->hwi", gains, mean_g)
    flat = gains.swapaxes(2, 3).reshape(*guide.shape[:2], 9)
    return _box(np.concatenate([flat, offsets], axis=2).astype(np.float32))


def _box(planes: Plane) -> Plane:
    side = 2 * _RADIUS_PX + 1
    made = cv2.boxFilter(planes, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(made, np.float32)


def enlarged_rows(
    small: Plane, small_rows: int, size_px: tuple[int, int], first: int, count: int
) -> Plane:
    """Rows [first, first + count) of `small` enlarged, linear between the centers of pixels.

    Args:
        small: [h, w, K], at least the rows that these need.
        small_rows: of the whole small picture, h.
        size_px: of the large one.
    """
    height, width = size_px
    center = (np.arange(first, first + count) + 0.5) * small_rows / height - 0.5
    center = np.clip(center, 0, small_rows - 1)
    above = np.floor(center).astype(np.int64)
    below = np.minimum(above + 1, small_rows - 1)
    part = (center - above).astype(np.float32)[:, None, None]
    # A row that takes no part may not be known yet.
    rows = small[above] * (1 - part) + small[np.minimum(below, len(small) - 1)] * part
    # Across only: as many rows go out as come in.
    return np.asarray(cv2.resize(rows, (width, count), interpolation=cv2.INTER_LINEAR), np.float32)


def _unit(levels: Rgb) -> Plane:
    return levels.astype(np.float32) / np.float32(255)


def _rounded(levels: Plane) -> Rgb:
    return np.asarray(np.clip(np.floor(levels + np.float32(0.5)), 0, 255), np.uint8)
