"""LiteRT's GPU delegate behind the `Session` Protocol: strict, and in a process of its own.

Strict means that every operator runs on the GPU. A file that the delegate takes in part is refused
with the operators that it leaves and its own reasons: there is no hop to the CPU that nobody sees.
A driver that crashes ends its process alone. What the delegate says comes from its log, which
nothing else offers.
"""

from __future__ import annotations

import re
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iast_export.environment import Check
from iast_export.errors import IastExportError, InputError, ToolError
from iast_export.formats import tflite_file, tflite_write
from iast_export.runtimes.gpu_operators import GpuRefusal, list_kinds
from iast_export.runtimes.gpu_process import SOFTWARE, GpuProcess
from iast_export.runtimes.gpu_worker import Answer
from iast_export.runtimes.litert import LiteRtSession, open_litert
from iast_export.runtimes.session import Array

_ADAPTER = re.compile(r"Selected adapter: (.+?), arch=.*adapterType=(.+)$", re.MULTILINE)
_REFUSED = re.compile(
    r"^ERROR: Following operations are not supported by GPU delegate:\n((?:.+: .+\n)+)", re.M
)
_TENSOR = re.compile(r'^Tensor ".*" has ')
_SPLIT = re.compile(r"(\d+) operations will run on the GPU, and the remaining (\d+) operations")
_STARTED = "Initializing WebGPU-based API from graph"


@dataclass(frozen=True)
class GpuDevice:
    """What the delegate computes on; a `software` driver's times, on the processor, say nothing."""

    name: str
    software: bool

    def __str__(self) -> str:
        return f"{self.name}, a driver on the processor" if self.software else self.name


