"""The Android core: compiled, JUnit-tested, and equal to Python around the real models, to the level."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from iast_export.images import Rgb, load_image, save_png, to_tensor
from iast_export.imagesets import picture_path
from iast_export.reports import load_manifest
from iast_export.runtimes import pad_to
from iast_export.specs import CONTENT, STRENGTH, STYLIZED, Tier, select_tier
from iast_export.stylize import BundleEngine, Oversize
from iast_export.tiling import run_tiled
from tests import android_tools as tools

Core = Callable[..., str]
TESTS = tools.DEMO / "core" / "src" / "test" / "kotlin"


@pytest.fixture(scope="session")
def core_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core and its tests, compiled as on a desktop JVM."""
    jar = tmp_path_factory.mktemp("core") / "core.jar"
    classpath = [*tools.libraries(), *tools.junit()]
    return tools.compiled([tools.CORE, TESTS], jar, classpath, jdk=True)


@pytest.fixture(scope="session")
def core(core_jar: Path) -> Core:
    """Runs the core's command line; the lines it printed. Refuses another exit code than `code`."""

    def run(*arguments: object, code: int = 0) -> str:
        done = tools.java([core_jar, *tools.libraries()], "org.iastexport.core.MainKt", *map(str, arguments))
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout + done.stderr

    return run


def read_ppm(path: Path) -> Rgb:
    return cv2.imread(str(path))[:, :, ::-1]


def write_ppm(path: Path, rgb: Rgb) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), rgb[:, :, ::-1])
    return path


def test_the_junit_tests_pass_and_are_not_none(core_jar: Path) -> None:
    classes = sorted(f"org.iastexport.core.{path.stem}" for path in TESTS.rglob("*Test.kt"))
    classpath = [core_jar, *tools.libraries(), *tools.junit()]
    data = tools.ROOT / "tests" / "testdata"
    done = tools.java(classpath, f"-Dtestdata={data}", "org.junit.runner.JUnitCore", *classes)
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"OK \((\d+) tests\)", done.stdout)
    written = sum(path.read_text(encoding="utf-8").count("@Test") for path in TESTS.rglob("*Test.kt"))
    assert passed and int(passed.group(1)) == written >= 30


def test_the_core_needs_nothing_that_api_23_lacks(tmp_path: Path) -> None:
    classpath = [tools.need(tools.ANDROID_23), *tools.libraries()]
    assert tools.core_23().stat().st_size > 100_000
    source = tmp_path / "Young.kt"
    source.write_text('fun young() = java.nio.file.Paths.get("x")\n')
    refused = tools.kotlinc([source], tmp_path / "young.jar", classpath, jdk=False)
    assert refused.returncode != 0 and "unresolved reference" in refused.stderr
    assert not re.search(r"^import (android|java\.nio\.file)", _text(tools.CORE), re.MULTILINE)


