"""What ONNX Runtime's kernels take, as data: the one thing in which our INT8 files differ."""

from __future__ import annotations

from dataclasses import dataclass

from iast_export.quantize.onnx.layers import UINT8_LEVELS, UINT16_LEVELS


@dataclass(frozen=True)
class Kernels:
    """How the file of a lane is written.

    Attributes:
        levels: above the lowest, of an activation.
        opset: the first whose conversions write so many, and weights per channel.
        move: movements work on integers; else between conversions.
        compute: so do convolutions and hard swishes, which are written in the form that integers
            are fast in; else as they are.
        fixed_sides: those of every picture are known, so that a reshape to them is removed.
    """

    levels: int = UINT8_LEVELS
    opset: int = 13
    move: bool = True
    compute: bool = True
    fixed_sides: bool = False


UINT8 = Kernels()
UINT16 = Kernels(UINT16_LEVELS, opset=21, move=False, compute=False)
"""65,536 levels, which ONNX Runtime stores but computes in float."""
