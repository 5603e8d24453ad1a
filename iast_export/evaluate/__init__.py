"""A bundle over many photographs and styles: each judged once in every lane, on any workers.

A run is its plan and the rows under it, in one folder. It may be split into shards, stopped and
gone on with; `merge` makes the same of its rows in every case. No engine is ours: worker processes,
a Dask cluster or any `concurrent.futures.Executor` are given tasks by `engines`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from iast_export import errors
from iast_export.errors import IastExportError, InputError, ToolError
from iast_export.evaluate.engines import Engine, results
from iast_export.evaluate.merge import Merged, merge
from iast_export.evaluate.plan import Run, Shard, pairs_of
from iast_export.evaluate.rows import read_rows, writing
from iast_export.evaluate.worker import Subject, Task
from iast_export.files.artifacts import Progress, no_progress, write_atomic
from iast_export.files.system_errors import of_system
from iast_export.files.temporary import make_folder
from iast_export.reports.evaluation import (
    MERGED_ROWS_NAME,
    PLAN_NAME,
    REPORT_NAME,
    EvaluationPlan,
    EvaluationReport,
)

WHOLE = Shard()
_ROWS = "rows*.jsonl"
# Photographs of a task; chosen: a lost worker costs as many, and their style is encoded once.
_TASK_CONTENTS = 8
# By the class of what failed: rows of this run, or of all shards that were merged.
Failures = Mapping[str, int]


def evaluate(
    run: Run,
    out: Path,
    engine: Engine,
    shard: Shard = WHOLE,
    progress: Progress = no_progress,
) -> Failures:
    """Judges what of a shard is not judged yet, and adds its rows to the folder of the run.

    What failed before is tried again. A picture that fails is a row and ends nothing; whoever
    calls this must tell of them (`failure_of`).

    Args:
        run: from `plan.plan_run`.
        out: the run's folder, which shards may share.
        engine: who works.
        shard: the part of the run.
        progress: told of pictures, a photograph in a style at a tier each.

    Raises:
        InputError: the folder is another run's or can't be written, or a model is altered.
        UsageError: another process evaluates this shard here.
        ToolError: a runtime refuses a file, or the workers are gone.
    """
    _settle(out, run.plan)
    done = _judged(out, run.plan)
    pairs = sum(len(held) for _, held in pairs_of(run.plan, shard))
    total, failed = pairs * len(run.plan.tiers), Counter[str]()
    count = total - sum(len(task.contents) for task in _tasks(run, shard, done))
    with writing(out / f"rows-{shard.name}.jsonl") as rows:
        progress("evaluate", count, total)
        for task, lines in results(_tasks(run, shard, done), engine):
            rows.add(lines)
            failed.update(
                row["failed"]["kind"] for row in map(json.loads, lines) if "failed" in row
            )
            count += len(task.contents)
            progress("evaluate", count, total)
    return failed


def sum_up(out: Path) -> EvaluationReport:
    """The report of a run whose pairs are all judged in one folder, written there.

    Raises:
        CannotJudgeError, InputError: see `merge.merge`.
    """
    _, merged = _merged([out])
    merged.report.save(out / REPORT_NAME)
    return merged.report


def merge_folders(folders: Sequence[Path], out: Path) -> EvaluationReport:
    """The rows of all shards of a run in one file, in their order, and their sum beside it.

    Args:
        folders: of the shards.
        out: where to; may be one of them.

    Raises:
        CannotJudgeError: a pair is not judged yet.
        InputError: they are not of one run, or were altered; or `out` holds another run.
    """
    plan, merged = _merged(folders)
    _settle(out, plan)
    write_atomic(out / MERGED_ROWS_NAME, "".join(merged.lines).encode())
    merged.report.save(out / REPORT_NAME)
    return merged.report


def failures_of(report: EvaluationReport) -> Failures:
    """How many rows of a merged run failed, by the class of error."""
    found = Counter[str]()
    for one in report.failures:
        found[one.kind] += one.rows
    return found


def failure_of(failures: Failures) -> IastExportError | None:
    """What pictures that were not judged come to; None where all were.

    What a picture can't be blamed for counts as a tool's failure.
    """
    if not failures:
        return None
    kinds = [getattr(errors, kind, ToolError) for kind in failures]
    worst = InputError if all(issubclass(kind, InputError) for kind in kinds) else ToolError
    return worst(
        f"{sum(failures.values())} rows were not judged; the others stand",
        "see `failures` of evaluation.json, or `failed` of the rows; mend, and evaluate again",
    )


def _tasks(run: Run, shard: Shard, done: set[tuple[str, str, str]]) -> Iterator[Task]:
    """What is not judged yet, tier by tier, since a worker holds the models of one."""
    for tier in run.plan.tiers:
        subject = Subject(
            run.folder,
            run.plan.bundle.manifest_sha256,
            tier,
            run.plan.keys(tier),
            run.plan.own_shape,
        )
        for place, held in pairs_of(run.plan, shard):
            style = run.styles[place]
            left = [
                run.contents[i] for i in held if (run.contents[i].id, style.id, tier) not in done
            ]
            for i in range(0, len(left), _TASK_CONTENTS):
                yield Task(subject, style, tuple(left[i : i + _TASK_CONTENTS]))


def _judged(out: Path, plan: EvaluationPlan) -> set[tuple[str, str, str]]:
    """Photograph, style and tier of what every lane there judged."""
    found = {row.key for row in read_rows(_row_files([out])) if row.judged is not None}
    lanes = Counter((content, style, key[2]) for content, style, key in found)
    needed = {tier: len(plan.keys(tier)) for tier in plan.tiers}
    return {one for one, count in lanes.items() if count >= needed.get(one[2], 0)}


def _settle(out: Path, plan: EvaluationPlan) -> None:
    """Makes the folder of a run, or finds that it is this run's.

    Raises:
        InputError: it is another's, or holds what no run made.
    """
    path = out / PLAN_NAME
    if path.is_file():
        if EvaluationPlan.load(path) != plan:
            raise InputError(
                f"{out} holds another evaluation: other bundle, pictures, styles or versions",
                "choose another --out",
            )
        return
    foreign = [*_row_files([out]), *(one for one in [out / REPORT_NAME] if one.exists())]
    if foreign:
        raise InputError(f"{foreign[0]} is of no plan that is there", "choose another --out")
    try:
        make_folder(out)
    except OSError as error:
        raise of_system(error) or error from error
    plan.save(path)


def _merged(folders: Sequence[Path]) -> tuple[EvaluationPlan, Merged]:
    plans = [_plan_in(folder) for folder in folders]
    for folder, plan in zip(folders, plans, strict=True):
        if plan != plans[0]:
            raise InputError(
                f"{folders[0]} and {folder} are of different evaluations: other bundle, pictures, "
                "styles or versions",
                "merge the shards of one run",
            )
    return plans[0], merge(plans[0], read_rows(_row_files(folders)))


def _plan_in(folder: Path) -> EvaluationPlan:
    path = folder / PLAN_NAME
    if not path.is_file():
        raise InputError(
            f"{folder} holds no evaluation: {PLAN_NAME} is missing",
            "name folders that `iast-export evaluate` wrote",
        )
    return EvaluationPlan.load(path)


def _row_files(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob(_ROWS))]
