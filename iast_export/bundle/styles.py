"""Ready-made styles: named codes, where they come from, and how they lie in a bundle.

The packaged codes belong to the packaged checkpoint alone. Any other network gets codes from a
folder of pictures, or from the pictures that the project draws itself (`procedural`). Every third
style is kept from calibration, so that fidelity is judged on styles that set no range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_bytes, write_atomic
from iast_export.files.notes import note
from iast_export.files.toml_text import parse_toml
from iast_export.metrics.style import style_statistics
from iast_export.pictures.images import Rgb, center_square, load_image, to_tensor
from iast_export.pictures.imagesets import in_words, pictures_in
from iast_export.pictures.procedural import softened, style_pictures
from iast_export.reports.manifest import Manifest, StyleEntry
from iast_export.specs import STRENGTH, STYLE_ENCODER_SIDE_PX

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

Codes = Mapping[str, NDArray[np.float32]]
# Every third style judges and calibrates nothing; of fewer than three none could be held out.
_HELD_OUT_EVERY = 3
_MINIMUM = 3


@dataclass(frozen=True)
class Style:
    """A style ready to apply.

    Attributes:
        id: lower-case letters, digits, `-` and `_`.
        category: kind of art, such as `oil`.
        codes: every style input but `strength`, by name, float32.
        statistics: of the artwork, from `metrics.style.style_statistics`, to judge results by.
        held_out: kept from calibration, for evaluation only.
        captions: what the artwork shows and how it is made, a sentence each.
    """

    id: str
    category: str
    codes: Codes
    statistics: NDArray[np.float64]
    held_out: bool
    title: str = ""
    licence: str = ""
    source: str = ""
    captions: tuple[str, ...] = ()


def feeds_of(
    style: Style, code_shapes: Mapping[str, tuple[int, ...]], strength: float = 1.0
) -> dict[str, Any]:
    """All style inputs of a cut network, the user's strength included where it takes one."""
    feeds: dict[str, Any] = dict(style.codes)
    if STRENGTH in code_shapes:
        feeds[STRENGTH] = np.full(code_shapes[STRENGTH], strength, np.float32)
    return feeds


def bundle_feeds(manifest: Manifest, seals: Seals, style: StyleEntry) -> dict[str, Any]:
    """All style inputs of a bundle's cut network in one of its styles, at full strength.

    Raises:
        InputError: the style's file is missing or altered.
    """
    shapes, path = manifest.network.code_shapes, seals.root / style.path
    feeds: dict[str, Any] = dict(unpack(seals.read(path), shapes, path))
    if STRENGTH in shapes:
        feeds[STRENGTH] = np.ones(shapes[STRENGTH], np.float32)
    return feeds


def packaged_styles(checkpoint_sha256: str) -> list[Style]:
    """The styles in the wheel, made with the packaged checkpoint.

    Raises:
        InputError: they are missing or altered, or were made with another checkpoint.
    """
    from safetensors.numpy import load

    folder = resources.files("iast_export") / "data" / "styles"
    listing, codes_file = folder / "styles.toml", folder / "codes.safetensors"
    if not listing.is_file() or not codes_file.is_file():
        raise InputError("the packaged styles are missing", "install iast-export again")
    listed = parse_toml(listing.read_bytes(), listing.name, InputError, "install iast-export again")
    if listed["checkpoint_sha256"] != checkpoint_sha256:
        raise InputError(
            "the packaged styles were made with another checkpoint",
            "give --styles FOLDER with style pictures",
        )
    data = codes_file.read_bytes()
    if sha256_bytes(data) != listed["codes_sha256"]:
        raise InputError("the packaged styles were altered", "install iast-export again")
    tensors = load(data)
    return [
        Style(
            id=entry["id"],
            category=entry["category"],
            codes={"style_code": tensors[f"{entry['id']}/style_code"]},
            statistics=tensors[f"{entry['id']}/statistics"],
            held_out=entry["held_out"],
            title=entry["title"],
            licence=entry["licence"],
            source=entry["source"],
            captions=tuple(entry["captions"]),
        )
        for entry in listed["styles"]
    ]


