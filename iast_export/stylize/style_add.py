"""A style added to a finished bundle: code, thumbnail and entry; the manifest last.

The picture is encoded by the bundle's own style encoder, so neither the checkpoint nor torch is
needed. A bundle stays what its manifest says at every moment: new files get names that nothing
lists yet, the manifest takes its place in one rename, and what it no longer lists is deleted after
that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iast_export.bundle.claims import working
from iast_export.bundle.notice import entry_of, notice_of
from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import Codes, check_finite, pack, style_id
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import (
    Progress,
    StageRecord,
    no_progress,
    read_bytes,
    remove_made,
    sha256_bytes,
    write_atomic,
)
from iast_export.files.paths import NOTICE_NAME, check_folders
from iast_export.files.texts import shown, visible
from iast_export.metrics.style import style_distance, style_statistics
from iast_export.network import safetensors_file
from iast_export.network.file_kinds import SAFETENSORS, kind_of
from iast_export.pictures.images import Rgb, center_square, encode_png, load_image
from iast_export.pictures.imagesets import load_set
from iast_export.recipe import load_recipe
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.manifest import Manifest, NoticeEntry, StyleEntry, load_manifest
from iast_export.specs import (
    REFERENCE,
    STRENGTH,
    STYLE_ENCODER_SIDE_PX,
    THUMBNAIL_SIDE_PX,
    style_codes_of,
)
from iast_export.stylize.engine import BundleEngine

CHECKPOINT_KEY = "checkpoint_sha256"
_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")
# Letters; chosen: a file name and a line of a page have room for them.
_LONGEST_ID, _LONGEST_TEXT = 64, 1000
# Chosen: beyond it a middle is hardly the artwork any more. Below 64 px a square is a blur.
MOST_STROKES, _LEAST_SIDE_PX = 4.0, 64
_REBUILD = "build the bundle again"


@dataclass(frozen=True)
class NewStyle:
    """What a person says about a style: its id, kind of art, what it shows and where it is from."""

    id: str
    category: str
    title: str = ""
    licence: str = ""
    source: str = ""
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Added:
    """The new entry, and how far the thumbnail's photograph is from the artwork before and after.

    `note`: what could not be known of a given code; empty where nothing.
    """

    entry: StyleEntry
    distance_before: float
    distance_after: float
    replaced: bool
    note: str = ""


def add_style(
    folder: Path,
    new: NewStyle,
    picture: Path,
    *,
    code: Path | None = None,
    strokes: float = 1.0,
    replace: bool = False,
    progress: Progress = no_progress,
) -> Added:
    """Adds the style of a picture to the bundle, or puts it in place of the one of that id.

    Args:
        picture: the artwork; its middle square is encoded and compared with.
        code: a refined code of the bundle's checkpoint, instead of the encoder's (see `read_code`).
        strokes: from 1 to 4, how many times larger than in the whole picture: as much smaller a
            middle of it is encoded.
        replace: take the place of a style of the same id.

    Raises:
        UsageError: an id or a kind that can't be one, an id that is taken, strokes outside [1, 4]
            or beside a code.
        InputError: the folder is no bundle or is altered, has no style encoder, the picture is
            unreadable, or the code is not finite. The bundle stays as it was.
    """
    _check_words(new)
    if code is not None and strokes != 1.0:
        raise UsageError(
            "--strokes beside --code: a code has the strokes that it was made with",
            "leave one out",
        )
    with working(folder):
        return _add(folder, new, picture, code, strokes, replace, progress)


def _add(
    folder: Path,
    new: NewStyle,
    picture: Path,
    code: Path | None,
    strokes: float,
    replace: bool,
    progress: Progress,
) -> Added:
    progress("style", 0, 3)
    manifest = load_manifest(folder)
    _check_unaltered(folder, manifest)
    if not style_codes_of(manifest.network.code_shapes):
        raise InputError(
            f"the network of {folder} has one style trained in, and takes no code",
            "build a bundle of its own for each such network",
        )
    old = next((s for s in manifest.styles if s.id == new.id), None)
    _check_free(manifest, old, new.id, replace)
    engine = BundleEngine(folder, *REFERENCE)
    artwork = center_square(middle(load_image(picture), strokes, picture), STYLE_ENCODER_SIDE_PX)
    codes, checked = (
        (_encoded(engine, artwork), True) if code is None else read_code(code, manifest)
    )
    progress("style", 1, 3)
    photograph, thumbnail = _drawn(engine, codes)
    files = _files(
        new.id, pack(codes, engine.code_shapes), encode_png(thumbnail), renamed=old is not None
    )
    reference = style_statistics(artwork)
    progress("style", 2, 3)
    _check_places(folder, files)
    for path, data in files.items():
        write_atomic(folder / path, data)
    entry = _entry(new, files)
    styles = [*(s for s in manifest.styles if s.id != new.id), entry]
    if old is not None:
        styles = [entry if s.id == new.id else s for s in manifest.styles]
    _replace_manifest(folder, manifest, styles)
    progress("style", 3, 3)
    return Added(
        entry,
        style_distance(photograph, reference),
        style_distance(thumbnail, reference),
        old is not None,
        "" if checked else f"{code} carries no checksum: an alteration of it would not be seen",
    )


def remove_style(folder: Path, name: str) -> StyleEntry:
    """Takes a style out of the bundle; the entry it had.

    Raises:
        UsageError: no such style, or one that the golden pictures are made in.
        InputError: the folder is no bundle, or is altered.
    """
    with working(folder):
        return _remove(folder, name)


def _remove(folder: Path, name: str) -> StyleEntry:
    manifest = load_manifest(folder)
    _check_unaltered(folder, manifest)
    found = next((s for s in manifest.styles if s.id == name), None)
    if found is None:
        raise UsageError(f"{folder} has no style {name!r}", f"styles: {_known(manifest)}")
    _check_no_golden(manifest, name)
    _replace_manifest(folder, manifest, [s for s in manifest.styles if s.id != name])
    return found


def list_styles(folder: Path) -> tuple[StyleEntry, ...]:
    """The styles of a bundle, in the order of its manifest.

    Raises:
        InputError: the folder is no bundle.
    """
    return load_manifest(folder).styles


def read_code(path: Path, manifest: Manifest) -> tuple[Codes, bool]:
    """A code made for the bundle's checkpoint, and whether its file had a checksum to test.

    The file is a safetensors file that names the checkpoint.

    Raises:
        InputError: unreadable, altered, of another shape, type or checkpoint, or not finite.
    """
    remedy = "make it with `python -m models.styles refine` for this bundle's checkpoint"
    data = read_bytes(path)
    kind = kind_of(data)
    if kind != SAFETENSORS:
        raise InputError(f"{path} is {kind.words}, a safetensors file is needed", remedy)
    found = safetensors_file.read(data, str(path))
    made_for = found.metadata.get(CHECKPOINT_KEY)
    if made_for is None or made_for != manifest.source.checkpoint_sha256:
        raise InputError(f"{path} was made for another checkpoint than the bundle", remedy)
    wanted = {n: tuple(s) for n, s in manifest.network.code_shapes.items() if n != STRENGTH}
    shapes = {name: code.shape for name, code in found.tensors.items()}
    if shapes != wanted:
        raise InputError(f"{path} holds {shown(shapes)}, {wanted} is needed", remedy)
    codes = {
        name: safetensors_file.as_float32(code, f"{path}: the code {name}")
        for name, code in found.tensors.items()
    }
    check_finite(codes, str(path))
    return codes, found.checked


def _check_words(new: NewStyle) -> None:
    for what, text in (
        ("--title", new.title),
        ("--licence", new.licence),
        ("--source", new.source),
        *(("--caption", caption) for caption in new.captions),
    ):
        if visible(text) != text or len(text) > _LONGEST_TEXT:
            raise UsageError(
                f"{what} {shown(text)}: one line of UTF-8 text is needed, at most {_LONGEST_TEXT} "
                "letters",
                "leave out control characters and line feeds",
            )
    for what, word in (("--name", new.id), ("--category", new.category)):
        if not _ID.fullmatch(word) or len(word) > _LONGEST_ID:
            raise UsageError(
                f"{what} {shown(word)}: lower-case letters, digits, - and _ are needed, "
                f"{_LONGEST_ID} at most",
                f"use {style_id(Path(word))[:_LONGEST_ID]!r}",
            )


def _check_free(manifest: Manifest, old: StyleEntry | None, name: str, replace: bool) -> None:
    if old is None:
        return
    if not replace:
        raise UsageError(
            f"the bundle has a style {name!r}", "choose another --name, or give --replace"
        )
    _check_no_golden(manifest, name)


def _check_places(folder: Path, files: dict[str, bytes]) -> None:
    """Refuses to replace a file that no bundle lists, unless it is the very same one."""
    check_folders(folder)
    for name, data in files.items():
        path = folder / name
        if os.path.lexists(path) and not (path.is_file() and read_bytes(path) == data):
            raise InputError(
                f"{path} is not one of the bundle's files and would be replaced",
                "move it away, or choose another --name",
            )


def _check_no_golden(manifest: Manifest, name: str) -> None:
    if any(golden.style == name for golden in manifest.golden):
        raise UsageError(
            f"the bundle's golden pictures are made in the style {name!r}, so it must stay as it "
            "is",
            "choose another id, or build the bundle with other styles",
        )


def _check_unaltered(folder: Path, manifest: Manifest) -> None:
    seals = Seals.of_bundle(folder, manifest)
    for path in seals.sha256:
        seals.check(folder / path)


def middle(rgb: Rgb, strokes: float, picture: Path) -> Rgb:
    """The square in the middle whose strokes are so many times larger when it fills the encoder.

    Raises:
        UsageError: strokes outside [1, 4].
        InputError: too few pixels are left to show any.
    """
    if not 1.0 <= strokes <= MOST_STROKES:
        raise UsageError(
            f"--strokes {strokes} is outside 1..{MOST_STROKES:g}", "1 keeps those of the picture"
        )
    if strokes == 1.0:
        return rgb
    height, width = rgb.shape[:2]
    side = round(min(height, width) / strokes)
    if side < _LEAST_SIDE_PX:
        raise InputError(
            f"{picture} is {width}x{height} px: strokes {strokes:g} times larger leave {side} px",
            f"give a larger picture, or smaller strokes: {_LEAST_SIDE_PX} px are needed",
        )
    top, left = (height - side) // 2, (width - side) // 2
    return rgb[top : top + side, left : left + side]


def _encoded(engine: BundleEngine, artwork: Rgb) -> Codes:
    if not any(f.role == "style_encoder" for f in engine.manifest.files):
        raise InputError(
            f"{engine.folder} has no style encoder", "give --code FILE, or build it with one"
        )
    codes = engine.encode(artwork)
    check_finite(codes, "the style encoder's result")
    return codes


def _drawn(engine: BundleEngine, codes: Codes) -> tuple[Rgb, Rgb]:
    """The photograph of every thumbnail, and how the smallest tier draws it in the style."""
    side = min(THUMBNAIL_SIDE_PX, engine.tiers[0].max_side_px)
    photograph = center_square(load_set(load_recipe(None).verify.set)[0], side)
    return photograph, engine.stylize(photograph, codes)[0]


def _files(name: str, code: bytes, thumbnail: bytes, *, renamed: bool) -> dict[str, bytes]:
    """Code and thumbnail by path; a replaced style's get names that no old manifest holds."""
    mark = f".{sha256_bytes(code + thumbnail)[:8]}" if renamed else ""
    return {f"styles/{name}{mark}.f32": code, f"styles/{name}{mark}.png": thumbnail}


