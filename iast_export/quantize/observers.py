"""Runs FP32 files with inner tensors kept for reading: what calibration and learning see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.quantize.litert.calibration import calibration_model
from iast_export.runtimes.litert import open_to_read
from iast_export.runtimes.onnx import open_onnx

Feeds = Mapping[str, NDArray[Any]]
Observe = Callable[[Feeds], Iterator[tuple[str, NDArray[Any]]]]


def observe_onnx(fp32_path: Path, tensors: Sequence[str], threads: int = 1) -> Observe:
    """Runs an ONNX file with `tensors` as outputs; graph inputs among them are read from the feed.

    Raises:
        InputError: the file has no such tensor.
    """
    import onnx

    from iast_export.formats.onnx_graph import load_model

    model = load_model(fp32_path)
    inputs = {value.name for value in model.graph.input}
    known = {name for node in model.graph.node for name in node.output}
    wanted = [name for name in tensors if name not in inputs]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise InputError(f"{fp32_path} has no tensor {unknown[0]}", "export the model again")
    present = {value.name for value in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in wanted if name not in present
    )
    session = open_onnx(model.SerializeToString(), threads, wanted) if wanted else None

    def observe(feed: Feeds) -> Iterator[tuple[str, NDArray[Any]]]:
        yield from ((name, feed[name]) for name in tensors if name in inputs)
        if session is not None:
            yield from session.run_each(feed)

    return observe


def observe_litert(fp32_path: Path, signature: str, threads: int = 1) -> Observe:
    """Runs a TFLite signature with what static INT8 needs ranges for as outputs, and inputs.

    Raises:
        InputError: no such file or signature.
    """
    if not fp32_path.is_file():
        raise InputError(f"{fp32_path} is not there", "convert the model first, or check the path")
    data, names = calibration_model(fp32_path, signature)
    run = open_to_read(data, signature, threads) if names else None

    def observe(feed: Feeds) -> Iterator[tuple[str, NDArray[Any]]]:
        yield from ((f"{signature}/{name}", values) for name, values in feed.items())
        if run is not None:
            yield from ((names[key], values) for key, values in run(feed))

    return observe
