"""Operators that the quantizer does not know, as others that it treats alike, and back. No torch.

Block moves as RESHAPE: both move values and change none, so that their results take the scale of
what they read. A LEAKY_RELU as RELU: both have a scale of their own for their result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.forms.tflite_forms import BLOCK_MOVES, block_move, spelled_move

# Of an operator's custom options, which those of the tool have none of.
_BLOCK, _LEAK = b"block", b"leak"


def hide_unknown(model: tf.Model) -> bool:
    """Writes what the quantizer does not know as what it does, in place; whether there was any."""
    found = False
    for graph in model.subgraphs:
        for op in graph.operators:
            name = tf.op_name(model, op)
            if name in BLOCK_MOVES:
                _hide_move(model, graph, op, name)
            elif name == "LEAKY_RELU":
                held = np.float32(op.builtinOptions.alpha).tobytes()
                op.customOptions = np.frombuffer(_LEAK + held, np.uint8)
                op.builtinOptions, op.builtinOptionsType = None, 0
                op.opcodeIndex = tw.operator_code(model, "RELU")
            else:
                continue
            found = True
    return found


def _hide_move(model: tf.Model, graph: tf.Graph, op: Any, name: str) -> None:
    schema = tf.schema()
    options = schema.ReshapeOptionsT()
    options.newShape = np.array(tf.tensor_shape(graph.tensors[int(op.outputs[0])]), np.int32)
    held = [BLOCK_MOVES.index(name), int(op.builtinOptions.blockSize)]
    op.customOptions = np.array([*_BLOCK, *held], np.uint8)
    op.builtinOptions, op.builtinOptionsType = options, schema.BuiltinOptions.ReshapeOptions
    op.opcodeIndex = tw.operator_code(model, "RESHAPE")


def show_unknown(model: tf.Model, spelled: bool = False) -> None:
    """Turns back what `hide_unknown` wrote, in place.

    Args:
        model: as the tool wrote it.
        spelled: block moves as a reshape, a transposition and a reshape instead: the operators
            have no kernel for 16-bit integers.
    """
    for graph in model.subgraphs:
        shown: list[Any] = []
        for op in graph.operators:
            held = b"" if op.customOptions is None else bytes(op.customOptions)
            if held.startswith(_BLOCK):
                shown += _shown_move(model, graph, op, held[len(_BLOCK) :], spelled)
                continue
            if held.startswith(_LEAK):
                _show_leak(model, op, float(np.frombuffer(held[len(_LEAK) :], np.float32)[0]))
            shown.append(op)
        graph.operators = shown


def _shown_move(model: tf.Model, graph: tf.Graph, op: Any, held: bytes, spelled: bool) -> list[Any]:
    kind, block = held
    name, source, target = BLOCK_MOVES[kind], int(op.inputs[0]), int(op.outputs[0])
    if spelled:
        return spelled_move(model, graph, name, block, source, target)
    return [block_move(model, name, block, source, target)]


def _show_leak(model: tf.Model, op: Any, slope: float) -> None:
    schema = tf.schema()
    options = schema.LeakyReluOptionsT()
    options.alpha = slope
    op.builtinOptions, op.builtinOptionsType = options, schema.BuiltinOptions.LeakyReluOptions
    op.customOptions = None
    op.opcodeIndex = tw.operator_code(model, "LEAKY_RELU", 2)
