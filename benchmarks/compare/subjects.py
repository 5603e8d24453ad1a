"""What is compared on: FP32 networks for both runtimes, with the same pictures for every tool."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iast_export.build.request import Build, Request
from iast_export.bundle.styles import Style, feeds_of
from iast_export.environment import versions
from iast_export.files.artifacts import sha256_bytes, sha256_file
from iast_export.lanes.lane import Feeds
from iast_export.network.adapters import PACKAGED, load_network
from iast_export.pictures.images import Rgb, center_square
from iast_export.quantize.calibrate import pairs_at, tier_feeds
from iast_export.recipe import Recipe
from iast_export.specs import Runtime, Tier

ADAIN = "benchmarks.fixtures.adain:factory"
FAST_NEURAL_STYLE = "benchmarks.compare.fast_neural_style:factory"


@dataclass(frozen=True)
class Source:
    """A network to compare on.

    Attributes:
        name: as the table calls it.
        network: `module:factory`.
        tier: depth and side.
        checkpoint: None: the factory's own.
    """

    name: str
    network: str
    tier: Tier
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Picture:
    """A photograph to judge on, its style inputs and, where there is an artwork, its statistics."""

    content: Rgb
    feeds: Feeds
    statistics: np.ndarray | None


@dataclass(frozen=True)
class Subject:
    """A network in FP32, and the pictures that all tools calibrate and are judged on.

    Attributes:
        name: as the table calls it.
        tier: depth and side.
        files: FP32 per runtime.
        calibration: folder of .npz files, one per pair, NCHW.
        pictures: to judge on; none of them calibrates.
    """

    name: str
    tier: Tier
    files: dict[Runtime, Path]
    calibration: Path
    pictures: Sequence[Picture]


def sources(data: Path, side_px: int) -> list[Source]:
    """The packaged IAST, the AdaIN fixture and, with its weights, a fast-neural-style network."""
    weights = data / "weights" / "fast_neural_style" / "candy.npz"
    found = [
        Source("IAST", PACKAGED, Tier(4, side_px)),
        Source("AdaIN fixture", ADAIN, Tier(1, side_px)),
    ]
    if weights.is_file():
        found.append(Source("fast-neural-style", FAST_NEURAL_STYLE, Tier(1, side_px), weights))
    return found


def prepare(source: Source, recipe: Recipe, folder: Path, say: Callable[[str], None]) -> Subject:
    """Exports and converts the network in FP32 and lays out calibration pictures; kept.

    Raises:
        InputError: its weights or pictures are missing.
        ToolError: it can't be exported or converted.
    """
    from iast_export.build.convert import convert_fp32
    from iast_export.build.export import export_tier

    build = Build(Request(folder, recipe, network=source.network, checkpoint=source.checkpoint))
    root = folder / f"{source.name.lower().replace(' ', '-')}-{_key(build, source)}"
    files: dict[Runtime, Path] = {"onnxruntime": root / "fp32.onnx", "litert": root / "fp32.tflite"}
    network, tier = load_network(source.network, source.checkpoint), source.tier
    if not (root / "done").is_file():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        say(f"{source.name}: export")
        export_tier(network, tier, files["onnxruntime"])
        say(f"{source.name}: convert")
        convert_fp32(network, [tier], files["litert"])
        write_calibration(build, tier, root / "calibration")
        (root / "done").touch()
    return Subject(source.name, tier, files, root / "calibration", _pictures(build, tier))


def _key(build: Build, source: Source) -> str:
    """What decides the FP32 files and the calibration pictures."""
    parts = [
        build.network_sha256,
        source.tier.id,
        build.recipe.sha256,
        build.calibration_set.sha256,
    ]
    files = [
        *Path(__file__).resolve().parents[2].joinpath("iast_export").rglob("*.py"),
        Path(__file__),
    ]
    return sha256_bytes(
        "".join([*parts, *sorted(map(sha256_file, files)), str(versions())]).encode()
    )[:12]


def codes_of(build: Build, *, held_out: bool) -> list[tuple[Feeds, Style | None]]:
    """Style inputs for calibration or for judging; one empty entry for a one-style network."""
    shapes = build.network.code_shapes
    if not shapes:
        return [({}, None)]
    return [
        (feeds_of(style, shapes), style) for style in build.styles if style.held_out is held_out
    ]


def write_calibration(build: Build, tier: Tier, folder: Path) -> None:
    """The product's own pairs for a tier, padded to its square, which every runtime takes."""
    folder.mkdir()
    codes = [feeds for feeds, _ in codes_of(build, held_out=False)]
    pairs = pairs_at(tier, build.recipe.calibration.max_pairs)
    for i, feed in enumerate(tier_feeds(tier, build.calibration_set, codes, pairs, None)):
        np.savez(folder / f"{i:03d}.npz", allow_pickle=False, **feed)


def _pictures(build: Build, tier: Tier) -> list[Picture]:
    styles = codes_of(build, held_out=True)
    pictures = []
    for i, (_, rgb) in enumerate(build.evaluation_pictures()):
        feeds, style = styles[i % len(styles)]
        statistics = style.statistics if style else None
        pictures.append(Picture(center_square(rgb, tier.max_side_px), feeds, statistics))
    return pictures
