"""The Android app and engines: compiled against real APIs, resources linked, build files
coherent."""

from __future__ import annotations

import base64
import html
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import get_args

import pytest
import tree_sitter
import tree_sitter_kotlin

from iast_export.device import adb
from iast_export.device.adb import RunKind
from iast_export.reports.manifest import load_manifest
from tests import android_tools as tools

LAYOUTS = sorted(tools.RES.glob("layout*/*.xml"))
STRINGS = tools.RES / "values" / "strings.xml"
GRADLE = sorted(path for path in tools.DEMO.rglob("*.gradle.kts") if ".tools" not in path.parts)


def kotlin_text(folder: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.kt")))


def test_core_engine_and_app_compile_against_android_23_and_the_real_onnxruntime() -> None:
    assert tools.linked().joinpath("out.apk").stat().st_size > 1000
    assert tools.app_23().stat().st_size > 50_000


def test_a_wrong_call_of_onnxruntime_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "Wrong.kt"
    source.write_text("fun wrong(s: ai.onnxruntime.OrtSession) = s.execute()\n")
    classpath = [tools.need(tools.ANDROID_23), *tools.libraries(), tools.need(tools.ONNXRUNTIME)]
    refused = tools.kotlinc([source], tmp_path / "wrong.jar", classpath, jdk=False)
    assert refused.returncode != 0 and "execute" in refused.stderr


def test_a_resource_that_is_not_there_is_refused(tmp_path: Path) -> None:
    layout = tmp_path / "res" / "layout"
    layout.mkdir(parents=True)
    android = 'xmlns:android="http://schemas.android.com/apk/res/android"'
    sizes = 'android:layout_width="1dp" android:layout_height="1dp"'
    (layout / "bad.xml").write_text(
        f'<TextView {android} {sizes} android:text="@string/nothing" />'
    )
    manifest = f'<manifest {android} package="a.b"><application /></manifest>'
    done = tools.link(tmp_path, tmp_path / "res", manifest)
    assert done.returncode != 0 and "nothing" in done.stderr


def _names(path: Path) -> dict[str, str]:
    return {str(item.get("name")): item.text or "" for item in ET.parse(path).getroot()}


def test_every_string_is_used_and_translated_with_the_same_arguments() -> None:
    english = _names(STRINGS)
    used = set(re.findall(r"R\.string\.(\w+)", kotlin_text(tools.APP)))
    for path in [*LAYOUTS, tools.MANIFEST]:
        used |= set(re.findall(r"@string/(\w+)", path.read_text(encoding="utf-8")))
    assert used == set(english)
    for path in tools.RES.glob("values-*/strings.xml"):
        other = _names(path)
        assert set(other) == set(english)
        for name, text in english.items():
            pattern = r"%\d\$[^a-z]*[a-z]"
            assert sorted(re.findall(pattern, text)) == sorted(re.findall(pattern, other[name])), (
                name
            )


def test_every_view_that_code_asks_for_is_in_a_layout() -> None:
    """Whichever way the phone is held: a screen laid out twice has the same views in both."""
    views = {p: set(re.findall(r"@\+id/(\w+)", p.read_text(encoding="utf-8"))) for p in LAYOUTS}
    actions = set(_names(tools.RES / "values" / "ids.xml"))
    wanted = set(re.findall(r"R\.id\.(\w+)", kotlin_text(tools.APP))) - actions
    assert wanted and wanted <= set().union(*views.values())
    for path, ids in views.items():
        assert ids == views[tools.RES / "layout" / path.name], path


def test_whatever_a_finger_touches_is_described_and_large_enough() -> None:
    android = "{http://schemas.android.com/apk/res/android}"
    touched = 0
    for path in LAYOUTS:
        for view in ET.parse(path).iter():
            kind = view.tag.rsplit(".", 1)[-1]
            if kind not in ("Button", "Spinner", "SeekBar", "CompareView", "FaceView"):
                continue
            touched += 1
            assert view.get(f"{android}contentDescription") or view.get(f"{android}text"), (
                view.attrib
            )
            height = view.get(f"{android}minHeight") or view.get(f"{android}layout_height")
            large = height in ("@dimen/touch", "@dimen/picture_least", "0dp", "match_parent")
            assert large or view.get("style") == "@style/Action", view.attrib
    assert touched > 12


def test_the_app_has_no_number_of_the_contract() -> None:
    text = "".join(map(kotlin_text, (tools.APP, tools.LITERT, tools.ONNX)))
    assert not re.search(r"\b(255|127|112|256|384|1024)\b", text)
    assert not re.search(r"\.(tflite|onnx|f32)\b", text)


@pytest.mark.parametrize("path", GRADLE, ids=lambda p: p.parent.name + "/" + p.name)
def test_build_files_are_kotlin(path: Path) -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_kotlin.language()))
    assert not parser.parse(path.read_bytes()).root_node.has_error
    assert parser.parse(b"plugins { alias( }").root_node.has_error


def test_the_version_catalog_is_whole_and_wholly_used() -> None:
    catalog = tomllib.loads(
        (tools.DEMO / "gradle" / "libs.versions.toml").read_text(encoding="utf-8")
    )
    build = "".join(path.read_text(encoding="utf-8") for path in GRADLE)
    referred = {
        entry["version"]["ref"]
        for kind in ("libraries", "plugins")
        for entry in catalog[kind].values()
    }
    direct = set(re.findall(r"libs\.versions\.(\w+)\.get", build))
    assert referred | direct == set(catalog["versions"])
    aliases = {f"plugins.{name}" for name in catalog["plugins"]} | set(catalog["libraries"])
    used = set(re.findall(r"libs\.((?!versions)[\w.]+?)\)", build))
    assert used == {alias.replace("-", ".") for alias in aliases}


