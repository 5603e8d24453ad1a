"""The machine's fingerprint, versions and the doctor."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import iast_export
from iast_export import environment
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import json_bytes
from iast_export.files.toml_text import parse_toml


def test_the_fingerprint_says_what_decides_speed_and_stays_the_same() -> None:
    found = environment.machine_fingerprint()
    assert set(found) == {"cpu", "architecture", "flags", "cores", "os", "python"}
    assert found == environment.machine_fingerprint()
    assert found["cpu"] and found["cores"] == environment.usable_cores() >= 1
    json_bytes(found)


def test_a_core_that_was_taken_away_changes_times_and_no_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, fingerprint = environment.kernel_facts(), environment.machine_fingerprint()
    monkeypatch.setattr(environment, "usable_cores", lambda: 77)
    assert environment.machine_fingerprint() != fingerprint
    assert environment.kernel_facts() == before


def test_versions_name_the_package_python_and_the_tools() -> None:
    found = environment.versions()
    assert found["iast-export"] == iast_export.__version__
    assert {"python", "numpy", "onnx", "onnxruntime", "ai-edge-litert"} <= set(found)
    assert not any("+" in version for version in found.values())


def test_a_tool_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_TOOLS", ("numpy", "no-such-tool"))
    assert set(environment.versions()) == {"iast-export", "python", "numpy"}


def test_peak_memory_grows_with_what_is_held_and_is_not_the_parents() -> None:
    code = (
        "import sys; sys.path.insert(0, '.'); from iast_export.environment import "
        "peak_rss_bytes as p; "
    )
    grow = "a = p(); b = b'x' * 80_000_000; print(a, p())"
    ballast = b"y" * 300_000_000
    out = subprocess.run(
        [sys.executable, "-c", code + grow], capture_output=True, text=True, check=True
    )
    before, after = map(int, out.stdout.split())
    assert after - before > 60_000_000
    assert before < len(ballast)


def test_the_doctor_finds_everything_that_a_build_needs() -> None:
    checks = {check.name: check for check in environment.doctor()}
    assert checks["python"].status == "ok"
    for name in (
        "onnx",
        "onnxruntime",
        "ai-edge-litert",
        "torch",
        "litert-torch",
        "ai-edge-quantizer",
    ):
        assert checks[name].status == "ok", checks[name]
    assert {"processor", "packaged checkpoint"} <= set(checks)


def test_the_doctor_says_how_to_get_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = (("no_such_module", "no-such-tool", "export", "iast-export[build]"),)
    monkeypatch.setattr(environment, "_NEEDED", needed)
    monkeypatch.setattr(environment, "_cpu_flags", lambda: frozenset({"avx2"}))
    checks = {check.name: check for check in environment.doctor()}
    assert checks["no-such-tool"].status == "missing"
    assert "pip install -c constraints.txt 'iast-export[build]'" in checks["no-such-tool"].remedy
    assert checks["processor"].status == "warning"
    assert "VNNI" in checks["processor"].remedy


def test_pins_are_named_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def remedy() -> str:
        return (environment.missing_package("cv2") or ("", "", ""))[2]

    monkeypatch.chdir(tmp_path)
    clone = Path(environment.__file__).resolve().parents[1]
    assert remedy() == f"pip install -c {clone / 'constraints.txt'} 'iast-export[run]'"
    monkeypatch.setattr(environment, "_PINS", tmp_path / "a b" / "constraints.txt")
    assert remedy() == "pip install 'iast-export[run]'"
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "constraints.txt").touch()
    assert remedy() == f"pip install -c '{tmp_path}/a b/constraints.txt' 'iast-export[run]'"


LIGHT = (
    "bundle.inspection",
    "environment",
    "errors",
    "files.artifacts",
    "gate",
    "pictures.images",
    "recipe",
    "reports.manifest",
    "specs",
)


def test_the_package_gate_and_inspect_load_no_torch() -> None:
    imports = "; ".join(f"import iast_export.{name}" for name in LIGHT)
    code = f"import sys; sys.path.insert(0, '.'); {imports}; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("system", "machine", "has_it"),
    [
        ("Linux", "x86_64", True),
        ("Darwin", "arm64", True),
        ("Linux", "aarch64", False),
        ("Windows", "AMD64", False),
    ],
)
def test_the_doctor_says_where_a_bundle_can_be_built(
    system: str, machine: str, has_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.platform, "system", lambda: system)
    monkeypatch.setattr(environment.platform, "machine", lambda: machine)
    check = {check.name: check for check in environment.doctor()}["platform"]
    assert (check.status == "ok") == has_it
    found = environment.missing_package("litert_torch.odml")
    assert found is not None and ("'iast-export[build]'" in found[2]) == has_it
    assert has_it or "build on x86-64 Linux or on a Mac" in found[2]


def test_a_build_that_would_lack_a_package_later_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment.require_build()
    needed = (("no_such_module", "no-such-tool", "quantize", "iast-export[build]"),)
    monkeypatch.setattr(environment, "_NEEDED", needed)
    with pytest.raises(
        UsageError, match=r"no-such-tool is not installed.*\n.*iast-export\[build\]"
    ):
        environment.require_build()


def test_every_dependency_of_ours_has_its_extra() -> None:
    text = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_bytes()
    project = parse_toml(text, "pyproject.toml", InputError)["project"]
    extras = project["optional-dependencies"]
    wanted = {"iast-export": project["dependencies"]}
    wanted |= {f"iast-export[{name}]": extras[name] for name in ("run", "build")}
    rows = [*environment._NEEDED, *environment._OTHERS]
    for install, requirements in wanted.items():
        names = {re.split(r"[^a-z0-9-]", one)[0] for one in requirements} - {"iast-export"}
        assert names == {package for _, package, _, where in rows if where == install}