def _entry(new: NewStyle, files: dict[str, bytes]) -> StyleEntry:
    (path, code), (thumbnail, picture) = files.items()
    return StyleEntry(
        id=new.id,
        category=new.category,
        path=path,
        sha256=sha256_bytes(code),
        title=new.title,
        licence=new.licence,
        source=new.source,
        captions=new.captions,
        thumbnail=thumbnail,
        thumbnail_sha256=sha256_bytes(picture),
    )


def _replace_manifest(folder: Path, manifest: Manifest, styles: Sequence[StyleEntry]) -> None:
    """Writes the manifest with these styles, then deletes what it no longer lists.

    Raises:
        InputError: another process changed the manifest since it was read.
    """
    update: dict[str, Any] = {"styles": tuple(styles)}
    if manifest.notice is not None:
        update["notice"] = _write_notice(folder, manifest, manifest.notice, styles)
    changed = manifest.model_copy(update=update)
    data = Manifest.model_validate_json(changed.to_json(), strict=True).to_json()
    if load_manifest(folder) != manifest:
        raise InputError(f"{folder / MANIFEST_NAME} was changed meanwhile", "run it again")
    _keep_fresh(folder, manifest, changed, data)
    write_atomic(folder / MANIFEST_NAME, data)
    kept = changed.hashes()
    remove_made(
        folder, {path: digest for path, digest in manifest.hashes().items() if path not in kept}
    )


