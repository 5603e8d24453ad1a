"""Fetches what reads the metadata of .tflite files as Android does: TensorFlow Lite Support 0.4.4.

    python3 android_demo/tools/install_metadata.py

Everything lands in android_demo/.metadata (about 86 MB), without root: the package's reader of
metadata, what it imports, and a Python 3.11 of Debian's, the last one that it was built for. It is
an environment of its own, since the package holds protobuf below 4. Needed beforehand: pip, and
apt and dpkg of a Debian-like system on x86-64 (its own configured mirror is used). Run again, it
does nothing; interrupted, it leaves the set that worked.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from pathlib import Path

from install import Missing, aside, exchange, recover, run
from install_arm import check_commands, fetch

TOOLS = Path(__file__).resolve().parent.parent / ".metadata"
STAMP = "installed"
WHEELS = {
    "tflite-support==0.4.4": "eb6bffda7532bd0e0c95c69a4a3f1276e0434891b8139c21b71db40c713ccc98",
    "flatbuffers==25.12.19": "7634f50c427838bb021c2d66a3d1168e9d199b0607e6329399f04846d42e20b4",
    "numpy==2.4.6": "89cd468399cfd2504718f0ba50e410dca55a170b61a02ad92bb18c8a65186e93",
}
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")
# The reader; the tasks beside it (58 MB) run models, which nothing here asks of it.
READER = "tensorflow_lite_support/metadata/"
NEEDED_OF_SUPPORT = (READER, "tensorflow_lite_support/__init__.py")
PYTHON = "3.11"
SUITE = "bookworm"
# Python, and what the reader's libraries load: libusb came into them with the tasks. They get
# security updates, so that apt checks Debian's signature.
SYSTEM = (
    "libexpat1",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libudev1",
    "libusb-1.0-0",
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
        install_system(fresh)
        install_wheels(fresh)
        (fresh / STAMP).write_text(pins())
        exchange(fresh, TOOLS)
        print(f"A reader of TFLite metadata is in {TOOLS}")
    except Missing as error:
        sys.exit(f"error: {error}")


def pins() -> str:
    """Identifies what this file installs."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def install_system(into: Path) -> None:
    """Python and libraries as root/."""
    for deb in fetch(SUITE, SYSTEM, "amd64", into):
        run("dpkg", "-x", str(deb), str(into / "root"))
    shutil.rmtree(into / "apt")


def install_wheels(into: Path) -> None:
    """The reader and what it imports as site/; pip refuses another hash."""
    folder, wanted = into / "wheels", into / "wheels.txt"
    wanted.write_text("".join(f"{name} --hash=sha256:{pin}\n" for name, pin in WHEELS.items()))
    run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
        *(word for name in PLATFORMS for word in ("--platform", name)),
        *("--python-version", PYTHON, "--implementation", "cp", "--abi", "cp311", "--abi", "none"),
        *("--require-hashes", "--dest", str(folder), "-r", str(wanted)),
    )
    found = sorted(folder.glob("*.whl"))
    if len(found) != len(WHEELS):
        raise Missing(f"pip gave {len(found)} of {len(WHEELS)} packages; run this again")
    for wheel in found:
        unpack(wheel, into / "site")
    shutil.rmtree(folder)
    wanted.unlink()


def unpack(wheel: Path, into: Path) -> None:
    """A package's files; of TensorFlow Lite Support those that read metadata."""
    of_support = wheel.name.startswith("tflite_support")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not of_support or name.startswith(NEEDED_OF_SUPPORT):
                archive.extract(name, into)


if __name__ == "__main__":
    main()
