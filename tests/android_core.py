"""The Kotlin core on a desktop JVM, and pictures through it around models that the Python runtimes
run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.pictures.images import Rgb
from iast_export.specs import CONTENT, STRENGTH, STYLIZED, Tier
from iast_export.stylize.engine import BundleEngine
from tests import android_tools as tools

SOURCES = tools.CORE
TESTS = tools.DEMO / "core" / "src" / "test" / "kotlin"
Codes = Mapping[str, NDArray[np.float32]]


def core_jar() -> Path:
    """The core and its tests, compiled as on a desktop JVM."""
    classpath = [*tools.libraries(), *tools.junit()]
    return tools.compiled_once("core-tests.jar", [SOURCES, TESTS], classpath, jdk=True)


def core(*arguments: object, code: int = 0) -> str:
    """What the core's command line printed. Refuses another exit code than `code`."""
    done = tools.java(
        [core_jar(), *tools.libraries()], "org.iastexport.core.MainKt", *map(str, arguments)
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + done.stderr


def batch(folder: Path, commands: Sequence[Sequence[object]]) -> list[str]:
    """Lines printed by several commands, in one JVM."""
    file = folder / "commands.txt"
    file.write_text(
        "".join("\t".join(map(str, command)) + "\n" for command in commands), encoding="utf-8"
    )
    return core("batch", file).splitlines()


def read_ppm(path: Path) -> Rgb:
    return cv2.imread(str(path))[:, :, ::-1]


def write_ppm(path: Path, rgb: Rgb) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(rgb[:, :, ::-1]))
    return path


def through_core(
    engine: BundleEngine, pictures: Sequence[Path], codes: Codes, tier: Tier, strength: float = 1.0
) -> list[Path]:
    """Pictures (PPM) through the core's pre-processing, the real model, and the core's
    post-processing."""
    where = engine.folder, engine.target.family.runtime, tier.id
    sizes = batch(
        pictures[0].parent,
        [("prepare", *where, picture, picture.with_suffix(".in")) for picture in pictures],
    )
    ends = []
    for picture, size in zip(pictures, sizes, strict=True):
        height, width = map(int, size.split())
        _run_model(
            engine, tier, picture, (height, width), {**codes, STRENGTH: np.full((1, 1), strength)}
        )
        rgb, made = read_ppm(picture), picture.with_suffix(".made.ppm")
        ends.append(
            ("finish", *where, rgb.shape[1], rgb.shape[0], picture.with_suffix(".out"), made),
        )
    batch(pictures[0].parent, ends)
    return [Path(str(end[-1])) for end in ends]


def _run_model(
    engine: BundleEngine, tier: Tier, picture: Path, size: tuple[int, int], codes: Codes
) -> None:
    """The real runtime between the core's two halves: from .in to .out, in the runtime's own
    layout."""
    values = np.fromfile(picture.with_suffix(".in"), "<f4")
    last = engine.target.family.runtime == "litert"
    image = (
        values.reshape(1, *size, 3).transpose(0, 3, 1, 2) if last else values.reshape(1, 3, *size)
    )
    feeds = {
        name: np.ascontiguousarray(value, np.float32)
        for name, value in {CONTENT: image, **codes}.items()
    }
    result = engine.session(tier).run(feeds)[STYLIZED]
    (result.transpose(0, 2, 3, 1) if last else result).astype("<f4").tofile(
        picture.with_suffix(".out")
    )


def tiled_through_core(
    engine: BundleEngine, picture: Path, codes: Codes, tier: Tier, strength: float = 1.0
) -> tuple[Path, int]:
    """A picture cut, stylized and blended by the core; with it the number of tiles."""
    folder, made = picture.parent / f"{picture.stem}-tiles", picture.with_suffix(".made.ppm")
    folder.mkdir()
    count = int(core("tiles", engine.folder, tier.id, picture, folder))
    tiles = [folder / f"{i}.ppm" for i in range(count)]
    for tile, done in zip(tiles, through_core(engine, tiles, codes, tier, strength), strict=True):
        done.replace(tile)
    core("blend", engine.folder, tier.id, picture, folder, made)
    return made, count
