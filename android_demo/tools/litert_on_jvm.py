"""Runs the app's LiteRT engine over LiteRT's real Kotlin classes and native library, on a desktop JVM.

    git clone --depth 1 --branch v2.1.5 LITERT_REPOSITORY litert
    python3 android_demo/tools/litert_on_jvm.py --litert litert --bundle dist/demo

LiteRT's Kotlin is not in any package that can be had without Android's own repository, and not in
this one: `--litert` names your checkout of it. Its native half is built for Android alone, so a
shim of ours (litert_jvm/shim.c) stands between it and the library of the Python package
`ai-edge-litert`, at its C API. The self-test draws every golden picture through every LiteRT lane,
on the CPU and, strictly, on a GPU. It proves API, types and numbers; Android's own native half and
drivers it does not. Needed: a JDK (17 or later), gcc or another `cc`, the tools of `install.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from install import TOOLS, Missing

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent
OWN = HERE / "litert_jvm"
KOTLIN = "litert/kotlin/src/main/kotlin/com/google/ai/edge/litert"
# What the engine needs of LiteRT's Kotlin; the rest asks for Android of later versions.
REAL = ("Common.kt", "Environment.kt", "LiteRtException.kt", "Model.kt", "TensorBuffer.kt")
# The names under which LiteRT's classes load their native half: up to 2.1.5, and from 2.1.6 on.
LIBRARIES = ("libLiteRt.so", "liblitert_jni.so")
# From this release of the C API on a model is made in an environment.
MODEL_TAKES_ENVIRONMENT = (2, 1, 6)
# What stubs have so that a test can play LiteRT behind them, and what no source file can name.
PLAYED = re.compile(r"\bplayed\(|live\$main|JniHandle\(|DefaultConstructorMarker")
SOURCES = ("core/src/main/kotlin", "engine-litert/src/main/kotlin")


def main() -> None:
    """Exit code 0 where every golden picture is met on the CPU, 1 with the reason where not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--litert", type=Path, required=True, help="a checkout of LiteRT")
    parser.add_argument("--bundle", type=Path, required=True, help="a bundle that was built here")
    parser.add_argument("--library", type=Path, help="libLiteRt.so [default: of this Python]")
    parser.add_argument("--large", action="store_true", help="a photograph of 12 MP in tiles too")
    parser.add_argument("--out", type=Path, help="keep the self-test's JSON here")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="litert-jvm-") as scratch:
            sys.exit(run(given, Path(scratch)))
    except Missing as error:
        sys.exit(f"error: {error}")


def run(given: argparse.Namespace, scratch: Path) -> int:
    """Compiles engine, LiteRT's classes and shim, and runs the self-test; its exit code."""
    library = (given.library or library_of_python()).resolve()
    if not library.is_file():
        raise Missing(f"{library} is missing; give --library libLiteRt.so")
    if not (given.bundle / "manifest.json").is_file():
        raise Missing(f"{given.bundle} is no bundle; build one with `iast-export build --out DIR`")
    version = version_of(library)
    jar = compile_kotlin(real_sources(given.litert), scratch)
    compile_shim(scratch, version)
    print(f"LiteRT's Kotlin of {given.litert}, library of ai-edge-litert {version}")
    print(f"stubs: {compare_stubs(jar, scratch)}", flush=True)
    out = given.out or scratch / "selftest.json"
    environment = {**os.environ, "LITERT_LIBRARY": str(library)}
    done = subprocess.run(
        [
            *("java", "-Xmx256m" if given.large else "-Xmx512m", f"-Djava.library.path={scratch}"),
            *("-cp", os.pathsep.join(map(str, [jar, *kotlin_libraries()]))),
            *("org.iastexport.litertjvm.MainKt", str(given.bundle), str(out)),
            *(["large"] if given.large else []),
        ],
        env=environment,
        check=False,
    )
    return done.returncode


def library_of_python() -> Path:
    """The library of the `ai-edge-litert` that this Python imports."""
    found = importlib.util.find_spec("ai_edge_litert")
    if found is None or not found.submodule_search_locations:
        raise Missing("this Python has no ai-edge-litert; run with the project's own "
            "(.venv/bin/python), or give --library libLiteRt.so")
    return Path(found.submodule_search_locations[0]) / "libLiteRt.so"


def version_of(library: Path) -> str:
    """The version of the package that a library lies in, as the metadata beside it tells.

    The C API changed from release to release, and the library itself does not say which it is.
    """
    for told in library.parent.parent.glob("ai_edge_litert-*.dist-info"):
        return told.name.split("-")[1].removesuffix(".dist")
    raise Missing(f"{library} lies in no ai-edge-litert package; unzip the whole wheel and give the "
        "library in it")


