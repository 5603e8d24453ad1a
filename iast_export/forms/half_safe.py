"""Normalizations that stay within FP16: scaled by a power of two, and by means for sums. No torch.

A normalization divides by the deviation of what it is given, so that its result is the same for
scaled values, as long as its epsilon is scaled by the square. So the weights and biases of the
convolution before it take the factor, for nothing; where something else reads them too, one product
by a constant does. Exact, since the factor is a power of two: only exponents change. An epsilon
that FP16 could not hold becomes the smallest that it can, where squares have no more digits anyway.

A sum over a picture that is then divided by a constant is written as a mean, which LiteRT's GPU
delegate adds up in FP32, and whose result is small.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw

NAME = "half-safe"  # in reports
# Of values after scaling, in size: half of FP16's 65,504, since calibration saw few pictures.
MOST = 32752.0
# Of an epsilon after scaling: four steps of FP16's smallest number; chosen.
LEAST = 4 * 2.0**-24
_KEEPS = (
    "AVERAGE_POOL_2D",
    "DEPTH_TO_SPACE",
    "LEAKY_RELU",
    "MEAN",
    "PAD",
    "RELU",
    "RESHAPE",
    "SLICE",
    "SUM",
    "TRANSPOSE",
)
_SAME = ("ADD", "SUB", "CONCATENATION", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")
_ROOTS = ("CONV_2D", "DEPTHWISE_CONV_2D")
Degrees = dict[int, Fraction]
"""Tensor -> the power of the factor that its values take."""
Constant = tuple[Any, int, Fraction]


@dataclass(frozen=True)
class _Scaling:
    """What takes a factor in one graph.

    Attributes:
        graph: the graph.
        root: the tensor that is scaled.
        degrees: of it and of every tensor behind it.
        constants: operators, the place of an input that is constant, and the power it takes.
        conv: the convolution that writes `root` and can take the factor; None: a product must.
    """

    graph: tf.Graph
    root: int
    degrees: Degrees
    constants: list[Constant]
    conv: Any

    def factors(self, factor: float) -> dict[str, float]:
        """By what each tensor's values are multiplied, by name.

        Where a product takes the factor, the root's own values stay.
        """
        taken = {t: degree for t, degree in self.degrees.items() if self.conv or t != self.root}
        return {
            tf.text(self.graph.tensors[t].name): factor ** float(degree)
            for t, degree in taken.items()
        }


@dataclass(frozen=True)
class HalfSafe:
    """What was rewritten.

    Attributes:
        places: how many.
        factors: graph and tensor name -> by what its values were multiplied.
    """

    places: int
    factors: Mapping[tuple[int, str], float]


def make_half_safe(model: tf.Model, peaks: Mapping[str, float]) -> HalfSafe:
    """Scales what overflows in FP16 before normalizations, in place.

    Args:
        model: in FP32; graphs may share constants, and share them afterwards.
        peaks: the largest size of each tensor that passes FP16's largest number, by name.
    """
    factors: dict[tuple[int, str], float] = {}
    means = [_as_means(model, graph, peaks) for graph in model.subgraphs]
    for number, made in enumerate(means):
        factors |= {(number, name): factor for name, factor in made.items()}
    left = {name: peak for name, peak in peaks.items() if not any(name in one for one in means)}
    places: dict[Hashable, list[_Scaling]] = {}
    for number, graph in enumerate(model.subgraphs):
        for one in _find_scalings(model, graph, left):
            weights = one.conv and int(graph.tensors[int(one.conv.inputs[1])].buffer)
            places.setdefault(weights or (number, one.root), []).append(one)
    for group in places.values():
        exponent = math.ceil(math.log2(max(_excess(one, left) for one in group)))
        scaled = [*group, *_sharing(model, group)]
        _scale(model, scaled, 2.0**-exponent)
        for one in scaled:
            number = next(n for n, graph in enumerate(model.subgraphs) if graph is one.graph)
            names = one.factors(2.0**-exponent)
            factors |= {(number, name): factor for name, factor in names.items()}
    return HalfSafe(sum(map(len, [*means, *places.values()])), factors)


def _find_scalings(
    model: tf.Model, graph: tf.Graph, peaks: Mapping[str, float]
) -> Iterator[_Scaling]:
    """What to scale so that every tensor of `peaks` is, each once."""
    taken: set[int] = set()
    for tensor, described in enumerate(graph.tensors):
        if tf.text(described.name) in peaks and tensor not in taken:
            found = _find_scaling(model, graph, tensor)
            if found is not None:
                taken |= set(found.degrees)
                yield found


def _sharing(model: tf.Model, group: Sequence[_Scaling]) -> Iterator[_Scaling]:
    """Other readers of the weights that a group scales, where they can be scaled too.

    So that signatures go on sharing them.
    """
    known = [one.conv for one in group]
    convs = [(one.graph, one.conv) for one in group if one.conv]
    buffers = {int(graph.tensors[int(conv.inputs[1])].buffer) for graph, conv in convs}
    for graph in model.subgraphs:
        for op in [one for one in graph.operators if _scalable(model, graph, one)]:
            if int(graph.tensors[int(op.inputs[1])].buffer) in buffers and op not in known:
                root = int(op.outputs[0])
                found = _spread(model, graph, root)
                if found is not None:
                    yield _Scaling(graph, root, *found, conv=op)


def _excess(one: _Scaling, peaks: Mapping[str, float]) -> float:
    """By what the root must be divided so that nothing behind it passes `MOST`."""
    names = {tf.text(one.graph.tensors[t].name): degree for t, degree in one.degrees.items()}
    return max(
        float((peaks[name] / MOST) ** float(1 / degree))
        for name, degree in names.items()
        if name in peaks and degree > 0
    )


def _as_means(model: tf.Model, graph: tf.Graph, peaks: Mapping[str, float]) -> dict[str, float]:
    """Sums that a constant alone scales become means, which GPUs sum in FP32.

    Returns:
        Their names, and the factor of their values.
    """
    done = {}
    for op in [one for one in graph.operators if tf.op_name(model, one) == "SUM"]:
        name = tf.text(graph.tensors[int(op.outputs[0])].name)
        readers = [one for one in graph.operators if int(op.outputs[0]) in _inputs(one)]
        fixed = _constants(model, graph, readers[0]) if len(readers) == 1 else []
        if name not in peaks or not fixed or tf.op_name(model, readers[0]) != "MUL":
            continue
        sizes = [
            np.prod(tf.tensor_shape(graph.tensors[int(t)])) for t in (*op.inputs[:1], *op.outputs)
        ]
        value = tf.constant(model, graph.tensors[int(readers[0].inputs[fixed[0]])])
        assert value is not None  # `_constants`
        scaled = (value.astype(np.float64) * (sizes[0] / sizes[1])).astype(np.float32)
        readers[0].inputs[fixed[0]] = _add_constant(model, graph, scaled)
        op.opcodeIndex = tw.operator_code(model, "MEAN")
        done[name] = float(sizes[1] / sizes[0])
    return done


def _find_scaling(model: tf.Model, graph: tf.Graph, tensor: int) -> _Scaling | None:
    """What to scale so that `tensor` is, from a convolution if possible; None: nothing can be."""
    writers = {int(t): op for op in graph.operators for t in op.outputs}
    sources = [tensor]
    while sources[-1] in writers and tf.op_name(model, writers[sources[-1]]) not in _ROOTS:
        sources.append(int(writers[sources[-1]].inputs[0]))
    for root in reversed(sources):
        found = _spread(model, graph, root)
        if found is not None and found[0].get(tensor, 0) > 0:
            writer = writers.get(root)
            return _Scaling(graph, root, *found, conv=_scalable(model, graph, writer))
    return None


def _scalable(model: tf.Model, graph: tf.Graph, op: Any) -> Any:
    """The operator, if it is a convolution whose constants alone decide the size of its result."""
    shown = [int(t) for t in graph.outputs]
    if op is None or tf.op_name(model, op) not in _ROOTS or int(op.outputs[0]) in shown:
        return None
    fused = int(op.builtinOptions.fusedActivationFunction or 0)
    types = tf.schema().ActivationFunctionType
    constant = all(tf.buffer_bytes(model, graph.tensors[t]) for t in _inputs(op)[1:] if t >= 0)
    return op if constant and fused in (types.NONE, types.RELU) else None


def _spread(model: tf.Model, graph: tf.Graph, root: int) -> tuple[Degrees, list[Constant]] | None:
    """Degrees of all tensors behind `root`, and constants that take one; None: some reader can't.

    Where the degree is 0 again, a normalization has divided the factor out.
    """
    degrees: Degrees = {root: Fraction(1)}
    constants: list[Constant] = []
    for op in graph.operators:
        given = [degrees.get(int(t), Fraction(0)) for t in op.inputs]
        if not any(given):
            continue
        degree = _degree(model, graph, op, given)
        if degree is None or (int(op.outputs[0]) in [int(t) for t in graph.outputs] and degree):
            return None
        name, fixed = tf.op_name(model, op), _constants(model, graph, op)
        if name in _SAME and fixed:
            constants.append((op, fixed[0], max(given)))
        if degree:
            degrees[int(op.outputs[0])] = degree
    return degrees, constants


def _degree(model: tf.Model, graph: tf.Graph, op: Any, given: list[Fraction]) -> Fraction | None:
    """The degree of an operator's result; None: it can't take scaled values."""
    name, fixed = tf.op_name(model, op), _constants(model, graph, op)
    fused = int(getattr(op.builtinOptions, "fusedActivationFunction", 0) or 0)
    kinds = tf.schema().ActivationFunctionType
    found: Fraction | None = None
    if name in _KEEPS and not any(given[1:]):
        found = given[0]
    elif name in _SAME:
        computed = {one for i, one in enumerate(given) if i not in fixed}
        alike = len(computed) == 1 and len(fixed) <= 1
        found = max(computed) * (2 if name == "SQUARED_DIFFERENCE" else 1) if alike else None
    elif name in ("MUL", "DIV"):
        found = given[0] + given[1] * (1 if name == "MUL" else -1)
    elif name in ("SQRT", "RSQRT"):
        found = given[0] / (2 if name == "SQRT" else -2)
    return None if found and fused not in (kinds.NONE, kinds.RELU) else found


def _constants(model: tf.Model, graph: tf.Graph, op: Any) -> list[int]:
    """Places of an operator's constant inputs."""
    return [i for i, t in enumerate(op.inputs) if tf.buffer_bytes(model, graph.tensors[int(t)])]


