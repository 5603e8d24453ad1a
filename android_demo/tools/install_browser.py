"""Fetches what looks at the HTML report in the tests: a headless Chromium, a font, axe-core.

    python3 android_demo/tools/install_browser.py

Everything lands in android_demo/.browser (about 95 MB to fetch, 235 MB of disk), without root.
Needed beforehand: npm, apt and dpkg of a Debian-like system (its own configured mirror is used).
Run again, it does nothing. Nothing of it is part of the project or redistributed; axe-core is under
the MPL 2.0.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from install import Missing, aside, check_sha256, exchange, recover, run
from install_arm import check_commands, fetch
from install_gpu import architecture, stem

TOOLS = Path(__file__).resolve().parent.parent / ".browser"
STAMP = "installed"
BROWSER, LIBRARIES, FONTS = "chromium", "lib", "fonts"
SHELL = "chromium-headless-shell"
# Pinned: what a page looks like is judged in this browser with this font. The suite without its
# security updates, which a page of our own does not need, keeps the files for good.
SUITE = "bookworm"
PINNED = {
    "chromium-common": "31326f6b71ce20a52e7bea9792bf7135d4ff802e1cdbc250960b1b46729998d2",
    SHELL: "a6d195a93c6d4ee6ea17e99a183d52bd49599138f395a5c861a29ac592e081ee",
    "fonts-dejavu-core": "8892669e51aab4dc56682c8e39d8ddb7d70fad83c369344e1e240bf3ca22bb76",
}
PINNED_FOR = "amd64"
KEPT = (
    SHELL,
    "headless_command_resources.pak",
    "headless_lib_data.pak",
    "headless_lib_strings.pak",
    "icudtl.dat",
    "snapshot_blob.bin",
    "v8_context_snapshot.bin",
)
AXE = "axe-core@4.14.1"
AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
# What the browser loads, fetched where the machine has it not; apt checks Debian's signature on it.
SYSTEM = {
    "libFLAC": "libflac12",
    "libX11": "libx11-6",
    "libX11-xcb": "libx11-xcb1",
    "libXNVCtrl": "libxnvctrl0",
    "libXau": "libxau6",
    "libXcomposite": "libxcomposite1",
    "libXdamage": "libxdamage1",
    "libXdmcp": "libxdmcp6",
    "libXext": "libxext6",
    "libXfixes": "libxfixes3",
    "libXi": "libxi6",
    "libXrandr": "libxrandr2",
    "libXrender": "libxrender1",
    "libasound": "libasound2",
    "libasyncns": "libasyncns0",
    "libatk-1.0": "libatk1.0-0",
    "libatspi": "libatspi2.0-0",
    "libblkid": "libblkid1",
    "libbrotlicommon": "libbrotli1",
    "libbrotlidec": "libbrotli1",
    "libbsd": "libbsd0",
    "libcap": "libcap2",
    "libdav1d": "libdav1d6",
    "libdbus-1": "libdbus-1-3",
    "libdouble-conversion": "libdouble-conversion3",
    "libdrm": "libdrm2",
    "libexpat": "libexpat1",
    "libffi": "libffi8",
    "libfontconfig": "libfontconfig1",
    "libfreetype": "libfreetype6",
    "libgbm": "libgbm1",
    "libgcrypt": "libgcrypt20",
    "libgio-2.0": "libglib2.0-0",
    "libglib-2.0": "libglib2.0-0",
    "libgmodule-2.0": "libglib2.0-0",
    "libgobject-2.0": "libglib2.0-0",
    "libgpg-error": "libgpg-error0",
    "libgraphite2": "libgraphite2-3",
    "libharfbuzz": "libharfbuzz0b",
    "libharfbuzz-subset": "libharfbuzz-subset0",
    "libjpeg": "libjpeg62-turbo",
    "liblz4": "liblz4-1",
    "libmd": "libmd0",
    "libminizip": "libminizip1",
    "libmount": "libmount1",
    "libmp3lame": "libmp3lame0",
    "libmpg123": "libmpg123-0",
    "libnspr4": "libnspr4",
    "libnss3": "libnss3",
    "libnssutil3": "libnss3",
    "libogg": "libogg0",
    "libopenh264": "libopenh264-7",
    "libopus": "libopus0",
    "libpcre2-8": "libpcre2-8-0",
    "libplc4": "libnspr4",
    "libplds4": "libnspr4",
    "libpng16": "libpng16-16",
    "libpulse": "libpulse0",
    "libpulsecommon-16.1": "libpulse0",
    "libselinux": "libselinux1",
    "libsndfile": "libsndfile1",
    "libsystemd": "libsystemd0",
    "libudev": "libudev1",
    "libvorbis": "libvorbis0a",
    "libvorbisenc": "libvorbisenc2",
    "libwayland-server": "libwayland-server0",
    "libxcb": "libxcb1",
    "libxkbcommon": "libxkbcommon0",
    "libzstd": "libzstd1",
}
ROUNDS = 6  # of libraries that ask for libraries


def main() -> None:
    """Installs what is missing; exit code 1 and a remedy where that can't be done."""
    try:
        recover(TOOLS)
        stamp = TOOLS / STAMP
        if stamp.is_file() and stamp.read_text() == pins():
            return
        check_commands()
        if shutil.which("npm") is None:
            raise Missing("npm is missing; install npm and run this again")
        fresh = aside("new", TOOLS)
        shutil.rmtree(fresh, ignore_errors=True)
        for folder in (BROWSER, LIBRARIES, FONTS):
            (fresh / folder).mkdir(parents=True)
        install_browser(fresh)
        install_system(fresh)
        install_axe(fresh)
        write_fonts(fresh)
        (fresh / STAMP).write_text(pins())
        exchange(fresh, TOOLS)
        print(f"A headless Chromium is in {TOOLS}")
    except Missing as error:
        sys.exit(f"error: {error}")


