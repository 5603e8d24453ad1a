"""Named sets of pictures: where each comes from, under which licence, and that it is unaltered.

A set is a TOML file (packaged, or one's own) or simply a folder. Packaged sets point at photographs
inside wheels that this project depends on, so they work offline and nothing is copied.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from iast_export.artifacts import json_bytes, read_bytes, sets_dir, sha256_bytes
from iast_export.errors import InputError
from iast_export.images import Rgb, decode_image
from iast_export.toml_text import parse_toml

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_PACKAGES = {"skimage": ("skimage", "data"), "matplotlib": ("matplotlib", "mpl-data/sample_data")}
_KEYS = {"id", "resource", "file", "sha256", "source", "licence", "crop"}


@dataclass(frozen=True)
class SetImage:
    """One picture of a set.

    Attributes:
        id: unique in the set.
        origin: the file, or `package:name`; crops of one file share it.
        sha256: of the whole file.
        crop: x, y, width, height in pixels; None: the whole picture.
    """

    id: str
    origin: str
    path: Path
    sha256: str
    licence: str
    source: str
    crop: tuple[int, int, int, int] | None = None

    def load(self) -> Rgb:
        """The picture, uint8 RGB.

        Raises:
            InputError: missing, altered, unreadable, or a crop that leaves the picture.
        """
        data = read_bytes(self.path)
        if sha256_bytes(data) != self.sha256:
            raise InputError(f"{self.origin} was altered: its SHA-256 is not the set's", "restore the file")
        rgb = decode_image(data, self.origin)
        if self.crop is None:
            return rgb
        x, y, width, height = self.crop
        cut = rgb[y : y + height, x : x + width]
        if min(x, y) < 0 or cut.shape[:2] != (height, width):
            raise InputError(
                f"{self.id}: the crop {self.crop} leaves {self.origin}", "correct the crop in the set"
            )
        return cut.copy()


@dataclass(frozen=True)
class ImageSet:
    """A named set; pictures are decoded one at a time."""

    name: str
    entries: tuple[SetImage, ...]

    @property
    def sha256(self) -> str:
        """Hash over every picture's file hash and crop, and their order."""
        return sha256_bytes(json_bytes({"images": [[e.sha256, e.crop] for e in self.entries]}))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Rgb:
        """The picture at a position, read from its file each time."""
        return self.entries[index].load()

    def images(self) -> Iterator[tuple[str, Rgb]]:
        """Id and picture, in order.

        Raises:
            InputError: see `SetImage.load`.
        """
        for entry in self.entries:
            yield entry.id, entry.load()


def load_set(spec: str) -> ImageSet:
    """A set by packaged name, by its TOML file, or a folder of pictures.

    Raises:
        InputError: no such set, or it is empty, malformed, or holds an unreadable file name.
    """
    path = Path(spec)
    if path.is_dir():
        return _from_folder(path)
    if path.suffix == ".toml" and path.is_file():
        return parse_set(read_bytes(path), path)
    packaged = sets_dir() / f"{spec}.toml"
    if packaged.is_file():
        return parse_set(read_bytes(packaged), packaged)
    names = sorted(p.stem for p in sets_dir().glob("*.toml"))
    near = difflib.get_close_matches(spec, names, 1)
    hint = f"perhaps you meant {near[0]!r}; " if near else ""
    raise InputError(
        f"{spec!r} is neither a set, a set file nor a folder", f"{hint}packaged sets: {', '.join(names)}"
    )


def _from_folder(folder: Path) -> ImageSet:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder} holds no picture", f"add files ending in {', '.join(SUFFIXES)}")
    entries = [SetImage(p.name, str(p), p, sha256_bytes(read_bytes(p)), licence="", source="") for p in files]
    return ImageSet(folder.resolve().name, tuple(entries))


def parse_set(data: bytes, path: Path) -> ImageSet:
    """A set from the bytes of its TOML file at `path`.

    Raises:
        InputError: not TOML, a missing or unknown key, or an id that comes twice.
    """
    raw = parse_toml(data, str(path), InputError)
    images = raw.get("images")
    if not images or not isinstance(images, list):
        raise InputError(f"{path} lists no [[images]]", "add at least one picture")
    entries = tuple(_entry(item, path, i) for i, item in enumerate(images))
    ids = [entry.id for entry in entries]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise InputError(f"{path} lists {twice[0]!r} twice", "give every picture an id of its own")
    return ImageSet(str(raw.get("name", path.stem)), entries)


def _entry(item: dict[str, Any], path: Path, index: int) -> SetImage:
    where = f"{path} image {item.get('id', index)}"
    unknown = sorted(set(item) - _KEYS)
    missing = [key for key in ("id", "sha256", "source", "licence") if key not in item]
    if unknown or missing or ("resource" in item) == ("file" in item):
        problem = (
            f"unknown {unknown}" if unknown else f"lacks {missing}" if missing else "needs resource or file"
        )
        raise InputError(f"{where}: {problem}", f"the keys are {', '.join(sorted(_KEYS))}")
    crop = tuple(int(v) for v in item["crop"]) if "crop" in item else None
    if crop is not None and len(crop) != 4:
        raise InputError(f"{where}: crop has {len(crop)} numbers", "give x, y, width, height")
    origin = item.get("resource") or str(path.parent / item["file"])
    file = _resource(item["resource"], where) if "resource" in item else Path(origin)
    return SetImage(
        item["id"],
        origin,
        file,
        item["sha256"],
        item["licence"],
        item["source"],
        crop,
    )


def picture_path(text: str) -> Path:
    """A picture's file: a path, or `package:name` of a photograph in a wheel, such as `skimage:coffee.png`.

    Raises:
        InputError: the package has no such picture.
    """
    if text.partition(":")[0] in _PACKAGES:
        return _resource(text, text)
    return Path(text)


def _resource(resource: str, where: str) -> Path:
    package, _, name = resource.partition(":")
    if package not in _PACKAGES:
        raise InputError(f"{where}: unknown package {package!r}", f"use one of {', '.join(_PACKAGES)}")
    module, folder = _PACKAGES[package]
    found = Path(str(resources.files(module))) / folder / name
    if not found.is_file():
        raise InputError(f"{where}: {resource} is not installed", f"install {package} again")
    return found


def check_disjoint(calibration: ImageSet, evaluation: ImageSet) -> None:
    """Refuses sets that share a picture: the same file, or the same pixels in another file.

    Two crops of one file count as the same picture.

    Raises:
        InputError: names both.
    """
    by_file = {entry.sha256: entry.id for entry in calibration.entries}
    by_pixels = {_pixels(entry): entry.id for entry in _first_of_each(calibration.entries)}
    for entry in evaluation.entries:
        shared = by_file.get(entry.sha256) or by_pixels.get(_pixels(entry))
        if shared is not None:
            raise InputError(
                f"{entry.id} of the evaluation set {evaluation.name} is also in the calibration set "
                f"{calibration.name}, as {shared}",
                "judge on pictures that calibrated nothing: take it out of one of the two",
            )


def _first_of_each(entries: Sequence[SetImage]) -> list[SetImage]:
    return list({entry.sha256: entry for entry in entries}.values())


def _pixels(entry: SetImage) -> str:
    rgb = SetImage(entry.id, entry.origin, entry.path, entry.sha256, "", "").load()
    return sha256_bytes(repr(rgb.shape).encode() + rgb.tobytes())
