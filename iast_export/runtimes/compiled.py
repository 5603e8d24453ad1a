"""LiteRT's `CompiledModel` as a `Target`: its newer way to run a TFLite file.

On the CPU in this process, or by the GPU delegate in one of its own (`gpu`).

On the CPU it drives the same XNNPACK as the interpreter, through buffers made once for all runs.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, final

import numpy as np

from iast_export.errors import InputError, ToolError
from iast_export.families import FAMILIES
from iast_export.formats import tflite_file as tf
from iast_export.runtimes.any_shape import any_shape
from iast_export.runtimes.gpu import open_gpu
from iast_export.runtimes.litert import hush, input_names, prepared, presented
from iast_export.runtimes.session import Array, Session
from iast_export.shapes.table import ShapeTable
from iast_export.specs import Accelerator, Tier

_REFUSALS = (RuntimeError, ValueError, IndexError, TypeError)


@final
class CompiledSession:
    """One signature of a TFLite file, compiled for the CPU. Made by `open_compiled`."""

    def __init__(
        self, model: Any, key: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]
    ) -> None:
        self._model, self._key = model, key
        self._inputs, self._outputs = inputs, outputs
        self._fed = {name: model.create_input_buffer_by_name(key, name) for name in inputs}
        self._made = {name: model.create_output_buffer_by_name(key, name) for name in outputs}
        for name, detail in inputs.items():  # the first of a process is told of on stderr
            self._fed[name].write(np.zeros(detail["shape"], detail["dtype"]))

    @property
    def input_names(self) -> tuple[str, ...]:
        return input_names(self._inputs)

    @property
    def raw(self) -> Any:
        return self._model

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return presented(self._computed(prepared(feeds, self._inputs)), self._outputs)

    def bare_run(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        laid_out = prepared(feeds, self._inputs)
        return lambda: self._computed(laid_out)

    def _computed(self, laid_out: Mapping[str, Array]) -> dict[str, Array]:
        try:
            for name, value in laid_out.items():
                self._fed[name].write(value)
            self._model.run_by_name(self._key, self._fed, self._made)
            return {name: self._read(name) for name in self._made}
        except _REFUSALS as error:
            raise ToolError(f"LiteRT's CompiledModel failed: {error}", "try litert") from error

    def _read(self, name: str) -> Array:
        detail = self._outputs[name]
        size = int(np.prod(detail["shape"]))
        values: Array = self._made[name].read(size, detail["dtype"])
        return values.reshape(detail["shape"])


def open_compiled(
    data: bytes, signature: str | None = None, threads: int = 1, where: object = "the model"
) -> CompiledSession:
    """A session over one signature of a TFLite file's bytes, on the CPU.

    Args:
        data: the file.
        signature: its key; None where the file has exactly one.
        threads: of XNNPACK.
        where: what the bytes are, for messages.

    Raises:
        InputError: no such signature, or the file is damaged.
        ToolError: LiteRT refuses the model.
    """
    from ai_edge_litert import compiled_model as lite

    model = tf.parse(data, where)
    known = {one.key: one for one in tf.signatures(model)}
    key = next(iter(known)) if signature is None and len(known) == 1 else signature
    if key is None or key not in known:
        raise InputError(
            f"{where} has no signature {signature}", f"choose one of {', '.join(known)}"
        )
    options = lite.Options(
        hardware_accelerators=lite.HardwareAccelerator.CPU,
        cpu_options=lite.CpuOptions(num_threads=threads),
    )
    tensors = model.subgraphs[known[key].subgraph].tensors
    details = (_details(tensors, named) for named in (known[key].inputs, known[key].outputs))
    try:
        with hush():
            around = _environment()
            compiled = lite.CompiledModel.from_buffer(data, environment=around, options=options)
            return CompiledSession(compiled, key, *details)
    except _REFUSALS as error:
        raise ToolError(
            f"LiteRT's CompiledModel can't load {where}: {error}", "convert the file again"
        ) from error


@cache
def _environment() -> Any:
    """What all models of this process share, as LiteRT asks for.

    It and another that LiteRT makes unasked are taken down when the process ends, which LiteRT says
    on stderr, heeding no setting: from the last of Python's own words on, stderr leads nowhere.
    """
    from ai_edge_litert import compiled_model as lite

    atexit.register(_end_in_silence)
    folder = os.fspath(Path(lite.__file__).parent)
    return lite.Environment.create(options=lite.EnvironmentOptions(runtime_path=folder))


def _end_in_silence() -> None:
    sys.stderr.flush()
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def _details(tensors: Sequence[Any], named: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """What `litert.prepared` asks of each edge: CompiledModel itself tells no quantization."""
    found = {}
    for name, index in named.items():
        kept = tensors[index].quantization
        is_quantized = kept is not None and kept.scale is not None and len(kept.scale) == 1
        found[name] = {
            "index": index,
            "shape": tf.tensor_shape(tensors[index]),
            "dtype": np.dtype(tf.dtype_name(tensors[index])),
            "quantization": (kept.scale[0], int(kept.zeroPoint[0])) if is_quantized else (0.0, 0),
        }
    return found


@final
class CompiledTarget:
    """LiteRT's `CompiledModel`, on the CPU or wholly on the GPU."""

    family = FAMILIES["litert"]
    name = "litert-compiled"
    label = "LiteRT's CompiledModel"
    accelerators: tuple[Accelerator, ...] = ("cpu", "gpu")

    def open(
        self,
        data: bytes,
        tier: Tier | None = None,
        *,
        threads: int = 1,
        accelerator: Accelerator = "cpu",
        where: object = "the model",
        shapes: ShapeTable | None = None,
    ) -> Session:
        signature = tier.signature if tier else None

        def opened(one: bytes) -> Session:
            if accelerator == "gpu":
                return open_gpu(one, signature, where=where)
            return open_compiled(one, signature, threads, where)

        return any_shape(data, tier, shapes, opened)
