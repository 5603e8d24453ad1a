"""No verb writes over its inputs, a bundle's files or files of the user's that it did not make."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.cli.main import run
from iast_export.files.artifacts import sha256_file
from iast_export.lanes import lane as lanes
from iast_export.lanes.lane import find_lanes, measure_peak_rss_bytes
from iast_export.reports.manifest import load_manifest
from iast_export.specs import Tier


def hashes(folder: Path) -> dict[str, str]:
    return {str(path): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--write-baseline"])
@pytest.mark.parametrize(
    "place", ["rules", "baseline", "manifest.json", "reports/report.html", "style"]
)
def test_a_verdict_takes_no_place_of_what_it_judges(
    option: str, place: str, bundle_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules, baseline = tmp_path / "rules.toml", tmp_path / "baseline.json"
    rules.write_text("")
    baseline.write_text("{}")
    style = bundle_copy / load_manifest(bundle_copy).styles[0].path
    target = {"rules": rules, "baseline": baseline, "style": style}.get(place, bundle_copy / place)
    before = hashes(tmp_path)
    words = ["gate", str(bundle_copy), "--rules", str(rules), "--baseline", str(baseline)]
    assert run([*words, option, str(target)]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert hashes(tmp_path) == before


def test_a_verdict_may_be_written_again(bundle_copy: Path, tmp_path: Path) -> None:
    baseline, junit = tmp_path / "baseline.json", bundle_copy / "reports" / "gate.xml"
    for _ in range(2):
        assert run(["gate", str(bundle_copy), "--write-baseline", str(baseline)]) == 0
        run(["gate", str(bundle_copy), "--baseline", str(baseline), "--junit", str(junit)])
        assert junit.is_file()


@pytest.mark.parametrize("taken", ["content", "style", "sheet", "bundle"])
def test_a_stylized_picture_takes_no_place_of_a_photograph_or_style(
    taken: str, bundle_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = load_manifest(bundle_copy)
    golden = bundle_copy / manifest.golden[0].content
    style, out = manifest.styles[0].id, tmp_path / "out"
    out.mkdir()
    photograph, second = out / "a.png", out / f"a--{style}.png"
    shutil.copy(golden, photograph)
    words = ["--content", str(photograph), "--style", style]
    if taken == "content":
        shutil.copy(golden, second)
        words += ["--content", str(second)]
    elif taken == "style":
        shutil.copy(golden, second)
        words += ["--style", str(second)]
    elif taken == "sheet":
        photograph = photograph.rename(out / "sheet.png")
        words[1] = str(photograph)
    else:
        second.symlink_to(golden)
    before = hashes(tmp_path)
    words += ["--out", str(out), "--precision", "fp32"]
    assert run(["stylize", str(bundle_copy), *words]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    assert hashes(tmp_path) == before


def test_a_style_takes_no_place_of_a_picture_that_lies_among_the_bundles_files(
    bundle_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = bundle_copy / "styles" / "harbor.png"
    shutil.copy(bundle_copy / load_manifest(bundle_copy).golden[0].content, mine)
    before = hashes(bundle_copy)
    words = ["style", "add", str(bundle_copy), str(mine), "--name", "harbor", "--category", "oil"]
    assert run(words) == 3
    assert "is not one of the bundle's files" in " ".join(capsys.readouterr().err.split())
    assert hashes(bundle_copy) == before


def test_a_removed_style_leaves_what_was_never_the_bundles(
    bundle_copy: Path, tmp_path: Path
) -> None:
    """A manifest is data: one that lists a user's file as a style's does not get it deleted."""
    manifest = load_manifest(bundle_copy)
    (bundle_copy / ".env-local").write_bytes((bundle_copy / manifest.styles[-1].path).read_bytes())
    entry = manifest.styles[-1].model_copy(update={"path": ".env-local"})
    forged = manifest.model_copy(update={"styles": (*manifest.styles[:-1], entry)})
    forged.save(bundle_copy / "manifest.json")
    assert run(["style", "remove", str(bundle_copy), entry.id]) == 0
    assert (bundle_copy / ".env-local").is_file()


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ENAMETOOLONG]
)
def test_a_failure_of_the_disk_outside_of_a_write_is_an_input_error(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("iast_export.environment.doctor", _failing(number))
    assert run(["doctor"]) == 3
    assert "the system's own words" in capsys.readouterr().err


def test_what_the_system_gave_no_number_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("iast_export.environment.doctor", _failing(None))
    with pytest.raises(OSError, match="own words"):
        run(["doctor"])


def _failing(number: int | None) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(number, "the system's own words")

    return fail


def test_a_stray_module_beside_the_caller_is_not_run_where_memory_is_measured(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the stray module was run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(lanes.__file__).parents[2]))
    lane = find_lanes(Layout(small_bundle, "tiny"), [Tier(1, 64)], Seals.of_bundle(small_bundle))[0]
    shapes = load_manifest(small_bundle).network.code_shapes
    assert measure_peak_rss_bytes(lane, shapes) > 0 and "numpy" in sys.modules
