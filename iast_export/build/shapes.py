"""Tables of shapes, proved before they are written: a re-shaped file does what the network does.

FP32 is compared with PyTorch at shapes that no converter saw; what is made of the FP32 file, with
that file re-shaped in the same way. A signature that fails keeps its own shape, and the table says
why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iast_export.build.tracing import example_codes, pseudo_photograph
from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import Progress, read_bytes, write_atomic
from iast_export.formats.tflite_file import quiet_tools
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.parity import PARITY_TOLERANCE, parity_error
from iast_export.runtimes.pytorch import TorchSession
from iast_export.runtimes.session import Array
from iast_export.shapes.derive import derive
from iast_export.shapes.table import ShapeTable, SignatureShapes, write_table
from iast_export.specs import CONTENT, STYLIZED, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

# For large pictures converters take n / (n - 1) for 1, which shows in narrow ones: 2e-4 was found.
# A thousandth is a quarter of an 8-bit level, and 60 dB.
SHAPE_TOLERANCE = 10 * PARITY_TOLERANCE
# What a lane may be further from FP32 at another shape than at its own; chosen: 4 dB was found
# between pictures, and a slice that begins elsewhere costs more than 10.
_MOST_FALL_DB = 6.0
_LEAST_PX = 16
# Squared, of what is equal; only keeps a logarithm finite.
_EQUAL = 1e-12

Draw = Callable[[Tier, Mapping[str, Array]], Array]


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


def write_fp32_shapes(
    network: StyleNetwork, tiers: Sequence[Tier], model: Path, path: Path, progress: Progress
) -> ShapeTable:
    """Writes the table of the FP32 file, each signature proved against PyTorch.

    Args:
        network: that the file was converted from.
        tiers: its signatures.
        model: the file.
        path: of the table.
        progress: told of every signature.
    """
    codes = {name: value.numpy() for name, value in example_codes(network).items()}
    modules = {tier: network.cut(tier.depth).eval().requires_grad_(False) for tier in tiers}

    def wanted(tier: Tier, feeds: Mapping[str, Array]) -> Array:
        return TorchSession(modules[tier], list(codes)).run(feeds)[STYLIZED]

    def fault(tier: Tier, table: ShapeTable, data: bytes) -> str | None:
        return _fault_to_pytorch(tier, table, data, codes, wanted)

    return _write(model, tiers, network.size_multiple_px, path, fault, progress)


def write_like_fp32(
    network: StyleNetwork,
    tiers: Sequence[Tier],
    fp32: tuple[Path, ShapeTable],
    model: Path,
    path: Path,
    progress: Progress,
) -> ShapeTable:
    """Writes the table of a file that was made of the FP32 file, proved against that one.

    Args:
        network: see `write_fp32_shapes`.
        tiers: see there.
        fp32: that file and its table.
        model: the file.
        path: of the table.
        progress: told of every signature.
    """
    codes = {name: value.numpy() for name, value in example_codes(network).items()}
    original = read_bytes(fp32[0])

    def fault(tier: Tier, table: ShapeTable, data: bytes) -> str | None:
        if fp32[1].find(tier.signature) is None:
            return f"FP32: {fp32[1].fixed[tier.signature]}"
        return _fault_to_fp32(tier, (fp32[1], original), (table, data), codes)

    return _write(model, tiers, network.size_multiple_px, path, fault, progress)


def _write(
    model: Path,
    tiers: Sequence[Tier],
    multiple_px: int,
    path: Path,
    fault: Callable[[Tier, ShapeTable, bytes], str | None],
    progress: Progress,
) -> ShapeTable:
    data = read_bytes(model)
    table = derive(data, multiple_px)
    kept: list[SignatureShapes] = []
    fixed = dict(table.fixed)
    for i, tier in enumerate(tiers):
        progress(f"prove {model.name} at other shapes", i, len(tiers))
        found = table.find(tier.signature)
        why = None if found is None else fault(tier, table, data)
        if why is not None:
            fixed[tier.signature] = why
        elif found is not None:
            kept.append(found)
    progress(f"prove {model.name} at other shapes", len(tiers), len(tiers))
    proved = ShapeTable(table.model_sha256, multiple_px, tuple(kept), fixed)
    write_atomic(path, write_table(proved))
    return proved


def _fault_to_pytorch(
    tier: Tier, table: ShapeTable, data: bytes, codes: Mapping[str, Array], wanted: Draw
) -> str | None:
    proved = 0
    for height, width in proof_shapes(tier, table.size_multiple_px):
        feeds = {CONTENT: pseudo_photograph(height, width), **codes}
        try:
            reference = wanted(tier, feeds)
        except RuntimeError:  # PyTorch's own, as of a pad that is wider than the picture
            continue
        try:
            got = _drawn(table, data, tier, height, width, feeds)
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
    own, floor = tier.shape_px, 0.0
    for height, width in (own, *proof_shapes(tier, table.size_multiple_px)):
        feeds = {CONTENT: pseudo_photograph(height, width), **codes}
        try:
            pair = [_drawn(*one, tier, height, width, feeds) for one in (fp32, other)]
        except (InputError, ToolError) as error:
            return f"at {width}x{height} px: {error.message}"
        psnr_db = _psnr_db(*pair)
        if (height, width) == own:
            floor = psnr_db - _MOST_FALL_DB
        elif psnr_db < floor:
            least = f"{floor + _MOST_FALL_DB:.1f} dB at its own shape"
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