def test_packaging_keeps_models_plain(tmp_path: Path) -> None:
    """A stored asset is mapped as it is; the same package without the Gradle file's list
    compresses it."""
    assets = tmp_path / "assets" / "bundle" / "models"
    assets.mkdir(parents=True)
    for suffix in (".tflite", ".onnx", ".f32", ".json"):
        (assets / f"a{suffix}").write_bytes(bytes(4096))
    manifest = tools.old_manifest(tools.MANIFEST.read_text(encoding="utf-8"))
    for plain, stored in ((tools.plain_suffixes(), {".tflite", ".onnx", ".f32"}), ([], set())):
        done = tools.link(
            tmp_path, tools.RES, manifest, "-A", str(tmp_path / "assets"), plain=plain
        )
        assert done.returncode == 0, done.stderr
        with zipfile.ZipFile(tmp_path / "out.apk") as package:
            entries = [
                item for item in package.infolist() if item.filename.startswith("assets/bundle")
            ]
        assert len(entries) == 4
        found = {Path(e.filename).suffix for e in entries if e.compress_type == zipfile.ZIP_STORED}
        assert found == stored


def test_packaging_aligns_libraries_and_fails_without_a_bundle() -> None:
    build = (tools.DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    assert "useLegacyPackaging = false" in build
    assert "iast-export build --out dist/demo" in build and "GradleException" in build


def test_the_phone_s_side_and_the_computer_s_agree_on_names() -> None:
    """What `iast-export device bench` starts, waits for and reads is what the app answers to and
    writes."""
    android = "{http://schemas.android.com/apk/res/android}"
    root = ET.parse(tools.MANIFEST).getroot()
    activity = next(
        a for a in root.iter("activity") if a.get(f"{android}name") == ".ChecksActivity"
    )
    actions = {str(action.get(f"{android}name")) for action in activity.iter("action")}
    kinds = get_args(RunKind)
    assert actions == {f"{adb.PACKAGE}.{kind.upper()}" for kind in kinds}
    assert activity.get(f"{android}exported") == "true"
    assert activity.get(f"{android}permission") == "android.permission.DUMP", (
        "only the shell may start it"
    )
    code = (tools.APP / "org/iastexport/demo/ChecksActivity.kt").read_text(encoding="utf-8")
    assert f'const val PACKAGE = "{adb.PACKAGE}"' in code and 'getIntExtra("samples"' in code
    assert all(f'"{kind}.json"' in code for kind in kinds)
    build = (tools.DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    assert f'applicationId = "{adb.PACKAGE}"' in build and adb.PACKAGE == tools.PACKAGE


def test_app_and_package_are_of_one_version() -> None:
    project = tomllib.loads((tools.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    build = (tools.DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    assert f'versionName = "{project["version"]}"' in build
    assert f'"iast-demo {project["version"]}"' in kotlin_text(tools.APP)


def test_stubs_say_that_they_are_stubs_and_stay_out_of_the_build() -> None:
    stubs = list(tools.STUBS.rglob("*.kt"))
    assert stubs and all(
        path.read_text(encoding="utf-8").startswith("/**\n * STUBS") for path in stubs
    )
    assert "stubs" not in "".join(path.read_text(encoding="utf-8") for path in GRADLE)


@pytest.mark.parametrize("land", [False, True])
def test_mock_ups_are_drawn_from_the_layouts_and_say_what_they_are(
    small_bundle: Path, tmp_path: Path, land: bool
) -> None:
    style = load_manifest(small_bundle).styles[1]
    painting = tmp_path / f"photo--{style.id}.png"
    shutil.copy(small_bundle / "golden" / "d1-64px-content.png", painting)
    (tmp_path / "points.txt").write_text("1.0,2.0 3.0,4.0 5.0,6.0 0-1 0-2-closed\n")
    script = tools.DEMO / "tools" / "mockup.py"
    command = [
        sys.executable,
        script,
        small_bundle,
        painting,
        painting,
        tmp_path / "out",
        "--lang",
        "de",
    ]
    command += [
        "--face",
        painting,
        "--points",
        tmp_path / "points.txt",
        *(["--land"] if land else []),
    ]
    done = subprocess.run(list(map(str, command)), env={"PATH": ""}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()}
    german = _names(tools.RES / "values-de" / "strings.xml")
    for layout in (tools.RES / "layout").glob("*.xml"):
        page = pages.pop(f"{layout.stem}{'-land' if land else ''}-de.html")
        assert "not a screenshot" in page and not re.search("@(string|dimen|color)", page)
        sideways = tools.RES / "layout-land" / layout.name
        source = (sideways if land and sideways.is_file() else layout).read_text(encoding="utf-8")
        shown = [german[name] for name in re.findall(r'<Button[^>]*@string/(\w+)"', source)]
        assert shown and re.findall(r"<button[^>]*>(.*?)</button>", page) == [
            html.escape(t) for t in shown
        ]
        assert page.count("<circle") == (3 if layout.stem == "face" else 0)
        marked = re.search(r'<img class="on" src="data:image/png;base64,([^"]+)"', page)
        thumbnail = base64.b64encode((small_bundle / str(style.thumbnail)).read_bytes()).decode()
        assert (marked.group(1) == thumbnail) if marked else layout.stem != "main"
    assert not pages


def test_the_readme_shows_pictures_that_are_there() -> None:
    text = (tools.DEMO / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^]]*]\(([^)]+)\)", text)
    assert pictures and all((tools.DEMO / picture).is_file() for picture in pictures)
    assert "nothing ran on a phone" in text and "stubs" in text
