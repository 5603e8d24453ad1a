"""What FP16 would not hold is told before anything runs: by the plan of a calibrated build, and
with its fidelity."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from iast_export.build.pipeline import STAGE_NAMES
from iast_export.cli.main import run
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.half import HalfOverflow, HalfRow
from iast_export.reports.verify import VerifyReport

RECIPE = """
name = "loud"
tiers = [{depth = 1, max_side_px = 32}]
[calibration]
max_pairs = 2
[verify]
images = 2
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Of a network with two planted overflows, calibrated: one before a normalization."""
    folder = tmp_path_factory.mktemp("loud")
    recipe = folder / "loud.toml"
    recipe.write_text(RECIPE)
    network = ["--network", "tests.half_cases:overflowing_factory"]
    given = [*network, "--recipe", str(recipe), "--out", str(folder / "build")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for stage in STAGE_NAMES[: STAGE_NAMES.index("learn")]:
            assert run([stage, *given]) == 0
        yield given


def planned(options: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, object] | None:
    capsys.readouterr()
    assert run(["plan", "--no-measure", "--json", *options]) == 0
    half: dict[str, object] | None = json.loads(capsys.readouterr().out)["half"]
    return half


def kinds(row: HalfRow) -> dict[str, tuple[bool, bool]]:
    return {one.operator: (one.of_sum, one.held) for one in row.overflows}


PLANTED = {"CONV_2D": (True, False), "MUL": (False, True)}


def test_planted_overflows_are_rows_of_the_plan_and_of_verify(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    in_plan = HalfRow.model_validate(planned(options, capsys))
    assert kinds(in_plan) == PLANTED and in_plan.judged > in_plan.results // 2
    for stage in STAGE_NAMES[STAGE_NAMES.index("learn") : STAGE_NAMES.index("verify")]:
        assert run([stage, *options]) == 0
    capsys.readouterr()
    assert run(["verify", *options]) == 0
    told = capsys.readouterr().out
    assert "d1-32px on a GPU in FP16: 2 places may pass 65,504" in told
    assert "does not hold it" in told and "holds it" in told
    (in_verify,) = VerifyReport.load(Path(options[-1]) / VERIFY_PATH).half or ()
    assert in_verify == in_plan


def test_a_plan_without_a_calibrated_build_says_that_it_cannot_tell(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = [*options[:-1], str(tmp_path / "nothing")]
    assert planned(elsewhere, capsys) is None
    assert run(["plan", "--no-measure", *elsewhere]) == 0
    assert "once a build in --out is calibrated" in capsys.readouterr().out


def test_ranges_of_other_pictures_are_not_taken(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "other.toml"
    recipe.write_text(RECIPE.replace("max_pairs = 2", "max_pairs = 3"))
    other = [str(recipe) if one.endswith(".toml") else one for one in options]
    assert planned(other, capsys) is None


def test_an_overflow_is_one_sentence() -> None:
    one = HalfOverflow(tensor="x", operator="SUM", peak=1e6, of_sum=False, held=True)
    assert str(one) == "SUM x reaches up to 1,000,000, beyond FP16's 65,504"
