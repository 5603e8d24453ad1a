"""Pages over the packaged network: their commands, and which of them judged it."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_bytes, sha256_file
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT
from models.evaluation import renew
from models.evaluation.renew import FOLDER, GIVEN, PAGES, Page, main, networks, standing

ROOT = Path(__file__).resolve().parents[2]
ECHO = Page("quality", "json.tool", ("{data}/in.json", "{out}/{{}}.json"))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_the_module_of_a_page_knows_every_option_of_its_command(
    page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {name: Path(name) for name in (*GIVEN, "out", "docs", "cache", "packaged")}
    module, *arguments = page.command(places)
    with pytest.raises(SystemExit, match="0"):
        importlib.import_module(module).main(["--help"])
    told = capsys.readouterr().out
    assert all(option in told for option in arguments if option.startswith("--"))
    assert "{" not in " ".join(arguments)


def test_what_a_page_lacks_is_named_before_any_runs(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("{}")
    lacks = Page("faces", "json.tool", ("{dlib}", "{first}"))
    with pytest.raises(InputError, match="the page faces") as found:
        renew.renew([ECHO, lacks], {"data": tmp_path, "out": tmp_path}, PACKAGED_CHECKPOINT)
    assert "--first and --dlib" in str(found.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.json"]
    with pytest.raises(SystemExit, match="give --data as well"):
        main(["--only", "blind", "--out", str(tmp_path)])


def test_the_ledger_has_what_was_renewed_and_keeps_the_rest(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text("[1]")
    weights = tmp_path / "weights"
    weights.write_bytes(b"one")
    places = {"data": tmp_path, "out": tmp_path}
    renew.renew([ECHO], places, weights)
    weights.write_bytes(b"two")
    fails = Page("blind", "json.tool", ("{out}/none.json",))
    other = Page("alpha", "json.tool", ECHO.arguments)
    with pytest.raises(subprocess.CalledProcessError):
        renew.renew([other, fails], places, weights)
    assert networks(tmp_path) == {"quality": sha256_bytes(b"one"), "alpha": sha256_bytes(b"two")}
    told = standing(tmp_path, sha256_bytes(b"two"))
    assert told.startswith("Of the packaged network: alpha. Of an earlier one: quality, faces, ")


def test_the_folder_says_which_of_its_pages_are_old() -> None:
    text = (ROOT / FOLDER / "README.md").read_text()
    said = " ".join(re.sub(r"(?m)^> ?", "", text).split())
    assert standing(ROOT / FOLDER, sha256_file(PACKAGED_CHECKPOINT)) in said
    assert all(f"| [{page.name}](" in text for page in PAGES)


def test_times_are_measured_or_kept(capsys: pytest.CaptureFixture[str]) -> None:
    kept = " --times benchmarks/quality/quality.json"
    for options, given in (([], 0), (["--keep-times"], 1)):
        main(["--only", "quality", "faces", "blind", "--show", *options])
        quality, faces, blind = capsys.readouterr().out.splitlines()
        assert [line.count(kept) for line in (quality, faces, blind)] == [given, 1, 0]


def test_elsewhere_the_project_s_own_pictures_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, docs in (([], "docs"), (["--out", str(tmp_path)], str(tmp_path))):
        main(["--only", "details", "--show", *options])
        assert capsys.readouterr().out.endswith(f" --out {docs}/details.jpg\n")


def test_a_damaged_ledger_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "networks.json").write_text("{")
    with pytest.raises(SystemExit, match=r"networks\.json"):
        main(["--out", str(tmp_path)])


def test_a_command_is_shown_without_being_run(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", "blind", "--show"])
    assert capsys.readouterr().out == (
        "python -m models.evaluation.blind --data DATA --judged benchmarks/quality/quality.json "
        "--out benchmarks/quality\n"
    )
