"""From a TFLite signature to the sides of all its tensors as functions of a picture's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.shapes.dims import Dim, Number, Steps
from iast_export.shapes.operator_types import MisfitError, Operator, Outcome, Read, Sides
from iast_export.shapes.rules import RULES
from iast_export.shapes.sums import FACTOR_ROUNDING, summed
from iast_export.specs import CONTENT, PIXEL_WEIGHT, STYLIZED

# Of readings that are tried before an operator is said to stop the trace; chosen: the packaged
# network needs one per operator.
_MOST_TRIES = 5_000
_WHOLE = ("int32", "int64")

Numbers: TypeAlias = tuple[Number, ...] | None
"""What each number of a constant is; None: as it stands, for every picture."""


class StoppedError(Exception):
    """A signature can't be re-shaped; its text names the operator and says why."""


@dataclass(frozen=True)
class Trace:
    """What follows a picture's sides in a signature.

    Attributes:
        steps: of the picture that the file was traced with.
        sides: of each tensor, by index.
        constants: by operator and input, of those that an operator's kind reads.
        options: by operator and name.
    """

    steps: Steps
    sides: Mapping[int, Sides]
    constants: Mapping[tuple[int, int], Numbers]
    options: Mapping[tuple[int, str], Numbers]


def trace(
    model: tf.Model, key: str, multiple_px: int, summed: Mapping[str, Dim] | None = None
) -> Trace:
    """Follows a picture's sides through a signature.

    Args:
        model: a whole file.
        key: of the signature.
        multiple_px: the network's size multiple.
        summed: of inputs that are means, how many numbers the sum was of that they stand for.

    Raises:
        StoppedError: an operator can't be followed.
    """
    signature = tf.find_signature(model, key)
    graph = model.subgraphs[signature.subgraph]
    picture = tf.tensor_shape(graph.tensors[signature.inputs[CONTENT]])
    if len(picture) != 4 or any(side % multiple_px for side in picture[1:3]):
        raise StoppedError(f"its picture is of shape {picture}")
    steps = Steps(picture[1] // multiple_px, picture[2] // multiple_px)
    whole = (Dim(picture[0]), Dim(0, multiple_px), Dim(0, 0, multiple_px), Dim(picture[3]))
    known = {CONTENT: whole, PIXEL_WEIGHT: (*whole[:3], Dim(1))}
    search = _Search(model, graph, steps)
    for name, index in signature.inputs.items():
        search.sides[index] = known.get(name, _as_it_is(graph.tensors[index]))
        if summed is not None and name in summed:
            search.summed[index] = (summed[name],)
    drawn = signature.outputs.get(STYLIZED)
    return search.run({} if drawn is None else {drawn: whole})


def _as_it_is(tensor: Any) -> Sides:
    return tuple(map(Dim, tf.tensor_shape(tensor)))


def _at(sides: Sides, steps: Steps) -> tuple[int, ...]:
    return tuple(side.at(steps) for side in sides)


def _agree(numbers: Numbers, steps: Steps, model: tf.Model, tensor: Any) -> bool:
    """Whether a constant is what it is said to be; factors may be off by their own rounding."""
    found = tf.constant(model, tensor)
    if found is None or numbers is None or found.size != len(numbers):
        return False
    wanted = [number.at(steps) for number in numbers]
    return bool(np.allclose(found.reshape(-1), wanted, rtol=FACTOR_ROUNDING, atol=0.0))


class _Search:
    """Reads operators one after another, and goes back where two readings don't go together."""

    def __init__(self, model: tf.Model, graph: tf.Graph, steps: Steps) -> None:
        self._model, self._graph, self._steps = model, graph, steps
        self.sides: dict[int, Sides] = {}
        self.summed: dict[int, tuple[Dim, ...]] = {}
        self._constants: dict[tuple[int, int], Numbers] = {}
        self._options: dict[tuple[int, str], Numbers] = {}
        self._deepest, self._why = -1, ""

    def run(self, wanted: Mapping[int, Sides]) -> Trace:
        operators = self._graph.operators
        open_ways: list[Iterator[Outcome]] = []
        undo: list[list[tuple[dict[Any, Any], Any]]] = []
        for _ in range(_MOST_TRIES):
            depth = len(undo)
            if depth == len(operators):
                return Trace(self._steps, self.sides, self._constants, self._options)
            if len(open_ways) == depth:
                open_ways.append(self._readings(depth, wanted))
            outcome = next(open_ways[-1], None)
            if outcome is not None:
                undo.append(self._take(depth, outcome))
                continue
            open_ways.pop()
            if not undo:
                break
            for known, key in undo.pop():
                del known[key]
        name = tf.op_name(self._model, operators[self._deepest])
        raise StoppedError(f"operator {self._deepest}, {name}: {self._why}")

    def _readings(self, index: int, wanted: Mapping[int, Sides]) -> Iterator[Outcome]:
        """Readings of an operator that hold for the picture that was traced, and with the rest."""
        op = self._graph.operators[index]
        try:
            for outcome in self._outcomes(self._operator(index)):
                fault = self._fault(op, outcome, wanted)
                if fault is None:
                    yield outcome
                else:
                    self._note(index, fault)
            self._note(index, "what it makes does not go together with what follows")
        except MisfitError as error:
            self._note(index, str(error))

    def _note(self, index: int, why: str) -> None:
        if index > self._deepest:
            self._deepest, self._why = index, why

    def _outcomes(self, op: Operator) -> Iterator[Outcome]:
        if op.name not in RULES:
            if op.follows_picture:
                raise MisfitError("nothing is known of what it makes of a picture's sides")
            yield Outcome(tuple(tuple(map(Dim, sizes)) for sizes in op.made))
            return
        yield from RULES[op.name](op)

    def _operator(self, index: int) -> Operator:
        op = self._graph.operators[index]
        name = tf.op_name(self._model, op)
        given = tuple(self._read(int(t)) for t in op.inputs)
        made = tuple(tf.tensor_shape(self._graph.tensors[int(t)]) for t in op.outputs)
        return Operator(name, op.builtinOptions, given, made, self._steps)

    def _read(self, index: int) -> Read | None:
        if index < 0:
            return None
        tensor = self._graph.tensors[index]
        sides = self.sides.get(index) or _as_it_is(tensor)
        values = tf.constant(self._model, tensor) if _is_read(tensor) else None
        return Read(tf.tensor_shape(tensor), sides, values, self.summed.get(index, ()))

    def _fault(self, op: Any, outcome: Outcome, wanted: Mapping[int, Sides]) -> str | None:
        for tensor, sides in zip(map(int, op.outputs), outcome.sides, strict=True):
            if _at(sides, self._steps) != tf.tensor_shape(self._graph.tensors[tensor]):
                return "it makes other sides than its kind does"
            if wanted.get(tensor, sides) != sides:
                return "the result would not be of the picture's size for other pictures"
        for i, numbers in outcome.written.items():
            if not _agree(numbers, self._steps, self._model, self._graph.tensors[op.inputs[i]]):
                return "its constants say something else than its sides do"
        return None

    def _take(self, index: int, outcome: Outcome) -> list[tuple[dict[Any, Any], Any]]:
        """Notes what a reading says; returns what to strike out where it turns out wrong."""
        op = self._graph.operators[index]
        new: list[tuple[dict[Any, Any], Any, Any]] = [
            (self.sides, int(t), sides) for t, sides in zip(op.outputs, outcome.sides, strict=True)
        ]
        totals = summed(self._operator(index), outcome)
        new += [(self.summed, int(t), totals) for t in op.outputs]
        new += [
            (self._constants, (index, i), _moving(numbers))
            for i, numbers in outcome.written.items()
        ]
        for name, value in outcome.options.items():
            sides = (value,) if isinstance(value, Dim) else value
            new.append((self._options, (index, name), _moving(sides)))
        for known, key, value in new:
            known[key] = value
        return [(known, key) for known, key, _ in new]


def _is_read(tensor: Any) -> bool:
    """Whether a constant is a list of whole numbers or a single factor."""
    kind = tf.dtype_name(tensor)
    return kind in _WHOLE or (kind == "float32" and not any(n > 1 for n in tf.tensor_shape(tensor)))


def _moving(numbers: Numbers) -> Numbers:
    """None where no number follows the picture."""
    if numbers is None or all(side.is_constant for side in numbers):
        return None
    return numbers
