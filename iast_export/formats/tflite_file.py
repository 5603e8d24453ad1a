"""Reading the bytes of a .tflite file, and what they say. No torch.

A .tflite file is a flatbuffer: subgraphs (one per signature) whose tensors point into a common list
of buffers. `tflite_write` writes it.

Tensor names are unique in the whole file: `SIGNATURE/NAME` for the inputs and outputs of a
signature and `SIGNATURE/NNN_OPERATOR` for what operator NNN writes. Constants are unnamed.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from iast_export.errors import IastExportError, InputError, ToolError
from iast_export.formats.damage import DamagedError, refusal
from iast_export.formats.tflite_check import check_layout, check_model

Model: TypeAlias = Any
"""A mutable `ModelT` of the TFLite schema; its object classes carry no type information."""
Graph: TypeAlias = Any
"""A mutable `SubGraphT`."""
Array: TypeAlias = npt.NDArray[Any]

_DTYPES: Mapping[str, str] = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "INT32": "int32",
    "UINT8": "uint8",
    "INT64": "int64",
    "BOOL": "bool",
    "INT16": "int16",
    "INT8": "int8",
    "FLOAT64": "float64",
    "UINT32": "uint32",
}


@dataclass(frozen=True)
class Signature:
    """One entry point: its key, its subgraph and the tensor index of every input and output."""

    key: str
    subgraph: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


def schema() -> Any:
    """The generated TFLite schema module, imported on first use."""
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


@contextmanager
def quiet_tools() -> Iterator[None]:
    """Holds back what wrapped tools print, log and warn; a failure becomes readable.

    Raises:
        ToolError: anything that is not one of our errors was raised inside; its message ends
            with the last lines that the tool wrote.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with _captured_output() as sink, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield
            except IastExportError:
                raise
            except Exception as error:
                sys.stdout.flush()
                sys.stderr.flush()
                sink.seek(0)
                tail = sink.read().decode(errors="replace").strip().splitlines()[-3:]
                words = "; ".join([f"{type(error).__name__}: {error}", *tail])
                raise ToolError(
                    f"the LiteRT tools failed: {words}", "check the network's operators"
                ) from error
    finally:
        logging.disable(disabled)


@contextmanager
def _captured_output() -> Iterator[IO[bytes]]:
    """Sends the process's stdout and stderr, native code's included, to a temporary file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile() as sink:
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                yield sink
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for target, original in enumerate(saved, start=1):
                os.dup2(original, target)
                os.close(original)


def parse(data: bytes, where: object = "the model", times: int = 1) -> Model:
    """The mutable object form of a model's bytes, which are validated first.

    Args:
        data: of a file.
        where: it is, for messages.
        times: see `check_layout`.

    Raises:
        InputError: they are no model, or a damaged one; `where` is for the message.
    """
    return deepcopy(parse_to_read(data, where, times))


def parse_to_read(data: bytes, where: object = "the model", times: int = 1) -> Model:
    """As `parse`, for who changes nothing, in half the time: equal vectors may be one array.

    Raises:
        InputError: see `parse`.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    if data[4:8] != b"TFL3":
        raise InputError(
            f"{where} is not a TFLite model", "give a .tflite file that the build wrote"
        )
    try:
        check_layout(data, times)
        model = flatbuffer_utils.read_model_from_bytearray(bytearray(data))
    except (
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        struct.error,
        OverflowError,
    ) as error:
        raise refusal(
            where, error
        ) from error  # what the flatbuffers package raises has no common base
    try:
        check_model(model, times * len(data))
    except DamagedError as error:
        raise refusal(where, error) from error
    return model


def read_model(path: Path) -> Model:
    """The mutable object form of a .tflite file.

    Raises:
        InputError: missing, foreign, truncated or damaged.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", "give the path of a .tflite file") from error
    return parse(data, path)


def op_name(model: Model, op: Any) -> str:
    """The operator's name in the schema, for example CONV_2D."""
    return code_name(model.operatorCodes[op.opcodeIndex])


def code_name(code: Any) -> str:
    """The name of an operator code in the schema."""
    return _enum_names("BuiltinOperator")[max(code.builtinCode, code.deprecatedBuiltinCode)]


