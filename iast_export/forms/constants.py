"""What is computed of constants alone, as constants."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from iast_export.formats.onnx_graph import prune
from iast_export.forms.edit import Rewritten, copy_model

# A constant that is larger than all that it was made of, and than this, stays an operator; chosen.
_MOST_BYTES = 1 << 20


def fold_constants(model: onnx.ModelProto) -> Rewritten:
    """A copy in which operators on constants alone are constants."""
    copy = copy_model(model)
    graph = copy.graph
    held = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    places: list[str] = []
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        found = _value(node, held, model) if all(n in held or not n for n in node.input) else None
        if found is None:
            kept.append(node)
            continue
        held[node.output[0]] = found
        graph.initializer.append(numpy_helper.from_array(found, node.output[0]))
        places.append(node.output[0])
    del graph.node[:]
    graph.node.extend(kept)
    prune(graph)
    return Rewritten(copy, tuple(places))


def _value(
    node: onnx.NodeProto, held: dict[str, np.ndarray], model: onnx.ModelProto
) -> np.ndarray | None:
    """The result of an operator; None where it has several, or is no constant by itself."""
    from onnx.reference import ReferenceEvaluator

    random = node.op_type.startswith("Random") or node.op_type in ("Bernoulli", "Multinomial")
    if len(node.output) != 1 or random or any(item.HasField("g") for item in node.attribute):
        return None
    names = [name for name in node.input if name]
    graph = onnx.helper.make_graph(
        [node],
        "constant",
        [onnx.helper.make_tensor_value_info(name, _kind(held[name]), None) for name in names],
        [onnx.helper.make_empty_tensor_value_info(node.output[0])],
    )
    alone = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    try:
        (value,) = ReferenceEvaluator(alone).run(None, {name: held[name] for name in names})
    except Exception:  # an operator that the evaluator does not know is left to the runtime
        return None
    found = np.asarray(value)
    read = sum(held[name].nbytes for name in names)
    return None if found.nbytes > max(read, _MOST_BYTES) else found


def _kind(value: np.ndarray) -> int:
    return int(onnx.helper.np_dtype_to_tensor_dtype(value.dtype))
