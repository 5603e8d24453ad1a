"""A real small bundle over a few pictures, in every way that a run can be split."""

from __future__ import annotations

import json
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iast_export.cli.main import run as run_verb
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.evaluate import evaluate, failure_of, merge_folders, sum_up
from iast_export.evaluate.engines import dask, given, processes
from iast_export.evaluate.plan import Run, Shard, parse_shard, plan_run
from iast_export.evaluate.rows import read_rows
from iast_export.lanes.lane import find_lanes
from iast_export.reports.evaluation import EvaluationReport
from tests.evaluate_cases import write_pictures

TIER = "d4-32px"
LANES = 5


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    return write_pictures(folder / "contents", 4), write_pictures(folder / "styles", 3)


@pytest.fixture(scope="module")
def planned(small_bundle: Path, pictures: tuple[Path, Path]) -> Run:
    return plan_run(small_bundle, *map(str, pictures), (TIER,))


@pytest.fixture(scope="module")
def whole(planned: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run, by one thread, merged."""
    folder = tmp_path_factory.mktemp("whole")
    inline(planned, folder / "rows")
    merge_folders([folder / "rows"], folder / "merged")
    return folder / "merged"


def inline(planned: Run, out: Path, shard: Shard = Shard()) -> dict[str, int]:  # noqa: B008
    with ThreadPoolExecutor(1) as pool:
        return dict(evaluate(planned, out, given(pool), shard))


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_pair_is_judged_once_in_every_lane(whole: Path) -> None:
    found = list(read_rows([whole / "rows.jsonl"]))
    assert len(found) == len({row.key for row in found}) == 4 * 3 * LANES
    report = EvaluationReport.load(whole / "evaluation.json")
    assert [lane.pairs for lane in report.lanes] == [12] * LANES
    exact = next(lane for lane in report.lanes if lane.precision == "fp32")
    assert exact.psnr_db is not None and exact.psnr_db.value > 60


def test_scores_are_those_of_verify(planned: Run, whole: Path) -> None:
    from iast_export.bundle.layout import Layout
    from iast_export.bundle.sealed import Seals
    from iast_export.evaluate.worker import OpenTier, Subject
    from iast_export.lanes.judge import Judging, judge, make_references
    from iast_export.lanes.views import squares

    subject = Subject(
        planned.folder,
        planned.plan.bundle.manifest_sha256,
        TIER,
        planned.plan.keys(TIER),
        own_shape=False,
    )
    opened = OpenTier(subject)
    pair = opened._refer(planned.contents[0], planned.styles[0]).view.pair
    tier = opened._reference[0].tier
    lanes = find_lanes(Layout(planned.folder, "tiny"), [tier], Seals.of_bundle(planned.folder))
    references = make_references(lanes[0], squares([pair], tier), Judging())
    found = {row.key: row.judged for row in read_rows([whole / "rows.jsonl"])}
    for lane in lanes[1:]:
        (score,) = judge(lane, references, Judging())
        assert found[pair.content, pair.style, (lane.runtime, lane.precision, TIER)] == score


def test_shards_come_to_the_same_bytes(planned: Run, whole: Path, tmp_path: Path) -> None:
    folders = [tmp_path / str(i) for i in range(1, 4)]
    for i, folder in enumerate(folders, 1):
        inline(planned, folder, Shard(i, 3))
    merge_folders(folders[::-1], tmp_path / "merged")
    assert contents_of(tmp_path / "merged") == contents_of(whole)


def test_a_run_that_was_killed_goes_on_where_it_was(
    planned: Run, whole: Path, tmp_path: Path
) -> None:
    lines = (whole / "rows.jsonl").read_bytes().splitlines(keepends=True)
    shutil.copy(whole / "plan.json", tmp_path / "plan.json")
    (tmp_path / "rows-1-of-1.jsonl").write_bytes(b"".join(lines[::2]) + b'{"content": "p')
    inline(planned, tmp_path)
    merge_folders([tmp_path], tmp_path / "merged")
    assert contents_of(tmp_path / "merged") == contents_of(whole)
    before = (tmp_path / "rows-1-of-1.jsonl").read_bytes()
    inline(planned, tmp_path)
    assert (tmp_path / "rows-1-of-1.jsonl").read_bytes() == before


def test_worker_processes_come_to_the_same_bytes_though_one_is_killed(
    planned: Run, whole: Path, tmp_path: Path
) -> None:
    import multiprocessing

    killed = []

    def kill_one(what: str, done: int, total: int) -> None:
        if done and not killed:
            killed.append(multiprocessing.active_children()[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    evaluate(planned, tmp_path / "rows", processes(2), progress=kill_one)
    assert killed
    merge_folders([tmp_path / "rows"], tmp_path / "merged")
    assert contents_of(tmp_path / "merged") == contents_of(whole)


def test_a_folder_without_a_run_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no evaluation: plan\.json is missing") as caught:
        merge_folders([tmp_path], tmp_path / "merged")
    assert "iast-export evaluate" in caught.value.remedy


def test_a_cluster_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    def refuse(*args: object, **options: object) -> None:
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(ToolError, match="no Dask scheduler answers"), dask("tcp://127.0.0.1:1"):
        pass


@pytest.fixture
def flawed(pictures: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Two photographs and two styles, of which one each can't be read, and a text."""
    contents, styles = tmp_path / "contents", tmp_path / "styles"
    for source, folder in zip(pictures, (contents, styles), strict=True):
        folder.mkdir()
        shutil.copy(source / "p1.png", folder / "p1.png")
        data = (source / "p0.png").read_bytes()
        (folder / "cut.png").write_bytes(data[: len(data) // 2])
    (contents / "no.jpg").write_text("not a picture")
    (contents / "read.me").write_text("about these")
    return contents, styles


def test_a_picture_that_fails_is_a_row_and_the_exit_code(
    small_bundle: Path,
    flawed: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    asked = ["--contents", str(flawed[0]), "--styles", str(flawed[1]), "--out", str(out)]
    line = ["evaluate", str(small_bundle), *asked, "--tier", TIER, "--workers", "1", "--json"]
    assert run_verb(line) == 3
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert "read.me is left out" in said.err and "25 rows were not judged" in said.err
    assert {lane["pairs"] for lane in report["lanes"]} == {1}
    assert {lane["failed"] for lane in report["lanes"]} == {5}
    told = {failure["message"] for failure in report["failures"]}
    assert len(told) == 2 and not any(str(tmp_path) in message for message in told)
    assert run_verb(["merge", str(out), "--out", str(tmp_path / "merged")]) == 3


def test_a_shard_alone_is_no_run_yet(
    small_bundle: Path, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    asked = ["--contents", str(pictures[0]), "--styles", str(pictures[1]), "--out", out]
    line = ["evaluate", str(small_bundle), *asked, "--tier", TIER, "--workers", "1"]
    assert run_verb([*line, "--shard", "1/2"]) == 0
    assert run_verb(["merge", out, "--out", str(tmp_path / "merged")]) == 7


def test_the_styles_of_the_bundle_judge_where_none_are_given(
    small_bundle: Path, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    planned = plan_run(small_bundle, str(pictures[0]), None, (TIER,), own_shape=True)
    assert inline(planned, tmp_path) == {}
    report = sum_up(tmp_path)
    assert report.styles == 4 and report.own_shape
    shapes = {
        (row.judged.width_px, row.judged.height_px)
        for row in read_rows(tmp_path.glob("rows*"))
        if row.judged
    }
    assert len(shapes) > 1


def test_a_folder_of_another_run_is_refused(planned: Run, whole: Path, tmp_path: Path) -> None:
    other = Run(
        planned.plan.model_copy(update={"own_shape": True}),
        planned.folder,
        planned.contents,
        planned.styles,
    )
    with pytest.raises(InputError, match="another evaluation"):
        inline(other, whole)
    inline(other, tmp_path / "other", Shard(1, 50))
    with pytest.raises(InputError, match="different evaluations"):
        merge_folders([whole, tmp_path / "other"], tmp_path / "merged")
    (tmp_path / "rows-x.jsonl").write_text("mine\n")
    with pytest.raises(InputError, match="of no plan"):
        inline(planned, tmp_path)


def test_another_bundle_at_the_place_of_the_first_is_refused(
    bundle_copy: Path, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    planned = plan_run(bundle_copy, *map(str, pictures), (TIER,))
    manifest = bundle_copy / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    with pytest.raises(InputError, match="another bundle"):
        inline(planned, tmp_path / "out")


def test_what_can_not_be_planned_is_refused(
    small_bundle: Path, bundle_copy: Path, pictures: tuple[Path, Path]
) -> None:
    with pytest.raises(UsageError, match="calibrated"):
        plan_run(small_bundle, "default", None)
    with pytest.raises(UsageError, match="no tier"):
        plan_run(small_bundle, str(pictures[0]), None, ("d9-1px",))
    manifest = json.loads((bundle_copy / "manifest.json").read_text())
    for style in manifest["styles"]:
        style["thumbnail"] = style["thumbnail_sha256"] = None
    (bundle_copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="no picture of the style"):
        plan_run(bundle_copy, str(pictures[0]), None)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2", "1/0"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no shard"):
        parse_shard(text)


def test_failures_of_pictures_are_inputs_and_all_others_tools() -> None:
    assert failure_of({}) is None
    assert isinstance(failure_of({"InputError": 2}), InputError)
    assert isinstance(failure_of({"InputError": 2, "ToolError": 1}), ToolError)
    assert isinstance(failure_of({"ValueError": 1}), ToolError)
