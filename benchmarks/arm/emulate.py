"""Files of both runtimes on emulated Arm processors, and the 8-bit instructions they took there."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError, ToolError

TOOLS = Path(__file__).resolve().parents[2] / "android_demo" / ".arm"
GUEST = Path(__file__).with_name("guest.py")
TIMEOUT_S = 1800

Outputs = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Cpu:
    """A processor that qemu knows, and the 8-bit instruction that only its kernels take."""

    name: str
    instruction: str
    stands_for: str


CPUS = (
    Cpu("cortex-a53", "SMLAL", "widening products, 2014 and low-end phones"),
    Cpu("cortex-a76", "SDOT", "dot products, from 2018"),
    Cpu("cortex-a710", "SMMLA", "8-bit matrix products, from 2021"),
    Cpu("max", "SMOPA", "SME, from 2024; of qemu's processors the one that has it"),
)
# Mask and value of instruction words: vector and by-element forms (Arm Architecture Reference
# Manual, C4.1).
_ENCODINGS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "SMLAL": ((0xBF20FC00, 0x0E208000), (0xBF00F400, 0x0F002000)),
    "SDOT": ((0xBFE0FC00, 0x0E809400), (0xBFC0F400, 0x0F80E000)),
    "UDOT": ((0xBFE0FC00, 0x2E809400), (0xBFC0F400, 0x2F80E000)),
    "USDOT": ((0xBFE0FC00, 0x0E809C00), (0xBFC0F400, 0x0F00F000)),
    "SMMLA": ((0xFFE0FC00, 0x4E80A400),),
    "UMMLA": ((0xFFE0FC00, 0x6E80A400),),
    "USMMLA": ((0xFFE0FC00, 0x4E80AC00),),
    "SMOPA": ((0xFFE0001C, 0xA0800000),),
}
_WORD = re.compile(rb"^0x[0-9a-f]+:\s+([0-9a-f]{8})\s")


@dataclass(frozen=True)
class Job:
    """One run of one file.

    Attributes:
        runtime: "litert" or "onnxruntime".
        path: the file.
        feeds: an .npz with the inputs as the file itself takes them.
        signature: of a LiteRT file.
    """

    runtime: str
    path: str
    feeds: str
    signature: str = ""


def need(path: Path) -> Path:
    """`path`, which the installer must have made.

    Raises:
        InputError: it has not.
    """
    if not path.exists():
        raise InputError(f"{path} is missing", "run `python3 android_demo/tools/install_arm.py`")
    return path


def run_on(
    cpu: Cpu, jobs: Sequence[Job], folder: Path, *, log: bool = False
) -> tuple[list[Outputs], Counter[str]]:
    """Outputs of each job on an emulated processor.

    Args:
        cpu: the processor.
        jobs: what to run, all in one process.
        folder: for what goes in and out.
        log: look for 8-bit instructions in the code that was run; a fifth slower.

    Returns:
        each job's outputs by name, and how often each instruction stands in the code that was run.

    Raises:
        InputError: the emulator or the Arm system is missing.
        ToolError: the run failed or took too long.
    """
    request, answer, seen = (folder / f"{cpu.name}.{end}" for end in ("json", "npz", "log"))
    request.write_text(json.dumps([asdict(job) for job in jobs]))
    command = _command(cpu, ["-d", "in_asm", "-D", str(seen)] if log else [], request, answer)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"{cpu.name} took longer than {TIMEOUT_S} s", "take a smaller tier"
        ) from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-500:]
        raise ToolError(
            f"the emulated {cpu.name} failed: {said}", "check that the files run on this machine"
        )
    with np.load(answer) as values:
        outputs: list[Outputs] = [{} for _ in jobs]
        for name in values.files:
            number, output = name.split("/", 1)
            outputs[int(number)][output] = values[name]
    return outputs, instructions(seen) if log else Counter()


def _command(cpu: Cpu, options: Sequence[str], request: Path, answer: Path) -> list[str]:
    root = need(TOOLS / "root")
    environment = {
        "PYTHONHOME": root / "usr",
        "PYTHONPATH": need(TOOLS / "site"),
        "LD_LIBRARY_PATH": root / "usr" / "lib" / "aarch64-linux-gnu",
    }
    return [
        *(str(need(TOOLS / "qemu-aarch64")), "-cpu", cpu.name, "-L", str(root)),
        *(word for name, value in environment.items() for word in ("-E", f"{name}={value}")),
        *options,
        *(str(root / "usr" / "bin" / "python3.11"), str(GUEST), str(request), str(answer)),
    ]


def instructions(log: Path) -> Counter[str]:
    """How often each 8-bit instruction stands in qemu's log of translated code."""
    words: Counter[int] = Counter()
    with log.open("rb") as lines:
        for line in lines:
            found = _WORD.match(line)
            if found is not None:
                words[int(found.group(1), 16)] += 1
    counts: Counter[str] = Counter()
    for word, times in words.items():
        for name, encodings in _ENCODINGS.items():
            if any(word & mask == wanted for mask, wanted in encodings):
                counts[name] += times
    return counts