def _scale(model: tf.Model, group: list[_Scaling], factor: float) -> None:
    """Scales places that share a convolution's weights."""
    changed: dict[int, int] = {}
    for one in group:
        for op, place, degree in one.constants:
            value = tf.constant(model, one.graph.tensors[int(op.inputs[place])])
            assert value is not None  # `_constants`
            op.inputs[place] = _add_constant(
                model, one.graph, _held(value * np.float32(factor ** float(degree)))
            )
        if one.conv is None:
            _multiply(model, one, factor)
        else:
            fixed = [int(t) for t in one.conv.inputs[1:] if int(t) >= 0]
            moved = [_moved(model, one.graph, t, factor, changed) for t in fixed]
            one.conv.inputs = [int(one.conv.inputs[0]), *moved]


def _held(value: tf.Array) -> tf.Array:
    """The values, none but 0 nearer to 0 than `LEAST`."""
    lost = (value != 0) & (np.abs(value) < LEAST)
    return np.where(lost, np.copysign(np.float32(LEAST), value), value)


def _moved(
    model: tf.Model, graph: tf.Graph, tensor: int, factor: float, changed: dict[int, int]
) -> int:
    """The scaled constant, in a buffer that signatures share; others may read the old one."""
    old, new = graph.tensors[tensor], tf.schema().TensorT()
    if int(old.buffer) not in changed:
        value = tf.constant(model, old)
        assert value is not None  # `_scalable`
        model.buffers.append(_buffer(value * np.float32(factor)))
        changed[int(old.buffer)] = len(model.buffers) - 1
    new.shape, new.type, new.name = old.shape, old.type, f"{tf.text(old.name)}_scaled"
    new.buffer, new.quantization = changed[int(old.buffer)], old.quantization
    graph.tensors.append(new)
    return len(graph.tensors) - 1


