"""Tables of shapes, proved before they are written: a re-shaped file does what the network does.

FP32 is compared with PyTorch at shapes that no converter saw; what is made of the FP32 file, with
that file re-shaped in the same way. A tier that fails in any file keeps its own shape in all, so
that what a picture is padded to does not hang on the precision; the tables say why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iast_export.build.once import Once
from iast_export.build.tracing import example_codes, pseudo_photograph
from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import Progress, no_progress, read_bytes
from iast_export.formats.tflite_file import quiet_tools
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.parity import PARITY_TOLERANCE, parity_error
from iast_export.runtimes.pytorch import TorchSession
from iast_export.runtimes.session import Array
from iast_export.shapes.derive import derive
from iast_export.shapes.table import ShapeTable
from iast_export.specs import CONTENT, STYLIZED, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

# For large pictures converters take n / (n - 1) for 1, which shows in narrow ones: 2e-4 was found.
# A thousandth is a quarter of an 8-bit level, and 60 dB.
SHAPE_TOLERANCE = 10 * PARITY_TOLERANCE
# What a lane may be further from FP32 at another shape than at its own, unless it is nearer than
# the floor; chosen: INT8 was found to fall by at most 3 dB, FP16 from 92 to 84 dB, and a slice or a
# mean of the wrong size leaves 7 to 36 dB.
_MOST_FALL_DB = 6.0
_FLOOR_DB = 40.0
_LEAST_PX = 16
# Squared, of what is equal; only keeps a logarithm finite.
_EQUAL = 1e-12


def proof_shapes(tier: Tier, multiple_px: int) -> list[tuple[int, int]]:
    """Heights and widths to prove a tier at: small, upright and lying, odd multiples, ten to one,
    and one side beyond the tier."""
    most = tier.max_side_px // multiple_px
    small = max(2, -(-_LEAST_PX // multiple_px))
    narrow, odd = max(2, -(-most // 10)), max(3, (most // 2) | 1)
    steps = [
        (small, small),
        (odd, max(2, (odd * 2 // 3) | 1)),
        (narrow, most),
        (most, narrow + 1),
        (most + 1, small + 1),
    ]
    return [(h * multiple_px, w * multiple_px) for h, w in dict.fromkeys(steps)]


def prove_shapes(
    network: StyleNetwork,
    tiers: Sequence[Tier],
    models: Sequence[Path],
    progress: Progress = no_progress,
    once: Once | None = None,
) -> list[ShapeTable]:
    """The tables of a bundle's TFLite files; a tier is re-shaped in all of them or in none.

    Args:
        network: that the first file was converted from.
        tiers: the files' signatures.
        models: the FP32 file, and those that were made of it.
        progress: told of every signature.
        once: keeps what was proved of these files.
    """
    once = once or Once()
    codes = {name: value.numpy() for name, value in example_codes(network).items()}
    files = [read_bytes(model) for model in models]
    tables = [derive(data, network.size_multiple_px) for data in files]
    both = list(zip(tables, files, strict=True))
    fixed: dict[str, str] = {}
    for i, tier in enumerate(tiers):
        progress("prove other shapes", i, len(tiers))
        for model, one in zip(models, both, strict=True):
            proof = (
                partial(_fault_to_pytorch, network, tier, one, codes)
                if one is both[0]
                else partial(_fault_to_fp32, tier, both[0], one, codes)
            )
            key = "shapes", tier.signature, both[0][0].model_sha256, one[0].model_sha256
            why = one[0].fixed.get(tier.signature) or once(key, proof)
            if why is not None:
                fixed[tier.signature] = f"{model.name}: {why}"
                break
    progress("prove other shapes", len(tiers), len(tiers))
    return [_without(table, fixed) for table in tables]


def _without(table: ShapeTable, fixed: Mapping[str, str]) -> ShapeTable:
    kept = tuple(one for one in table.signatures if one.key not in fixed)
    return ShapeTable(table.model_sha256, table.size_multiple_px, kept, fixed)


def _fault_to_pytorch(
    network: StyleNetwork, tier: Tier, one: tuple[ShapeTable, bytes], codes: Mapping[str, Array]
) -> str | None:
    session = TorchSession(network.cut(tier.depth).eval().requires_grad_(False), list(codes))
    table, proved = one[0], 0
    for height, width in proof_shapes(tier, table.size_multiple_px):
        feeds = {CONTENT: pseudo_photograph(height, width), **codes}
        try:
            reference = session.run(feeds)[STYLIZED]
        except RuntimeError:  # PyTorch's own, as of a pad that is wider than the picture
            continue
        try:
            got = _drawn(*one, tier, height, width, feeds)
        except (InputError, ToolError) as error:
            return f"at {width}x{height} px: {error.message}"
        error_there = parity_error({STYLIZED: reference}, {STYLIZED: got})
        if not error_there <= SHAPE_TOLERANCE:
            return f"at {width}x{height} px it differs from PyTorch by {error_there:.2g}"
        proved += 1
    return None if proved > 1 else "PyTorch itself draws no other shape"


def _fault_to_fp32(
    tier: Tier,
    fp32: tuple[ShapeTable, bytes],
    other: tuple[ShapeTable, bytes],
    codes: Mapping[str, Array],
) -> str | None:
    table = other[0]
    own, floor, at_own = tier.shape_px, 0.0, 0.0
    for height, width in (own, *proof_shapes(tier, table.size_multiple_px)):
        feeds = {CONTENT: pseudo_photograph(height, width), **codes}
        try:
            pair = [_drawn(*one, tier, height, width, feeds) for one in (fp32, other)]
        except (InputError, ToolError) as error:
            return f"at {width}x{height} px: {error.message}"
        psnr_db = _psnr_db(*pair)
        if (height, width) == own:
            floor, at_own = min(psnr_db - _MOST_FALL_DB, _FLOOR_DB), psnr_db
        elif psnr_db < floor:
            least = f"{at_own:.1f} dB at its own shape"
            return f"at {width}x{height} px it is {psnr_db:.1f} dB from FP32, {least}"
    return None


def _psnr_db(a: Array, b: Array) -> float:
    return float(-10 * np.log10(max(_EQUAL, float(np.mean(np.square(a - b))))))


def _drawn(
    table: ShapeTable,
    data: bytes,
    tier: Tier,
    height: int,
    width: int,
    feeds: Mapping[str, Array],
) -> NDArray[np.float32]:
    shaped = table.reshape(data, tier.signature, height, width)
    with quiet_tools():
        drawn: NDArray[np.float32] = open_litert(shaped, tier.signature).run(feeds)[STYLIZED]
    return drawn
