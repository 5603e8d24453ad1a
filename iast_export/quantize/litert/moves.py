"""Block moves for a quantizer that does not know them: as RESHAPE and back. No torch.

All three move values and change none, so that their results take the scale of what they read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.forms.tflite_forms import BLOCK_MOVES, block_move, spelled_move

_SIGN = b"block"  # of an operator's custom options, which RESHAPE has none of


def hide_block_moves(model: tf.Model) -> bool:
    """Writes block moves as RESHAPE, in place; whether there were any."""
    schema, found = tf.schema(), False
    for graph in model.subgraphs:
        for op in graph.operators:
            name = tf.op_name(model, op)
            if name not in BLOCK_MOVES:
                continue
            options = schema.ReshapeOptionsT()
            options.newShape = np.array(
                tf.tensor_shape(graph.tensors[int(op.outputs[0])]), np.int32
            )
            held = [BLOCK_MOVES.index(name), int(op.builtinOptions.blockSize)]
            op.customOptions = np.array([*_SIGN, *held], np.uint8)
            op.builtinOptions, op.builtinOptionsType = options, schema.BuiltinOptions.ReshapeOptions
            op.opcodeIndex, found = tw.operator_code(model, "RESHAPE"), True
    return found


def show_block_moves(model: tf.Model, spelled: bool = False) -> None:
    """Turns back what `hide_block_moves` wrote, in place.

    Args:
        model: as the tool wrote it.
        spelled: as a reshape, a transposition and a reshape instead: the operators have no kernel
            for 16-bit integers.
    """
    for graph in model.subgraphs:
        shown: list[Any] = []
        for op in graph.operators:
            held = b"" if op.customOptions is None else bytes(op.customOptions)
            if tf.op_name(model, op) != "RESHAPE" or not held.startswith(_SIGN):
                shown.append(op)
                continue
            kind, block = held[len(_SIGN) :]
            name, source, target = BLOCK_MOVES[kind], int(op.inputs[0]), int(op.outputs[0])
            if spelled:
                shown += spelled_move(model, graph, name, block, source, target)
            else:
                shown.append(block_move(model, name, block, source, target))
        graph.operators = shown
