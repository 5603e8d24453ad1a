"""The runtimes that a bundle holds files for, and what is true of those files.

A family is data, so that what only reads files or reports loads no runtime. What opens its files,
mostly more than one way, is a `runtimes.target.Target`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iast_export.specs import PRECISIONS, Precision, Runtime


@dataclass(frozen=True)
class Family:
    """A runtime as manifests and reports name it.

    Attributes:
        runtime: that name.
        label: as its makers write it.
        suffix: of its files.
        packages: whose versions decide its times, its own first.
        precisions: that a bundle has for it, FP32 first.
        fixed_shape: whether one file holds all tiers, each a signature that takes its square alone;
            else each has a file, which takes any multiple of the network's.
        tolerance_levels: largest difference in 8-bit levels that another machine's CPU may show.
    """

    runtime: Runtime
    label: str
    suffix: str
    packages: tuple[str, ...]
    precisions: tuple[Precision, ...]
    fixed_shape: bool
    tolerance_levels: int


# The tolerances were found between x86 and emulated Arm processors (benchmarks/arm), in INT8 and
# FP32, on golden pictures in the shape that an app gives them. FP32 tips one rounding. In INT8 the
# float islands sum in another order; where a value tips to the next integer there, the convolutions
# behind spread it: LiteRT by 5 levels at one tier of four and by none at the others, ONNX Runtime
# by 1 to 3. About half as much again is allowed, since other processors sum in other orders.
FAMILIES: Mapping[Runtime, Family] = {
    family.runtime: family
    for family in (
        Family(
            runtime="onnxruntime",
            label="ONNX Runtime",
            suffix=".onnx",
            packages=("onnxruntime", "onnx"),
            precisions=("fp32", "int8"),
            fixed_shape=False,
            tolerance_levels=4,
        ),
        Family(
            runtime="litert",
            label="LiteRT",
            suffix=".tflite",
            packages=("ai-edge-litert", "ai-edge-quantizer"),
            precisions=PRECISIONS,
            fixed_shape=True,
            tolerance_levels=8,
        ),
    )
}
