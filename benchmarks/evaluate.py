"""`iast-export evaluate` over thousands of pairs: the same bytes however split, and what it costs.

    python -m benchmarks.evaluate dist/demo --out dist/evaluate --tier d3-256px

Photographs are crops of the packaged sets, styles the packaged artworks' stand-ins that the project
draws. In turn: one worker, two workers, shards one after another, and a Dask cluster of three
workers on loopback, of which one is killed twice. Each must come to the same report. Efficiency is
the pairs per second of two workers over twice those of one, of which both are timed at work alone,
without their start; it means something where both have a core to themselves. What was run is kept:
run it again and it goes on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from iast_export.evaluate import evaluate, merge_folders
from iast_export.evaluate.engines import dask, given, processes
from iast_export.evaluate.plan import Run, Shard, plan_run
from iast_export.files.artifacts import read_json, sha256_file, write_json
from iast_export.pictures.imagesets import load_set
from iast_export.pictures.procedural import style_pictures
from iast_export.reports.evaluation import MERGED_ROWS_NAME, REPORT_NAME

_SIDE_PX = 256
_SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tier", action="append", default=[])
    parser.add_argument("--contents", type=int, default=50)
    parser.add_argument("--styles", type=int, default=40)
    parser.add_argument("--shards", type=int, nargs="*", default=[1, 7, 64])
    given_ = parser.parse_args()
    contents, styles = _pictures(given_.out, given_.contents, given_.styles)
    run = plan_run(given_.bundle, str(contents), str(styles), given_.tier)
    rows: dict[str, Any] = {}
    for workers in (1, 2):
        rows[f"{workers} workers"] = _timed(given_.out, run, workers)
    for count in given_.shards:
        rows[f"{count} shards"] = _kept(given_.out, f"shards-{count}", _split(count), run)
    rows["dask, 2 killed"] = _kept(given_.out, "dask", _clustered, run)
    print("\n".join(_table(rows)))


def _pictures(out: Path, contents: int, styles: int) -> tuple[Path, Path]:
    """Folders of photographs and styles, made once."""
    folders = out / "contents", out / "styles"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    photographs, drawn = load_set("evaluation"), list(style_pictures())
    random = np.random.default_rng(_SEED)
    for i in range(contents):
        rgb = photographs[i % len(photographs)]
        side = min(rgb.shape[:2]) * 2 // 3
        y, x = (int(random.integers(0, length - side + 1)) for length in rgb.shape[:2])
        _write(folders[0] / f"photo{i:04d}.png", rgb[y : y + side, x : x + side])
    for i in range(styles):
        rgb = drawn[i % len(drawn)][1]
        _write(folders[1] / f"style{i:04d}.png", np.roll(rgb, i // len(drawn), axis=2))
    return folders


def _write(path: Path, rgb: Any) -> None:
    if not path.exists():
        small = cv2.resize(rgb, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(path), small[:, :, ::-1])


def _kept(out: Path, name: str, way: Callable[[Run, Path], None], run: Run) -> Any:
    """What one way of splitting came to, from before where it did already."""
    folder, kept = out / name, out / f"{name}.json"
    if not kept.exists():
        way(run, folder)
        merge_folders([folder], out / f"{name}-merged")
        write_json(kept, _hashes(out / f"{name}-merged"))
    return read_json(kept)


def _hashes(folder: Path) -> dict[str, Any]:
    return {
        "rows": sha256_file(folder / MERGED_ROWS_NAME),
        "report": sha256_file(folder / REPORT_NAME),
    }


def _timed(out: Path, run: Run, workers: int) -> Any:
    """As `_kept`, with pairs per second between the first rows and the last, and memory."""
    kept = out / f"workers-{workers}.json"
    if not kept.exists():
        seen: list[tuple[float, int]] = []
        folder = out / f"workers-{workers}-{time.time_ns()}"
        with _watched_memory() as peak:
            evaluate(
                run,
                folder,
                processes(workers),
                progress=lambda what, done, total: seen.append((time.perf_counter(), done)),
            )
        # From a tenth on: by then every worker has opened its models.
        first = next(i for i, (_, done) in enumerate(seen) if done >= seen[-1][1] / 10)
        per_s = (seen[-1][1] - seen[first][1]) / (seen[-1][0] - seen[first][0])
        merge_folders([folder], out / f"workers-{workers}-merged")
        told = {"per_s": per_s, "peak_rss_mb": max(peak.values()) / 1e6}
        write_json(kept, {**told, **_hashes(out / f"workers-{workers}-merged")})
    return read_json(kept)


@contextmanager
def _watched_memory() -> Iterator[dict[int, int]]:
    """The most resident memory that each child process took, in bytes, by its id."""
    peak: dict[int, int] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for child in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
                for pid in child.read_text().split():
                    peak[int(pid)] = max(peak.get(int(pid), 0), _high_water(int(pid)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _high_water(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(one.split()[1]) for one in lines if one.startswith("VmHWM")), 0)


def _split(count: int) -> Callable[[Run, Path], None]:
    """Shards one after another, by the same two processes."""

    def judged(run: Run, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would lose runtimes' threads
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            for number in range(1, count + 1):
                evaluate(run, folder, given(pool), Shard(number, count))

    return judged


def _clustered(run: Run, folder: Path) -> None:
    """A cluster of three workers, of which the first is killed a third and two thirds through."""
    from distributed import LocalCluster

    # Any free port: nobody looks at its pages.
    cluster = LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=":0")
    with cluster, dask(cluster.scheduler_address) as engine:
        left, killed = [1 / 3, 2 / 3], list[int]()

        def kill(what: str, done: int, total: int) -> None:
            if left and done >= left[0] * total:
                left.pop(0)
                pids = [worker.pid for worker in cluster.workers.values() if worker.pid]
                killed.append(next(pid for pid in pids if pid not in killed))
                os.kill(killed[-1], signal.SIGKILL)

        evaluate(run, folder, engine, progress=kill)
        assert not left, "nobody was killed"


def _table(rows: dict[str, Any]) -> Iterator[str]:
    same = len({(row["rows"], row["report"]) for row in rows.values()}) == 1
    yield "| how | pictures per second | MB of the largest worker | rows, SHA-256 |"
    yield "| --- | ---: | ---: | --- |"
    for name, row in rows.items():
        per_s, peak = row.get("per_s"), row.get("peak_rss_mb")
        shown = ["" if one is None else f"{one:.1f}" for one in (per_s, peak)]
        yield f"| {name} | {shown[0]} | {shown[1]} | `{row['rows'][:16]}` |"
    gain = rows["2 workers"]["per_s"] / (2 * rows["1 workers"]["per_s"])
    yield f"\nThe same bytes: {'yes' if same else 'NO'}. Efficiency of two workers: {gain:.2f}."


if __name__ == "__main__":
    main()
