"""ONNX Runtime on the CPU, behind `Session`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iast_export.environment import has_vnni
from iast_export.errors import InputError, ToolError
from iast_export.files.apart import read_foreign
from iast_export.files.artifacts import sha256_bytes
from iast_export.formats.onnx_weights import with_weights_in_branches
from iast_export.formats.onnx_wire import refuse_external_data
from iast_export.runtimes.session import Array, bytes_of, check_names


def onnx_session_options(threads: int, exact_products: bool = False) -> Any:
    """Options under which every ONNX Runtime session of this package runs.

    One thread pool of `threads`. On processors without VNNI, 8-bit products would saturate;
    session.x64quantprecision prevents it, so that results agree across machines
    (`formats.onnx_weights` says what else that needs). It is left out
    where VNNI is there and `exact_products` does not ask for it: it would change no bit and halve
    the speed of INT8.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    if exact_products or not has_vnni():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


class OnnxSession:
    """An ONNX Runtime session on the CPU provider."""

    def __init__(self, raw: Any, outputs: Sequence[str]) -> None:
        self._raw = raw
        self._outputs = list(outputs)
        self._inputs = tuple(item.name for item in raw.get_inputs())

    @property
    def input_names(self) -> tuple[str, ...]:
        return self._inputs

    @property
    def raw(self) -> Any:
        return self._raw

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return self._computed(self._laid_out(feeds))

    def run_each(self, feeds: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
        """As `run`, each result copied when its turn comes, so that none is held twice."""
        import onnxruntime as ort

        arrays = {
            name: ort.OrtValue.ortvalue_from_numpy(x) for name, x in self._laid_out(feeds).items()
        }
        made = self._tried(lambda: self._raw.run_with_ort_values(self._outputs, arrays), feeds)
        for name in self._outputs:
            yield name, made.pop(0).numpy()

    def bare_run(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        arrays = self._laid_out(feeds)
        return lambda: self._computed(arrays)

    def _laid_out(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        check_names(feeds, self._inputs)
        return {name: np.ascontiguousarray(value) for name, value in feeds.items()}

    def _computed(self, arrays: dict[str, Array]) -> dict[str, Array]:
        results = self._tried(lambda: self._raw.run(self._outputs, arrays), arrays)
        return dict(zip(self._outputs, results, strict=True))

    def _tried(self, run: Callable[[], Any], arrays: Mapping[str, Array]) -> Any:
        try:
            return run()
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            shapes = {name: value.shape for name, value in arrays.items()}
            raise ToolError(
                f"ONNX Runtime failed on {shapes}: {error}",
                "check that the picture's sides are multiples the model takes and within its tier",
            ) from error


def open_onnx(
    path: Path | bytes,
    threads: int = 1,
    outputs: Sequence[str] | None = None,
    where: object = "the model",
    options: Any = None,
) -> OnnxSession:
    """A session over an ONNX file that the caller has just written, or over a serialized model.

    Args:
        path: the file, or the bytes of a model; files of bundles come as bytes, from `sealed`.
        threads: of the one thread pool.
        outputs: graph outputs that `run` returns; None: all.
        where: what the bytes are, for messages.
        options: of the session, made by `onnx_session_options`; None: those.

    Raises:
        InputError: no such file or output, or a model with values in other files.
        ToolError: ONNX Runtime refuses the model.
    """
    import onnxruntime as ort

    data, where = (path, where) if isinstance(path, bytes) else (bytes_of(path, "export"), path)
    refuse_external_data(data, where)
    options = options if options is not None else onnx_session_options(threads)
    try:
        data = data if has_vnni() else with_weights_in_branches(data)
        raw = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime and protobuf share no base with others
        raise ToolError(
            f"ONNX Runtime can't load {where}: {error}", "build the file again"
        ) from error
    known = [item.name for item in raw.get_outputs()]
    wanted = list(outputs) if outputs is not None else known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InputError(
            f"no output {', '.join(unknown)} among {', '.join(known)}", "ask for a graph output"
        )
    return OnnxSession(raw, wanted)


def try_foreign_onnx(path: Path, data: bytes) -> tuple[list[Any], list[Any]]:
    """Shapes of the edges of a user's ONNX file, once a process of its own has run it.

    Args:
        path: the file, for that process and for messages.
        data: its bytes as they were read; the process refuses others.

    Raises:
        InputError: the file crashes ONNX Runtime, takes too long or too much memory, or was
            changed.
        ToolError: ONNX Runtime refuses it.
    """
    edges = read_foreign("iast_export.runtimes.onnx:run_on_zeros", path, sha256=sha256_bytes(data))
    inputs, outputs = edges
    return inputs, outputs


def run_on_zeros(path: str, sha256: str) -> tuple[list[Any], list[Any]]:
    """The process's half of `try_foreign_onnx`; files of free or other sizes are only opened."""
    data = bytes_of(Path(path), "give")
    if sha256_bytes(data) != sha256:
        raise InputError(f"{path} was changed while it was read", "run it again")
    session = open_onnx(data, where=path)
    edges = (session.raw.get_inputs(), session.raw.get_outputs())
    inputs, outputs = ([list(item.shape) for item in items] for items in edges)
    fixed = all(isinstance(side, int) for shape in inputs for side in shape)
    if fixed and all(item.type == "tensor(float)" for item in edges[0]):
        shapes = zip(session.input_names, inputs, strict=True)
        session.run({name: np.zeros(shape, np.float32) for name, shape in shapes})
    return inputs, outputs
