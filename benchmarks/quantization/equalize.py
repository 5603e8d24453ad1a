"""Cross-layer equalization by weights alone (Nagel et al. 2019, section 4.1), for the ablation.

The product's factors come from the values between (`iast_export.quantize.equalize.factors`). These
need no picture: s_c = sqrt(r1_c / r2_c) makes the ranges of both weights equal, channel by channel.
"""

from __future__ import annotations

import numpy as np
import onnx

from iast_export.formats.onnx_graph import index_graph
from iast_export.quantize.equalize.factors import Equalization, PairFactors, settled
from iast_export.quantize.equalize.pairs import column_maxima, find_pairs, maxima
from iast_export.quantize.onnx.layers import filter_key


def factors_by_weights(graph: onnx.GraphProto) -> Equalization:
    """Nagel's factors for every two convolutions of a graph; of joined ones he says nothing."""
    index, pairs = index_graph(graph), []
    for pair in (one for one in find_pairs(graph) if len(one.firsts) == 1):
        first, second = (index.producers[name] for name in (pair.firsts[0].tensor, pair.second))
        weights = [index.constants[node.input[1]] for node in (first, second)]
        columns = column_maxima(index, second)
        assert columns is not None
        s = settled(maxima(weights[0], (1, 2, 3)) / np.maximum(columns, 1e-12))
        keys = [tuple(filter_key(one) for one in weight) for weight in weights]
        depthwise = weights[1].shape[1] == 1 and len(weights[1]) == len(weights[0])
        pairs.append(PairFactors(keys[0], keys[1], tuple(s.tolist()), depthwise))
    return Equalization(tuple(pairs))
