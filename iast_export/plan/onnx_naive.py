"""INT8 of a group that the exporter leaves in float: every tensor quantized, as default tools do.

It says what INT8 would do to the group; nothing of it is ever shipped.
"""

from __future__ import annotations

from dataclasses import replace

import onnx

from iast_export.decide.decide import Decisions
from iast_export.decide.graph import Network, Op
from iast_export.decide.policy import ONNX
from iast_export.decide.read_onnx import read_onnx
from iast_export.decide.roots import Root, Scales
from iast_export.quantize.onnx.kernels import Kernels
from iast_export.quantize.onnx.layers import activation_parameters
from iast_export.quantize.onnx.writer import Writer

# Chosen: speed does not depend on the range.
_ACTIVATION = activation_parameters(-4.0, 4.0)
_CLAMPED = activation_parameters(0.0, 4.0)
_FUSED = ("Add", "Conv", "ConvTranspose", "MatMul")
_POLICY = replace(ONNX, padding=ONNX.padding | {"constant"})
_KERNELS = Kernels(compute=False, fixed_sides=True)


def naive_int8(alone: onnx.ModelProto) -> onnx.ModelProto:
    """A group with each operator between a dequantization and a quantization; its edges are floats.

    Movements work on the integers; a clamp behind a convolution or sum becomes the range of its
    result.
    """
    decisions = all_integers(read_onnx(alone))
    network = decisions.network
    folded = {op.name for op in network.ops if _folds(network, op)}
    parameters = {name: _CLAMPED if name in folded else _ACTIVATION for name in decisions.roots}
    return Writer(alone.graph, decisions, parameters, _KERNELS).write(alone)


def all_integers(network: Network) -> Decisions:
    """Every operator computes in integers; what is moved or joined has its first part's scale."""
    root_of = {name: name for name in network.inputs}
    roots = list(network.inputs)
    for op in network.ops:
        moves = _POLICY.moves(op.type, op.mode)
        moved = [name for name in op.moved if name in root_of] if moves else []
        if moved:
            root_of.update(dict.fromkeys((*moved, op.name), root_of[moved[0]]))
        elif not _folds(network, network.only_reader(op.name)):
            root_of[op.name] = op.name
            roots.append(op.name)
    integers = frozenset(op.name for op in network.ops)
    scales = Scales(root_of, {name: Root(name) for name in roots}, ())
    return Decisions(network, _POLICY, integers, scales, ())


def _folds(network: Network, op: Op | None) -> bool:
    """Whether an operator is a clamp that the one before it takes in."""
    if op is None or op.type not in _POLICY.clamps:
        return False
    maker = network.producers.get(op.inputs[0])
    alone = maker is not None and network.only_reader(maker.name) is not None
    return maker is not None and alone and maker.type in _FUSED
