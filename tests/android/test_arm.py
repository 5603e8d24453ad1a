"""INT8 files on emulated Arm processors: within the levels that a manifest allows."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks.arm import __main__ as command
from benchmarks.arm import emulate
from benchmarks.arm.emulate import CPUS, Cpu, Job, instructions, run_on
from benchmarks.arm.goldens import Case, Difference, cases, difference
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.families import FAMILIES
from iast_export.reports.manifest import load_manifest
from tests import android_tools as tools

SCRIPT = tools.DEMO / "tools" / "install_arm.py"
TIER = "d4-32px"


@pytest.fixture(scope="module")
def asked(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Case], Path]:
    folder = tmp_path_factory.mktemp("arm")
    return cases(small_bundle, load_manifest(small_bundle), folder, [TIER]), folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as a module that installs into a folder of its own."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("arm_install", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.TOOLS = tmp_path / "tools"
    yield module
    sys.modules.pop("install", None)


@pytest.mark.parametrize("cpu", CPUS, ids=lambda cpu: cpu.name)
def test_a_phone_s_processor_computes_the_pictures_that_were_verified(
    cpu: Cpu, asked: tuple[list[Case], Path]
) -> None:
    wanted, folder = asked
    outputs, met = run_on(cpu, [case.job for case in wanted], folder, log=True)
    apart = {
        case.job.runtime: difference(found, case.expected)
        for case, found in zip(wanted, outputs, strict=True)
    }
    for runtime, found in apart.items():
        assert found.max_levels <= FAMILIES[runtime].tolerance_levels, runtime  # type: ignore[index]
    assert met[cpu.instruction] > 0, f"{cpu.name} took {dict(met)}, not its own kernels"


def test_the_processors_are_four_generations() -> None:
    assert [(cpu.name, cpu.instruction) for cpu in CPUS] == [
        ("cortex-a53", "SMLAL"),
        ("cortex-a76", "SDOT"),
        ("cortex-a710", "SMMLA"),
        ("max", "SMOPA"),
    ]


def test_a_missing_emulator_fails_and_says_what_to_run(
    asked: tuple[list[Case], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, folder = asked
    monkeypatch.setattr(emulate, "TOOLS", tmp_path)
    with pytest.raises(InputError, match=r"run `python3 android_demo/tools/install_arm\.py`"):
        run_on(CPUS[0], [case.job for case in wanted], folder)


def test_a_failing_or_endless_run_is_an_error_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("root", "site"):
        (tmp_path / part).mkdir()
    emulator = tmp_path / "qemu-aarch64"
    emulator.write_text("#!/bin/sh\necho no such file: no.tflite >&2; exit 3\n")
    emulator.chmod(0o755)
    monkeypatch.setattr(emulate, "TOOLS", tmp_path)
    with pytest.raises(ToolError, match=r"emulated cortex-a76 failed: no such file: no\.tflite"):
        run_on(CPUS[1], [], tmp_path)
    monkeypatch.setattr(emulate, "TIMEOUT_S", 0.05)
    emulator.write_text("#!/bin/sh\nexec sleep 5\n")
    with pytest.raises(ToolError, match="took longer than"):
        run_on(CPUS[1], [], tmp_path)


def test_the_command_reports_every_processor_and_fails_beyond_the_tolerance(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = load_manifest(small_bundle)
    flipped = {"litert": 0}

    def emulated(cpu: Cpu, jobs: list[Job], folder: Path, *, log: bool) -> tuple[object, object]:
        found = []
        for case in cases(small_bundle, manifest, folder, [TIER]):
            outputs = {name: value.copy() for name, value in case.expected.items()}
            for value in outputs.values():
                value.reshape(-1)[0] += flipped.get(case.job.runtime, 0)
            found.append(outputs)
        assert len(found) == len(jobs)
        return found, {cpu.instruction: 1}

    monkeypatch.setattr(command, "run_on", emulated)
    assert command.judge(small_bundle, [TIER], ("int8",)) == 0
    said = capsys.readouterr().out
    assert all(cpu.name in said for cpu in CPUS) and "identical" in said and "beyond" not in said
    flipped["litert"] = FAMILIES["litert"].tolerance_levels + 1
    assert command.judge(small_bundle, [TIER], ("int8",)) == 5
    assert "**beyond**" in capsys.readouterr().out


def test_an_unknown_tier_is_refused_with_those_there_are(
    small_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no tier 'd9-9px'") as error:
        cases(small_bundle, load_manifest(small_bundle), tmp_path, ["d9-9px"])
    assert "choose of d4-32px, d1-64px" in error.value.remedy


def test_nan_and_other_outputs_are_no_difference() -> None:
    with pytest.raises(InputError, match="NaN"):
        difference({"x": np.full(2, np.nan, np.float32)}, {"x": np.zeros(2, np.float32)})
    with pytest.raises(InputError, match="expected"):
        difference({"y": np.zeros(2)}, {"x": np.zeros(2)})
    apart = difference({"x": np.array([0.0, 1.0])}, {"x": np.array([0.0, 0.9])})
    assert apart == Difference(False, 25, 0.5)


def test_instructions_are_counted_in_the_emulator_s_log(tmp_path: Path) -> None:
    log = tmp_path / "in_asm.log"
    words = [
        "4e829420",
        "4e82a420",
        "0e228020",
        "a0820020",
        "d503201f",
    ]  # sdot, smmla, smlal, smopa, nop
    log.write_text(
        "IN: \n" + "".join(f"0x0000{i:04x}:  {word}  text\n" for i, word in enumerate(words))
    )
    assert instructions(log) == {"SDOT": 1, "SMMLA": 1, "SMLAL": 1, "SMOPA": 1}


def test_a_second_installation_needs_nothing_and_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, SCRIPT],
        env={"PATH": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_runtimes_are_pinned_as_the_checks_use_them(install: ModuleType) -> None:
    constraints = (tools.ROOT / "constraints.txt").read_text().splitlines()
    assert {"ai-edge-litert", "onnxruntime", "numpy"} <= {
        name.split("==")[0] for name in install.WHEELS
    }
    assert set(install.WHEELS) <= set(constraints)
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin) for pin in install.WHEELS.values())
    assert not re.search(r"https?://|debian\.org|pypi", SCRIPT.read_text())


@pytest.mark.parametrize("name", ["apt-get", "dpkg"])
def test_a_missing_command_is_named(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "bin").mkdir()
    for other in {"apt-get", "dpkg"} - {name}:
        (tmp_path / "bin" / other).symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SystemExit, match=f"error: {name} is missing; these checks need Debian"):
        install.main()
    assert not install.TOOLS.exists()


def test_a_runtime_of_another_hash_is_refused(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "own" / "tiny-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"not what was pinned")
    install.TOOLS.mkdir()
    monkeypatch.setattr(install, "WHEELS", {"tiny==1.0": hashlib.sha256(b"pinned").hexdigest()})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    with pytest.raises(install.Missing, match=r"(?s)failed; check the network.*HASH"):
        install.install_wheels(install.TOOLS)


def test_an_old_emulator_is_refused(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(debs: list[Path], folder: Path) -> None:
        emulator = folder / "usr" / "bin" / "qemu-aarch64"
        emulator.parent.mkdir(parents=True)
        emulator.write_text("#!/bin/sh\necho qemu-aarch64 version 7.2.9\n")
        emulator.chmod(0o755)

    monkeypatch.setattr(install, "fetch_first", lambda *_: [])
    monkeypatch.setattr(install, "unpack", unpack)
    with pytest.raises(install.Missing, match=r"qemu 10 or later is needed.*7\.2\.9"):
        install.install_qemu(tmp_path)


def test_make_test_installs_the_emulator_before_the_tests() -> None:
    shown = subprocess.run(
        [shutil.which("make") or "make", "--dry-run", "test"],
        cwd=tools.ROOT,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.index("android_demo/tools/install_arm.py") < shown.stdout.index("-m pytest")
    assert "/android_demo/.arm/" in (tools.ROOT / ".gitignore").read_text().splitlines()