def _write_notice(
    folder: Path, manifest: Manifest, old: NoticeEntry, styles: Sequence[StyleEntry]
) -> NoticeEntry:
    """The notice of these styles, under the one of its two names that the manifest does not list.

    Raises:
        InputError: a file that no bundle lists is there.
    """
    text = notice_of(manifest.name, manifest.source, styles, old.checkpoint_licence)
    if sha256_bytes(text) == old.sha256:
        return old
    new = entry_of(text, old.checkpoint_licence, renamed=old.path == NOTICE_NAME)
    _check_places(folder, {new.path: text})
    write_atomic(folder / new.path, text)
    return new


def _keep_fresh(folder: Path, manifest: Manifest, changed: Manifest, data: bytes) -> None:
    """Tells the build's record, so that a further build of the same inputs keeps the style."""
    found = StageRecord.load(folder, "bundle")
    if found is None:
        return
    dropped = set(manifest.hashes()) - set(changed.hashes())
    added = {p: s for p, s in changed.hashes().items() if p not in manifest.hashes()}
    outputs = {p: s for p, s in found.outputs.items() if p not in dropped}
    StageRecord(
        found.stage, found.key, {**outputs, **added, MANIFEST_NAME: sha256_bytes(data)}
    ).save(folder)


def _known(manifest: Manifest) -> str:
    return ", ".join(s.id for s in manifest.styles)
