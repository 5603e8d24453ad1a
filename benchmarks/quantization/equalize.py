"""Cross-layer equalization by weights alone (Nagel et al. 2019, section 4.1), for the ablation.

The product's factors come from the values between (`iast_export.quantize.equalize.learn`). These
need no picture: s_c = sqrt(r1_c / r2_c) makes the ranges of both weights equal, channel by channel.
"""

from __future__ import annotations

import numpy as np
import onnx

from iast_export.quantize.equalize.channels import Channels, follow
from iast_export.quantize.equalize.factors import Equalization
from iast_export.quantize.equalize.learn import settled
from iast_export.quantize.equalize.nodes import nodes_of_onnx


def factors_by_weights(graph: onnx.GraphProto) -> Equalization:
    """Nagel's factors for all channels that convolutions write and read."""
    channels = Channels()
    layers = follow(nodes_of_onnx(graph), channels).layers
    first, second = np.zeros(channels.count), np.zeros(channels.count)
    for layer in layers:
        weight = layer.node.weight
        assert weight is not None
        np.maximum.at(first, channels.roots(layer.written), np.abs(weight).max(axis=(1, 2, 3)))
        if layer.read is not None:
            parts = np.abs(
                weight.reshape(len(layer.read) // weight.shape[1], -1, *weight.shape[1:])
            )
            np.maximum.at(second, channels.roots(layer.read), parts.max(axis=(1, 3, 4)).ravel())
    factors = np.ones(channels.count)
    for layer in layers:
        ids = channels.roots(layer.written)
        factors[ids] = settled(np.where(second[ids] > 0, first[ids] / second[ids].clip(1e-12), 0))
    known = channels.known.items()
    return Equalization({key: float(factors[root]) for key, root in known if root})
