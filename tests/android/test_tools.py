"""The installer of the Android checks: pinned, quiet the second time, loud where something is
missing."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests import android_tools as tools

SCRIPT = tools.DEMO / "tools" / "install.py"


@pytest.fixture
def install(tmp_path: Path) -> ModuleType:
    """The script as a module that installs into a folder of its own."""
    spec = importlib.util.spec_from_file_location("android_install", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.TOOLS = tmp_path / "tools"
    return module


def commands(folder: Path, **scripts: str) -> str:
    """A PATH on which only these commands are found."""
    folder.mkdir()
    for name, body in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    return str(folder)


def test_a_second_run_needs_nothing_and_does_nothing(tmp_path: Path) -> None:
    before = (tools.TOOLS / "installed").stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, SCRIPT],
        env={"PATH": commands(tmp_path / "none")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tools.TOOLS / "installed").stat().st_mtime_ns == before


def test_what_is_fetched_is_pinned_and_no_host_is_named() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(set(re.findall(r'"([0-9a-f]{64})"', text))) == 6
    assert not re.search(r"https?://|debian\.org|pypi|npmjs", text)
    ignored = (tools.ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/android_demo/.tools/" in ignored


@pytest.mark.parametrize("command", ["java", "npm", "cc", "apt-get", "dpkg"])
def test_a_missing_command_is_named_with_what_to_install(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    others = {name.replace("-", "_"): "exit 0" for name in install.NEEDED if name != command}
    monkeypatch.setenv("PATH", commands(tmp_path / "bin", **others))
    with pytest.raises(
        SystemExit, match=f"error: {command} is missing; install {install.NEEDED[command]}"
    ):
        install.main()
    assert not install.TOOLS.exists()


def test_an_old_java_is_refused(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {name.replace("-", "_"): "exit 0" for name in install.NEEDED if name != "java"}
    old = """echo 'openjdk version "11.0.2" 2019' >&2"""
    monkeypatch.setenv("PATH", commands(tmp_path / "bin", java=old, **others))
    monkeypatch.setattr(install, "KEYRING", SCRIPT)
    with pytest.raises(SystemExit, match=r"Java 17 or later is needed.*11\.0\.2.*openjdk-17"):
        install.main()


def test_another_file_than_the_pinned_one_is_refused(install: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "a.deb"
    file.write_bytes(b"one")
    install.check_sha256(file, hashlib.sha256(b"one").hexdigest())
    with pytest.raises(install.Missing, match="was pinned; don't use it"):
        install.check_sha256(file, hashlib.sha256(b"two").hexdigest())


def test_a_failing_download_shows_what_was_said(install: ModuleType) -> None:
    with pytest.raises(install.Missing, match=r"(?s)check the network.*no such mirror"):
        install.run("sh", "-c", "echo no such mirror >&2; exit 3")
    install.TIMEOUT_S = 0.05
    with pytest.raises(install.Missing, match="took longer than"):
        install.run("sleep", "5")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "debian.sources",
            "Types: deb\n# a comment\nURIs: file:/mirror/debian/\nSuites: bookworm\n",
        ),
        ("own.list", "deb [arch=amd64] file:/mirror/debian/ bookworm main\n"),
    ],
)
def test_the_machine_s_own_mirror_is_used(
    install: ModuleType, tmp_path: Path, name: str, text: str
) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "a.list").write_text("deb file:/mirror/debian-security bookworm main\n")
    with pytest.raises(install.Missing, match="no Debian mirror is configured"):
        install.mirror(tmp_path)
    (folder / name).write_text(text)
    assert install.mirror(tmp_path) == "file:/mirror/debian/"


def test_a_suite_that_lost_a_package_gives_way_to_the_next(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(suite: str, packages: tuple[str, ...], into: Path) -> list[Path]:
        asked.append(suite)
        if suite != "sid":
            raise install.Missing(f"{suite} is gone")
        return [tmp_path / f"{packages[0]}_1_all.deb"]

    monkeypatch.setattr(install, "download", download)
    found = install.fetch(("bullseye", "sid"), ("libandroid-23-java",), tmp_path)
    assert asked == ["bullseye", "sid"] and found[0].name.startswith("libandroid-23-java")
    with pytest.raises(install.Missing, match="buster is gone"):
        install.fetch(("bullseye", "buster"), ("libandroid-23-java",), tmp_path)


def working_set(install: ModuleType) -> None:
    """A set of an earlier version, as a machine has it before an update."""
    install.TOOLS.mkdir()
    (install.TOOLS / install.STAMP).write_text("an earlier version")
    (install.TOOLS / "compiler").write_text("works")


def installs(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part can be had from now on; nothing is downloaded."""
    monkeypatch.setattr(install, "check_commands", lambda: None)
    for part in ("kotlin", "debian", "onnxruntime"):
        monkeypatch.setattr(
            install, f"install_{part}", lambda into, part=part: (into / part).touch()
        )


@pytest.mark.parametrize("part", ["kotlin", "debian", "onnxruntime"])
@pytest.mark.parametrize("ending", ["no network", "killed"])
def test_an_interrupted_installation_leaves_the_working_set_as_it_was(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, part: str, ending: str
) -> None:
    working_set(install)
    installs(install, monkeypatch)

    def fails(into: Path) -> None:
        (into / "half").touch()
        raise (
            install.Missing("the network went away")
            if ending == "no network"
            else KeyboardInterrupt
        )

    with monkeypatch.context() as broken:
        broken.setattr(install, f"install_{part}", fails)
        with pytest.raises(SystemExit if ending == "no network" else KeyboardInterrupt):
            install.main()
    assert sorted(path.name for path in install.TOOLS.iterdir()) == ["compiler", install.STAMP]
    install.main()
    assert sorted(path.name for path in install.TOOLS.iterdir()) == [
        "debian",
        install.STAMP,
        "kotlin",
        "onnxruntime",
    ]
    assert not install.aside("new").exists() and not install.aside("old").exists()


def test_whoever_is_killed_while_sets_are_exchanged_gets_the_old_one_back(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    working_set(install)
    installs(install, monkeypatch)
    renamed = []

    def rename(path: Path, to: Path) -> Path:
        renamed.append(path)
        if len(renamed) == 2:
            raise KeyboardInterrupt
        path.replace(to)
        return to

    with monkeypatch.context() as killed:
        killed.setattr(Path, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            install.main()
    assert not install.TOOLS.exists()
    install.recover()
    assert (install.TOOLS / "compiler").read_text() == "works"
    install.main()
    assert (install.TOOLS / "kotlin").exists()


def test_a_check_without_its_tool_fails_and_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run `python3 android_demo/tools/install\.py`"):
        tools.need(tmp_path / "kotlin")


def test_make_test_installs_the_tools_and_runs_every_android_test() -> None:
    shown = subprocess.run(
        [shutil.which("make") or "make", "--dry-run", "test"],
        cwd=tools.ROOT,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert shown.returncode == 0, shown.stderr
    install_at = shown.stdout.index("android_demo/tools/install.py")
    assert install_at < shown.stdout.index("-m pytest")
    assert "ignore" not in shown.stdout[install_at:]
