"""INT8 of a group that the exporter leaves in float: every tensor quantized, as default tools do.

It says what INT8 would do to the group; nothing of it is ever shipped.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from iast_export.decide.policy import ONNX
from iast_export.decide.read_onnx import is_movement, moved_inputs
from iast_export.formats.onnx_graph import Array, GraphIndex, index_graph
from iast_export.quantize.onnx.layers import (
    Emitter,
    Parameters,
    activation_parameters,
    quantize_weight,
)

_ACTIVATION = activation_parameters(-4.0, 4.0)
_CLAMPED = activation_parameters(0.0, 4.0)
_WEIGHTED = ("Add", "Conv", "ConvTranspose", "Div", "Gemm", "MatMul", "Mul", "Sub")
_FUSED = ("Add", "Conv", "ConvTranspose", "MatMul")


def naive_int8(alone: onnx.ModelProto) -> onnx.ModelProto:
    """A model with uint8 edges, each operator between a dequantization and a quantization.

    Movements work on the integers; a clamp behind a convolution or sum becomes the range of its
    result.
    """
    return _Naive(alone).write()


class _Naive:
    """Writes operator by operator; tensor NAME is NAME_q in integers."""

    def __init__(self, alone: onnx.ModelProto) -> None:
        self.source = alone
        self.index: GraphIndex = index_graph(alone.graph)
        self.emitter = Emitter()
        self.parameters: dict[str, Parameters] = {}
        self.dequantized: set[str] = set()

    def write(self) -> onnx.ModelProto:
        graph = self.source.graph
        for item in graph.input:
            self.parameters[item.name] = _ACTIVATION
        for node in graph.node:
            self._write(node)
        constants = {**self.index.constants, **self.emitter.constants}
        used = {name for node in self.emitter.nodes for name in node.input}
        written = helper.make_graph(
            self.emitter.nodes,
            "group",
            [self._edge(item) for item in graph.input],
            [self._edge(item) for item in graph.output],
            [
                numpy_helper.from_array(value, name)
                for name, value in constants.items()
                if name in used
            ],
        )
        imports, version = self.source.opset_import, self.source.ir_version
        return helper.make_model(written, opset_imports=imports, ir_version=version)

    def _edge(self, item: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
        dims = [dim.dim_value for dim in item.type.tensor_type.shape.dim]
        return helper.make_tensor_value_info(f"{item.name}_q", TensorProto.UINT8, dims)

    def _write(self, node: onnx.NodeProto) -> None:
        if is_movement(node) or node.op_type == "Pad":
            self._move(node)
        elif not self._folds(node):
            result = self._clamped_result(node)
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [self._float(node, i) for i in range(len(node.input))]
            copy.output[0] = f"{result}_float"
            self.emitter.nodes.append(copy)
            self._quantize(result, _CLAMPED if result != node.output[0] else _ACTIVATION)

    def _folds(self, node: onnx.NodeProto) -> bool:
        """Whether a node is a clamp that the operator before it has taken in."""
        return node.op_type in ONNX.clamps and node.output[0] in self.parameters

    def _clamped_result(self, node: onnx.NodeProto) -> str:
        reader = self.index.only_consumer(node.output[0])
        folds = node.op_type in _FUSED and reader is not None and reader.op_type in ONNX.clamps
        return str(reader.output[0] if folds and reader is not None else node.output[0])

    def _move(self, node: onnx.NodeProto) -> None:
        moved = set(moved_inputs(node))
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [f"{name}_q" if name in moved else name for name in node.input]
        if node.op_type == "Pad":  # a constant to pad with would be a float
            del copy.input[2:]
        if node.op_type == "Resize":
            copy.input[0] = self._channels_first(copy.input[0])
        copy.output[0] = f"{node.output[0]}_q"
        self.emitter.nodes.append(copy)
        self.parameters[node.output[0]] = self.parameters.get(node.input[0], _ACTIVATION)

    def _channels_first(self, name: str) -> str:
        """As `keep_layout` in exported files, which ONNX Runtime drops where sides are fixed."""
        flat = self.emitter.node("Flatten", [name], f"{name}_flat", axis=2)
        sides = self.emitter.node("Shape", [name], f"{name}_sides")
        return self.emitter.node("Reshape", [flat, sides], f"{name}_kept")

    def _quantize(self, name: str, parameters: Parameters) -> None:
        self.parameters[name] = parameters
        scale, zero_point = self.emitter.parameters(name, parameters)
        self.emitter.node("QuantizeLinear", [f"{name}_float", scale, zero_point], f"{name}_q")

    def _float(self, node: onnx.NodeProto, position: int) -> str:
        """The dequantized form of an operator's input."""
        name = node.input[position]
        value = self.index.constants.get(name)
        if not name or (
            value is not None and (node.op_type not in _WEIGHTED or value.dtype.kind != "f")
        ):
            return str(name)
        if value is None:
            return self._dequantize(name)
        if node.op_type == "Conv":
            return self._kernel(node, position)
        levels = activation_parameters(float(value.min()), float(value.max()))
        return self._constant(name, value, levels)

    def _dequantize(self, name: str) -> str:
        if name not in self.dequantized:
            scale, zero_point = self.emitter.parameters(name, self.parameters[name])
            self.emitter.node("DequantizeLinear", [f"{name}_q", scale, zero_point], f"{name}_dq")
            self.dequantized.add(name)
        return f"{name}_dq"

    def _constant(self, name: str, value: Array, levels: Parameters) -> str:
        if name not in self.dequantized:
            quantized = np.round(value / levels.scale) + levels.zero_point
            self.emitter.constant(f"{name}_q", np.clip(quantized, 0, 255).astype(np.uint8))
            scale, zero_point = self.emitter.parameters(name, levels)
            self.emitter.node("DequantizeLinear", [f"{name}_q", scale, zero_point], f"{name}_dq")
            self.dequantized.add(name)
        return f"{name}_dq"

    def _kernel(self, node: onnx.NodeProto, position: int) -> str:
        """A convolution's weight or bias, per output channel."""
        weight, bias = self.index.constants[node.input[1]], self.index.constant(node, 2)
        x = self.parameters.get(node.input[0], _ACTIVATION)
        given = np.zeros(len(weight), np.float32) if bias is None else bias
        int8, scales, int32 = quantize_weight(weight, given, x.scale)
        values = int8 if position == 1 else int32
        steps = scales if position == 1 else (scales * x.scale).astype(np.float32)
        name = f"{node.output[0]}_{position}"
        inputs = [
            self.emitter.constant(f"{name}_q", values),
            self.emitter.constant(f"{name}_scale", steps),
        ]
        inputs.append(
            self.emitter.constant(f"{name}_zero_point", np.zeros(len(steps), values.dtype))
        )
        return self.emitter.node("DequantizeLinear", inputs, f"{name}_dq", axis=0)
