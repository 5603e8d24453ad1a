"""Small helpers over ONNX graphs: loading, an index, exact clean-up and deterministic saving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import atomic_path, read_bytes
from iast_export.formats.damage import DamagedError, refusal
from iast_export.formats.onnx_check import check_onnx
from iast_export.formats.onnx_wire import refuse_external_data
from iast_export.specs import SIZE_MULTIPLE_KEY

Array = NDArray[Any]


@dataclass(frozen=True)
class GraphIndex:
    """Who makes and who reads each tensor of a graph, and the constants' values."""

    constants: dict[str, Array]
    producers: dict[str, onnx.NodeProto]
    consumers: dict[str, list[onnx.NodeProto]]
    outputs: frozenset[str]

    def producer(self, name: str, *op_types: str) -> onnx.NodeProto | None:
        """The node that makes a tensor, if it is one of the operators asked for."""
        node = self.producers.get(name)
        return node if node is not None and (not op_types or node.op_type in op_types) else None

    def only_consumer(self, name: str) -> onnx.NodeProto | None:
        """The one node that reads a tensor; None if there are several or it is a graph output."""
        readers = self.consumers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def constant(self, node: onnx.NodeProto, position: int) -> Array | None:
        """The constant value of a node's input, or None."""
        if position >= len(node.input):
            return None
        return self.constants.get(node.input[position])


def index_graph(graph: onnx.GraphProto) -> GraphIndex:
    """An index of one graph (nested graphs excluded); a snapshot, not kept in step with edits."""
    producers: dict[str, onnx.NodeProto] = {}
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.output:
            producers[name] = node
        for name in set(node.input):
            consumers.setdefault(name, []).append(node)
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    return GraphIndex(
        constants, producers, consumers, frozenset(item.name for item in graph.output)
    )


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute's value, strings decoded; `default` where the node has none."""
    for item in node.attribute:
        if item.name == name:
            value = onnx.helper.get_attribute_value(item)
            return value.decode() if isinstance(value, bytes) else value
    return default


def load_model(path: Path) -> onnx.ModelProto:
    """An ONNX file, whole in itself.

    Raises:
        InputError: missing, truncated, damaged, not an ONNX model, or with values in other files.
    """
    return parse_model(read_bytes(Path(path)), path)


def parse_model(data: bytes, where: object = "the model") -> onnx.ModelProto:
    """A model's bytes as an object that every reader can take for granted (see `onnx_check`).

    Raises:
        InputError: they are no model, a damaged one, or one with values in other files; `where` is
            for the message.
    """
    refuse_external_data(data, where)
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf's DecodeError shares no base with others
        raise InputError(
            f"{where} can't be read as ONNX: {error}", "export the model again"
        ) from error
    try:
        check_onnx(model)
    except DamagedError as error:
        raise refusal(where, error) from error
    return model


def add_property(model: onnx.ModelProto, key: str, value: str) -> None:
    """Adds a key to a model's metadata, or replaces its value, in place."""
    kept = {item.key: item.value for item in model.metadata_props}
    helper.set_model_props(model, {**kept, key: value})


def size_multiple_px(model: onnx.ModelProto) -> int:
    """What a picture's sides are a multiple of, in an exported model; 1 where it doesn't say."""
    found = {item.key: item.value for item in model.metadata_props}.get(SIZE_MULTIPLE_KEY, "")
    return int(found) if found.isdigit() and int(found) > 0 else 1


def prune(graph: onnx.GraphProto) -> None:
    """Removes operators and initializers that no graph output needs, in place."""
    needed = {item.name for item in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(name in needed for name in node.output):
            kept.append(node)
            needed.update(node.input)
    kept.reverse()
    constants = [item for item in graph.initializer if item.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(constants)


def strip(model: onnx.ModelProto) -> None:
    """Removes all that isn't computation: doc strings, metadata, stack traces, inferred shapes."""
    model.doc_string = ""
    model.domain = ""
    del model.metadata_props[:], model.functions[:]
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:], graph.value_info[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.doc_string = ""
        del item.metadata_props[:]


def rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Renames tensors in place, wherever they are read or made; names that are missing are kept."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for item in (*graph.initializer, *graph.input, *graph.output):
        item.name = names.get(item.name, item.name)


def stable_names(graph: onnx.GraphProto) -> None:
    """Names every intermediate tensor and node after its operator and order, in place.

    Inputs, outputs and trained parameters (float arrays of more than one value) keep their names,
    and nothing else gets one of those: a parameter that the exporter folded is called as the
    operator was that it folded.
    """
    fixed = {item.name for item in (*graph.input, *graph.output)}
    kept = fixed | {item.name for item in graph.initializer if _is_trained(item)}
    names: dict[str, str] = {}
    for number, item in enumerate(graph.initializer):
        if item.name not in kept:
            names[item.name] = _other_than(kept, f"constant_{number}")
    counts: Counter[str] = Counter()
    for node in graph.node:
        for output in node.output:
            if output and output not in fixed:
                numbered = f"{node.op_type.lower()}_{counts[node.op_type]}"
                names[output] = _other_than(kept, numbered)
                counts[node.op_type] += 1
    rename(graph, names)
    for node in graph.node:
        node.name = node.output[0]


def _is_trained(item: onnx.TensorProto) -> bool:
    """Whether an initializer is a parameter, and no size, bound or index."""
    return item.data_type == onnx.TensorProto.FLOAT and int(np.prod(item.dims)) > 1


def _other_than(taken: Collection[str], name: str) -> str:
    """A name with as many dots behind it as set it apart from those that are taken."""
    while name in taken:
        name += "."
    return name


def name_edges(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Gives inputs and outputs their final names, in place; a tensor inside yields its own."""
    made = {name for node in graph.node for name in node.output}
    inside = made | {item.name for item in graph.initializer}
    yielded = {name: f"{name}.inside" for name in names.values() if name in inside - set(names)}
    rename(graph, yielded)
    rename(graph, names)
    for node in graph.node:
        node.name = node.output[0]


def pool_initializers(graph: onnx.GraphProto) -> None:
    """Keeps one of each group of initializers that are equal in type, shape and bytes, in place."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    names: dict[str, str] = {}
    kept = []
    for item in graph.initializer:
        key = (item.data_type, tuple(item.dims), numpy_helper.to_array(item).tobytes())
        if key in first:
            names[item.name] = first[key]
        else:
            first[key] = item.name
            kept.append(item)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    rename(graph, names)


def check_model(model: onnx.ModelProto) -> None:
    """The ONNX checker and strict shape inference.

    Raises:
        ToolError: the model is not valid, with the checker's words.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ToolError(
            f"the ONNX checker refuses the model: {error}", "report the network's layers"
        ) from error


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Checks and writes a model in one step, in the oldest IR that its opset needs.

    The same model gives the same bytes.

    Raises:
        ToolError: the model is not valid.
    """
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import), ignore_unknown=True)
    check_model(model)
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))
