"""Versions and settings of the Gradle build that are publicly known not to work together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from tests import android_tools as tools

Version = tuple[int, ...]
AGP_9_NOTES = "developer.android.com/build/releases/agp-9-0-0-release-notes"
# The least Gradle of each Android Gradle plugin, from the "Compatibility" table of its release
# notes.
LEAST_GRADLE: dict[Version, Version] = {(9, 0): (9, 1, 0), (9, 1): (9, 2, 1), (9, 2): (9, 4, 1)}
HIGHEST_SDK: dict[Version, int] = {(9, 0): 36, (9, 1): 36, (9, 2): 36}
# Gradle's tasks that are skipped, with all their actions, where their source is empty.
SKIPPED_WHEN_EMPTY = "Copy|Sync|Zip|Jar|Tar|War"


@dataclass(frozen=True)
class Build:
    """What the Gradle files say, as far as versions depend on it."""

    versions: dict[str, str]
    plugins: frozenset[str]
    gradle: str
    properties: dict[str, str]
    scripts: str

    def version(self, name: str) -> Version:
        return number(self.versions[name])


@dataclass(frozen=True)
class Clash:
    """What does not work together, and who says so."""

    what: str
    source: str
    found: Callable[[Build], bool]


def number(text: str) -> Version:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def properties(text: str) -> dict[str, str]:
    lines = (
        line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#")
    )
    return {key.strip(): value.strip() for key, value in lines}


def build_of_the_tree() -> Build:
    """The build as the repository has it."""
    catalog = tomllib.loads(
        (tools.DEMO / "gradle" / "libs.versions.toml").read_text(encoding="utf-8")
    )
    wrapper = tools.DEMO / "gradle" / "wrapper" / "gradle-wrapper.properties"
    gradle = re.search(r"gradle-([\d.]+)-bin\.zip", wrapper.read_text(encoding="utf-8"))
    assert gradle, wrapper
    scripts = sorted(
        path for path in tools.DEMO.rglob("*.gradle.kts") if ".tools" not in path.parts
    )
    return Build(
        versions=catalog["versions"],
        plugins=frozenset(plugin["id"] for plugin in catalog["plugins"].values()),
        gradle=gradle.group(1),
        properties=properties((tools.DEMO / "gradle.properties").read_text(encoding="utf-8")),
        scripts="\n".join(path.read_text(encoding="utf-8") for path in scripts),
    )


def argument(text: str, start: int) -> str:
    """What stands between the parenthesis before `start` and its partner."""
    depth, end = 1, start
    while depth and end < len(text):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[start : end - 1].strip()


def lazy_source_folder(build: Build) -> bool:
    """A source folder that is not seen to be a plain path: a Provider, or what may be one."""
    if (
        build.version("agp") < (9,)
        or build.properties.get("android.sourceset.disallowProvider") == "false"
    ):
        return False
    calls = [
        argument(build.scripts, m.end())
        for m in re.finditer(r"\b(?:srcDirs?|setSrcDirs)\(", build.scripts)
    ]
    plain = re.compile(r'"[^"]*"(?:,\s*"[^"]*")*|(?:rootProject\.)?file\("[^"]*"\)|.*\.asFile')
    return any(not plain.fullmatch(call) for call in calls)


CLASHES = (
    Clash(
        "a Provider as a source folder",
        f"{AGP_9_NOTES} (android.sourceset.disallowProvider)",
        lazy_source_folder,
    ),
    Clash(
        "litert and litert-api of one namespace",
        "github.com/google-ai-edge/LiteRT/issues/8474; mended after 2.2.0 by commit 3be74f0",
        lambda b: (
            b.version("agp") >= (9,)
            and (2, 1, 6) <= b.version("litert") <= (2, 2, 0)
            and b.properties.get("android.uniquePackageNames") != "false"
        ),
    ),
    Clash(
        "android.uniquePackageNames=false, which AGP 10 no longer takes",
        "github.com/square/leakcanary/pull/2890",
        lambda b: (
            b.version("agp") >= (10,) and b.properties.get("android.uniquePackageNames") == "false"
        ),
    ),
    Clash(
        "a Gradle older than the plugin needs, or a plugin that this table doesn't know",
        "developer.android.com/build/releases/agp-9-2-0-release-notes, and of its siblings",
        lambda b: number(b.gradle) < LEAST_GRADLE.get(b.version("agp")[:2], (99,)),
    ),
    Clash(
        "an SDK newer than the plugin supports",
        "developer.android.com/build/releases/agp-9-2-0-release-notes, and of its siblings",
        lambda b: int(b.versions["compileSdk"]) > HIGHEST_SDK.get(b.version("agp")[:2], 0),
    ),
    Clash(
        "Kotlin's Android plugin beside the plugin's own Kotlin",
        AGP_9_NOTES,
        lambda b: b.version("agp") >= (9,) and "org.jetbrains.kotlin.android" in b.plugins,
    ),
    Clash(
        "R8's defaults that do not optimize",
        f"{AGP_9_NOTES} (android.r8.proguardAndroidTxt.disallowed)",
        lambda b: b.version("agp") >= (9,) and '"proguard-android.txt"' in b.scripts,
    ),
    Clash(
        "the variant API of AGP 8",
        AGP_9_NOTES,
        lambda b: (
            b.version("agp") >= (9,)
            and re.search(r"\b(application|library)Variants\b", b.scripts) is not None
        ),
    ),
    Clash(
        "an Android older than ONNX Runtime's library takes",
        "AndroidManifest.xml of the library, version 1.29 (minSdkVersion 24)",
        lambda b: b.version("onnxruntime") >= (1, 29) and int(b.versions["minSdk"]) < 24,
    ),
    Clash(
        "a check in a task that Gradle skips where it would be needed",
        "docs.gradle.org, SkipWhenEmpty",
        lambda b: (
            re.search(
                rf"register<(?:{SKIPPED_WHEN_EMPTY})>\((?:(?!register<).)*?doFirst",
                b.scripts,
                re.DOTALL,
            )
            is not None
        ),
    ),
)


def clashes(build: Build) -> list[str]:
    """What of the known clashes a build has."""
    return [f"{clash.what}: {clash.source}" for clash in CLASHES if clash.found(build)]
