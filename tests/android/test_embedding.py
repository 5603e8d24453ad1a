"""What others take: three artifacts, neither runtime with the other, and README's lines as they
are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests import android_tools as tools

README = (tools.DEMO / "README.md").read_text(encoding="utf-8")
ARTIFACTS = ("core", "engine-litert", "engine-onnxruntime")
IMPORTS = """
import android.content.res.AssetManager
import java.io.Closeable
import java.io.File
import org.iastexport.core.*
import org.iastexport.engine.*
"""
STRICT = "-Xexplicit-api=strict"


def build(module: str) -> str:
    return (tools.DEMO / module / "build.gradle.kts").read_text(encoding="utf-8")


def test_the_lines_of_the_readme_compile_with_litert_alone(tmp_path: Path) -> None:
    (lines,) = re.findall(r"```kotlin\n(class .*?)```", README, re.DOTALL)
    assert len(lines.splitlines()) <= 16
    engine = tmp_path / "engine.jar"
    known = [tools.need(tools.ANDROID_23), *tools.libraries(), tools.core_23()]
    tools.compiled([tools.LITERT, tools.STUBS], engine, known, jdk=False)
    source = tmp_path / "Paintings.kt"
    source.write_text(IMPORTS + lines)
    tools.compiled([source], tmp_path / "lines.jar", [*known, engine], jdk=False)


def test_the_other_engine_compiles_without_litert(tmp_path: Path) -> None:
    known = [tools.need(tools.ANDROID_23), *tools.libraries(), tools.core_23()]
    tools.compiled([tools.ONNX], tmp_path / "a.jar", [*known, tools.ONNXRUNTIME], jdk=False)


@pytest.mark.parametrize("folder", [tools.CORE, tools.LITERT, tools.ONNX], ids=ARTIFACTS)
def test_what_is_public_is_said_to_be(folder: Path, tmp_path: Path) -> None:
    known = [tools.need(tools.ANDROID_23), *tools.libraries(), tools.ONNXRUNTIME]
    known += [tools.core_23()] if folder != tools.CORE else []
    sources = [folder, tools.STUBS] if folder == tools.LITERT else [folder]
    done = tools.kotlinc(sources, tmp_path / "a.jar", known, jdk=False, more=[STRICT])
    own = [line for line in done.stderr.splitlines() if str(folder) in line]
    assert not own, own


@pytest.mark.parametrize("module", ARTIFACTS)
def test_each_artifact_is_published_with_its_sources(module: str) -> None:
    text = build(module)
    assert "`maven-publish`" in text and "withSourcesJar()" in text
    assert f'artifactId = "{module}"' in text and 'name = "Apache-2.0"' in text
    assert "explicitApi()" in text or STRICT in text
    told = set(re.findall(r"(?:api|implementation)\(libs\.(\w+)\)", text))
    runtimes = {"litert", "onnxruntime"} & told
    assert runtimes == {module.removeprefix("engine-")} - {"core"}


def test_coordinates_and_least_androids_are_those_of_the_readme() -> None:
    settings = (tools.DEMO / "gradle.properties").read_text(encoding="utf-8")
    found = dict(re.findall(r"^(group|version)=(.+)$", settings, re.MULTILINE))
    catalog = tomllib.loads((tools.DEMO / "gradle/libs.versions.toml").read_text(encoding="utf-8"))
    least = {"litert": "minSdkLiteRt", "onnxruntime": "minSdkOnnxRuntime"}
    for runtime, name in least.items():
        line = next(
            line
            for line in README.splitlines()
            if f'"{found["group"]}:engine-{runtime}:{found["version"]}"' in line
        )
        assert line.endswith(f"minSdk {catalog['versions'][name]}")
        assert f"libs.versions.{name}.get()" in build(f"engine-{runtime}")


def test_the_tests_for_device_farms_compile(tmp_path: Path) -> None:
    known = [tools.need(tools.ANDROID_23), *tools.libraries(), tools.core_23(), tools.app_23()]
    sources = [
        tools.DEMO / "tools" / "stubs_test",
        tools.DEMO / "app" / "src" / "androidTest" / "kotlin",
        tools.DEMO / "macrobenchmark" / "src" / "main" / "kotlin",
    ]
    tools.compiled(sources, tmp_path / "a.jar", [*known, *tools.junit()], jdk=False)


def test_no_stub_is_part_of_the_gradle_build() -> None:
    included = (tools.DEMO / "settings.gradle.kts").read_text(encoding="utf-8")
    modules = re.findall(r'":([\w-]+)"', included)
    assert modules == [*ARTIFACTS, "app", "macrobenchmark"]
    for module in modules:
        assert "stubs" not in build(module)
        for path in (tools.DEMO / module).rglob("*.kt"):
            assert "STUBS" not in path.read_text(encoding="utf-8"), path
