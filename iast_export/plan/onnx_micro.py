"""One operator group cut out of an ONNX file, in FP32 and in INT8, as small models.

Both lie in a chain: INT8 reads and writes uint8, channels last where integer convolutions stand
around it, so no conversion is in its time. FP32 reads and writes floats, and where a neighbor is a
convolution, in the blocks of channels that ONNX Runtime passes between convolutions.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from iast_export.decide.decide import Decisions
from iast_export.decide.graph import CLAMPS, Network, Op
from iast_export.decide.policy import MOVEMENTS
from iast_export.errors import ToolError
from iast_export.formats.onnx_graph import (
    add_property,
    index_graph,
    prune,
    rename,
    size_multiple_px,
)
from iast_export.plan.groups import CONVOLUTIONS, Group
from iast_export.plan.onnx_naive import naive_int8
from iast_export.plan.planned import Planned
from iast_export.plan.stand_ins import BEFORE, BEHIND, stand_before, stand_behind
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.qdq import quantize_onnx, runtime_operators, tensors_to_calibrate
from iast_export.runtimes.onnx import onnx_session_options, open_onnx
from iast_export.specs import SIZE_MULTIPLE_KEY

# Channels in a block of ONNX Runtime's layout NCHWc, with 512-bit registers.
_BLOCK = 16
_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
_SPAN = 4.0


@dataclass(frozen=True)
class _Range:
    """The same for every tensor: speed does not depend on it."""

    low: float = -_SPAN
    high: float = _SPAN


def cut(planned: Planned, group: Group) -> onnx.ModelProto:
    """A model of one group alone, with its own weights."""
    model, network = planned.model, planned.network
    nodes = [model.graph.node[op.position] for op in group.ops]
    inputs, outputs = edges(network, group)
    used = {name for node in nodes for name in node.input}
    whole = model.graph
    infos = {item.name: item for item in (*whole.value_info, *whole.input, *whole.output)}
    kinds = {name: infos[name].type.tensor_type.elem_type for name in (*inputs, *outputs)}
    graph = helper.make_graph(
        nodes,
        "group",
        [helper.make_tensor_value_info(n, kinds[n], network.shapes[n]) for n in inputs],
        [helper.make_tensor_value_info(n, kinds[n], network.shapes[n]) for n in outputs],
        [item for item in model.graph.initializer if item.name in used],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def edges(network: Network, group: Group) -> tuple[list[str], list[str]]:
    """The tensors that a group reads from outside, and those of its own that others read."""
    inside = {op.name for op in group.ops}
    made = {name for op in group.ops for name in op.outputs}
    inputs = dict.fromkeys(name for op in group.ops for name in op.inputs if name not in made)
    outputs = [
        name
        for op in group.ops
        for name in op.outputs
        if name in network.outputs
        or any(r.name not in inside for r in network.readers.get(name, []))
    ]
    return list(inputs), outputs


def blocked_edges(network: Network, group: Group) -> tuple[list[str], list[str]]:
    """Those edges on whose other side only convolutions stand, with nothing but clamps between.

    Only a convolution's own: other operators read and write channels first.
    """
    inputs, outputs = edges(network, group)
    if group.main.type not in CONVOLUTIONS:
        return [], []
    return (
        [name for name in inputs if _from_convolution(network, name)],
        [
            name
            for name in outputs
            if name not in network.outputs
            and network.shapes[name][1] % _BLOCK == 0
            and all(reader.type in CONVOLUTIONS for reader in network.readers.get(name, []))
        ],
    )


def _from_convolution(network: Network, name: str) -> bool:
    maker: Op | None = network.producers.get(name)
    while maker is not None and maker.type in CLAMPS:
        maker = network.producers.get(maker.inputs[0])
    return maker is not None and maker.type in CONVOLUTIONS


def fp32_model(planned: Planned, group: Group) -> onnx.ModelProto:
    """The group in FP32, optimized, without the reordering of channels that a chain spares."""
    optimized = _optimized(cut(planned, group))
    read, written = blocked_edges(planned.network, group)
    graph = optimized.graph
    names: dict[str, str] = {}
    kept = []
    for node in graph.node:
        if node.op_type == "ReorderInput" and node.input[0] in read:
            names[node.output[0]] = node.input[0]
        elif node.op_type == "ReorderOutput" and node.output[0] in written:
            names[node.input[0]] = node.output[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    rename(graph, names)
    _fill_blocks(graph, read)
    return optimized


def _fill_blocks(graph: onnx.GraphProto, names: Sequence[str]) -> None:
    """Gives inputs in blocks of channels as many as ONNX Runtime's own convolution reads of them.

    Where a tensor's channels don't fill its last block, the reordering that a chain spares would
    have added the missing ones.
    """
    weights = {item.name: item.dims for item in graph.initializer}
    items = {item.name: item for item in graph.input}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[0] in names and node.input[1] in weights:
            groups = next((a.i for a in node.attribute if a.name == "group"), 1)
            if groups == 1:
                channels = items[node.input[0]].type.tensor_type.shape.dim[1]
                channels.dim_value = weights[node.input[1]][1]


def _optimized(model: onnx.ModelProto) -> onnx.ModelProto:
    """What ONNX Runtime makes of a model for this processor.

    Raises:
        ToolError: it refuses the model.
    """
    import onnxruntime as ort

    options = onnx_session_options(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options.optimized_model_filepath = str(path)
        try:
            ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise ToolError(
                f"ONNX Runtime refuses it: {error}", "report the operators of this group"
            ) from error
        return onnx.load(str(path))


def int8_model(planned: Planned, group: Group) -> onnx.ModelProto:
    """The group in INT8: as the exporter writes it where it does, else every tensor quantized.

    Raises:
        ToolError: ONNX Runtime refuses it, or the exporter leaves it in float once it stands alone.
    """
    several = next((op for op in group.ops if len(op.outputs) > 1), None)
    if several is not None:
        raise ToolError(
            f"{several.native} has several results, and no form in integers", "leave it in float"
        )
    alone, layouts = cut(planned, group), integer_layouts(planned.decisions, group)
    if planned.is_integer(group.main) and group.main.type in ("Conv", "HardSwish"):
        written = _as_exported(alone, size_multiple_px(planned.model), group.main)
    else:
        written = naive_int8(alone)
    return channels_last(_integer_edges(written, planned.network), layouts)


def _as_exported(alone: onnx.ModelProto, multiple_px: int, main: Op) -> onnx.ModelProto:
    """What `quantize_onnx` writes between stand-ins for neighbors, so that it takes the group."""
    source_model = onnx.ModelProto()
    source_model.CopyFrom(alone)
    add_property(source_model, SIZE_MULTIPLE_KEY, str(multiple_px))
    if main.type == "HardSwish":
        stand_before(source_model.graph)
    if main.type == "HardSwish" or main.weight[:2] == (main.groups, 1):
        stand_behind(source_model.graph)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(source_model, str(source))
        learned = Learned(dict.fromkeys(tensors_to_calibrate(source), _Range()))
        if not quantize_onnx(source, learned, target).quantized_ops:
            raise ToolError(f"the exporter leaves {main.name} in float alone", "report the network")
        return onnx.load(str(target))


def _integer_edges(model: onnx.ModelProto, network: Network) -> onnx.ModelProto:
    """Takes the conversions and the stand-ins off the model's edges, in place."""
    graph = model.graph
    index = index_graph(graph)
    for item in graph.input:
        readers = index.consumers.get(item.name, [])
        name = item.name.removesuffix(BEFORE)
        if name != item.name:
            graph.node.remove(index.producers[f"{name}_q"])
            item.CopyFrom(_integers(name, network))
        elif [node.op_type for node in readers] == ["QuantizeLinear"]:
            item.name, item.type.tensor_type.elem_type = readers[0].output[0], TensorProto.UINT8
            graph.node.remove(readers[0])
    for item in graph.output:
        maker = index.producer(item.name, "DequantizeLinear")
        name = item.name.removesuffix(BEHIND)
        if name != item.name:
            item.CopyFrom(_integers(name, network))
        elif maker is not None:
            item.name, item.type.tensor_type.elem_type = maker.input[0], TensorProto.UINT8
    prune(graph)
    return model