@cache
def _enum_names(enum: str) -> dict[int, str]:
    return {v: k for k, v in vars(getattr(schema(), enum)).items() if isinstance(v, int)}


def dtype_name(tensor: Any) -> str:
    """The tensor's type as numpy names it, for example int8."""
    name = _enum_names("TensorType")[tensor.type]
    return _DTYPES.get(name, name.lower())


def text(name: str | bytes | None) -> str:
    """A flatbuffer string as str."""
    return name.decode() if isinstance(name, bytes) else (name or "")


def buffer_bytes(model: Model, tensor: Any) -> bytes:
    """A constant's stored bytes; empty for a tensor that is computed."""
    data = model.buffers[tensor.buffer].data
    return (
        b""
        if data is None or len(data) == 0
        else bytes(memoryview(cast(Any, np.asarray(data, np.uint8))))
    )


def constant(model: Model, tensor: Any) -> Array | None:
    """A constant's values in its own shape, or None for a tensor that is computed."""
    raw = buffer_bytes(model, tensor)
    if not raw:
        return None
    return np.frombuffer(raw, np.dtype(dtype_name(tensor))).reshape(tensor_shape(tensor))


def tensor_shape(tensor: Any) -> tuple[int, ...]:
    """The tensor's fixed shape."""
    return () if tensor.shape is None else tuple(int(n) for n in tensor.shape)


def signatures(model: Model) -> list[Signature]:
    """The entry points of a model, in file order."""
    return [
        Signature(
            text(s.signatureKey),
            int(s.subgraphIndex),
            {text(t.name): int(t.tensorIndex) for t in s.inputs or []},
            {text(t.name): int(t.tensorIndex) for t in s.outputs or []},
        )
        for s in model.signatureDefs or []
    ]


def find_signature(model: Model, key: str) -> Signature:
    """The entry point with that key.

    Raises:
        InputError: there is none.
    """
    found = {s.key: s for s in signatures(model)}
    if key not in found:
        raise InputError(
            f"there is no signature {key!r}", f"choose one of {', '.join(found) or '(none)'}"
        )
    return found[key]


def extract_signature(model: Model, key: str) -> Model:
    """A model of its own that holds one signature."""
    keep, alone = find_signature(model, key), copy(model)
    alone.subgraphs = [model.subgraphs[keep.subgraph]]
    alone.signatureDefs = [s for s in model.signatureDefs if text(s.signatureKey) == key]
    alone = deepcopy(alone)
    alone.signatureDefs[0].subgraphIndex = 0
    return alone


@dataclass(frozen=True)
class ByteCount:
    """Constant bytes of a file: stored once, read by several signatures, read by each."""

    unique_weight_bytes: int
    shared_weight_bytes: int
    signature_weight_bytes: Mapping[str, int]


def count_bytes(model: Model) -> ByteCount:
    """How many constant bytes are stored, and how many of them several signatures read."""
    readers: dict[int, set[str]] = {}
    for signature in signatures(model):
        for tensor in model.subgraphs[signature.subgraph].tensors:
            if buffer_bytes(model, tensor):
                readers.setdefault(int(tensor.buffer), set()).add(signature.key)
    size = {b: len(model.buffers[b].data) for b in readers}
    return ByteCount(
        sum(size.values()),
        sum(n for b, n in size.items() if len(readers[b]) > 1),
        {s.key: sum(n for b, n in size.items() if s.key in readers[b]) for s in signatures(model)},
    )


def operator_counts(model: Model) -> dict[str, dict[str, int]]:
    """Signature key -> operator name -> how many."""
    return {
        s.key: dict(
            sorted(
                Counter(op_name(model, op) for op in model.subgraphs[s.subgraph].operators).items()
            )
        )
        for s in signatures(model)
    }


def is_float(graph: Graph, op: Any) -> bool:
    """Whether the operator computes in float: it writes floats and does not read integers alone."""
    floats = ("float32", "float16")
    writes = any(
        dtype_name(graph.tensors[int(t)]) in floats
        for t in (() if op.outputs is None else op.outputs)
    )
    only = [int(t) for t in op.inputs] if op.inputs is not None else []
    integers = len(only) == 1 and dtype_name(graph.tensors[only[0]]) in ("int8", "uint8", "int16")
    return writes and not integers
