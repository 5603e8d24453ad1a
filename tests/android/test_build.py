"""The demo's Gradle build and manifest: nothing that is known to fail, no surprises in the app."""

from __future__ import annotations

import re
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests import android_manifests as manifests
from tests import android_tools as tools
from tests.android_versions import CLASHES, Build, build_of_the_tree, clashes

README = (tools.DEMO / "README.md").read_text(encoding="utf-8")
PROVIDER_FOLDER = 'sourceSets["main"].assets.srcDir(layout.buildDirectory.dir("bundle-assets"))\n'
SKIPPED_CHECK = (
    'tasks.register<Sync>("a") { from(folder); doFirst { throw GradleException("none") } }\n'
)


def altered(build: Build, *, plugin: str = "", script: str = "", **changes: str) -> Build:
    """A build with other versions, properties (property_x), one more plugin or piece of script."""
    named = {
        key.removeprefix("property_").replace("__", "."): v
        for key, v in changes.items()
        if "property_" in key
    }
    versions = {key: value for key, value in changes.items() if key in build.versions}
    return replace(
        build,
        versions={**build.versions, **versions},
        plugins=build.plugins | ({plugin} if plugin else set()),
        gradle=changes.get("gradle", build.gradle),
        properties={**build.properties, **named},
        scripts=build.scripts + script,
    )


def test_nothing_in_the_build_is_known_to_fail() -> None:
    assert clashes(build_of_the_tree()) == []


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("a Provider", {"script": PROVIDER_FOLDER}),
        (
            "a Provider",
            {
                "script": 'sourceSets["main"].res.srcDirs("src/res", tasks.named("made").map { '
                "it.outputs })\n"
            },
        ),
        (
            "a Provider",
            {
                "script": 'val made = provider { "a" '
                '}\nsourceSets["main"].assets.setSrcDirs(listOf(made))\n'
            },
        ),
        ("litert and litert-api", {"litert": "2.1.6"}),
        ("litert and litert-api", {"litert": "2.2.0"}),
        (
            "android.uniquePackageNames",
            {"agp": "10.0.0", "property_android__uniquePackageNames": "false"},
        ),
        ("a Gradle older", {"gradle": "9.4.0"}),
        ("a Gradle older", {"agp": "9.9.0"}),
        ("an SDK newer", {"compileSdk": "37"}),
        ("Kotlin's Android plugin", {"plugin": "org.jetbrains.kotlin.android"}),
        (
            "R8's defaults",
            {"script": 'proguardFiles(getDefaultProguardFile("proguard-android.txt"))\n'},
        ),
        ("the variant API of AGP 8", {"script": "android.applicationVariants.all { }\n"}),
        ("an Android older", {"minSdk": "23"}),
        ("a check in a task", {"script": SKIPPED_CHECK}),
    ],
)
def test_what_is_known_to_fail_is_seen(what: str, changes: dict[str, str]) -> None:
    found = clashes(altered(build_of_the_tree(), **changes))
    assert any(line.startswith(what) for line in found), found


def test_every_clash_has_a_public_source_and_work_arounds_count() -> None:
    assert all(re.match(r"[\w.]+(/|, |\.)", clash.source) for clash in CLASHES)
    tree = build_of_the_tree()
    eased = altered(tree, litert="2.1.6", property_android__uniquePackageNames="false")
    assert clashes(eased) == []
    plain = 'assets.srcDir(layout.buildDirectory.dir("a").get().asFile)\nx.srcDir("src/more")\n'
    assert clashes(altered(tree, script=plain)) == []