def _integers(name: str, network: Network) -> onnx.ValueInfoProto:
    """A tensor of the network as the quantizer names it in integers."""
    return helper.make_tensor_value_info(f"{name}_q", TensorProto.UINT8, network.shapes[name])


def channels_last(model: onnx.ModelProto, layouts: Mapping[str, bool]) -> onnx.ModelProto:
    """Gives integer edges channels last where `layouts` says so, in place.

    A transposition is written on the inside, which ONNX Runtime cancels against the kernel's own.
    """
    graph = model.graph
    before: list[onnx.NodeProto] = []
    after: list[onnx.NodeProto] = []
    for items, is_input in ((graph.input, True), (graph.output, False)):
        for item in items:
            dims = [dim.dim_value for dim in item.type.tensor_type.shape.dim]
            integer = item.type.tensor_type.elem_type == TensorProto.UINT8
            if (
                len(dims) != 4
                or not integer
                or not layouts.get(item.name.removesuffix("_q"), False)
            ):
                continue
            inside, outside = item.name, f"{item.name}_outside"
            sides = [dims[axis] for axis in _LAST]
            item.CopyFrom(helper.make_tensor_value_info(outside, TensorProto.UINT8, sides))
            names = ([outside], [inside]) if is_input else ([inside], [outside])
            node = helper.make_node("Transpose", *names, perm=_FIRST if is_input else _LAST)
            (before if is_input else after).append(node)
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def integer_layouts(decisions: Decisions, group: Group) -> dict[str, bool]:
    """Edge -> whether integers lie channels last there, as movements lead to a convolution."""
    inputs, outputs = edges(decisions.network, group)
    found = {name: made_by_integers(decisions, name) for name in inputs}
    return found | {name: read_by_integers(decisions, name) for name in outputs}


