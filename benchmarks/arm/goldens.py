"""A bundle's golden pictures as jobs for another processor, and what this one makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.arm.emulate import Job, Outputs
from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.bundle.shaped import load_shapes
from iast_export.bundle.styles import unpack
from iast_export.errors import InputError
from iast_export.families import FAMILIES
from iast_export.pictures.images import Rgb, load_image, padded_side_px
from iast_export.reports.manifest import GoldenEntry, Manifest
from iast_export.runtimes.litert import LiteRtSession
from iast_export.runtimes.session import Session, stylize_rgb
from iast_export.runtimes.target import TARGETS
from iast_export.specs import STRENGTH, Precision, Runtime, Tier, find_tiers

RUNTIMES: tuple[Runtime, ...] = ("litert", "onnxruntime")


@dataclass(frozen=True)
class Case:
    """A golden picture through one file.

    Attributes:
        tier: its id.
        precision: "int8" or "fp32".
        job: what another processor is asked to run.
        expected: this machine's outputs, as the file gives them.
        tolerance_levels: what the manifest allows another machine.
    """

    tier: str
    precision: Precision
    job: Job
    expected: Outputs
    tolerance_levels: int


@dataclass(frozen=True)
class Difference:
    """How far outputs are from those expected, in 8-bit levels."""

    identical: bool
    max_levels: int
    differing_share: float


def cases(
    bundle: Path,
    manifest: Manifest,
    folder: Path,
    tiers: Sequence[str] = (),
    precisions: Sequence[Precision] = ("int8",),
) -> list[Case]:
    """A case per golden picture, precision and runtime.

    Args:
        bundle: its folder.
        manifest: of the bundle.
        folder: where the inputs are written to.
        tiers: ids; empty: all.
        precisions: of the files.

    Raises:
        UsageError: the bundle has no such tier.
        InputError: a file of it can't be read.
    """
    known = {tier.id: tier for tier in find_tiers(manifest.depth_plan, tiers, "the bundle")}
    chosen = [golden for golden in manifest.golden if golden.tier in known]
    return [
        _case(bundle, manifest, golden, known[golden.tier], runtime, precision, folder)
        for golden in chosen
        for precision in precisions
        for runtime in RUNTIMES
    ]


def _case(
    bundle: Path,
    manifest: Manifest,
    golden: GoldenEntry,
    tier: Tier,
    runtime: Runtime,
    precision: Precision,
    folder: Path,
) -> Case:
    content, feeds = load_image(bundle / golden.content), _style(bundle, manifest, golden)
    multiple = manifest.preprocess.size_multiple_px
    family = FAMILIES[runtime]
    name = f"{tier.id}-{runtime}-{precision}"
    path = Layout(bundle, manifest.name).transfer(runtime, precision, tier)
    seals = Seals.of_bundle(bundle, manifest)
    data, takes = _for_picture(seals, path, tier, content, multiple)
    fixed_px = tier.shape_px if family.fixed_shape and not takes else None
    session = _Recorder(TARGETS[runtime].open(data, tier, where=path))
    free = multiple if fixed_px is None else None
    stylize_rgb(session, content, feeds, multiple_px=free, fixed_shape_px=fixed_px)
    model, given = folder / f"{name}{family.suffix}", folder / f"{name}.npz"
    model.write_bytes(data)
    np.savez(given, **session.feeds)
    signature = tier.signature if family.fixed_shape else ""
    job = Job(runtime, str(model), str(given), signature)
    return Case(tier.id, precision, job, session.outputs, golden.tolerance_levels[runtime])


def _for_picture(
    seals: Seals, path: Path, tier: Tier, content: Rgb, multiple_px: int | None
) -> tuple[bytes, bool]:
    """A file as an app opens it for a picture, and whether its table of shapes fitted it."""
    data = seals.read(path)
    shapes = load_shapes(seals, path, data)
    if multiple_px is None or shapes is None or shapes.find(tier.signature) is None:
        return data, False
    height_px, width_px = (padded_side_px(side, multiple_px) for side in content.shape[:2])
    return shapes.reshape(data, tier.signature, height_px, width_px), True


def _style(bundle: Path, manifest: Manifest, golden: GoldenEntry) -> dict[str, NDArray[np.float32]]:
    shapes = manifest.network.code_shapes
    style = next(entry for entry in manifest.styles if entry.id == golden.style)
    feeds = dict(unpack((bundle / style.path).read_bytes(), shapes, style.id))
    if STRENGTH in shapes:
        feeds[STRENGTH] = np.full(shapes[STRENGTH], golden.strength, np.float32)
    return feeds


class _Recorder:
    """A session that keeps what went in and came out, in the file's own layout and type."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.feeds: dict[str, Any] = {}
        self.outputs: Outputs = {}

    @property
    def input_names(self) -> tuple[str, ...]:
        return self._session.input_names

    @property
    def raw(self) -> Any:
        return self._session.raw

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        result = self._session.run(feeds)
        if isinstance(self._session, LiteRtSession):
            self.feeds = self._session.prepared(feeds)
            self.outputs = {k: v.copy() for k, v in self._session.invoke(self.feeds).items()}
        else:
            self.feeds, self.outputs = dict(feeds), dict(result)
        return result


def difference(found: Outputs, expected: Outputs) -> Difference:
    """How far a processor's outputs are from this machine's.

    Raises:
        InputError: they are not the same outputs.
    """
    if set(found) != set(expected):
        raise InputError(
            f"outputs {sorted(found)}, expected {sorted(expected)}", "run the same file on both"
        )
    identical = all(found[k].tobytes() == expected[k].tobytes() for k in expected)
    apart = np.concatenate(
        [np.abs(_levels(found[k]) - _levels(expected[k])).ravel() for k in expected]
    )
    return Difference(identical, int(apart.max()), float(np.mean(apart > 0)))


def _levels(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if not np.isfinite(values).all():
        raise InputError(
            "the result holds NaN or infinity", "look at the file with `iast-export inspect`"
        )
    levels: NDArray[np.int64] = np.floor(np.clip(values, 0, 1) * 255 + 0.5).astype(np.int64)
    return levels
