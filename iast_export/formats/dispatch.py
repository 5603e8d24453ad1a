"""One ONNX file for all tiers: the picture's longest side chooses the branch, inside the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from iast_export.errors import InputError
from iast_export.formats.onnx_graph import Array, load_model, rename, save_model
from iast_export.specs import CONTENT, STYLIZED, Tier

_LONGEST = "longest_side_px"


def merge_dispatch(models: Sequence[tuple[Tier, Path]], path: Path) -> None:
    """Writes one file with every tier as the branch of an If, all of one precision.

    The branch taken is the first tier whose `max_side_px` is at least max(height, width), as in
    `specs.select_tier`. The Ifs stand side by side and their results are joined: ONNX Runtime packs
    weights ahead only for branches of the outermost graph (nested, INT8 took 1.5 to 1.8 times as
    long, measured). Initializers that are equal in type, shape and bytes are kept once, in the
    outer graph. A picture larger than the largest tier makes the run fail (a Gather out of bounds,
    named `picture_larger_than_the_largest_tier`): a graph can't raise an error of its own.

    Args:
        models: each tier's own file, by rising side.
        path: written in one step.

    Raises:
        InputError: no tier, sides not rising, or files whose inputs or outputs differ.
        ToolError: the merged model is not valid.
    """
    tiers = [tier for tier, _ in models]
    if not tiers or any(
        a.max_side_px >= b.max_side_px for a, b in zip(tiers[:-1], tiers[1:], strict=True)
    ):
        raise InputError(
            "a dispatching model needs tiers by rising side", "order the tiers by max_side_px"
        )
    loaded = [load_model(source) for _, source in models]
    first = loaded[0]
    for model, (tier, source) in zip(loaded, models, strict=True):
        if _edges(model) != _edges(first):
            raise InputError(
                f"{source} ({tier.id}) has other inputs or outputs than {models[0][1]}",
                "export all tiers from the same network",
            )
    pool = _Pool()
    branches = [_branch(model.graph, number, pool) for number, model in enumerate(loaded)]
    nodes = [*_longest_side(), *_choose(branches, tiers, pool)]
    graph = helper.make_graph(
        nodes, "iast_dispatch", first.graph.input, first.graph.output, pool.initializers()
    )
    versions = {item.domain: item.version for model in loaded for item in model.opset_import}
    opsets = [helper.make_opsetid(domain, version) for domain, version in sorted(versions.items())]
    merged = helper.make_model(graph, opset_imports=opsets, ir_version=first.ir_version)
    merged.producer_name = "iast-export"
    save_model(merged, path)


def _edges(model: onnx.ModelProto) -> list[bytes]:
    items = (*model.graph.input, *model.graph.output)
    return [
        *(item.SerializeToString(deterministic=True) for item in items),
        str(model.opset_import).encode(),
    ]


class _Pool:
    """The outer graph's constants: one per type, shape and bytes."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._values: dict[str, Array] = {}

    def name(self, value: Array) -> str:
        """The name under which a value is kept."""
        key = (str(value.dtype), value.shape, value.tobytes())
        if key not in self._names:
            self._names[key] = f"w{len(self._names)}"
            self._values[self._names[key]] = value
        return self._names[key]

    def initializers(self) -> list[onnx.TensorProto]:
        """All of them, in the order of first use."""
        return [numpy_helper.from_array(value, name) for name, value in self._values.items()]


def _branch(graph: onnx.GraphProto, number: int, pool: _Pool) -> onnx.GraphProto:
    """A tier's graph as a branch: short names of its own, constants from the pool."""
    names = {item.name: pool.name(numpy_helper.to_array(item)) for item in graph.initializer}
    made = [name for node in graph.node for name in node.output if name]
    names.update({name: f"t{number}_{i}" for i, name in enumerate(made)})
    branch = onnx.GraphProto()
    branch.CopyFrom(graph)
    del branch.input[:], branch.initializer[:]
    rename(branch, names)
    for node in branch.node:
        node.name = ""
    branch.name = f"tier_{number}"
    return branch


def _longest_side() -> list[onnx.NodeProto]:
    """max(height, width) of the content, int64 []."""
    return [
        helper.make_node("Shape", [CONTENT], ["sides_px"], start=2, end=4),
        helper.make_node("ReduceMax", ["sides_px"], [_LONGEST], keepdims=0),
    ]


def _choose(
    branches: Sequence[onnx.GraphProto], tiers: Sequence[Tier], pool: _Pool
) -> list[onnx.NodeProto]:
    """One If per tier, of which one returns the picture, the others no rows; joined by height."""
    nodes = []
    for number, tier in enumerate(tiers):
        limit = pool.name(np.array(tier.max_side_px, np.int64))
        nodes.append(helper.make_node("LessOrEqual", [_LONGEST, limit], [f"fits_{number}"]))
        condition = f"fits_{number}"
        if number:
            condition = f"is_{number}"
            nodes.append(
                helper.make_node("Xor", [f"fits_{number - 1}", f"fits_{number}"], [condition])
            )
        nodes.append(
            _if(condition, f"part_{number}", branches[number], _no_rows(f"none_{number}", pool))
        )
    last = len(tiers)
    guard = _if(
        f"fits_{last - 1}", f"part_{last}", _no_rows(f"none_{last}", pool), _too_large(pool)
    )
    parts = [f"part_{number}" for number in range(last + 1)]
    return [*nodes, guard, helper.make_node("Concat", parts, [STYLIZED], axis=2)]


def _if(
    condition: str, output: str, then: onnx.GraphProto, otherwise: onnx.GraphProto
) -> onnx.NodeProto:
    return helper.make_node("If", [condition], [output], then_branch=then, else_branch=otherwise)


def _no_rows(name: str, pool: _Pool) -> onnx.GraphProto:
    """The content's first 0 rows, [1, 3, 0, width]."""
    zero, axis = pool.name(np.array([0], np.int64)), pool.name(np.array([2], np.int64))
    node = helper.make_node("Slice", [CONTENT, zero, zero, axis], [name])
    output = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 0, "width"])
    return helper.make_graph([node], name, [], [output])


def _too_large(pool: _Pool) -> onnx.GraphProto:
    table = pool.name(np.zeros(2, np.float32))
    failing = helper.make_node(
        "Gather", [table, _LONGEST], ["beyond"], name="picture_larger_than_the_largest_tier"
    )
    result = helper.make_node("Add", [CONTENT, "beyond"], ["too_large"])
    output = helper.make_tensor_value_info(
        "too_large", onnx.TensorProto.FLOAT, [1, 3, "height", "width"]
    )
    return helper.make_graph([failing, result], "too_large", [], [output])
