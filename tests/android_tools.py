"""What the Android tests run: the Kotlin compiler, the JVM, aapt2; a missing tool is an error."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.made_once import made_once

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "android_demo"
TOOLS = DEMO / ".tools"
JAVA = TOOLS / "debian" / "usr" / "share" / "java"
ANDROID_23 = JAVA / "com.android.android-23.jar"
FRAMEWORK = TOOLS / "debian" / "usr" / "share" / "android-framework-res" / "framework-res.apk"
ONNXRUNTIME = TOOLS / "onnxruntime.jar"
STUBS = DEMO / "tools" / "stubs"
MODULES = ("core", "engine-litert", "engine-onnxruntime", "app")
CORE, LITERT, ONNX, APP = (DEMO / name / "src" / "main" / "kotlin" for name in MODULES)
RES = DEMO / "app" / "src" / "main" / "res"
MANIFEST = DEMO / "app" / "src" / "main" / "AndroidManifest.xml"
PACKAGE = "org.iastexport.demo"
# The compiler lives for seconds: the quick JIT alone halves its time.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def need(path: Path) -> Path:
    """`path`, which the installer must have made."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `python3 android_demo/tools/install.py`")
    return path


def libraries() -> list[Path]:
    """Kotlin's standard library, the JSON library and coroutines, as an app has them."""
    folder = need(TOOLS / "kotlin")
    found = [*folder.glob("kotlin-stdlib-*.jar"), *folder.glob("kotlinx-serialization-*.jar")]
    assert len(found) == 3, found
    return [*found, coroutines()]


def coroutines() -> Path:
    """kotlinx-coroutines-core, taken out of the compiler's package, which holds it among others."""
    (whole,) = need(TOOLS / "kotlin").glob("kotlin-jupyter-kernel-*-all.jar")

    def take(jar: Path) -> None:
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(jar, "w") as target:
            for name in source.namelist():
                if name.startswith(("kotlinx/coroutines/", "META-INF/kotlinx-coroutines-core.")):
                    target.writestr(name, source.read(name))

    return made_once("kotlinx-coroutines-core.jar", take)


def junit() -> list[Path]:
    return [need(JAVA / "junit4.jar"), need(JAVA / "hamcrest.jar")]


def kotlinc(
    sources: Sequence[Path],
    out: Path,
    classpath: Sequence[Path],
    *,
    jdk: bool,
    more: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Compiles with the K2 compiler for JVM 11, `more` being further options; without `jdk`, only
    what `classpath` holds is there."""
    need(TOOLS / "kotlin")
    return subprocess.run(
        [
            *("java", "-Xmx1500m", *SHORT_LIVED),
            *("-cp", str(TOOLS / "kotlin" / "*")),
            "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
            *("-language-version", "2.2", "-jvm-target", "11", "-no-stdlib", "-no-reflect"),
            *(() if jdk else ("-no-jdk",)),
            "-Werror",
            *more,
            "-classpath",
            os.pathsep.join(map(str, classpath)),
            "-d",
            str(out),
            *map(str, sources),
        ],
        capture_output=True,
        text=True,
    )


def compiled(sources: Sequence[Path], out: Path, classpath: Sequence[Path], *, jdk: bool) -> Path:
    """As `kotlinc`, and no warning may appear."""
    done = kotlinc(sources, out, classpath, jdk=jdk)
    assert done.returncode == 0, done.stderr
    return out


def compiled_once(
    name: str, sources: Sequence[Path], classpath: Sequence[Path], *, jdk: bool
) -> Path:
    """As `compiled`, for all workers of a test run; what was wrong with it is said to each."""

    def compile_it(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        done = kotlinc(sources, folder / name, classpath, jdk=jdk)
        wrong = f"exit code {done.returncode}\n{done.stderr}" if done.returncode else ""
        (folder / "wrong.txt").write_text(wrong)

    folder = made_once(f"compiled-{name}", compile_it)
    wrong = (folder / "wrong.txt").read_text()
    assert not wrong, wrong
    return folder / name


def core_23() -> Path:
    """The core, compiled against the real Android API 23, without a JDK."""
    return compiled_once("core-23.jar", [CORE], [need(ANDROID_23), *libraries()], jdk=False)


def java(classpath: Sequence[Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["java", *SHORT_LIVED, "-cp", os.pathsep.join(map(str, classpath)), *arguments],
        capture_output=True,
        text=True,
    )


def start_java(classpath: Sequence[Path], *arguments: str) -> subprocess.Popen[str]:
    """A JVM to talk with over its standard input and output."""
    return subprocess.Popen(
        ["java", *SHORT_LIVED, "-cp", os.pathsep.join(map(str, classpath)), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def aapt2(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = need(TOOLS / "debian")
    lib = root / "usr" / "lib"
    places = [
        *lib.glob("*-linux-gnu"),
        *lib.glob("*-linux-gnu/android"),
        *(root / "lib").glob("*-linux-gnu"),
    ]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, [*places, lib / "p7zip"])),
    }
    command = [str(need(root / "usr" / "bin" / "aapt2")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def old_manifest(text: str) -> str:
    """The app's manifest for aapt2 of API 29: with a package, without the two elements that came
    later."""
    text = text.replace("<manifest ", f'<manifest package="{PACKAGE}" ', 1)
    text = re.sub(r"<queries>.*?</queries>", "", text, flags=re.DOTALL)
    return re.sub(r"<uses-native-library.*?/>", "", text, flags=re.DOTALL)


def plain_suffixes() -> list[str]:
    """The files that the Gradle build leaves uncompressed."""
    build = (DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    listed = re.search(r"noCompress \+= listOf\((.*?)\)", build)
    assert listed, "app/build.gradle.kts has no noCompress"
    return [f".{name}" for name in re.findall(r'"(\w+)"', listed.group(1))]


def link(
    folder: Path, resources: Path, manifest: str, *more: str, plain: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Compiles and links resources and manifest to `folder`/out.apk; R.java lands in
    `folder`/gen."""
    done = aapt2("compile", "--dir", str(resources), "-o", str(folder / "res.zip"))
    if done.returncode:
        return done
    (folder / "AndroidManifest.xml").write_text(manifest, encoding="utf-8")
    return aapt2(
        *("link", "-I", str(need(FRAMEWORK)), "-o", str(folder / "out.apk")),
        *("--manifest", str(folder / "AndroidManifest.xml"), "--java", str(folder / "gen")),
        *("--min-sdk-version", "26", "--target-sdk-version", "36"),
        *(word for suffix in plain for word in ("-0", suffix)),
        *more,
        str(folder / "res.zip"),
    )


def linked() -> Path:
    """A folder with the app's linked resources (out.apk) and R.java (gen)."""

    def link_it(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        manifest = old_manifest(MANIFEST.read_text(encoding="utf-8"))
        done = link(folder, RES, manifest, plain=plain_suffixes())
        assert done.returncode == 0, done.stderr

    return made_once("linked", link_it)


def app_23() -> Path:
    """Engines and app, compiled against API 23, ONNX Runtime's classes and LiteRT's stubs."""
    classpath = [need(ANDROID_23), *libraries(), core_23(), need(ONNXRUNTIME)]
    return compiled_once(
        "app-23.jar", [LITERT, ONNX, APP, STUBS, linked() / "gen"], classpath, jdk=False
    )