def _text(folder: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.kt")))


def _run_model(
    engine: BundleEngine, tier: Tier, folder: Path, padded: tuple[int, int], codes: object
) -> None:
    """The real runtime between the core's two halves: FOLDER/in.f32 to FOLDER/out.f32, in its own layout."""
    flat = np.fromfile(folder / "in.f32", "<f4")
    height, width = padded
    last = engine.runtime == "litert"
    image = (
        flat.reshape(1, height, width, 3).transpose(0, 3, 1, 2) if last else flat.reshape(1, 3, height, width)
    )
    feeds = {CONTENT: np.ascontiguousarray(image), STRENGTH: np.ones((1, 1), np.float32), **codes}  # type: ignore[dict-item]
    result = engine.session(tier).run(feeds)[STYLIZED]
    (result.transpose(0, 2, 3, 1) if last else result).astype("<f4").tofile(folder / "out.f32")


def _through_core(
    core: Core, engine: BundleEngine, picture: Path, codes: object, tier: Tier, folder: Path
) -> Rgb:
    """A picture through the core's pre-processing, the real model and the core's post-processing."""
    rgb = read_ppm(picture)
    size = core("prepare", engine.folder, engine.runtime, tier.id, picture, folder / "in.f32").split()
    _run_model(engine, tier, folder, (int(size[0]), int(size[1])), codes)
    end = (rgb.shape[1], rgb.shape[0], folder / "out.f32", folder / "out.ppm")
    core("finish", engine.folder, engine.runtime, tier.id, *end)
    return read_ppm(folder / "out.ppm")


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_kotlin_around_the_real_int8_model_equals_python(
    small_bundle: Path, core: Core, tmp_path: Path, runtime: str
) -> None:
    engine = BundleEngine(small_bundle, runtime, "int8")  # type: ignore[arg-type]
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    photograph = load_image(picture_path("skimage:astronaut.png"))
    for crop in (photograph[40:72, 200:232], photograph[40:57, 200:261]):
        picture = write_ppm(tmp_path / "photo.ppm", crop)
        wanted, tier = engine.stylize(np.ascontiguousarray(crop), codes)
        assert core("select", small_bundle, crop.shape[1], crop.shape[0]).strip() == tier.id
        made = _through_core(core, engine, picture, codes, tier, tmp_path)
        assert np.array_equal(made, wanted)


@pytest.mark.parametrize("oversize", ["scale_down", "tile"])
def test_a_large_photograph_equals_python_too(
    small_bundle: Path, core: Core, tmp_path: Path, oversize: Oversize
) -> None:
    engine = BundleEngine(small_bundle, "litert", "int8")
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    photograph = load_image(picture_path("skimage:chelsea.png"))[60:180, 100:230]
    wanted, tier = engine.stylize(photograph, codes, 1.0, oversize)
    picture = write_ppm(tmp_path / "photo.ppm", photograph)
    if oversize == "scale_down":
        core("fit", picture, tier.max_side_px, tmp_path / "small.ppm")
        made = _through_core(core, engine, tmp_path / "small.ppm", codes, tier, tmp_path)
    else:
        (tmp_path / "tiles").mkdir()
        count = int(core("tiles", small_bundle, tier.id, picture, tmp_path / "tiles"))
        for i in range(count):
            tile = read_ppm(tmp_path / "tiles" / f"{i}.ppm")
            write_ppm(tmp_path / "tiles" / f"{i}.ppm", engine.stylize(np.ascontiguousarray(tile), codes)[0])
        core("blend", small_bundle, tier.id, picture, tmp_path / "tiles", tmp_path / "out.ppm")
        made = read_ppm(tmp_path / "out.ppm")
        assert count == run_tiled(photograph, tier.max_side_px, 4, lambda tile: tile)[1] > 1
    assert np.array_equal(made, wanted)


def test_the_self_test_passes_on_real_results_and_fails_on_altered_ones(
    small_bundle: Path, core: Core, tmp_path: Path
) -> None:
    manifest = load_manifest(small_bundle)
    tiers = [Tier(t.depth, t.max_side_px) for t in manifest.tiers]
    for golden in manifest.golden:
        content = load_image(small_bundle / golden.content)
        tier = select_tier(tiers, content.shape[1], content.shape[0])
        for lane in golden.outputs:
            runtime, precision = lane.split("-")
            engine = BundleEngine(small_bundle, runtime, precision)  # type: ignore[arg-type]
            _, codes = engine.style_codes(golden.style)
            feeds = {CONTENT: _padded(content, runtime, tier), STRENGTH: np.ones((1, 1), np.float32), **codes}
            result = engine.session(tier).run(feeds)[STYLIZED]
            values = result.transpose(0, 2, 3, 1) if runtime == "litert" else result
            values.astype("<f4").tofile(tmp_path / f"{tier.id}-{lane}.f32")
    report = json.loads(core("selftest", small_bundle, tmp_path))
    assert len(report["selftest"]) == 4 * len(manifest.golden) == 8
    assert {row["status"] for row in report["selftest"]} == {"pass"}
    altered = next(tmp_path.glob("*litert-int8.f32"))
    (np.fromfile(altered, "<f4") + np.float32(0.1)).tofile(altered)
    report = json.loads(core("selftest", small_bundle, tmp_path, code=5))
    assert [row["status"] for row in report["selftest"]].count("fail") == 1


def _padded(content: Rgb, runtime: str, tier: Tier) -> np.ndarray:
    height, width = tier.shape_px if runtime == "litert" else (-(-s // 4) * 4 for s in content.shape[:2])
    return to_tensor(pad_to(content, height, width))


def test_the_core_reads_goldens_and_squares_like_python(
    small_bundle: Path, core: Core, tmp_path: Path
) -> None:
    golden = small_bundle / load_manifest(small_bundle).golden[0].content
    core("read", golden, tmp_path / "golden.ppm")
    assert np.array_equal(read_ppm(tmp_path / "golden.ppm"), load_image(golden))


@pytest.mark.parametrize("kind", ["model", "style", "golden", "thumbnail", "missing", "path", "schema"])
def test_a_tampered_bundle_is_refused(bundle_copy: Path, core: Core, tmp_path: Path, kind: str) -> None:
    manifest = load_manifest(bundle_copy)
    path = bundle_copy / {
        "style": manifest.styles[0].path,
        "golden": next(iter(manifest.golden[0].outputs.values())),
        "thumbnail": str(manifest.styles[0].thumbnail),
    }.get(kind, manifest.files[0].path)
    listing = bundle_copy / "manifest.json"
    words = "was altered"
    if kind == "missing":
        path.unlink()
        words = "is missing"
    elif kind == "path":
        outside = shutil.copy(path, bundle_copy.parent / "outside.onnx")
        listing.write_text(listing.read_text().replace(manifest.files[0].path, f"../{Path(outside).name}"))
        words = "leaves the bundle"
    elif kind == "schema":
        listing.write_text(listing.read_text().replace('"schema_version": 1', '"schema_version": 2'))
        words = "update the app"
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert words in core("verify", bundle_copy, code=3)
    assert words.split()[-1] in core("install", bundle_copy, tmp_path / "installed", code=3)
    assert not list((tmp_path / "installed").rglob("manifest.json"))


def test_an_untouched_bundle_is_installed_whole(small_bundle: Path, core: Core, tmp_path: Path) -> None:
    folder = Path(core("install", small_bundle, tmp_path / "installed").strip())
    assert set(load_manifest(folder).hashes()) == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {"manifest.json"}


def test_usage_is_said_with_its_exit_code(core: Core, tmp_path: Path) -> None:
    assert "Exit codes" in core("prepare", "too", "few", code=2)
    save_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert "manifest.json is missing" in core("verify", tmp_path, code=3)
