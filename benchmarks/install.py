"""What each extra takes to install, and that its verbs run: wheel and sdist in an empty folder.

    python -m benchmarks.install dist/demo --out dist/install --python python3.12

Builds both files, checks them and the rendered readme with twine, then makes an environment per
interpreter and extra, installs the wheel with the pins and runs the extra's verbs on the bundle in
an empty folder. Seconds are pip's, downloads included where its cache has not got them. The build
extra, which brings torch, is left out unless it is named (`--extra build`). Exit code 4 where
something failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
# A rule that any build passes, and a depth plan that is built in a minute.
_RULES = "schema_version = 1\n[accuracy.int8]\nmin_psnr_mean_db = 20.0\n"
_RECIPE = """
name = "tried"
tiers = [{depth = 1, max_side_px = 64}]
calibration = {max_pairs = 8}
quantize = {fallback = 0}
verify = {images = 4}
benchmark = {warmup = 1, blocks = 3}
"""
_BASE = (
    "iast-export doctor",
    "iast-export check rules.toml",
    "iast-export inspect {onnx}",
    "iast-export gate {bundle} --rules rules.toml --write-baseline baseline.json",
    "iast-export gate {bundle} --rules rules.toml --baseline baseline.json",
)
_RUN = (
    "iast-export inspect {bundle}",
    "iast-export golden {bundle}",
    "iast-export stylize {bundle} --content skimage:coffee.png --style {style} --scale-down "
    "--out pictures",
    "iast-export report {bundle} --out page.html",
)
_VERBS = {
    "": _BASE,
    "run": _RUN,
    "studio": (*_RUN, "python -c 'import iast_export.studio.server'"),
    "sign": (*_BASE, "python -c 'import iast_export.bundle.signing'"),
    "find": (*_BASE, "python -c 'import wordllama'"),
    "cluster": (*_RUN, "python -c 'import distributed'"),
    "build": (
        "iast-export plan --recipe recipe.toml",
        "iast-export build --recipe recipe.toml --out made",
        "iast-export gate made --rules rules.toml --write-baseline baseline.json",
    ),
}
_USUAL = [extra for extra in _VERBS if extra != "build"]


@dataclass(frozen=True)
class Row:
    """What one environment took, and what the verbs that failed in it said."""

    python: str
    what: str
    seconds: float
    packages: int
    megabytes: float
    failed: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--python", action="append", default=[], help="may be repeated")
    parser.add_argument("--extra", action="append", choices=list(_VERBS), default=[])
    parser.add_argument("--keep", action="store_true", help="leave the environments there")
    given = parser.parse_args(arguments)
    out, bundle = given.out.absolute(), given.bundle.absolute()
    if not (bundle / "manifest.json").is_file():
        print(f"error: {bundle} is no bundle\n  → build one first", file=sys.stderr)
        return 3
    rows = []
    print("| Python | what | seconds | packages | MB | verbs |")
    print("| --- | --- | ---: | ---: | ---: | --- |")
    for row in _tried(out, bundle, given.python or [sys.executable], given.extra, given.keep):
        rows.append(row)
        print(markdown(row), flush=True)
        for line, said in row.failed.items():
            print(f"{line}: {said}", file=sys.stderr)
    return 4 if any(row.failed for row in rows) else 0


def markdown(row: Row) -> str:
    """A line of the table."""
    sizes = f"{row.seconds:.0f} | {row.packages} | {row.megabytes:.0f}"
    return f"| {row.python} | {row.what} | {sizes} | {'; '.join(row.failed) or 'ran'} |"


def _tried(
    out: Path, bundle: Path, pythons: Sequence[str], extras: Sequence[str], keep: bool
) -> Iterator[Row]:
    wheel, sdist = _files(out)
    for python in pythons:
        for extra in extras or _USUAL:
            wanted = f"{wheel}[{extra}]" if extra else str(wheel)
            yield _row(out, python, extra or "base", wanted, _lines(bundle, extra), keep)
        if not extras:
            yield _row(out, python, "base, sdist", str(sdist), ["iast-export --version"], keep)


def _files(out: Path) -> tuple[Path, Path]:
    """The wheel and the sdist, both of which twine takes; so does its renderer the readme."""
    tools = _environment(out / "tools", sys.executable)
    _pip(tools, "build", "twine", "readme-renderer[md]")
    shutil.rmtree(out / "dist", ignore_errors=True)
    _run([tools / "python", "-m", "build", "--outdir", out / "dist", _ROOT])
    (wheel,), (sdist,) = (out / "dist").glob("*.whl"), (out / "dist").glob("*.tar.gz")
    _run([tools / "python", "-m", "twine", "check", "--strict", wheel, sdist])
    return wheel, sdist


def _row(out: Path, python: str, what: str, wanted: str, verbs: Sequence[str], keep: bool) -> Row:
    folder = out / "environments" / what.replace(", ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    bin_folder = _environment(folder / "venv", python)
    version = _run([bin_folder / "python", "-c", "import platform as p; print(p.python_version())"])
    start_s = time.perf_counter()
    _pip(bin_folder, "-c", str(_ROOT / "constraints.txt"), wanted)
    seconds = time.perf_counter() - start_s
    listed = json.loads(_run([bin_folder / "python", "-m", "pip", "list", "--format", "json"]))
    packages = [one["name"] for one in listed if one["name"] not in ("pip", "setuptools")]
    count = _megabytes(folder / "venv")
    work = folder / "work"
    work.mkdir()
    (work / "rules.toml").write_text(_RULES)
    (work / "recipe.toml").write_text(_RECIPE)
    failed = {line: said for line in verbs if (said := _fault(line, bin_folder, work))}
    if not keep:
        shutil.rmtree(folder)
    return Row(version.strip(), what, seconds, len(packages), count, failed)


def _environment(folder: Path, python: str) -> Path:
    """An environment's folder of programs."""
    if not folder.is_dir():
        _run([python, "-m", "venv", folder])
    return folder / "bin"


def _megabytes(venv: Path) -> float:
    """Of what was installed, pip left out, before anything of it ran."""
    files = [path for path in venv.rglob("*") if path.is_file() and not path.is_symlink()]
    own = [path for path in files if not {"pip", "setuptools"} & set(path.parts)]
    return sum(path.stat().st_size for path in own) / 1e6


def _lines(bundle: Path, extra: str) -> list[str]:
    manifest = json.loads((bundle / "manifest.json").read_text())
    onnx = next(one["path"] for one in manifest["files"] if one["path"].endswith(".onnx"))
    given = {"bundle": bundle, "onnx": bundle / onnx, "style": manifest["styles"][0]["id"]}
    return [line.format(**given) for line in _VERBS[extra]]


def _fault(line: str, bin_folder: Path, work: Path) -> str:
    """How a verb ended and what it said; empty where it ran."""
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    hidden = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        ["bash", "-c", line], cwd=work, env={**hidden, "PATH": path}, capture_output=True, text=True
    )
    return f"exit {done.returncode}\n{done.stdout}{done.stderr}" if done.returncode else ""


def _pip(bin_folder: Path, *wanted: str) -> None:
    _run([bin_folder / "python", "-m", "pip", "install", "--quiet", "--no-input", *wanted])


def _run(command: Sequence[str | Path]) -> str:
    hidden = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(one) for one in command], capture_output=True, text=True, env=hidden, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
