"""Pictures of a pack: shrunk, recompressed to fit, all in one file; read back as they were.

`pictures.bin` holds WebP after WebP; `listing.json` says where each lies, what it is for and its
name in the data folder, by which `images.csv` states its source and licence.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import read_bytes, read_json
from models.data import read_rgb, scaled
from models.ink import paintings

KINDS = ("photographs", "artworks", "sheet_photographs", "sheet_artworks")
QUALITIES = (94, 92, 90, 88, 86, 84, 82, 79, 76)  # 42 to 35 dB
_ARTWORKS = 94  # there are few, and their grain is what is learned
_SAMPLED = 16  # one picture in so many estimates what a quality costs


@dataclass(frozen=True)
class Picture:
    """One compressed picture."""

    name: str  # in the data folder
    kind: str  # of KINDS
    data: bytes


def encoded(rgb: np.ndarray, quality: int) -> bytes:
    """The picture as WebP: at the bytes of a JPEG it keeps 2 dB more."""
    done, data = cv2.imencode(
        ".webp", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality]
    )
    if not done:
        raise InputError(f"a picture of {rgb.shape} can't be compressed", "check the data folder")
    return data.tobytes()


def decoded(data: bytes, name: str) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a WebP.

    Raises:
        InputError: it is none.
    """
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(f"{name} in the pack is no picture", "make the pack again")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def shrunk(path: Path, short_side_px: int) -> np.ndarray:
    """The picture with a short side of at most `short_side_px`."""
    rgb = read_rgb(path)
    return scaled(rgb, short_side_px) if min(rgb.shape[:2]) > short_side_px else rgb


def artworks(root: Path, files: Sequence[Path], short_side_px: int) -> list[Picture]:
    """The artworks, hardly compressed."""
    return [
        Picture(_name(root, f), "artworks", encoded(shrunk(f, short_side_px), _ARTWORKS))
        for f in files
    ]


def drawn_artworks(count: int, short_side_px: int) -> list[Picture]:
    """Those of `models.ink`, which are in no file, as hardly compressed."""
    return [
        Picture(name, "artworks", encoded(scaled(rgb, short_side_px), _ARTWORKS))
        for name, rgb in paintings(count).items()
    ]


def photographs(
    root: Path, files: Sequence[Path], short_side_px: int, budget_bytes: int
) -> tuple[int, list[Picture]]:
    """The photographs at the best of QUALITIES that fits the budget, and that quality.

    Raises:
        UsageError: none fits.
    """
    kept = [shrunk(f, short_side_px) for f in files[::_SAMPLED]]
    for quality in QUALITIES:
        estimate = sum(len(encoded(rgb, quality)) for rgb in kept) * len(files) / len(kept)
        if estimate > 1.05 * budget_bytes:
            continue
        made = [
            Picture(_name(root, f), "photographs", encoded(shrunk(f, short_side_px), quality))
            for f in files
        ]
        if sum(len(picture.data) for picture in made) <= budget_bytes:
            return quality, made
    needed = int(estimate) >> 20
    raise UsageError(
        f"{len(files)} photographs take {needed} MiB at the least quality, {budget_bytes >> 20} "
        "MiB are left",
        "raise --limit-mib, or take fewer with --photographs N",
    )


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def joined(pictures: Sequence[Picture]) -> tuple[bytes, list[dict[str, Any]]]:
    """`pictures.bin` and the rows of its listing."""
    rows, start = [], 0
    for picture in pictures:
        size = len(picture.data)
        rows.append({"name": picture.name, "kind": picture.kind, "offset": start, "bytes": size})
        start += size
    return b"".join(picture.data for picture in pictures), rows


def read_all(folder: Path) -> Mapping[str, dict[str, np.ndarray]]:
    """Every picture of a pack, by kind and name; decoded by as many threads as there are cores.

    Raises:
        InputError: the files are missing, cut short, or one is no picture.
    """
    rows, data = read_json(folder / "listing.json")["pictures"], read_bytes(folder / "pictures.bin")
    if rows and rows[-1]["offset"] + rows[-1]["bytes"] != len(data):
        raise InputError(f"{folder / 'pictures.bin'} is cut short", "make the pack again")

    def one(row: dict[str, Any]) -> np.ndarray:
        return decoded(data[row["offset"] : row["offset"] + row["bytes"]], row["name"])

    found: dict[str, dict[str, np.ndarray]] = {kind: {} for kind in KINDS}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for row, rgb in zip(rows, threads.map(one, rows), strict=True):
            found[row["kind"]][row["name"]] = rgb
    return found