def pins() -> str:
    """Identifies what this file installs."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def install_browser(into: Path) -> None:
    """The browser in chromium/ and the font in fonts/."""
    for deb in fetch(SUITE, tuple(PINNED), architecture(), into):
        if architecture() == PINNED_FOR:
            check_sha256(deb, PINNED[deb.name.split("_")[0]])
        with unpacked(deb, into) as folder:
            for found in (folder / "usr" / "lib" / "chromium").glob("*"):
                if found.name in KEPT:
                    found.rename(into / BROWSER / found.name)
            for found in (folder / "usr" / "share" / "fonts").rglob("*.ttf"):
                found.rename(into / FONTS / found.name)
    shutil.rmtree(into / "apt")
    missing = [name for name in KEPT if not (into / BROWSER / name).is_file()]
    if missing:
        raise Missing(f"Debian's packages hold no {', '.join(missing)}; report this")


def install_system(into: Path) -> None:
    """What the browser loads and this machine lacks, in lib/."""
    for _ in range(ROUNDS):
        lacking = lacking_libraries(into)
        if not lacking:
            return
        unknown = [name for name in lacking if stem(name) not in SYSTEM]
        if unknown:
            raise Missing(f"the browser needs {', '.join(unknown)}; install what holds it and run "
                "this again")
        packages = tuple(sorted({SYSTEM[stem(name)] for name in lacking}))
        for deb in fetch(SUITE, packages, architecture(), into):
            with unpacked(deb, into) as folder:
                for found in folder.rglob("lib*.so*"):  # NSS opens some by name
                    shutil.copyfile(found, into / LIBRARIES / found.name)
        shutil.rmtree(into / "apt")
    raise Missing(f"the browser still lacks {', '.join(lacking_libraries(into))}; report this")


def lacking_libraries(into: Path) -> list[str]:
    """Names of the libraries that the browser asks for and that are not found."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(into / LIBRARIES)}
    said = subprocess.run(
        ["ldd", str(into / BROWSER / SHELL)],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if said.returncode:
        raise Missing(f"`ldd {SHELL}` failed: {said.stderr.strip()}; install libc-bin and run "
            "this again")
    return sorted(set(re.findall(r"^\s*(\S+) => not found", said.stdout, re.MULTILINE)))


@contextmanager
def unpacked(deb: Path, into: Path) -> Iterator[Path]:
    """A Debian package's files, until the block ends."""
    folder = into / "unpacked"
    run("dpkg", "-x", str(deb), str(folder))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def install_axe(into: Path) -> None:
    """What judges accessibility, as axe.min.js."""
    run("npm", "pack", "--silent", "--pack-destination", str(into), AXE)
    archive = next(into.glob("*.tgz"))
    check_sha256(archive, AXE_SHA256)
    with tarfile.open(archive) as packed:
        script = packed.extractfile("package/axe.min.js")
        if script is None:
            raise Missing(f"{AXE} holds no axe.min.js; report this")
        (into / "axe.min.js").write_bytes(script.read())
    archive.unlink()


def write_fonts(into: Path) -> None:
    """A configuration with that one font; its paths are relative, so that the folder can move."""
    text = (
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">\n'
        '<fontconfig>\n<dir prefix="relative">fonts</dir>\n'
        '<cachedir prefix="xdg">fontconfig</cachedir>\n</fontconfig>\n'
    )
    (into / "fonts.conf").write_text(text)


if __name__ == "__main__":
    main()
