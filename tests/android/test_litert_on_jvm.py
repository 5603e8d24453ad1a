"""The command that runs the engine over LiteRT's real classes: its own parts, and what it refuses.

LiteRT's sources are a user's checkout, so that the run itself is told in android_demo/README.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import android_tools as tools

SCRIPT = tools.DEMO / "tools" / "litert_on_jvm.py"
OWN = tools.DEMO / "tools" / "litert_jvm"
# Of LiteRT's external functions, those that the engine's calls end in.
CALLED = {
    "CompiledModel_nativeCreateFromFile",
    "CompiledModel_nativeCreateInputBuffer",
    "CompiledModel_nativeCreateOutputBuffer",
    "CompiledModel_nativeDestroy",
    "CompiledModel_nativeRunBySignatureWithMap",
    "Environment_nativeCreate",
    "Environment_nativeDestroy",
    "TensorBuffer_nativeDestroy",
    "TensorBuffer_nativeReadFloat",
    "TensorBuffer_nativeReadInt8",
    "TensorBuffer_nativeWriteFloat",
    "TensorBuffer_nativeWriteInt8",
}


def refused(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_what_runs_the_engine_compiles_against_engine_and_stubs(tmp_path: Path) -> None:
    classpath = [tools.core_23(), tools.app_23(), *tools.libraries()]
    tools.compiled([OWN], tmp_path / "main.jar", classpath, jdk=True)


@pytest.mark.parametrize("form", [[], ["-DMODEL_TAKES_ENVIRONMENT"]], ids=["2.1.5", "2.1.6"])
def test_the_shim_compiles_without_a_warning_and_has_every_function(
    tmp_path: Path, form: list[str]
) -> None:
    said = subprocess.run(
        ["java", "-XshowSettings:properties", "-version"], capture_output=True, text=True
    ).stderr
    home = re.search(r"java\.home = (.+)", said)
    assert home
    headers = Path(home.group(1).strip()) / "include"
    shim = tmp_path / "shim.so"
    done = subprocess.run(
        [
            *("cc", *form, "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-shared"),
            *("-fPIC", f"-I{headers}", f"-I{headers / 'linux'}", str(OWN / "shim.c")),
            *("-o", str(shim), "-ldl"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    names = re.findall(rb"Java_com_google_ai_edge_litert_(\w+)", shim.read_bytes())
    assert {name.decode() for name in names} == CALLED


def test_nothing_of_litert_itself_lies_in_the_repository() -> None:
    for path in (tools.DEMO / "tools").rglob("*"):
        if path.suffix in (".kt", ".c", ".py"):
            assert "Google LLC" not in path.read_text(encoding="utf-8"), path


def test_what_is_missing_is_named_with_what_to_do(small_bundle: Path, tmp_path: Path) -> None:
    own = tmp_path / "libLiteRt.so"
    assert "holds no litert/kotlin" in refused("--litert", tmp_path, "--bundle", small_bundle)
    assert "build one with" in refused("--litert", tmp_path, "--bundle", tmp_path)
    asked = ("--litert", tmp_path, "--bundle", small_bundle, "--library", own)
    assert f"{own} is missing; give --library" in refused(*asked)
    own.touch()
    assert "unzip the whole wheel" in refused(*asked)