def real_sources(checkout: Path) -> list[Path]:
    """LiteRT's Kotlin files in a checkout."""
    found = [checkout / KOTLIN / name for name in REAL]
    lacking = [path.name for path in found if not path.is_file()]
    if lacking:
        raise Missing(f"{checkout} holds no {KOTLIN}/{lacking[0]}; give a checkout of LiteRT 2.1 or "
            "later")
    return found


def kotlin_libraries() -> list[Path]:
    """Kotlin's standard library, the JSON library, and coroutines in the package that holds them."""
    folder = TOOLS / "kotlin"
    names = ("kotlin-stdlib-*.jar", "kotlinx-serialization-*.jar", "kotlin-jupyter-kernel-*-all.jar")
    found = [path for name in names for path in folder.glob(name)]
    if not found:
        raise Missing(f"{folder} is missing; run `python3 android_demo/tools/install.py`")
    return found


def compile_kotlin(real: list[Path], scratch: Path) -> Path:
    """One jar of the app's core and engine as they are, LiteRT's classes, and what runs them."""
    jar = scratch / "engine.jar"
    compile_sources([*real, OWN, *(DEMO / name for name in SOURCES)], jar)
    return jar


def class_path() -> list[Path]:
    """What engine and stubs are compiled against beside LiteRT."""
    android = TOOLS / "debian" / "usr" / "share" / "java" / "com.android.android-23.jar"
    return [*kotlin_libraries(), android]


def compile_sources(sources: list[Path], jar: Path) -> None:
    """Kotlin to a jar; warnings are left out: LiteRT's own files have some, ours are held to none
    by the tests."""
    tell(
        [
            *("java", "-Xmx1500m", "-XX:TieredStopAtLevel=1", "-cp", str(TOOLS / "kotlin" / "*")),
            *("org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-language-version", "2.2"),
            *("-jvm-target", "17", "-no-stdlib", "-no-reflect", "-nowarn"),
            *("-classpath", os.pathsep.join(map(str, class_path())), "-d", str(jar)),
            *map(str, sources),
        ],
        "the engine does not compile against these classes of LiteRT",
    )


def compare_stubs(real: Path, scratch: Path) -> str:
    """How the signatures that the project's tests compile against differ from LiteRT's."""
    stubs = scratch / "stubs.jar"
    compile_sources([HERE / "stubs"], stubs)
    names = classes(stubs)
    held = members(stubs, names)
    foreign = sorted(held - members(real, names))
    if foreign:
        raise Missing("tools/stubs has what these classes of LiteRT have not:\n" + "\n".join(foreign))
    return f"{len(held)} members of {len(names)} classes, all of them LiteRT's"


def classes(jar: Path) -> list[str]:
    """LiteRT's classes in a jar, without what makes the stubs play."""
    with zipfile.ZipFile(jar) as archive:
        names = [name.removesuffix(".class") for name in archive.namelist() if name.endswith(".class")]
    return sorted(name for name in names if not re.search(r"/(Player|StubsKt)|WhenMappings", name))


def members(jar: Path, names: list[str]) -> set[str]:
    """What may be called from outside, class by class, as javap writes it."""
    path = os.pathsep.join(map(str, [jar, *class_path()]))
    found = set()
    for name in names:
        said = subprocess.run(
            ["javap", "-cp", path, "-public", name], check=False, capture_output=True, text=True
        ).stdout
        of_own = (line.strip() for line in said.splitlines() if line.startswith("  "))
        found |= {f"{name} {line}" for line in of_own if not PLAYED.search(line)}
    return found


def compile_shim(scratch: Path, version: str) -> None:
    """The native half for a library's C API, under every name that LiteRT's classes ask for."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing("a C compiler is missing; install gcc")
    headers = java_home() / "include"
    if not (headers / "jni.h").is_file():
        raise Missing(f"{headers} has no jni.h; install a JDK, not a JRE")
    shim, since = scratch / LIBRARIES[0], tuple(int(n) for n in version.split(".")[:3])
    form = ["-DMODEL_TAKES_ENVIRONMENT"] if since >= MODEL_TAKES_ENVIRONMENT else []
    tell(
        [
            *(compiler, "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-O1", "-shared"),
            *(*form, "-fPIC", f"-I{headers}", f"-I{headers / 'linux'}", str(OWN / "shim.c")),
            *("-o", str(shim), "-ldl"),
        ],
        "the shim does not compile",
    )
    for name in LIBRARIES[1:]:
        shutil.copyfile(shim, scratch / name)


def java_home() -> Path:
    """Where the JVM that `java` starts lies."""
    asked = ["java", "-XshowSettings:properties", "-version"]
    said = subprocess.run(asked, check=False, capture_output=True, text=True).stderr
    found = re.search(r"java\.home = (.+)", said)
    if found is None:
        raise Missing("`java` does not start; install openjdk-17-jdk-headless")
    return Path(found.group(1).strip())


def tell(command: list[str], fault: str) -> None:
    """Runs a compiler; what it says appears only where it failed."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"{fault}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


if __name__ == "__main__":
    main()
