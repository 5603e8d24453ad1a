"""What each operator makes of a picture's sides; an operator that is not here stops a trace."""

from __future__ import annotations

from collections.abc import Mapping

from iast_export.shapes import cuts, sums, views, windows
from iast_export.shapes.operator_types import Rule

_UNARY = (
    "ABS CAST CEIL COS CUMSUM DEQUANTIZE ELU EXP FLOOR GELU HARD_SWISH L2_NORMALIZATION LEAKY_RELU "
    "LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX NEG QUANTIZE RELU RELU6 "
    "RELU_0_TO_1 RELU_N1_TO_1 REVERSE_V2 ROUND RSQRT SIGN SIN SOFTMAX SQRT SQUARE TANH ZEROS_LIKE"
)
_ELEMENTWISE = (
    "ADD ATAN2 EQUAL FLOOR_DIV FLOOR_MOD GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND "
    "LOGICAL_OR MAXIMUM MINIMUM NOT_EQUAL POW PRELU SELECT SELECT_V2 SQUARED_DIFFERENCE SUB"
)
_REDUCING = "MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL"
RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_UNARY.split(), sums.same),
    **dict.fromkeys(_ELEMENTWISE.split(), sums.elementwise),
    **dict.fromkeys(("MUL", "DIV"), sums.weighted),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D"), windows.convolution),
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), windows.pool),
    **dict.fromkeys(_REDUCING.split(), sums.reduced),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), sums.arg),
    **dict.fromkeys(("PAD", "PADV2", "MIRROR_PAD"), windows.padded),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"), windows.resized),
    "TRANSPOSE_CONV": windows.transposed,
    "CONCATENATION": cuts.joined,
    "SLICE": cuts.cut,
    "STRIDED_SLICE": cuts.cut_by_steps,
    "RESHAPE": views.reshape,
    "TRANSPOSE": views.transpose,
    "DEPTH_TO_SPACE": windows.depth_to_space,
    "SPACE_TO_DEPTH": windows.space_to_depth,
    "BATCH_MATMUL": sums.matmul,
    "FULLY_CONNECTED": sums.dense,
    "BROADCAST_TO": views.spread,
    "TILE": views.tiled,
    "GATHER": views.gathered,
    "GATHER_ND": views.gathered_nd,
    "SPLIT": cuts.split,
    "SPLIT_V": cuts.split_by_lengths,
    "PACK": cuts.packed,
    "UNPACK": cuts.unpacked,
    "SQUEEZE": views.squeezed,
    "EXPAND_DIMS": views.expanded,
    "FILL": views.filled,
}
