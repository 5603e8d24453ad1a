"""What a run judges: which photographs, which styles, which lanes, and which shard a pair is of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iast_export.environment import versions
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import json_bytes, read_bytes, sha256_bytes
from iast_export.lanes.opened import OpenBundle
from iast_export.pictures.imagesets import SetImage, load_set, shown
from iast_export.reports.evaluation import EvaluationPlan, PictureFacts, PlannedLane
from iast_export.specs import REFERENCE, find_tiers, style_codes_of

# A file of such a name is meant to be a picture: where it is none, that is a failure of the run.
_PICTURE_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".jxl", ".pbm", ".pgm", ".png"),
    *(".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)


@dataclass(frozen=True)
class StyleSource:
    """Where a style comes from: a picture that is encoded, or a ready-made style of the bundle."""

    id: str
    picture: SetImage | None = None


@dataclass(frozen=True)
class Shard:
    """One of `count` parts of a run, counted from 1."""

    number: int = 1
    count: int = 1

    @property
    def name(self) -> str:
        """For example `2-of-7`."""
        return f"{self.number}-of-{self.count}"

    def holds(self, content: PictureFacts, style: PictureFacts) -> bool:
        """Whether a pair is this shard's, by the hash of what both are called and hold."""
        pair = {"pair": [content.id, content.sha256, style.id, style.sha256]}
        return int(sha256_bytes(json_bytes(pair))[:16], 16) % self.count == self.number - 1


@dataclass(frozen=True)
class Run:
    """A plan, and where its pictures lie on this machine.

    Attributes:
        folder: of the bundle.
        contents: in the plan's order, as are `styles`.
    """

    plan: EvaluationPlan
    folder: Path
    contents: tuple[SetImage, ...]
    styles: tuple[StyleSource, ...]


def parse_shard(text: str) -> Shard:
    """A shard as a user writes it, such as `2/7`.

    Raises:
        UsageError: not two numbers, or not a part of the whole.
    """
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return Shard(int(number), int(count))
    raise UsageError(f"{text!r} is no shard", "write which of how many, such as 2/7")


def plan_run(
    folder: Path,
    contents: str,
    styles: str | None,
    tiers: Sequence[str] = (),
    own_shape: bool = False,
) -> Run:
    """What is judged of a bundle.

    Args:
        folder: of the bundle.
        contents: set, set file or folder of photographs.
        styles: the same of artworks; None: the bundle's own styles.
        tiers: ids; none: all.
        own_shape: whether photographs keep their shape.

    Raises:
        InputError: no bundle, an altered model, no picture, or pictures of one name.
        UsageError: no such tier, photographs that calibrated the bundle, or styles that it can't
            take or judge.
    """
    opened = OpenBundle.of(folder)
    chosen = {tier.id for tier in find_tiers(opened.manifest.depth_plan, tiers, "the bundle")}
    photographs, others = _pictures(contents)
    found = load_set(contents)
    opened.check_judged_apart(found.sha256, found.name, "--contents SET")
    artworks, more = ([], {}) if styles is None else _pictures(styles)
    if styles is None:
        sources, facts = _own_styles(opened)
    else:
        _check_takes_styles(opened)
        sources = [StyleSource(one.id, one) for one, _ in artworks]
        facts = [fact for _, fact in artworks]
    plan = EvaluationPlan(
        bundle=opened.side,
        lanes=_lanes(opened, chosen),
        contents=tuple(fact for _, fact in photographs),
        styles=tuple(facts),
        own_shape=own_shape,
        left_out={**others, **more},
        versions=versions(),
    )
    images = tuple(image for image, _ in photographs)
    return Run(plan, folder.absolute(), images, tuple(sources))


def pairs_of(plan: EvaluationPlan, shard: Shard) -> Iterator[tuple[int, list[int]]]:
    """The places of a shard's pairs: each style's, with those of its photographs."""
    for place, style in enumerate(plan.styles):
        held = [i for i, content in enumerate(plan.contents) if shard.holds(content, style)]
        if held:
            yield place, held


def _lanes(opened: OpenBundle, tiers: set[str]) -> tuple[PlannedLane, ...]:
    lanes, order = opened.manifest.lanes(), list(opened.tiers)
    found = [
        PlannedLane(
            runtime=key[0],
            precision=key[1],
            tier=key[2],
            sha256=entry.sha256,
            reference_sha256=lanes[(*REFERENCE, key[2])].sha256,
        )
        for key, entry in lanes.items()
        if key[2] in tiers and key[:2] != REFERENCE
    ]
    found.sort(key=lambda lane: order.index(lane.tier))
    if not found:
        raise InputError(
            f"{opened.folder} has no lane beside {' '.join(REFERENCE)}", "build the bundle again"
        )
    return tuple(found)


def _own_styles(opened: OpenBundle) -> tuple[list[StyleSource], list[PictureFacts]]:
    """The bundle's styles, each with the thumbnail by which it is judged."""
    entries = opened.manifest.styles
    bare = [entry.id for entry in entries if entry.thumbnail is None]
    if not entries or bare:
        what = f"no picture of the style {bare[0]}" if bare else "no style"
        raise UsageError(
            f"{opened.folder} has {what} to judge by", "give --styles FOLDER with artworks"
        )
    facts = [
        PictureFacts(id=e.id, sha256=sha256_bytes(f"{e.sha256}{e.thumbnail_sha256}".encode()))
        for e in entries
    ]
    return [StyleSource(entry.id) for entry in entries], facts


def _check_takes_styles(opened: OpenBundle) -> None:
    encodes = any(file.role == "style_encoder" for file in opened.manifest.files)
    if not encodes or not style_codes_of(opened.manifest.network.code_shapes):
        raise UsageError(
            f"{opened.folder} has no style encoder, and takes no other styles than its own",
            "leave --styles out",
        )


Picture = tuple[SetImage, PictureFacts]


def _pictures(spec: str) -> tuple[list[Picture], dict[str, str]]:
    """The pictures of a set, with those that only their names say are ones; and what is left."""
    found = load_set(spec)
    pictures = [(one, PictureFacts(id=one.id, sha256=_hash_of(one))) for one in found.entries]
    left = dict(found.skipped)
    for path in sorted(Path(spec).iterdir()) if left else ():
        name = shown(path.name)
        if name in left and path.is_file() and path.suffix.lower() in _PICTURE_SUFFIXES:
            pictures.append(_unreadable(path, name, left.pop(name)))
    ids = [fact.id for _, fact in pictures]
    twice = sorted({one for one in ids if ids.count(one) > 1}) if len(set(ids)) < len(ids) else []
    if twice:
        raise InputError(f"{spec} has two pictures of the name {twice[0]!r}", "rename one")
    return sorted(pictures, key=lambda one: one[1].id), left


def _hash_of(image: SetImage) -> str:
    """Of the file, and of the crop where there is one."""
    if image.crop is None:
        return image.sha256
    return sha256_bytes(json_bytes({"file": image.sha256, "crop": image.crop}))


def _unreadable(path: Path, name: str, reason: str) -> Picture:
    try:
        sha256 = sha256_bytes(read_bytes(path))
    except InputError:
        sha256 = sha256_bytes(b"")
    image = SetImage(name, shown(str(path)), path, sha256, licence="", source="")
    return image, PictureFacts(id=name, sha256=sha256, unreadable=reason)
