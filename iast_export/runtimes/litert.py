"""LiteRT on the CPU, behind `Session`: one signature of a TFLite file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from iast_export.errors import InputError, ToolError
from iast_export.runtimes.session import Array, bytes_of, check_names, is_image
from iast_export.specs import IMAGE_NAMES

_has_spoken = False


def _quantize_edge(value: Array, detail: Mapping[str, Any]) -> Array:
    dtype = np.dtype(detail["dtype"])
    if not np.issubdtype(dtype, np.integer):
        return np.ascontiguousarray(value, dtype=dtype)
    scale, zero_point = detail["quantization"]
    info = np.iinfo(dtype)
    levels = np.round(np.asarray(value, np.float32) / np.float32(scale)) + zero_point
    return np.ascontiguousarray(np.clip(levels, info.min, info.max).astype(dtype))


def _dequantize_edge(value: Array, detail: Mapping[str, Any]) -> Array:
    if not np.issubdtype(value.dtype, np.integer):
        return value.astype(np.float32, copy=False)
    scale, zero_point = detail["quantization"]
    return (value.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


class LiteRtSession:
    """One signature of a TFLite file; NHWC and int8 edges are converted inside.

    Attributes:
        inputs, outputs: their details by name, as LiteRT tells them.
    """

    def __init__(self, interpreter: Any, signature: str) -> None:
        self._interpreter = interpreter
        self._runner = interpreter.get_signature_runner(signature)
        self.inputs: dict[str, Any] = self._runner.get_input_details()
        self.outputs: dict[str, Any] = self._runner.get_output_details()

    @property
    def input_names(self) -> tuple[str, ...]:
        return input_names(self.inputs)

    @property
    def raw(self) -> Any:
        return self._interpreter

    def prepared(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The feeds in the signature's own layout and type, for timing the bare runner.

        Raises:
            InputError: a feed is missing, unknown, or of the wrong shape.
        """
        return prepared(feeds, self.inputs)

    def invoke(self, prepared: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the signature on what `prepared` gave; results in its own layout and type.

        Raises:
            ToolError: the runtime failed.
        """
        try:
            with _without_information():
                return dict(self._runner(**prepared))
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise ToolError(f"LiteRT failed: {error}", "convert the model again") from error

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return self.presented(self.invoke(self.prepared(feeds)))

    def presented(self, raw: Mapping[str, Array]) -> dict[str, Array]:
        """What `invoke` returned as `run` does: float32, images NCHW."""
        return presented(raw, self.outputs)

    def bare_run(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        laid_out = self.prepared(feeds)
        return lambda: self.invoke(laid_out)


def input_names(details: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of a signature's inputs by their place, pictures first."""
    names = sorted(details, key=lambda name: int(details[name]["index"]))
    return tuple(sorted(names, key=lambda name: name not in IMAGE_NAMES))


def prepared(feeds: Mapping[str, Array], details: Mapping[str, Any]) -> dict[str, Array]:
    """Feeds in a signature's own layout and type.

    Args:
        feeds: as `Session.run` takes them.
        details: of its inputs by name: `index`, `shape`, `dtype` and `quantization` (scale, zero
            point).

    Raises:
        InputError: a feed is missing, unknown, or of the wrong shape.
    """
    check_names(feeds, input_names(details))
    laid_out = {}
    for name, value in feeds.items():
        if is_image(name, value.shape):
            value = value.transpose(0, 2, 3, 1)
        shape = tuple(int(side) for side in details[name]["shape"])
        if value.shape != shape:
            raise InputError(
                f"input {name} is {value.shape}, the signature takes {shape}", "pad or scale it"
            )
        laid_out[name] = _quantize_edge(value, details[name])
    return laid_out


def presented(raw: Mapping[str, Array], details: Mapping[str, Any]) -> dict[str, Array]:
    """A signature's results as `Session.run` returns them: float32, images NCHW."""
    results = {}
    for name, value in raw.items():
        value = _dequantize_edge(value, details[name])
        image = is_image(name, value.shape)
        results[name] = np.ascontiguousarray(value.transpose(0, 3, 1, 2)) if image else value
    return results


def open_litert(
    path: Path | bytes, signature: str | None = None, threads: int = 1, where: object = "the model"
) -> LiteRtSession:
    """A session over one signature of a TFLite file just written, or of a model.

    Args:
        path: the file, or what would be in it; files of bundles come as bytes, from `sealed`.
        signature: its key; None where the file has exactly one.
        threads: of XNNPACK.
        where: what the bytes are, for messages.

    Raises:
        InputError: no such file or signature.
        ToolError: LiteRT refuses the model.
    """
    data, where = (path, where) if isinstance(path, bytes) else (bytes_of(path, "convert"), path)
    interpreter = litert_interpreter(data, where, num_threads=threads)
    known = list(interpreter.get_signature_list())
    chosen = known[0] if signature is None and len(known) == 1 else signature
    if chosen is None or chosen not in known:
        raise InputError(
            f"{where} has no signature {signature}", f"choose one of {', '.join(known)}"
        )
    return LiteRtSession(interpreter, chosen)


def open_to_read(
    data: bytes, signature: str, threads: int
) -> Callable[[Mapping[str, Array]], Iterator[tuple[str, Array]]]:
    """What runs a model of one signature and gives its results in their own layout and type.

    Each is copied when its turn comes, so that a model with hundreds of results holds none twice.

    Raises:
        ToolError: LiteRT refuses the model.
    """
    interpreter = litert_interpreter(data, num_threads=threads)
    runner = interpreter.get_signature_runner(signature)
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    del runner  # beside it the interpreter can't be used by itself
    interpreter.allocate_tensors()

    def run(feeds: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
        for name, value in prepared(feeds, inputs).items():
            interpreter.set_tensor(inputs[name]["index"], value)
        try:
            with _without_information():
                interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ToolError(f"LiteRT failed: {error}", "convert the model again") from error
        for name, about in outputs.items():
            yield name, interpreter.get_tensor(about["index"])

    return run


def litert_interpreter(data: bytes, where: object = "the model", **options: Any) -> Any:
    """LiteRT's own interpreter of a model, over bytes that it keeps.

    Raises:
        ToolError: LiteRT refuses the model.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        return Interpreter(model_content=data, **options)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ToolError(f"LiteRT can't load {where}: {error}", "convert the file again") from error


@contextmanager
def _without_information() -> Iterator[None]:
    """Keeps off the terminal what LiteRT's native code says once, when it first computes; no error.

    It heeds no setting, and its line ends up in the middle of a progress bar.
    """
    global _has_spoken
    if _has_spoken:
        yield
        return
    _has_spoken = True
    with hush(lambda line: not line.startswith(b"INFO: ")):
        yield


@contextmanager
def hush(keeps: Callable[[bytes], bool] = lambda line: False) -> Iterator[None]:
    """Keeps native code's lines on stderr off the terminal, but those that `keeps` takes."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as said:
        terminal = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            said.seek(0)
            for line in filter(keeps, said.read().splitlines(keepends=True)):
                os.write(2, line)