def made_by_integers(decisions: Decisions, name: str) -> bool:
    """Whether movements lead back from a tensor to a convolution in integers."""
    producers = decisions.network.producers
    maker = producers.get(name)
    while maker is not None and _carries(decisions, maker) and maker.inputs:
        maker = producers.get(maker.inputs[0])
    return maker is not None and _is_integer_convolution(decisions, maker)


def read_by_integers(decisions: Decisions, name: str) -> bool:
    """Whether movements lead on from a tensor to a convolution in integers."""
    return any(
        _is_integer_convolution(decisions, reader)
        or (_carries(decisions, reader) and read_by_integers(decisions, reader.name))
        for reader in decisions.network.readers.get(name, [])
    )


def _is_integer_convolution(decisions: Decisions, op: Op) -> bool:
    return op.type in CONVOLUTIONS and decisions.is_integer(op)


def _carries(decisions: Decisions, op: Op) -> bool:
    """Whether an operator leaves integers lie as they do, in whatever mode."""
    return op.type in (*CLAMPS, "Add") or op.type in MOVEMENTS


def int8_operators(model: onnx.ModelProto) -> dict[str, int]:
    """Operators that ONNX Runtime runs for an INT8 group, after its own fusions.

    Raises:
        ToolError: ONNX Runtime refuses the model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        path.write_bytes(model.SerializeToString())
        return runtime_operators(path)


def timed(model: onnx.ModelProto, threads: int) -> Callable[[], object]:
    """A call that runs a model once, inputs and outputs in memory that is kept.

    Raises:
        ToolError: ONNX Runtime refuses the model.
    """
    import onnxruntime as ort

    raw = open_onnx(model.SerializeToString(), threads).raw
    binding, random = raw.io_binding(), np.random.default_rng(0)
    for item in model.graph.input:
        dtype, shape = _array_type(item)
        values: NDArray[Any] = np.zeros(shape)  # of an index, which may not be any
        if dtype == np.uint8:
            values = random.integers(0, 255, shape)
        elif dtype == np.float32:
            values = random.normal(0.0, 1.0, shape)
        binding.bind_cpu_input(item.name, np.ascontiguousarray(values.astype(dtype)))
    for item in model.graph.output:
        dtype, shape = _array_type(item)
        value = ort.OrtValue.ortvalue_from_shape_and_type(shape, dtype, "cpu")
        binding.bind_ortvalue_output(item.name, value)
    return lambda: raw.run_with_iobinding(binding)


def _array_type(item: onnx.ValueInfoProto) -> tuple[np.dtype[Any], Sequence[int]]:
    kind = item.type.tensor_type
    shape = [dim.dim_value for dim in kind.shape.dim]
    return helper.tensor_dtype_to_np_dtype(kind.elem_type), shape
