"""Fetches what runs the INT8 files on emulated Arm processors: qemu, a small Arm system, both
runtimes.

    python3 android_demo/tools/install_arm.py

Everything lands in android_demo/.arm (about 220 MB), without root. Needed beforehand: pip, and apt
and dpkg of a Debian-like system (its own configured mirror is used). Run again, it does nothing.
Nothing of it is part of the app or redistributed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from install import KEYRING, Missing, aside, exchange, mirror, recover, run

TOOLS = Path(__file__).resolve().parent.parent / ".arm"
STAMP = "installed"
PYTHON = "3.11"
# The runtimes under test and what they import, each pinned; versions are those of constraints.txt.
WHEELS = {
    "ai-edge-litert==2.3.0": "853fc608f96da87bd5f3458465dfb9abbf18d5ae6b94eceacead407146f175ae",
    "flatbuffers==25.12.19": "7634f50c427838bb021c2d66a3d1168e9d199b0607e6329399f04846d42e20b4",
    "numpy==2.4.6": "0ab0a9c4ffb1a6d95ef519fe4247dba8eb6b18ad93999f76b7f657039acabd47",
    "onnxruntime==1.31.1": "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
    "protobuf==7.36.2": "e11e1f0180583a2af89db6a2ecd9e8dc40aa6d2988ca175bfd0e6d12ea72d74e",
}
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
# Emulator and system get security updates, so that a hash would not last: apt checks Debian's
# signature. qemu 7.2, bookworm's own, crashes in ONNX Runtime and computes SME wrongly; qemu-user
# is linked statically.
QEMU_SUITES = ("bookworm-backports", "trixie")
QEMU_MAJOR = 10
SYSTEM_SUITE = "bookworm"
SYSTEM = (
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libssl3",
    "libstdc++6",
    "python3.11-minimal",
    "zlib1g",
)


def main() -> None:
    """Installs what is missing; exit code 1 and a remedy where that can't be done."""
    try:
        recover(TOOLS)
        stamp = TOOLS / STAMP
        if stamp.is_file() and stamp.read_text() == pins():
            return
        check_commands()
        fresh = aside("new", TOOLS)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        install_qemu(fresh)
        install_system(fresh)
        install_wheels(fresh)
        (fresh / STAMP).write_text(pins())
        exchange(fresh, TOOLS)
        print(f"Arm tools are in {TOOLS}")
    except Missing as error:
        sys.exit(f"error: {error}")


def pins() -> str:
    """Identifies what this file installs."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def check_commands() -> None:
    """Stops unless the machine has what can't be fetched without root."""
    for command in ("apt-get", "dpkg"):
        if shutil.which(command) is None:
            raise Missing(f"{command} is missing; these checks need Debian, or a container of it")
    if not KEYRING.is_file():
        raise Missing(f"{KEYRING} is missing; install debian-archive-keyring and run this again")


def install_qemu(into: Path) -> None:
    """The one emulator that is needed as qemu-aarch64, from the first suite that holds it."""
    own = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True).stdout.strip()
    folder, emulator = into / "qemu", into / "qemu-aarch64"
    unpack(fetch_first(QEMU_SUITES, ("qemu-user",), own, into), folder)
    packed = folder / "usr" / "bin" / emulator.name
    if not packed.is_file():
        raise Missing(f"the package qemu-user holds no {emulator.name}; report this")
    packed.rename(emulator)
    shutil.rmtree(folder)
    said = subprocess.run([emulator, "--version"], check=False, capture_output=True, text=True).stdout
    found = re.search(r"version (\d+)", said)
    if found is None or int(found.group(1)) < QEMU_MAJOR:
        raise Missing(f"qemu {QEMU_MAJOR} or later is needed, this one says {said.strip()!r}; "
            "report this")


def install_system(into: Path) -> None:
    """Python and its libraries for Arm as root/."""
    unpack(fetch(SYSTEM_SUITE, SYSTEM, "arm64", into), into / "root")


def fetch_first(
    suites: tuple[str, ...], packages: tuple[str, ...], architecture: str, tools: Path
) -> list[Path]:
    """Packages of the first suite that holds them all."""
    first, *others = suites
    try:
        return fetch(first, packages, architecture, tools)
    except Missing:
        if not others:
            raise
        return fetch_first(tuple(others), packages, architecture, tools)


def fetch(
    suite: str, packages: tuple[str, ...], architecture: str, tools: Path
) -> list[Path]:
    """Packages of a suite and architecture as files in `tools`, by apt with lists of its own.

    apt checks Debian's signature.
    """
    state = tools / "apt" / f"{suite}-{architecture}"
    shutil.rmtree(state, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial", "debs"):
        (state / part).mkdir(parents=True)
    (state / "status").touch()
    source = f"deb [signed-by={KEYRING} arch={architecture}] {mirror()} {suite} main\n"
    (state / "sources.list").write_text(source)
    options = [
        f"-oDir::Etc::SourceList={state / 'sources.list'}",
        "-oDir::Etc::SourceParts=/dev/null",
        f"-oDir::State::Lists={state / 'lists'}",
        f"-oDir::State::status={state / 'status'}",
        f"-oDir::Cache={state / 'cache'}",
        "-oAPT::Sandbox::User=root",
        "-oAPT::Update::Error-Mode=any",
        f"-oAPT::Architecture={architecture}",
        f"-oAPT::Architectures={architecture}",
    ]
    run("apt-get", *options, "update", "-qq")
    run("apt-get", *options, "download", "-qq", *packages, cwd=state / "debs")
    debs = sorted((state / "debs").glob("*.deb"))
    if len(debs) != len(packages):
        raise Missing(f"{suite} gave {len(debs)} of {len(packages)} packages; run this again")
    return debs


def unpack(debs: list[Path], folder: Path) -> None:
    """Debian packages unpacked into a folder beside them, without touching the system."""
    folder.mkdir()
    for deb in debs:
        run("dpkg", "-x", str(deb), str(folder))
    shutil.rmtree(folder.parent / "apt")


def install_wheels(into: Path) -> None:
    """LiteRT, ONNX Runtime and what they import as site/; pip refuses another hash."""
    folder, wanted = into / "wheels", into / "wheels.txt"
    wanted.write_text("".join(f"{name} --hash=sha256:{pin}\n" for name, pin in WHEELS.items()))
    run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
        *(word for name in PLATFORMS for word in ("--platform", name)),
        *("--python-version", PYTHON, "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"),
        *("--require-hashes", "--dest", str(folder), "-r", str(wanted)),
    )
    found = sorted(folder.glob("*.whl"))
    if len(found) != len(WHEELS):
        raise Missing(f"pip gave {len(found)} of {len(WHEELS)} packages; run this again")
    for wheel in found:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(into / "site")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
