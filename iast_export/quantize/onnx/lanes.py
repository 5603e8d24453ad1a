"""Forms of an ONNX file that no build ships, to be measured beside those that it does.

FP16 and weight-only INT8 are storage: ONNX Runtime's processor kernels compute in FP32 after
unpacking. Dynamic INT8 and the ceiling (everything in INT8, accuracy ignored) are written by
onnxruntime's own tools.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from iast_export.errors import ToolError
from iast_export.files.artifacts import atomic_path
from iast_export.formats.onnx_graph import (
    Array,
    index_graph,
    load_model,
    pool_initializers,
    prune,
    save_model,
)
from iast_export.formats.onnx_weights import own_weights
from iast_export.quantize.onnx.layers import quantize_weight
from iast_export.quantize.onnx.qdq import runtime_operators

_SMALLEST_HALVED = 16  # constants of fewer values stay in FP32


def write_fp16(fp32_path: Path, out_path: Path) -> None:
    """Weights in float16, each behind a Cast to float32.

    Raises:
        InputError: the file can't be read.
        ToolError: the result is not valid.
    """
    model = load_model(fp32_path)
    packed: dict[str, Array] = {}
    casts = []
    for name, value in index_graph(model.graph).constants.items():
        if value.dtype == np.float32 and value.size >= _SMALLEST_HALVED:
            packed[f"{name}_half"] = value.astype(np.float16)
            casts.append(
                helper.make_node("Cast", [f"{name}_half"], [name], name=name, to=TensorProto.FLOAT)
            )
    _unpacked_first(model.graph, casts, packed)
    save_model(model, out_path)


def write_weight_only_int8(fp32_path: Path, out_path: Path) -> None:
    """Weights of convolutions in int8 per output channel, each behind a DequantizeLinear.

    Raises:
        InputError: the file can't be read.
        ToolError: the result is not valid.
    """
    model = load_model(fp32_path)
    constants = index_graph(model.graph).constants
    read = dict.fromkeys(node.input[1] for node in model.graph.node if node.op_type == "Conv")
    packed: dict[str, Array] = {}
    nodes = []
    for name in (one for one in read if one in constants and constants[one].ndim == 4):
        weight = constants[name]
        int8, scales, _ = quantize_weight(weight, np.zeros(len(weight), np.float32), np.float32(1))
        parts = {"int8": int8, "scale": scales, "zero_point": np.zeros(len(weight), np.int8)}
        packed.update({f"{name}_{key}": value for key, value in parts.items()})
        inputs = [f"{name}_{key}" for key in parts]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [name], name=name, axis=0))
    _unpacked_first(model.graph, nodes, packed)
    own_weights(model.graph)
    save_model(model, out_path)


def _unpacked_first(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], packed: Mapping[str, Array]
) -> None:
    """Puts nodes that make constants before all others, and what they read with constants."""
    made = {node.output[0] for node in nodes}
    kept = [item for item in graph.initializer if item.name not in made]
    everything = [*nodes, *graph.node]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(everything)
    graph.initializer.extend(
        [*kept, *(numpy_helper.from_array(value, name) for name, value in packed.items())]
    )
    prune(graph)
    pool_initializers(graph)


def write_dynamic_int8(fp32_path: Path, out_path: Path) -> None:
    """Convolutions as ConvInteger, their inputs quantized by what each run brings.

    Weights are uint8 per tensor: int8 ones take a kernel that is three times slower still, and
    ConvInteger has no scales per channel.

    Raises:
        ToolError: onnxruntime's tool fails.
    """
    with _tool("quantize_dynamic"), atomic_path(out_path) as temporary:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            fp32_path, temporary, op_types_to_quantize=["Conv"], weight_type=QuantType.QUInt8
        )


def write_ceiling(fp32_path: Path, feeds: Mapping[str, Array], out_path: Path) -> None:
    """Every operator in integers that onnxruntime's static quantization takes, accuracy ignored.

    Args:
        fp32_path: the FP32 file.
        feeds: one run's inputs, which set the ranges.
        out_path: where to write.

    Raises:
        ToolError: onnxruntime's tool fails.
    """
    with (
        _tool("quantize_static"),
        tempfile.TemporaryDirectory() as folder,
        atomic_path(out_path) as temporary,
    ):
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(fp32_path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            prepared,
            temporary,
            _Once(feeds),
            quant_format=QuantFormat.QOperator,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


class _Once:
    """A calibration reader of one run."""

    def __init__(self, feeds: Mapping[str, Array]) -> None:
        self.feeds = iter([dict(feeds)])

    def get_next(self) -> Any:
        return next(self.feeds, None)


@contextmanager
def _tool(name: str) -> Iterator[None]:
    """Holds back what a wrapped tool logs; a failure becomes readable."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    except Exception as error:  # the tools raise whatever their parts raise
        words = " ".join(str(error).split())
        raise ToolError(
            f"onnxruntime's {name} failed: {type(error).__name__}: {words}", "leave it out"
        ) from error
    finally:
        logging.disable(disabled)


def describe_work(path: Path) -> str:
    """What ONNX Runtime runs of a file's convolutions after fusing: `14 convolutions in INT8`.

    Raises:
        ToolError: ONNX Runtime refuses the file.
    """
    counts = runtime_operators(path)
    kinds = {
        "in INT8": counts.get("QLinearConv", 0),
        "in INT8, ranges at run time": counts.get("ConvInteger", 0),
        "in FP32": counts.get("Conv", 0) + counts.get("FusedConv", 0),
    }
    parts = [f"{count} convolutions {kind}" for kind, count in kinds.items() if count]
    conversions = sum(counts.get(kind, 0) for kind in ("DequantizeLinear", "QuantizeLinear"))
    return (
        "; ".join([*parts, *([f"{conversions} conversions"] if conversions else [])])
        or "no convolution"
    )
