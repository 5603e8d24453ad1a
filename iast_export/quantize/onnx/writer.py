"""Writes an ONNX graph in INT8 as was decided, each operator as ONNX Runtime runs it best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from iast_export.decide.decide import Decisions
from iast_export.decide.policy import ONNX
from iast_export.decide.read_onnx import moved_inputs
from iast_export.formats.onnx_graph import (
    Array,
    attribute,
    index_graph,
    pool_initializers,
    prune,
)
from iast_export.formats.onnx_weights import own_weights
from iast_export.forms.modulation import gained, weight_of
from iast_export.quantize.onnx.gains import Filters, as_kernel, reordered, scaled_filters
from iast_export.quantize.onnx.kernels import UINT8, Kernels
from iast_export.quantize.onnx.layers import (
    UINT8_LEVELS,
    Emitter,
    Parameters,
    activation_parameters,
    dequantize_once,
    hard_swish,
    keep_float,
    keep_layout,
    keep_sides,
    narrow_output,
    pixels_last_order,
    quantize_weight,
    shuffle_pixels_last,
    widen_input,
    widened_outputs,
)
from iast_export.quantize.onnx.picture import (
    PictureBlocks,
    picture_blocks,
    place_pixels,
    repeat_outputs,
    step_by_columns,
    widen_kernel,
)

# Channels behind a pixel shuffle from which they are moved together; chosen: runs of 8 bytes.
_SMALLEST_SHUFFLED = 8
# Operators that compute with their constants; those of others are bounds, scales and sides.
_WEIGHTED = ("Add", "Conv", "ConvTranspose", "Div", "Gemm", "MatMul", "Mul", "Sub")


class Writer:
    """Writes the graph that was decided on, operator by operator."""

    def __init__(
        self,
        graph: onnx.GraphProto,
        decisions: Decisions,
        parameters: Mapping[str, Parameters],
        kernels: Kernels = UINT8,
    ) -> None:
        self.graph, self.index = graph, index_graph(graph)
        self.integers, self.roots = decisions.integers, decisions.roots
        self.root_of = dict(decisions.root_of)
        self.parameters, self.kernels = parameters, kernels
        self.emitter = Emitter()
        self.dequantized: set[str] = set()
        self.rectified: set[str] = set()
        self.shuffled: dict[str, tuple[int, int]] = {}
        self.widened: dict[str, int] = {}
        self.pictures: dict[str, tuple[PictureBlocks, onnx.NodeProto]] = {}

    def write(self, source: onnx.ModelProto) -> onnx.ModelProto:
        for item in self.graph.input:
            if item.name in self.roots:
                self._quantize(item.name, item.name)
        for node in self.graph.node:
            self._write(node)
        constants = {**self.index.constants, **self.emitter.constants}
        used = {name for node in self.emitter.nodes for name in node.input}
        graph = helper.make_graph(
            self.emitter.nodes,
            self.graph.name,
            self.graph.input,
            self.graph.output,
            [
                numpy_helper.from_array(value, name)
                for name, value in constants.items()
                if name in used
            ],
        )
        prune(graph)
        pool_initializers(graph)
        own_weights(graph)
        return helper.make_model(
            graph, opset_imports=source.opset_import, ir_version=source.ir_version
        )

    def _write(self, node: onnx.NodeProto) -> None:
        if not self._is_integer(node):
            self._write_float(node)
        elif weight_of(self.index, node) is not None:
            self._write_convolution(node)
        elif node.output[0] in self.rectified:
            pass  # with the convolution that it rectifies
        elif node.op_type in ONNX.clamps and node.input[0] not in self.root_of:
            self._write_clamp(node)
        elif node.op_type == "HardSwish" and self.kernels.compute:
            x = self._dequantize(node.input[0])
            hard_swish(self.emitter, x, self._result_name(node))
            self._quantize_result(node)
        elif node.op_type == "Concat":
            self._write_joined(node)
        elif node.output[0] in self.root_of and not self._is_root(node):
            self._write_movement(node)
        else:
            self._copy(node, self._operands(node), self._result_name(node))
            self._quantize_result(node)

    def _copy(self, node: onnx.NodeProto, inputs: list[str], output: str) -> None:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:], copy.output[:], copy.name = inputs, [output, *node.output[1:]], output
        self.emitter.nodes.append(copy)

    def _write_float(self, node: onnx.NodeProto) -> None:
        result, inputs = node.output[0], [self._float(name) for name in node.input]
        if node.op_type == "Shape" and self._made_in_integers(node.input[0]):
            inputs = [f"{node.input[0]}_q"]  # the same sides, and nothing is dequantized for them
        if result in self.roots and self._convolution(result) is not None:
            self._copy(node, inputs, f"{result}_in_float")
            keep_float(self.emitter, f"{result}_in_float", result)
        else:
            self._copy(node, inputs, result)
        for name in node.output:
            if name in self.roots:
                self._quantize(name, name)

    def _float(self, name: str) -> str:
        """A tensor for a float operator: as it was made, or dequantized where integers made it."""
        if not self._made_in_integers(name) or name not in self.root_of:
            return name
        return self._dequantize_fenced(name) if name in self.roots else self._dequantize(name)

    def _is_integer(self, node: onnx.NodeProto) -> bool:
        return node.output[0] in self.integers

    def _made_in_integers(self, name: str) -> bool:
        producer = self.index.producer(name)
        return producer is not None and self._is_integer(producer)

    def _dequantize_fenced(self, name: str) -> str:
        """A convolution's result for float operators, behind a fence (`keep_layout`)."""
        fenced = f"{name}_fenced"
        if self._convolution(name) is None:
            return self._dequantize(name)
        if fenced not in self.dequantized:
            keep_layout(self.emitter, f"{name}_q", f"{fenced}_q")
            self.root_of[fenced] = self.root_of[name]
            self.dequantized.add(fenced)
            self._dequantize(fenced)
            if self._float_readers(name) > 1:
                dequantize_once(self.emitter, f"{fenced}_dq", f"{fenced}_q", f"{fenced}_once")
        return f"{fenced}_{'once' if self._float_readers(name) > 1 else 'dq'}"

    def _float_readers(self, name: str) -> int:
        """How many float operators read a tensor's values."""
        readers = self.index.consumers.get(name, [])
        return sum(not self._is_integer(node) and node.op_type != "Shape" for node in readers)

    def _quantize(self, root: str, source: str) -> None:
        """Writes a root in integers; surplus channels are cut off there."""
        scale, zero_point = self.emitter.parameters(root, self.parameters[root])
        wide = root in self.widened
        output = f"{root}_q_wide" if wide else f"{root}_q"
        self.emitter.node("QuantizeLinear", [source, scale, zero_point], output)
        if wide:
            narrow_output(self.emitter, output, f"{root}_q", self.widened[root])

    def _quantize_as(self, name: str, root: str, source: str) -> None:
        scale, zero_point = self.emitter.parameters(root, self.parameters[root])
        self.emitter.node("QuantizeLinear", [source, scale, zero_point], f"{name}_q")

    def _dequantize(self, name: str, output: str | None = None) -> str:
        result = output or f"{name}_dq"
        if result not in self.dequantized:
            root = self.root_of[name]
            scale, zero_point = self.emitter.parameters(root, self.parameters[root])
            self.emitter.node("DequantizeLinear", [f"{name}_q", scale, zero_point], result)
            self.dequantized.add(result)
        return result

    def _operands(self, node: onnx.NodeProto) -> list[str]:
        """What an operator between conversions reads, its weights among them."""
        weighs, inputs = node.op_type in _WEIGHTED, []
        for name in node.input:
            value = self.index.constants.get(name)
            if value is None:
                inputs.append(self._dequantize(name) if name else "")
            else:
                quantized = weighs and value.dtype.kind == "f"
                inputs.append(self._dequantize_constant(name, value) if quantized else name)
        return inputs

    def _dequantize_constant(self, name: str, value: Array) -> str:
        """A constant in uint8 with one scale."""
        if f"{name}_dq" not in self.dequantized:
            levels = activation_parameters(float(value.min()), float(value.max()))
            integers = np.round(value / levels.scale) + levels.zero_point
            self.emitter.constant(f"{name}_q", np.clip(integers, 0, UINT8_LEVELS).astype(np.uint8))
            inputs = [f"{name}_q", *self.emitter.parameters(name, levels)]
            self.emitter.node("DequantizeLinear", inputs, f"{name}_dq")
            self.dequantized.add(f"{name}_dq")
        return f"{name}_dq"

    def _finish(self, name: str) -> None:
        """A graph output that integers made is given in float."""
        if name in self.index.outputs:
            self._dequantize(name, name)

    def _is_root(self, node: onnx.NodeProto) -> bool:
        return node.output[0] in self.roots

    def _result_name(self, node: onnx.NodeProto) -> str:
        return f"{node.output[0]}_float" if self._is_root(node) else node.output[0]

    def _quantize_result(self, node: onnx.NodeProto) -> None:
        if self._is_root(node):
            self._quantize(node.output[0], self._result_name(node))
            self._finish(node.output[0])

    def _write_clamp(self, node: onnx.NodeProto) -> None:
        """Quantizes a clamped tensor; clamps only where levels reach beyond the bounds."""
        result, source = node.output[0], node.input[0]
        root, parameters = self.roots[result], self.parameters[result]
        lowest = -parameters.zero_point * float(parameters.scale)
        highest = (parameters.levels - parameters.zero_point) * float(parameters.scale)
        below = root.low is not None and lowest < root.low
        if below or (root.high is not None and highest > root.high * (1 + 1e-6)):
            self._copy(node, list(node.input), f"{result}_float")
            source = f"{result}_float"
        self._quantize(result, source)
        self._finish(result)

    def _write_movement(self, node: onnx.NodeProto) -> None:
        moved = set(moved_inputs(node))
        source, result = node.input[0], node.output[0]
        if not self.kernels.move:
            inputs = [self._dequantize(name) if name in moved else name for name in node.input]
            self._copy(node, inputs, f"{result}_moved")
            self._quantize_as(result, self.root_of[result], f"{result}_moved")
        elif source in self.pictures:
            form, convolution = self.pictures[source]
            read, shrunk_px = f"{convolution.input[0]}_q", self._shrunk_px(convolution)
            place_pixels(self.emitter, f"{source}_q", f"{result}_q", form, read, shrunk_px)
        elif source in self.shuffled:
            channels, block = self.shuffled[source]
            shuffle_pixels_last(self.emitter, f"{source}_q", f"{result}_q", channels, block)
        else:
            inputs = [f"{name}_q" if name in moved else name for name in node.input]
            if node.op_type == "Resize":  # channels last it takes ten times as long
                keep = keep_sides if self.kernels.fixed_sides else keep_layout
                inputs[0] = keep(self.emitter, inputs[0], f"{result}_source")
            if node.op_type == "Pad" and any(node.input[2:3]):  # zero, in integers
                root = self.root_of[result]
                inputs[2] = self.emitter.parameters(root, self.parameters[root])[1]
            self._copy(node, inputs, f"{result}_q")
        self._finish(result)

    def _write_joined(self, node: onnx.NodeProto) -> None:
        """Joins integers as they are, or requantized by ONNX Runtime where scales differ."""
        result, root = node.output[0], self.root_of[node.output[0]]
        parts = list(node.input)
        for i, name in enumerate(parts):
            if not self._made_in_integers(name) and self.root_of.get(name) != root:
                parts[i] = f"{result}_part_{i}"
                self._quantize_as(parts[i], root, name)
                self.root_of[parts[i]] = root
        if self.kernels.move and all(self.root_of[part] == root for part in parts):
            self._copy(node, [f"{part}_q" for part in parts], f"{result}_q")
        else:
            self._copy(node, [self._dequantize(part) for part in parts], f"{result}_moved")
            self._quantize_as(result, root, f"{result}_moved")
        self._finish(result)

    def _convolution(self, root: str) -> onnx.NodeProto | None:
        """The convolution that made a (clamped) root."""
        node = self.index.producer(root)
        if node is not None and node.op_type in ONNX.clamps:
            node = self.index.producer(node.input[0])
        return node if node is not None and node.op_type == "Conv" else None

    def _shuffle_block(self, result: str) -> int:
        """Block size of the pixel shuffle that alone reads a convolution's result, or 0."""
        reader = self.index.only_consumer(result)
        if reader is None or reader.op_type != "DepthToSpace" or not self._is_integer(reader):
            return 0
        return (
            int(attribute(reader, "blocksize", 0))
            if attribute(reader, "mode", "DCR") == "CRD"
            else 0
        )

    def _shrunk_px(self, node: onnx.NodeProto) -> int:
        """How much narrower a convolution's result is than its input."""
        pads = list(attribute(node, "pads", [])) or [0, 0, 0, 0]
        return int(self.index.constants[node.input[1]].shape[3]) - 1 - int(pads[1]) - int(pads[3])

    def _write_convolution(self, node: onnx.NodeProto) -> None:
        emitter, name, result = self.emitter, node.output[0], self._clamped(node)
        by_gains = gained(self.index, node)
        weight = self.index.constants[node.input[1]] if by_gains is None else by_gains.weight
        given = self.index.constant(node, 2) if by_gains is None else by_gains.bias
        bias = np.zeros(len(weight), np.float32) if given is None else given
        x = self.parameters[self.root_of[node.input[0]]]
        source, added = f"{node.input[0]}_q", 0
        if self.kernels.compute and attribute(node, "group", 1) == 1:
            source, added = widen_input(emitter, source, name, weight.shape[1], x.typed_zero_point)
        int8, scales, int32 = quantize_weight(weight, bias, x.scale)
        int8 = np.pad(int8, ((0, 0), (0, added), (0, 0), (0, 0)))
        made, int8, order, int32 = self._arrange_outputs(node, result, int8, int32)
        if by_gains is not None:
            gain = reordered(emitter, by_gains.gain, order, len(weight))
            self._write_by_gains(made, source, Filters(int8, scales[order], int32), gain)
            return
        scales = scales[order]
        kind = "int8" if int8.shape == weight.shape else "wide"
        inputs = [self._dequantized_input(source, node.input[0], added)]
        inputs.append(self._parameter(f"{node.input[1]}_{kind}", int8, scales))
        if given is not None:
            inputs.append(
                self._parameter(f"{name}_bias", int32, (scales * x.scale).astype(np.float32))
            )
        self._copy(made, inputs, self._result_name(node))
        self._quantize_result(node)

    def _write_by_gains(
        self, node: onnx.NodeProto, source: str, filters: Filters, gain: str
    ) -> None:
        """A convolution whose filters' scales are multiplied when it runs, its rectifier with it.

        It is written as the kernel itself: ONNX Runtime makes none of conversions whose scales it
        does not know.
        """
        result = self._clamped(node)
        read, made = self.root_of[node.input[0]], self.parameters[result]
        inputs = [source, *self.emitter.parameters(read, self.parameters[read])]
        inputs += scaled_filters(self.emitter, result, filters, gain)
        inputs[6:6] = self.emitter.parameters(result, made)
        wide = result in self.widened
        output = f"{result}_q_wide" if wide else f"{result}_q"
        self._copy(as_kernel(node), inputs, output)
        if wide:
            narrow_output(self.emitter, output, f"{result}_q", self.widened[result])
        self.rectified.add(result)
        self._finish(result)

    def _arrange_outputs(
        self, node: onnx.NodeProto, result: str, int8: Array, int32: Array
    ) -> tuple[onnx.NodeProto, Array, NDArray[np.int64], Array]:
        """A convolution with its outputs as the kernel and the movement behind it want them.

        Returns:
            The convolution, its filters, of which outputs they now are, and their biases.
        """
        order = np.arange(len(int8))
        if not self.kernels.compute or attribute(node, "group", 1) > 1:
            return node, int8, order, int32
        channels, block = len(int8), self._shuffle_block(result)
        form = picture_blocks(node, channels, block) if block else None
        if form is not None:
            self.pictures[result] = form, node
            made = step_by_columns(node, int8.shape[2:], form)
            return (
                made,
                widen_kernel(int8, form),
                repeat_outputs(order, form),
                repeat_outputs(int32, form),
            )
        if block and channels // (block * block) >= _SMALLEST_SHUFFLED:
            self.shuffled[result] = (channels, block)
            order = pixels_last_order(channels, block)
            int8, int32 = int8[order], int32[order]
        extra = widened_outputs(channels) - channels
        if extra:
            self.widened[result] = channels
        int8 = np.pad(int8, ((0, extra), (0, 0), (0, 0), (0, 0)))
        return node, int8, np.pad(order, (0, extra), mode="edge"), np.pad(int32, (0, extra))

    def _clamped(self, node: onnx.NodeProto) -> str:
        reader = self.index.only_consumer(node.output[0])
        return str((node if self._is_root(node) or reader is None else reader).output[0])

    def _dequantized_input(self, source: str, name: str, added: int) -> str:
        if not added:
            return self._dequantize(name)
        root = self.root_of[name]
        scale, zero_point = self.emitter.parameters(root, self.parameters[root])
        return self.emitter.node("DequantizeLinear", [source, scale, zero_point], f"{source}_dq")

    def _parameter(self, name: str, values: Array, scales: Array) -> str:
        """A dequantized constant, with a name of its own where several convolutions share it."""
        if name in self.emitter.constants:
            name = f"{name}_{len(self.emitter.nodes)}"
        constants = [
            self.emitter.constant(name, values),
            self.emitter.constant(f"{name}_scale", scales),
        ]
        constants.append(
            self.emitter.constant(f"{name}_zero_point", np.zeros(len(scales), values.dtype))
        )
        return self.emitter.node("DequantizeLinear", constants, f"{name}_dq", axis=0)
