"""What each rewrite gains: a layer before and after, FP32 and INT8, both runtimes, in turn.

    python -m benchmarks.rewrites --out benchmarks/quantization
    python -m benchmarks.rewrites --only "nearest x2" --out /tmp/table

In ONNX Runtime "before" is exported without any rewrite, unless the case says otherwise. Where a
case has a form of its own for "after", it is that one, so that forms which were not worth a rewrite
have their figures too. INT8 is equalized first, as in a build. Ratios above 1: the form after is
faster. One thread. Written: rewrites.md and rewrites.json.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.rewrites.cases import CASES, Case, Chain
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.tracing import pseudo_photograph
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import IastExportError, InputError
from iast_export.files.artifacts import write_atomic, write_json
from iast_export.forms import REWRITES, Rewrite
from iast_export.lanes.timing import TimingOptions, ratio_interval, time_in_turn
from iast_export.metrics.bootstrap import Interval
from iast_export.quantize.calibrate import collect
from iast_export.quantize.equalize.factors import learn_equalization, write_equalized_onnx
from iast_export.quantize.learned import Learned, of_signatures
from iast_export.quantize.litert.static import quantize_litert
from iast_export.quantize.litert.weights import write_equalized_litert
from iast_export.quantize.observers import observe_litert, observe_onnx
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.onnx import open_onnx
from iast_export.runtimes.session import Session
from iast_export.specs import CONTENT, STYLIZED, Tier

SIDE_PX = 64
_ONNX, _LITERT = "onnxruntime", "litert"
Feeds = Mapping[str, NDArray[Any]]


class Network:
    """One module as a network without styles."""

    depths, size_multiple_px = (1,), 8
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def __init__(self, module: nn.Module) -> None:
        self.module = module.eval().requires_grad_(False)

    def cut(self, depth: int) -> nn.Module:
        return self.module

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


@dataclass(frozen=True)
class Row:
    """A case in one runtime.

    Attributes:
        fp32, int8: time before over time after.
        before, after: time of FP32 over time of INT8.
        psnr_before_db, psnr_after_db: INT8 to FP32, on the picture that set the ranges.
        difference: largest between FP32 before and after, relative to the values' spread.
    """

    case: str
    runtime: str
    fp32: Interval
    int8: Interval
    before: Interval
    after: Interval
    psnr_before_db: float
    psnr_after_db: float
    difference: float


def networks(case: Case) -> tuple[Network, Network]:
    """Before and after, with the same weights."""
    made = []
    for layer in (case.before, case.after or case.before):
        torch.manual_seed(0)
        made.append(Network(Chain(layer, case.width, case.grows)))
    return made[0], made[1]


def onnx_files(
    network: Network, folder: Path, rewrites: Sequence[Rewrite], feeds: Feeds
) -> tuple[Path, Path]:
    """FP32 and static INT8 for ONNX Runtime."""
    fp32, equal, int8 = (folder / f"{name}.onnx" for name in ("fp32", "equal", "int8"))
    export_tier(network, Tier(1, SIDE_PX), fp32, rewrites=rewrites)
    factors = learn_equalization([(fp32, [feeds])])
    write_equalized_onnx(fp32, equal, factors)
    ranges = collect(observe_onnx(equal, tensors_to_calibrate(equal)), [feeds])
    quantize_onnx(equal, Learned(ranges), int8)
    return fp32, int8


def litert_files(network: Network, folder: Path, feeds: Feeds) -> tuple[Path, Path]:
    """FP32 and static INT8 for LiteRT."""
    fp32, equal, int8 = (folder / f"{name}.tflite" for name in ("fp32", "equal", "int8"))
    tier, exported = Tier(1, SIDE_PX), folder / "fp32.onnx"
    convert_fp32(network, (tier,), fp32)
    export_tier(network, tier, exported)
    factors = learn_equalization([(exported, [feeds])])
    write_equalized_litert(fp32, equal, factors)
    ranges = collect(observe_litert(equal, tier.signature), [feeds])
    quantize_litert(equal, "int8", of_signatures({tier.signature: ranges}), int8)
    return fp32, int8


def measure(case: Case, runtime: str, blocks: int) -> Row:
    """One case in one runtime.

    Raises:
        InputError: before and after are not equal in FP32.
        IastExportError: a form can't be exported or quantized.
    """
    feeds = {CONTENT: pseudo_photograph(SIDE_PX, SIDE_PX)}
    sessions: dict[str, Session] = {}
    with tempfile.TemporaryDirectory() as root:
        for name, network in zip(("before", "after"), networks(case), strict=True):
            folder = Path(root) / name
            folder.mkdir()
            if runtime == _ONNX:
                rewrites = REWRITES if name == "after" or case.rewritten else ()
                files = onnx_files(network, folder, rewrites, feeds)
                opened = [open_onnx(one) for one in files]
            else:
                opened = [open_litert(one) for one in litert_files(network, folder, feeds)]
            sessions[name], sessions[f"{name} int8"] = opened
        pictures = {name: session.run(feeds)[STYLIZED] for name, session in sessions.items()}
        runs = {name: partial(session.run, feeds) for name, session in sessions.items()}
        times = time_in_turn(runs, TimingOptions(warmup=10, blocks=blocks, budget_s=None))
    spread = float(np.ptp(pictures["before"]))
    difference = float(np.abs(pictures["before"] - pictures["after"]).max()) / spread
    if not difference <= 1e-5:
        raise InputError(
            f"{case.name}: before and after differ by {difference:.1e}", "correct the case"
        )
    return Row(
        case.name,
        runtime,
        ratio_interval(times["before"], times["after"]),
        ratio_interval(times["before int8"], times["after int8"]),
        ratio_interval(times["before"], times["before int8"]),
        ratio_interval(times["after"], times["after int8"]),
        *(
            _psnr_db(pictures[name], pictures[f"{name} int8"], spread)
            for name in ("before", "after")
        ),
        difference,
    )


def _psnr_db(wanted: NDArray[Any], got: NDArray[Any], spread: float) -> float:
    noise = float(np.mean((wanted.astype(np.float64) - got) ** 2))
    return 10.0 * float(np.log10(spread**2 / max(noise, 1e-20)))


def markdown(rows: Sequence[Row], told: str) -> str:
    """The table, one row per case and runtime."""
    lines = [
        "# What each rewrite gains",
        "",
        "`python -m benchmarks.rewrites --out benchmarks/quantization`",
        "",
        told,
        "",
        "| layer: form after | runtime | FP32: before / after | INT8: before / after "
        "| FP32 / INT8, before and after | INT8 to FP32 |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        runtime = "ONNX Runtime" if row.runtime == _ONNX else "LiteRT"
        gains = " | ".join(
            f"{one.value:.2f}× ({one.low:.2f} to {one.high:.2f})" for one in (row.fp32, row.int8)
        )
        ratios = f"{row.before.value:.2f}×, {row.after.value:.2f}×"
        psnr = f"{row.psnr_before_db:.1f}, {row.psnr_after_db:.1f} dB"
        lines.append(f"| {row.case} | {runtime} | {gains} | {ratios} | {psnr} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--blocks", type=int, default=100, help="blocks of measurements in turn")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/quantization"))
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    failed = 0
    for case in (one for one in CASES if given.only in one.name):
        for runtime in case.runtimes:
            try:
                rows.append(measure(case, runtime, given.blocks))
            except IastExportError as error:
                print(f"error: {case.name}, {runtime}: {error}", file=sys.stderr)
                failed = error.exit_code
                continue
            print(markdown(rows[-1:], "").splitlines()[-1], flush=True)
    if not rows:
        print(f"error: no case is called {given.only!r}", file=sys.stderr)
        return 2
    machine = machine_fingerprint()
    told = (
        f"{machine.get('cpu')}, one thread, {SIDE_PX} px; interleaved, 95 % intervals over blocks; "
        "random weights, so fidelity only compares forms."
    )
    write_atomic(given.out / "rewrites.md", markdown(rows, told).encode())
    facts = {"rows": [asdict(row) for row in rows], "machine": machine, "versions": versions()}
    write_json(given.out / "rewrites.json", {"schema_version": 1, **facts})
    return failed


if __name__ == "__main__":
    sys.exit(main())
