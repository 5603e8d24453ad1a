"""LiteRT on the CPU, behind `Session`: one signature of a TFLite file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iast_export.errors import InputError, ToolError

if TYPE_CHECKING:
    pass
from iast_export.runtimes.session import IMAGE_NAMES, Array, _bytes_of, _check_names, _is_image

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
    """One signature of a TFLite file; NHWC and int8 edges are converted inside."""

    def __init__(self, interpreter: Any, signature: str) -> None:
        self._interpreter = interpreter
        self._runner = interpreter.get_signature_runner(signature)
        self._inputs: dict[str, Any] = self._runner.get_input_details()
        self._outputs: dict[str, Any] = self._runner.get_output_details()

    @property
    def input_names(self) -> tuple[str, ...]:
        names = sorted(self._inputs, key=lambda name: int(self._inputs[name]["index"]))
        return tuple(sorted(names, key=lambda name: name not in IMAGE_NAMES))

    @property
    def raw(self) -> Any:
        return self._interpreter

    @property
    def content_shape_px(self) -> tuple[int, int]:
        """Height and width of the image input.

        Raises:
            InputError: the signature has no image input.
        """
        for name, detail in self._inputs.items():
            if _is_image(name, detail["shape"]):
                return int(detail["shape"][1]), int(detail["shape"][2])
        raise InputError(
            f"no image among the inputs {', '.join(self._inputs)}", "open another signature"
        )

    def prepared(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """The feeds in the signature's own layout and type, for timing the bare runner.

        Raises:
            InputError: a feed is missing, unknown, or of the wrong shape.
        """
        _check_names(feeds, self.input_names)
        prepared = {}
        for name, value in feeds.items():
            detail = self._inputs[name]
            if _is_image(name, value.shape):
                value = value.transpose(0, 2, 3, 1)
            shape = tuple(int(side) for side in detail["shape"])
            if value.shape != shape:
                raise InputError(
                    f"input {name} is {value.shape}, the signature takes {shape}", "pad or scale it"
                )
            prepared[name] = _quantize_edge(value, detail)
        return prepared

    def invoke(self, prepared: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the signature on what `prepared` returned; results in the signature's own layout and
        type.

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
        results = {}
        for name, value in raw.items():
            value = _dequantize_edge(value, self._outputs[name])
            is_image = _is_image(name, value.shape)
            results[name] = np.ascontiguousarray(value.transpose(0, 3, 1, 2)) if is_image else value
        return results


def open_litert(
    path: Path | bytes, signature: str | None = None, threads: int = 1, where: object = "the model"
) -> LiteRtSession:
    """A session over one signature of a TFLite file that the caller has just written, or of a
    model.

    Args:
        path: the file, or what would be in it; files of bundles come as bytes, from `sealed`.
        signature: its key; None where the file has exactly one.
        threads: of XNNPACK.
        where: what the bytes are, for messages.

    Raises:
        InputError: no such file or signature.
        ToolError: LiteRT refuses the model.
    """
    data, where = (path, where) if isinstance(path, bytes) else (_bytes_of(path, "convert"), path)
    interpreter = litert_interpreter(data, where, num_threads=threads)
    known = list(interpreter.get_signature_list())
    chosen = known[0] if signature is None and len(known) == 1 else signature
    if chosen is None or chosen not in known:
        raise InputError(
            f"{where} has no signature {signature}", f"choose one of {', '.join(known)}"
        )
    return LiteRtSession(interpreter, chosen)


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
            for line in said.read().splitlines(keepends=True):
                if not line.startswith(b"INFO: "):
                    os.write(2, line)