def _multiply(model: tf.Model, one: _Scaling, factor: float) -> None:
    """Has what reads the root read its product with the factor."""
    graph, schema = one.graph, tf.schema()
    old, new = graph.tensors[one.root], schema.TensorT()
    op, options = schema.OperatorT(), schema.MulOptionsT()
    new.shape, new.type, new.buffer = old.shape, old.type, 0
    new.name = f"{tf.text(old.name)}_scaled"
    graph.tensors.append(new)
    scaled = len(graph.tensors) - 1
    first = min(n for n, reader in enumerate(graph.operators) if one.root in _inputs(reader))
    for reader in graph.operators:
        reader.inputs = [scaled if int(t) == one.root else int(t) for t in reader.inputs]
    op.opcodeIndex = tw.operator_code(model, "MUL")
    op.inputs = [one.root, _add_constant(model, graph, np.array(factor, np.float32))]
    op.outputs = [scaled]
    op.builtinOptions, op.builtinOptionsType = options, schema.BuiltinOptions.MulOptions
    graph.operators.insert(first, op)


def _inputs(op: Any) -> list[int]:
    return [int(t) for t in op.inputs]


def _add_constant(model: tf.Model, graph: tf.Graph, value: tf.Array) -> int:
    """Adds a float32 constant to a graph and returns its index."""
    tensor = tf.schema().TensorT()
    model.buffers.append(_buffer(value))
    tensor.shape = np.array(value.shape, np.int32)
    tensor.type, tensor.buffer = tf.schema().TensorType.FLOAT32, len(model.buffers) - 1
    tensor.name = f"scaled{len(graph.tensors)}"
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _buffer(value: tf.Array) -> Any:
    buffer = tf.schema().BufferT()
    buffer.data = np.ascontiguousarray(value, np.float32).reshape(-1).view(np.uint8)
    return buffer
