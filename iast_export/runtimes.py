"""PyTorch, ONNX Runtime and LiteRT behind one Protocol: named float32 NCHW arrays in and out."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.apart import read_foreign
from iast_export.artifacts import read_bytes, sha256_bytes
from iast_export.environment import machine_fingerprint
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.images import pad_to, padded_side_px, to_levels, to_tensor
from iast_export.onnx_wire import refuse_external_data
from iast_export.specs import CONTENT, STYLE_IMAGE, STYLIZED

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[Any]
_has_spoken = False
IMAGE_NAMES = (CONTENT, STYLIZED, STYLE_IMAGE)


class Session(Protocol):
    """A loaded model, ready to run on the CPU."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names that `run` needs, in the model's order."""
        ...

    @property
    def raw(self) -> Any:
        """The runtime's own object, for what this Protocol doesn't offer."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; images are NCHW float32 in [0, 1] whichever the runtime's layout.

        Raises:
            InputError: a feed is missing, unknown, or of a shape that the model doesn't take.
            ToolError: the runtime failed.
        """
        ...


def _check_names(feeds: Mapping[str, Array], needed: Sequence[str]) -> None:
    if set(feeds) != set(needed):
        missing = ", ".join(sorted(set(needed) - set(feeds))) or "none"
        unknown = ", ".join(sorted(set(feeds) - set(needed))) or "none"
        raise InputError(
            f"the model takes {', '.join(needed)}; missing: {missing}, unknown: {unknown}",
            "feed every input by its name, and nothing else",
        )


def has_vnni() -> bool:
    """Whether this processor multiplies 8-bit integers into 32 bits without saturation."""
    flags = machine_fingerprint()["flags"]
    return isinstance(flags, list) and bool({"avx512_vnni", "avx_vnni"} & set(flags))


def onnx_session_options(threads: int) -> Any:
    """Options under which every ONNX Runtime session of this package runs.

    One thread pool of `threads`. On processors without VNNI, 8-bit products would saturate;
    session.x64quantprecision prevents it, so that results agree across machines. It is left out
    where VNNI is there: it would change no bit and halve the speed of INT8.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    if not has_vnni():
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
        _check_names(feeds, self._inputs)
        arrays = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
        try:
            results = self._raw.run(self._outputs, arrays)
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            shapes = {name: value.shape for name, value in arrays.items()}
            raise ToolError(
                f"ONNX Runtime failed on {shapes}: {error}",
                "check that the picture's sides are multiples the model takes and within its tier",
            ) from error
        return dict(zip(self._outputs, results, strict=True))


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

    data, where = (path, where) if isinstance(path, bytes) else (_bytes_of(path, "export"), path)
    refuse_external_data(data, where)
    options = options if options is not None else onnx_session_options(threads)
    try:
        raw = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        raise ToolError(f"ONNX Runtime can't load {where}: {error}", "build the file again") from error
    known = [item.name for item in raw.get_outputs()]
    wanted = list(outputs) if outputs is not None else known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InputError(f"no output {', '.join(unknown)} among {', '.join(known)}", "ask for a graph output")
    return OnnxSession(raw, wanted)


def try_foreign_onnx(path: Path, data: bytes) -> tuple[list[Any], list[Any]]:
    """Shapes of the inputs and outputs of an ONNX file of the user's, once a process of its own has run it.

    Args:
        path: the file, for that process and for messages.
        data: its bytes as they were read; the process refuses others.

    Raises:
        InputError: the file crashes ONNX Runtime, takes too long or too much memory, or was changed.
        ToolError: ONNX Runtime refuses it.
    """
    edges = read_foreign("iast_export.runtimes:run_on_zeros", path, sha256=sha256_bytes(data))
    inputs, outputs = edges
    return inputs, outputs


def run_on_zeros(path: str, sha256: str) -> tuple[list[Any], list[Any]]:
    """The process's half of `try_foreign_onnx`; a file with inputs of free or other size is opened only."""
    data = _bytes_of(Path(path), "give")
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


def _bytes_of(path: Path, verb: str) -> bytes:
    if not Path(path).is_file():
        raise InputError(f"{path} is not there", f"{verb} the model first, or check the path")
    return read_bytes(Path(path))


def _is_image(name: str, shape: Sequence[int]) -> bool:
    return name in IMAGE_NAMES and len(shape) == 4


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
        raise InputError(f"no image among the inputs {', '.join(self._inputs)}", "open another signature")

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
        """Runs the signature on what `prepared` returned; results in the signature's own layout and type.

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
    """A session over one signature of a TFLite file that the caller has just written, or of a model.

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
        raise InputError(f"{where} has no signature {signature}", f"choose one of {', '.join(known)}")
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


class TorchSession:
    """A PyTorch module in eval mode behind the same Protocol; gradients are off."""

    def __init__(
        self,
        module: nn.Module,
        code_names: Sequence[str],
        *,
        image_name: str = CONTENT,
        output_names: Sequence[str] = (STYLIZED,),
    ) -> None:
        self._module = module.eval()
        self._inputs = (image_name, *code_names)
        self._outputs = tuple(output_names)

    @property
    def input_names(self) -> tuple[str, ...]:
        return self._inputs

    @property
    def raw(self) -> nn.Module:
        return self._module

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        import torch

        _check_names(feeds, self._inputs)
        values = [torch.from_numpy(np.array(feeds[name], np.float32)) for name in self._inputs]
        with torch.inference_mode():
            result = self._module(*values)
        results = result if isinstance(result, (tuple, list)) else (result,)
        if len(results) != len(self._outputs):
            raise InputError(
                f"the module returned {len(results)} results, needed {', '.join(self._outputs)}",
                "return one tensor per output name",
            )
        return {name: value.numpy() for name, value in zip(self._outputs, results, strict=True)}


def _target_shape_px(
    height: int, width: int, multiple_px: int | None, fixed_shape_px: tuple[int, int] | None
) -> tuple[int, int]:
    if (multiple_px is None) == (fixed_shape_px is None):
        raise UsageError("multiple_px and fixed_shape_px exclude each other", "give exactly one")
    if multiple_px is not None:
        return padded_side_px(height, multiple_px), padded_side_px(width, multiple_px)
    assert fixed_shape_px is not None
    if height > fixed_shape_px[0] or width > fixed_shape_px[1]:
        raise InputError(
            f"the picture is {width}x{height} px, the model takes {fixed_shape_px[1]}x{fixed_shape_px[0]} px",
            "choose the tier by the picture's size, or scale the picture down",
        )
    return fixed_shape_px


def stylize_rgb(
    session: Session,
    rgb: NDArray[np.uint8],
    codes: Mapping[str, Array],
    *,
    multiple_px: int | None = None,
    fixed_shape_px: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """The stylized picture [H, W, 3], uint8: padded by reflection, run, cropped, rounded.

    Args:
        session: takes `content` and `codes`, returns `stylized`.
        rgb: [H, W, 3] uint8.
        codes: every style input by name.
        multiple_px: the model takes any sides that are multiples of this, or
        fixed_shape_px: the model takes this height and width only.

    Raises:
        InputError: the picture is larger than the fixed shape, or the result holds NaN.
        ToolError: the runtime failed.
    """
    height, width = rgb.shape[:2]
    padded = pad_to(rgb, *_target_shape_px(height, width, multiple_px, fixed_shape_px))
    result = session.run({CONTENT: to_tensor(padded), **codes})[STYLIZED]
    return to_levels(result[:, :, :height, :width])