def encoded_styles(network: StyleNetwork, folder: Path | None = None) -> list[Style]:
    """Styles that the network encodes from the pictures of a folder, or from the project's own.

    Of the project's own, those that are kept to judge by are softened to the contrast of artworks.

    Raises:
        InputError: fewer than three pictures, an unreadable one, two that get one id, or a code
            that is not finite.
    """
    if folder is None:
        pictures = [
            (name, "generated", softened(rgb) if _is_held_out(i) else rgb)
            for i, (name, rgb) in enumerate(style_pictures())
        ]
    else:
        pictures = [(name, "own", load_image(path)) for name, path in _style_files(folder).items()]
    return [
        Style(
            id=name,
            category=category,
            codes=encode(network, rgb),
            statistics=style_statistics(center_square(rgb, STYLE_ENCODER_SIDE_PX)),
            held_out=_is_held_out(i),
        )
        for i, (name, category, rgb) in enumerate(pictures)
    ]


def _is_held_out(place: int) -> bool:
    return place % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1


def _style_files(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by the style's id, in the order of their names."""
    files, skipped = pictures_in(folder)
    if len(files) < _MINIMUM:
        raise InputError(
            f"{folder} holds {len(files)} style pictures, at least {_MINIMUM} are "
            f"needed{in_words(skipped)}",
            "add pictures (JPEG, PNG, WebP), or leave --styles out",
        )
    if skipped:
        note("styles", f"styles of {folder}: {len(files)} pictures are used{in_words(skipped)}")
    named: dict[str, Path] = {}
    for path in files:
        name = style_id(path)
        if name in named:
            raise InputError(
                f"{named[name]} and {path} would both be the style {name!r}",
                "rename one: ids are lower-case letters, digits, - and _",
            )
        named[name] = path
    return named


def style_id(path: Path) -> str:
    """A style's id from its file name."""
    return re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_") or "style"


def encode(network: StyleNetwork, rgb: Rgb) -> Codes:
    """Codes but `strength` of one picture, through the network's style encoder.

    Raises:
        InputError: the network returned other codes than `code_shapes` says, or not finite ones.
    """
    import torch

    picture = torch.from_numpy(to_tensor(center_square(rgb, STYLE_ENCODER_SIDE_PX)))
    with torch.no_grad():
        tensors = network.encode_style(picture)
    shapes = network.code_shapes
    found = [tuple(t.shape) for t in tensors]
    if found != [tuple(s) for s in shapes.values()]:
        raise InputError(
            f"encode_style returned {found}, code_shapes says {dict(shapes)}", "make the two agree"
        )
    codes = {
        name: t.detach().numpy().astype(np.float32) for name, t in zip(shapes, tensors, strict=True)
    }
    codes.pop(STRENGTH, None)
    check_finite(codes, "the style encoder's result")
    return codes


def pack(codes: Codes, code_shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """Codes as a bundle keeps them: joined in the order of their names, float32 little endian."""
    names = sorted(name for name in code_shapes if name != STRENGTH)
    return b"".join(np.ascontiguousarray(codes[name], "<f4").tobytes() for name in names)


def write_styles(
    layout: Layout, styles: Sequence[Style], code_shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Writes every style's codes."""
    for style in styles:
        write_atomic(layout.codes(style.id), pack(style.codes, code_shapes))


def styles_sha256(styles: Sequence[Style], code_shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Hash of the names, roles and codes of styles."""
    packed = [pack(style.codes, code_shapes) for style in styles]
    names = "".join(f"{style.id} {style.held_out}\n" for style in styles)
    return sha256_bytes(names.encode() + b"".join(packed))


def unpack(data: bytes, code_shapes: Mapping[str, Sequence[int]], where: object) -> Codes:
    """Codes from the bytes of a bundle's style file; `where` is for messages.

    Raises:
        InputError: of another length, or not finite.
    """
    names = sorted(name for name in code_shapes if name != STRENGTH)
    flat = np.frombuffer(data, "u1")
    sizes = [math.prod(code_shapes[name]) for name in names]
    if flat.size != 4 * sum(sizes):
        raise InputError(
            f"{where} holds {flat.size} bytes, {4 * sum(sizes)} are needed",
            "build the bundle again",
        )
    parts = np.split(flat.view("<f4"), np.cumsum(sizes))[:-1]
    codes = {
        name: part.astype(np.float32).reshape(tuple(code_shapes[name]))
        for name, part in zip(names, parts, strict=True)
    }
    check_finite(codes, str(where))
    return codes


def check_finite(codes: Codes, where: str) -> None:
    """Refuses codes with NaN or infinity in them; `where` is for the message.

    Raises:
        InputError: a code is not finite.
    """
    for name, code in codes.items():
        if not np.isfinite(code).all():
            raise InputError(
                f"{where}: the code {name} is not finite",
                "check the style picture and the checkpoint",
            )
