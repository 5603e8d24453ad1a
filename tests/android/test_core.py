"""The Android core: compiled, JUnit-tested, and equal to Python around the real models, to the
level."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from iast_export.pictures.images import Rgb, load_image, pad_to, padded_side_px, save_png, to_tensor
from iast_export.pictures.imagesets import picture_path
from iast_export.pictures.tiling import run_tiled
from iast_export.reports.manifest import load_manifest
from iast_export.specs import CONTENT, STRENGTH, STYLIZED, Runtime, Tier, select_tier
from iast_export.stylize.engine import BundleEngine
from tests import android_tools as tools
from tests.android_core import (
    TESTS,
    core,
    core_jar,
    read_ppm,
    through_core,
    tiled_through_core,
    write_ppm,
)


def test_the_junit_tests_pass_and_are_not_none() -> None:
    classes = sorted(f"org.iastexport.core.{path.stem}" for path in TESTS.rglob("*Test.kt"))
    classpath = [core_jar(), *tools.libraries(), *tools.junit()]
    data = tools.ROOT / "tests" / "testdata"
    done = tools.java(classpath, f"-Dtestdata={data}", "org.junit.runner.JUnitCore", *classes)
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"OK \((\d+) tests\)", done.stdout)
    written = sum(
        path.read_text(encoding="utf-8").count("@Test") for path in TESTS.rglob("*Test.kt")
    )
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


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_kotlin_around_the_real_int8_model_equals_python(
    small_bundle: Path, tmp_path: Path, runtime: Runtime
) -> None:
    engine = BundleEngine(small_bundle, runtime, "int8")
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    photograph = load_image(picture_path("skimage:astronaut.png"))
    for crop in (
        photograph[40:72, 200:232],
        photograph[40:57, 200:261],
        photograph[40:45, 200:209],
    ):
        picture = write_ppm(tmp_path / "photo.ppm", crop)
        wanted, tier = engine.stylize(np.ascontiguousarray(crop), codes, 0.5)
        assert core("select", small_bundle, crop.shape[1], crop.shape[0]).strip() == tier.id
        assert np.array_equal(
            read_ppm(through_core(engine, [picture], codes, tier, 0.5)[0]), wanted
        )


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_a_picture_of_many_tiles_equals_python_too(
    small_bundle: Path, tmp_path: Path, runtime: Runtime
) -> None:
    engine = BundleEngine(small_bundle, runtime, "int8")
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    photograph = load_image(picture_path("skimage:chelsea.png"))[60:180, 100:230]
    wanted, tier = engine.stylize(photograph, codes, 1.0, "tile")
    made, count = tiled_through_core(
        engine, write_ppm(tmp_path / "photo.ppm", photograph), codes, tier
    )
    assert count == run_tiled(photograph, tier.max_side_px, 4, lambda tile: tile)[1] > 4
    assert np.array_equal(read_ppm(made), wanted)


def test_the_self_test_passes_on_real_results_and_fails_on_altered_ones(
    small_bundle: Path, tmp_path: Path
) -> None:
    manifest = load_manifest(small_bundle)
    tiers = [Tier(t.depth, t.max_side_px) for t in manifest.tiers]
    for golden in manifest.golden:
        content = load_image(small_bundle / golden.content)
        tier = select_tier(tiers, content.shape[1], content.shape[0])
        for lane in golden.outputs:
            runtime, precision = lane.split("-")
            engine = BundleEngine(small_bundle, runtime, precision)
            _, codes = engine.style_codes(golden.style)
            feeds = {
                CONTENT: _padded(content),
                STRENGTH: np.ones((1, 1), np.float32),
                **codes,
            }
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


def _padded(content: Rgb) -> np.ndarray:
    return to_tensor(pad_to(content, *(padded_side_px(side, 4) for side in content.shape[:2])))


def test_the_core_reads_goldens_and_squares_like_python(small_bundle: Path, tmp_path: Path) -> None:
    golden = small_bundle / load_manifest(small_bundle).golden[0].content
    core("read", golden, tmp_path / "golden.ppm")
    assert np.array_equal(read_ppm(tmp_path / "golden.ppm"), load_image(golden))


@pytest.mark.parametrize(
    "kind", ["model", "style", "golden", "thumbnail", "missing", "path", "schema"]
)
def test_a_tampered_bundle_is_refused(bundle_copy: Path, tmp_path: Path, kind: str) -> None:
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
        listing.write_text(
            listing.read_text().replace(manifest.files[0].path, f"../{Path(outside).name}")
        )
        words = "leaves the bundle"
    elif kind == "schema":
        listing.write_text(
            listing.read_text().replace('"schema_version": 1', '"schema_version": 2')
        )
        words = "update the app"
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert words in core("verify", bundle_copy, code=3)
    assert words.split()[-1] in core("install", bundle_copy, tmp_path / "installed", code=3)
    assert not list((tmp_path / "installed").rglob("manifest.json"))


def test_an_untouched_bundle_is_installed_whole(small_bundle: Path, tmp_path: Path) -> None:
    folder = Path(core("install", small_bundle, tmp_path / "installed").strip())
    assert set(load_manifest(folder).hashes()) == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    } - {"manifest.json"}


def test_usage_is_said_with_its_exit_code(tmp_path: Path) -> None:
    assert "Exit codes" in core("prepare", "too", "few", code=2)
    save_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    assert "manifest.json is missing" in core("verify", tmp_path, code=3)
