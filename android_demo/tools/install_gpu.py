"""Fetches a Vulkan driver that computes on the processor, which LiteRT's GPU delegate runs on in
the tests.

    python3 android_demo/tools/install_gpu.py

Everything lands in android_demo/.gpu (about 12 MB, more where LLVM is missing), without root. It is
Mesa's lavapipe, which computes in FP16 where it is asked to, as a phone does. Needed beforehand:
apt and dpkg of a Debian-like system (its own configured mirror is used). Run again, it does
nothing. Other programs use the driver with VK_DRIVER_FILES=android_demo/.gpu/driver.json and
LD_LIBRARY_PATH=android_demo/.gpu/lib.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from install import Missing, aside, check_sha256, exchange, recover, run
from install_arm import check_commands, fetch

TOOLS = Path(__file__).resolve().parent.parent / ".gpu"
STAMP = "installed"
LIBRARIES = "lib"
DRIVER = "libvulkan_lvp.so"
# Pinned, since fidelity on it is judged; bookworm's own Mesa 22.3 lacks what the delegate asks for.
PINNED = {
    "bookworm-backports": {
        "libdrm2": "9cc2f341964286295124a32d3625edb76730500625e54a1e682761f883064d7b",
        "mesa-vulkan-drivers": "3899f1800424c60a05df5d6913076a526ca8fdbabec43672cd397563d1ca3263",
    },
    "bookworm": {"libvulkan1": "622f28b807ba55a1f5ad1622ff83aa2c5b11fedbec074850e04c10a8f28b43d3"},
}
PINNED_FOR = "amd64"
KEPT = ("libdrm.so.2", "libvulkan.so.1", DRIVER)
# What the driver loads besides, fetched where the machine has it not; apt checks Debian's signature
# on it.
SYSTEM_SUITE = "bookworm"
SYSTEM = {
    "libLLVM-15": "libllvm15",
    "libX11-xcb": "libx11-xcb1",
    "libXau": "libxau6",
    "libXdmcp": "libxdmcp6",
    "libbsd": "libbsd0",
    "libedit": "libedit2",
    "libexpat": "libexpat1",
    "libffi": "libffi8",
    "libicudata": "libicu72",
    "libicuuc": "libicu72",
    "libmd": "libmd0",
    "libtinfo": "libtinfo6",
    "libwayland-client": "libwayland-client0",
    "libxcb": "libxcb1",
    "libxcb-dri3": "libxcb-dri3-0",
    "libxcb-present": "libxcb-present0",
    "libxcb-randr": "libxcb-randr0",
    "libxcb-shm": "libxcb-shm0",
    "libxcb-sync": "libxcb-sync1",
    "libxcb-xfixes": "libxcb-xfixes0",
    "libxml2": "libxml2",
    "libxshmfence": "libxshmfence1",
    "libz3": "libz3-4",
    "libzstd": "libzstd1",
}
ROUNDS = 5  # of libraries that ask for libraries


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
        (fresh / LIBRARIES).mkdir(parents=True)
        install_driver(fresh)
        install_system(fresh)
        write_description(fresh)
        (fresh / STAMP).write_text(pins())
        exchange(fresh, TOOLS)
        print(f"A software Vulkan driver is in {TOOLS}")
    except Missing as error:
        sys.exit(f"error: {error}")


def pins() -> str:
    """Identifies what this file installs."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def install_driver(into: Path) -> None:
    """The driver, the loader and their own libraries in lib/."""
    for suite, pinned in PINNED.items():
        debs = fetch(suite, tuple(pinned), architecture(), into)
        for deb in debs if architecture() == PINNED_FOR else ():
            check_sha256(deb, pinned[deb.name.split("_")[0]])
        unpack(debs, KEPT, into)
    missing = [name for name in KEPT if not (into / LIBRARIES / name).is_file()]
    if missing:
        raise Missing(f"Debian's packages hold no {', '.join(missing)}; report this")


def install_system(into: Path) -> None:
    """What the driver loads and this machine lacks, in lib/."""
    for _ in range(ROUNDS):
        lacking = lacking_libraries(into)
        if not lacking:
            return
        unknown = [name for name in lacking if stem(name) not in SYSTEM]
        if unknown:
            raise Missing(f"the driver needs {', '.join(unknown)}; install what holds it and run "
                "this again")
        packages = tuple(sorted({SYSTEM[stem(name)] for name in lacking}))
        unpack(fetch(SYSTEM_SUITE, packages, architecture(), into), tuple(lacking), into)
    raise Missing(f"the driver still lacks {', '.join(lacking_libraries(into))}; report this")


def lacking_libraries(into: Path) -> list[str]:
    """Names of the libraries that the driver asks for and that are not found."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(into / LIBRARIES)}
    said = subprocess.run(
        ["ldd", str(into / LIBRARIES / DRIVER)], env=environment, check=False, capture_output=True, text=True
    )
    if said.returncode:
        raise Missing(f"`ldd {DRIVER}` failed: {said.stderr.strip()}; install libc-bin and run "
            "this again")
    return sorted(set(re.findall(r"^\s*(\S+) => not found", said.stdout, re.MULTILINE)))


def stem(name: str) -> str:
    """A library's name without its version: `libxml2` of `libxml2.so.2`."""
    return name.split(".so")[0]


def architecture() -> str:
    """This machine's, as Debian calls it."""
    said = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)
    return said.stdout.strip()


def unpack(debs: list[Path], names: tuple[str, ...], into: Path) -> None:
    """Those libraries of Debian packages in lib/; the rest of the packages is thrown away."""
    for deb in debs:
        folder = into / "unpacked"
        run("dpkg", "-x", str(deb), str(folder))
        for name in names:
            for found in folder.rglob(name):
                shutil.copyfile(found, into / LIBRARIES / name)
        shutil.rmtree(folder)
    shutil.rmtree(into / "apt")


def write_description(into: Path) -> None:
    """The file that a Vulkan loader is told of; its path is relative, so that the folder can
    move."""
    described = {"library_path": f"lib/{DRIVER}", "api_version": "1.4.305"}
    text = json.dumps({"file_format_version": "1.0.0", "ICD": described}, indent=1)
    (into / "driver.json").write_text(f"{text}\n")


if __name__ == "__main__":
    main()
