"""Which operators of the known networks LiteRT's GPU delegate takes: the tables in docs/gpu.md.

    python -m benchmarks.gpu_operators

The packaged network, the AdaIN fixture and every network of the zoo are converted at a small size,
and the delegate itself is asked, on whatever GPU Vulkan finds; then the tables between the page's
two marks are written anew. The zoo's are narrow, with weights of a seed: width changes no operator.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.fixtures import adain
from benchmarks.zoo.catalog import ENTRIES
from iast_export.build.convert import convert_fp32, convert_style_encoder
from iast_export.errors import ToolError
from iast_export.files.artifacts import write_atomic
from iast_export.formats import tflite_file as tf
from iast_export.network.adapters import load_network
from iast_export.network.checkpoint import packaged_network
from iast_export.runtimes.gpu import refused_by_gpu, short
from iast_export.runtimes.gpu_operators import list_kinds
from iast_export.specs import Tier

PAGE = Path(__file__).resolve().parents[1] / "docs" / "gpu.md"
MARKS = ("<!-- operators: python -m benchmarks.gpu_operators -->", "<!-- end of operators -->")
SIDE_PX = 64
FORMS: Mapping[str, str] = {
    "CONCATENATION": "with SLICE in place of MIRROR_PAD, for XNNPACK",
    "DEPTH_TO_SPACE": "in place of RESHAPE, TRANSPOSE, RESHAPE over six dimensions",
    "MEAN": "in FP16 files in place of a SUM that overflows",
    "RELU": "with RELU_N1_TO_1 fused before it, in place of RELU_0_TO_1",
    "SPACE_TO_DEPTH": "in place of RESHAPE, TRANSPOSE, RESHAPE over six dimensions",
}


@dataclass
class Operator:
    """How often each network has an operator, and why the delegate refuses it in some.

    `ran`: in a network that runs whole; else nobody saw it computed there.
    """

    counts: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    ran: bool = False

    def __str__(self) -> str:
        if not self.refusals:
            return "taken" if self.ran else "not refused, but in no network that runs whole"
        left = len(self.counts) - len(self.refusals)
        reasons = "; ".join(sorted(set(self.refusals.values())))
        return f"taken in {left} of {len(self.counts)}, else: {reasons}" if left else reasons


def networks() -> dict[str, Callable[[Path], object]]:
    """What writes each network's file, by its name."""

    def transfer(network: Any, depth: int) -> Callable[[Path], object]:
        return lambda path: convert_fp32(network, (Tier(depth, SIDE_PX),), path)

    packaged, foreign = packaged_network(), adain.factory(adain.WEIGHTS)
    made: dict[str, Callable[[Path], object]] = {
        "packaged": transfer(packaged, max(packaged.depths)),
        "its style encoder": lambda path: convert_style_encoder(packaged, path),
        "AdaIN fixture": transfer(foreign, 1),
    }
    for entry in ENTRIES:
        made[entry.title] = transfer(load_network(entry.target("tiny"), None), 1)
    return made


@dataclass
class Network:
    """What the delegate said of a network: how many operators it has, and those left to the CPU.

    `failed`: why there is no file to ask about.
    """

    operators: int = 0
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: str = ""

    def __str__(self) -> str:
        if self.failed:
            return f"not converted: {self.failed}"
        return f"no: {list_kinds(self.refused)}" if self.refused else "whole"


def ask(
    makers: Mapping[str, Callable[[Path], object]], folder: Path
) -> tuple[dict[str, Network], dict[str, Operator]]:
    """The delegate's word on each network and on each operator.

    Args:
        makers: what writes a file of one signature, by the network's name.
        folder: for the files.

    Raises:
        ToolError: there is no GPU, or the delegate fails.
    """
    found: dict[str, Network] = {}
    kinds: dict[str, Operator] = {}
    for n, (name, make) in enumerate(makers.items()):
        path = folder / f"{n}.tflite"
        try:
            make(path)
        except ToolError as error:
            found[name] = Network(failed=error.message.split(":")[0])
            continue
        ((_, counts),) = tf.operator_counts(tf.read_model(path)).items()
        (refused,) = refused_by_gpu(path).values()
        reasons = Counter((one.operator, short(one.reason)) for one in refused)
        found[name] = Network(sum(counts.values()), reasons)
        for kind, count in counts.items():
            one = kinds.setdefault(kind, Operator())
            one.counts[name], one.ran = count, one.ran or not refused
        for kind, reason in reasons:
            kinds[kind].refusals[name] = reason
    return found, dict(sorted(kinds.items()))


def tables(networks: Mapping[str, Network], kinds: Mapping[str, Operator]) -> str:
    """Both tables in Markdown: network by network, operator by operator."""
    rows = [("network", "operators", "on the GPU"), ("---",) * 3]
    rows += [(name, str(one.operators or ""), str(one)) for name, one in networks.items()]
    asked = [name for name, one in networks.items() if not one.failed]
    head = ("operator", *asked[:3], f"of {len(asked)} networks", "on the GPU", "form")
    below = [head, ("---",) * len(head)]
    for kind, one in kinds.items():
        counts = [str(one.counts.get(name, "")) for name in asked[:3]]
        below.append((kind, *counts, str(len(one.counts)), str(one), FORMS.get(kind, "")))
    return "\n\n".join(_markdown(part) for part in (rows, below))


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write(page: Path, made: str) -> None:
    """Puts the table between the page's marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    _, after = rest.split(MARKS[1])
    write_atomic(page, f"{before}{MARKS[0]}\n{made}\n{MARKS[1]}{after}".encode())


def main() -> None:
    """Converts, asks and writes."""
    with tempfile.TemporaryDirectory() as folder:
        write(PAGE, tables(*ask(networks(), Path(folder))))


if __name__ == "__main__":
    main()