def test_assets_come_from_a_task_that_fails_without_a_bundle() -> None:
    """A task class of its own: its action runs whatever is there, before the assets are merged."""
    build = (tools.DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    task = build[build.index("abstract class CopyBundle : DefaultTask()") :]
    assert "@get:SkipWhenEmpty" not in task and "@get:InputDirectory" not in task
    action = task[task.index("@TaskAction") :]
    assert action.index("GradleException") < action.index("files.sync")
    assert "sources.assets?.addGeneratedSourceDirectory(copyBundle, CopyBundle::" in build
    assert 'rootDir.resolve(providers.gradleProperty("bundle")' in build, (
        "-Pbundle=DIR as seen from where it is typed"
    )


def test_the_package_holds_the_processors_that_are_used_and_releases_can_be_signed() -> None:
    build = (tools.DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    listed = re.search(r'abiFilters \+= .*getOrElse\("([\w,-]+)"\)', build)
    assert listed and listed.group(1).split(",") == ["arm64-v8a", "x86_64"]
    assert "signingConfig = signingConfigs.findByName" in build and "keystore.properties" in README
    assert "allWarningsAsErrors" not in build_of_the_tree().scripts, "a newer Kotlin warns of more"


@pytest.mark.parametrize("module", ["engine-litert", "engine-onnxruntime"])
def test_r8_keeps_what_native_code_asks_for_by_name(module: str) -> None:
    rules = (tools.DEMO / module / "consumer-rules.pro").read_text(encoding="utf-8")
    kept = set(re.findall(r"-keep class ([\w.]+)\.\*\* \{ \*; }", rules))
    sources = _kotlin(tools.DEMO / module / "src" / "main" / "kotlin")
    imported = re.findall(r"^import ((?!org\.iastexport|java)[\w.]+)\.[A-Z]", sources, re.MULTILINE)
    assert kept == set(imported)
    assert not re.search(r"-dont(optimize|obfuscate|shrink)", rules), (
        "AGP 9 refuses global options of a library"
    )


def test_what_gradle_studio_and_keys_leave_is_ignored_by_git() -> None:
    ignored = set((tools.ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
    wanted = [
        "**/build/",
        ".gradle/",
        ".idea/",
        ".kotlin/",
        "local.properties",
        "keystore.properties",
        "**/*.jks",
    ]
    wanted += ["gradlew", "gradlew.bat", "gradle/wrapper/gradle-wrapper.jar", "**/*.keystore"]
    assert {f"/android_demo/{name}" for name in wanted} <= ignored


def _kotlin(*folders: Path) -> str:
    files = (path for folder in folders for path in sorted(tools.need(folder).rglob("*.kt")))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def test_the_merged_manifest_holds_nothing_that_the_app_does_not_want() -> None:
    """README promises no network access; what libraries bring along is taken out again, and
    told."""
    root = manifests.merged(manifests.apps_own())
    wanted = {"android.permission.WRITE_EXTERNAL_STORAGE", "android.permission.CAMERA"}
    assert manifests.names(root, "uses-permission") == wanted
    assert not manifests.names(root, "provider", "service", "receiver")
    for library in manifests.LIBRARIES:
        for name in [*library.permissions, *(name for _, name in library.components)]:
            assert f"`{name.removeprefix(manifests.PERMISSION)}`" in README, name


def test_without_the_removals_the_merger_would_bring_them_all() -> None:
    own = manifests.apps_own()
    for parent in (own, own.find("application")):
        assert parent is not None
        for item in [i for i in parent if i.get(f"{manifests.TOOLS}node")]:
            parent.remove(item)
    root = manifests.merged(own)
    assert f"{manifests.PERMISSION}INTERNET" in manifests.names(root, "uses-permission")
    assert manifests.names(root, "provider") == {"ai.onnxruntime.TelemetryInitializer"}
    assert len(manifests.names(root, "uses-permission")) == 6


def test_every_start_up_provider_of_the_real_onnxruntime_is_removed() -> None:
    with zipfile.ZipFile(tools.need(tools.ONNXRUNTIME)) as jar:
        found = {
            name.removesuffix(".class").replace("/", ".")
            for name in jar.namelist()
            if name.endswith(".class") and b"android/content/ContentProvider" in jar.read(name)
        }
    removed = {
        str(item.get(f"{manifests.ANDROID}name"))
        for item in manifests.apps_own().iter("provider")
        if item.get(f"{manifests.TOOLS}node") == "remove"
    }
    assert found == removed == {"ai.onnxruntime.TelemetryInitializer"}


def test_no_code_of_ours_opens_a_connection_and_telemetry_is_refused_before_it_loads() -> None:
    text = _kotlin(tools.CORE, tools.LITERT, tools.ONNX, tools.APP)
    assert not re.search(
        r"java\.net\.|android\.net\.(?!Uri\b)|android\.webkit|Socket\b|DownloadManager", text
    )
    application = (tools.APP / "org/iastexport/demo/DemoApplication.kt").read_text(encoding="utf-8")
    assert 'Os.setenv("ORT_DISABLE_TELEMETRY", "1", true)' in application


DECODING = """
import org.iastexport.demo.Decoding;

class Sizes {
    public static void main(String[] a) {
        for (String line : a) {
            String[] word = line.split(" ");
            int width = Integer.parseInt(word[0]), height = Integer.parseInt(word[1]);
            Decoding how = Decoding.Companion.of(width, height, 4096, word[2]);
            System.out.println(how.getSample() + " " + how.getFrom() + " " + how.getTo());
        }
    }
}
"""


def test_photographs_are_decoded_as_large_as_they_may_be(tmp_path: Path) -> None:
    """At most 4096 px: a little more is not halved, unless scaling could spoil colors or fill the
    memory."""
    source = tmp_path / "Sizes.java"
    source.write_text(DECODING)
    wanted = {
        "4032 3024 image/jpeg": "1 0 0",
        "4096 100 image/png": "1 0 0",
        "4100 3075 image/jpeg": "1 4100 4096",
        "3888 5184 image/heic": "1 5184 4096",
        "4100 3075 image/png": "2 0 0",
        "4100 3075 null": "2 0 0",
        "8160 6120 image/jpeg": "2 0 0",
        "8192 6144 image/jpeg": "2 0 0",
        "9248 6936 image/jpeg": "2 4624 4096",
        "9248 6936 image/png": "4 0 0",
        "60000 500 image/jpeg": "8 7500 4096",
    }
    done = tools.java([tools.app_23(), *tools.libraries()], str(source), *wanted)
    assert done.returncode == 0, done.stderr
    assert dict(zip(wanted, done.stdout.splitlines(), strict=True)) == wanted


def test_a_painting_that_is_shown_keeps_no_picture_in_the_heap() -> None:
    """While the next one is made, the one before holds bitmaps alone, which lie outside the
    heap."""
    shown = subprocess.run(
        ["javap", "-p", "-cp", str(tools.app_23()), "org.iastexport.demo.Painting"],
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    fields = [line for line in shown.stdout.splitlines() if "(" not in line and line.endswith(";")]
    assert len(fields) > 4 and not [
        f for f in fields if re.search(r"core\.(Picture|Stylized)|\[\]", f)
    ], fields
