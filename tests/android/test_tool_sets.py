"""The installers of the other sets: Arm, the Vulkan driver, the browser, the metadata reader.

What is true of `install.py` (test_tools.py) is true of them: pinned, quiet the second time, and
whoever interrupts one keeps the set that worked.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests import android_tools as tools
from tests.metadata_reader import SET

FOLDER = tools.DEMO / "tools"
PARTS = {
    "install_arm": ("install_qemu", "install_system", "install_wheels"),
    "install_gpu": ("install_driver", "install_system", "write_description"),
    "install_browser": ("install_browser", "install_system", "install_axe", "write_fonts"),
    "install_metadata": ("install_system", "install_wheels"),
}
INTERRUPTED = [(name, part) for name, parts in PARTS.items() for part in parts]


def loaded(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """A script as a module that installs into a folder of its own, and fetches nothing."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location(f"own_{name}", FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.TOOLS = tmp_path / "set"
    monkeypatch.setattr(module, "check_commands", lambda: None)
    for part in PARTS[name]:
        monkeypatch.setattr(module, part, lambda into, part=part: (into / part).touch())
    return module


@pytest.fixture(autouse=True)
def no_module_stays() -> Iterator[None]:
    yield
    for name in ("install", "install_arm", "install_gpu"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("name", "part"), INTERRUPTED)
@pytest.mark.parametrize("ending", ["no network", "killed"])
def test_an_interrupted_installation_leaves_the_working_set_as_it_was(
    name: str, part: str, ending: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = loaded(name, monkeypatch, tmp_path)
    module.TOOLS.mkdir()
    (module.TOOLS / "works").touch()

    def fails(into: Path) -> None:
        raise module.Missing("the network went away") if ending == "no network" else SystemExit(9)

    with monkeypatch.context() as broken:
        broken.setattr(module, part, fails)
        with pytest.raises(SystemExit):
            module.main()
    assert [path.name for path in module.TOOLS.iterdir()] == ["works"]
    module.main()
    made = {path.name for path in module.TOOLS.iterdir()}
    assert made >= {module.STAMP, *PARTS[name]} and "works" not in made
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    before = (module.TOOLS / module.STAMP).stat().st_mtime_ns
    module.main()
    assert (module.TOOLS / module.STAMP).stat().st_mtime_ns == before


@pytest.mark.parametrize(("script", "pins"), [("install_browser", 4), ("install_metadata", 3)])
def test_what_is_fetched_is_pinned_and_names_no_host(script: str, pins: int) -> None:
    text = (FOLDER / f"{script}.py").read_text(encoding="utf-8")
    assert len(set(re.findall(r'"([0-9a-f]{64})"', text))) == pins
    assert not re.search(r"https?://|debian\.org|pypi", text)


def test_the_reader_of_metadata_is_there() -> None:
    assert (SET / "installed").is_file()


@pytest.mark.parametrize("script", ["install_browser.py", "install_metadata.py"])
@pytest.mark.parametrize("goal", ["test", "test-python"])
def test_every_way_to_test_installs_what_its_tests_need_first(goal: str, script: str) -> None:
    shown = subprocess.run(
        [shutil.which("make") or "make", "--dry-run", goal],
        cwd=tools.ROOT,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    at = shown.stdout.index(f"android_demo/tools/{script}")
    assert at < shown.stdout.index("-m pytest")


@pytest.mark.parametrize("name", ["tools", "arm", "gpu", "browser", "metadata"])
def test_git_ignores_every_set_and_what_an_interruption_leaves(name: str) -> None:
    ignored = set((tools.ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
    wanted = {f"/android_demo/.{name}{end}/" for end in ("", ".new", ".old")}
    assert wanted <= ignored