class GpuSession:
    """One signature of a TFLite file, run whole on the GPU; `close` or `with` ends its process.

    Made by `open_gpu`.
    """

    def __init__(self, on_cpu: LiteRtSession, process: GpuProcess, device: GpuDevice) -> None:
        self._on_cpu, self._process = on_cpu, process
        self._end = weakref.finalize(self, process.close)  # also where nobody closes it
        self.device = device

    @property
    def input_names(self) -> tuple[str, ...]:
        return self._on_cpu.input_names

    @property
    def raw(self) -> Any:
        """The process that holds the model."""
        return self._process.process

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """As `Session.run`.

        Raises:
            InputError: a feed is missing, unknown, or of a shape that the model doesn't take.
            ToolError: the delegate failed, or its process ended.
        """
        return self._on_cpu.presented(self._computed(self._on_cpu.prepared(feeds)))

    def bare_run(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        laid_out = self._on_cpu.prepared(feeds)
        return lambda: self._computed(laid_out)

    def _computed(self, laid_out: Mapping[str, Array]) -> dict[str, Array]:
        outputs: dict[str, Array] = self._process.ask({"verb": "run", "feeds": laid_out})["outputs"]
        return outputs

    def close(self) -> None:
        """Ends the process."""
        self._end()

    def __enter__(self) -> GpuSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_gpu(
    path: Path | bytes,
    signature: str | None = None,
    *,
    fp32: bool = False,
    where: object = "the model",
) -> GpuSession:
    """A session over one signature of a TFLite file, wholly on the GPU.

    Args:
        path: the file, or what would be in it; files of bundles come as bytes, from `sealed`.
        signature: its key; None where the file has exactly one.
        fp32: whether it computes in FP32; else in FP16 where the GPU can, as on a phone.
        where: what the bytes are, for messages.

    Raises:
        InputError: no such file or signature, or the file is damaged.
        ToolError: there is no GPU, the delegate leaves operators to the CPU, or it fails.
    """
    where = where if isinstance(path, bytes) else path
    model = (
        tflite_file.parse(path, where) if isinstance(path, bytes) else tflite_file.read_model(path)
    )
    known = [one.key for one in tflite_file.signatures(model)]
    key = known[0] if signature is None and len(known) == 1 else signature
    if key is None or key not in known:
        raise InputError(
            f"{where} has no signature {signature}", f"choose one of {', '.join(known)}"
        )
    data = tflite_write.serialize(tflite_file.extract_signature(model, key))
    process = GpuProcess(f"{where} ({key})")
    try:
        device = _load(process, data, fp32)
        return GpuSession(open_litert(data, key, where=where), process, device)
    except BaseException:
        process.close()
        raise


def refused_by_gpu(path: Path) -> dict[str, tuple[GpuRefusal, ...]]:
    """Signature key -> the operators that the delegate leaves to the CPU; empty: none.

    Raises:
        InputError: the file can't be read.
        ToolError: there is no GPU, or the delegate fails.
    """
    model = tflite_file.read_model(path)
    found = {}
    for signature in tflite_file.signatures(model):
        data = tflite_write.serialize(tflite_file.extract_signature(model, signature.key))
        process = GpuProcess(f"{path} ({signature.key})")
        try:
            answer = process.ask({"verb": "open", "model": data, "fp32": False})
            found[signature.key] = _judge(process, answer)[1]
        finally:
            process.close()
    return found


def find_gpu() -> GpuDevice:
    """The GPU that the delegate chooses, tried on a model of one operator.

    Raises:
        ToolError: there is none.
    """
    process = GpuProcess("a model of one operator")
    try:
        return _load(process, _smallest_model(), False)
    finally:
        process.close()


def check_gpu() -> Check:
    """The line of `iast-export doctor` on the GPU."""
    try:
        found = find_gpu()
    except IastExportError as error:
        return Check("GPU for LiteRT", "warning", error.message, error.remedy)
    remark = ": for fidelity, its times mean nothing" if found.software else ""
    return Check("GPU for LiteRT", "ok", f"{found}{remark}")


def _load(process: GpuProcess, data: bytes, fp32: bool) -> GpuDevice:
    """Loads a model; the GPU that takes all of it."""
    device, refusals = _judge(process, process.ask({"verb": "open", "model": data, "fp32": fp32}))
    if refusals:
        raise ToolError(
            f"{process.what} does not run whole on the GPU; left to the CPU: "
            f"{list_refusals(refusals)}",
            "choose a precision that runs whole (`iast-export inspect` names them), or the CPU",
        )
    return device


def list_refusals(refusals: Sequence[GpuRefusal]) -> str:
    """Refused operators in one line, such as `2 TRANSPOSE (bad input dims size: 6)`."""
    return list_kinds(Counter((one.operator, short(one.reason)) for one in refusals))


def short(reason: str) -> str:
    """A reason of the delegate's without the tensor's name."""
    return _TENSOR.sub("", reason).rstrip(".")


def _judge(process: GpuProcess, answer: Answer) -> tuple[GpuDevice, tuple[GpuRefusal, ...]]:
    """The GPU and what it refuses, from what the delegate logged while it loaded a model.

    Raises:
        ToolError: no GPU was chosen; or the load failed, or was no load on the GPU, without any
            refusal.
    """
    log = process.log()
    adapter = _ADAPTER.search(log)
    if adapter is None:
        raise ToolError(
            f"LiteRT found no GPU: {_reason(log, answer)}", f"install a Vulkan driver; {SOFTWARE}"
        )
    device = GpuDevice(adapter[1].strip(), "software" in adapter[2].lower())
    refusals = parse_refusals(log)
    if not refusals and (not answer["whole"] or _STARTED not in log):
        raise ToolError(
            f"{process.what} was not taken by the GPU: {_reason(log, answer)}",
            "report this with the log that `iast-export doctor` names",
        )
    return device, refusals


def parse_refusals(log: str) -> tuple[GpuRefusal, ...]:
    """The operators that a log of the delegate says it leaves to the CPU."""
    found = [
        GpuRefusal(*(part.strip() for part in line.split(":", 1)))
        for block in _REFUSED.findall(log)
        for line in block.splitlines()
        if not _SPLIT.match(line)
    ]
    left = sum(int(count) for _, count in _SPLIT.findall(log))
    if left and not found:
        found.append(GpuRefusal(f"{left} operators", "the delegate names none"))
    return tuple(found)


def _reason(log: str, answer: Answer) -> str:
    """The line that tells most of a failure."""
    lines = [line.strip() for line in log.splitlines()]
    signs = ("Couldn't load", "No adapters", "RESOURCE_EXHAUSTED")
    telling = [line for line in lines if any(sign in line for sign in signs)]
    return (
        telling[0]
        if telling
        else str(answer.get("error") or next(iter(reversed(lines)), "no word"))
    )


def _smallest_model() -> bytes:
    """A model that adds a picture of 4 x 4 pixels to itself."""
    schema = tflite_file.schema()
    model, graph, op = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    model.version, model.buffers, model.operatorCodes = 3, [schema.BufferT()], []
    model.subgraphs, model.signatureDefs = [graph], []
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [op], [0], [1]
    for name in ("in", "out"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, [1, 4, 4, 3], 0
        tensor.type = schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
    op.opcodeIndex, op.inputs, op.outputs = tflite_write.operator_code(model, "ADD"), [0, 0], [1]
    op.builtinOptions, op.builtinOptionsType = (
        schema.AddOptionsT(),
        schema.BuiltinOptions.AddOptions,
    )
    return tflite_write.serialize(model)
