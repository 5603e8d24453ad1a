"""A network's LiteRT files on the GPU delegate, strict: what runs whole, and how near to FP32.

    python -m benchmarks.gpu_pictures NETWORK:FACTORY [--checkpoint FILE] [--sides 256 512]

Converted, calibrated on four of the default photographs and judged on a fifth, without a build, so
that a network that no bundle can be made of yet is tried too. Times are not told: the GPU may be a
driver on the processor.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from iast_export.build.convert import convert_fp32
from iast_export.errors import ToolError
from iast_export.formats import tflite_file as tf
from iast_export.metrics.fidelity import psnr_db
from iast_export.network.adapters import StyleNetwork, load_network
from iast_export.pictures.images import center_square, to_levels, to_tensor
from iast_export.pictures.imagesets import load_set
from iast_export.quantize.calibrate import collect
from iast_export.quantize.learned import of_signatures
from iast_export.quantize.litert.half import foretell_halves
from iast_export.quantize.litert.static import quantize_litert
from iast_export.quantize.observers import observe_litert
from iast_export.runtimes.gpu import open_gpu
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.session import Array, Session
from iast_export.specs import CONTENT, STYLIZED, Precision, Tier

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
_CALIBRATED_ON = 4
Feeds = Mapping[str, Array]


def feeds_of(network: StyleNetwork, side_px: int) -> list[Feeds]:
    """Photographs in the style of the last, one of which calibrates nothing."""
    photographs = load_set("default")
    squares = [to_tensor(center_square(photographs[i], side_px)) for i in range(_CALIBRATED_ON + 1)]
    with torch.no_grad():
        codes = network.encode_style(torch.from_numpy(squares[-1]))
    named = dict(zip(network.code_shapes, (code.numpy() for code in codes), strict=True))
    return [{CONTENT: square, **named} for square in squares]


def judge(network: StyleNetwork, side_px: int, folder: Path) -> Iterator[str]:
    """A line for what FP16 would not hold, and one for each file.

    Raises:
        ToolError: the network can't be converted.
    """
    tier, fp32 = Tier(max(network.depths), side_px), folder / "fp32.tflite"
    convert_fp32(network, (tier,), fp32)
    *calibrating, judged = feeds_of(network, side_px)
    ranges = {tier.signature: collect(observe_litert(fp32, tier.signature), calibrating)}
    (half,) = foretell_halves(tf.read_model(fp32), ranges, {tier.signature: tier.id})
    for one in half.overflows:
        yield f"{tier.id}: {one}; {'fp16 holds it' if one.held else 'nor does fp16 hold it'}"
    wanted = _drawn(open_litert(fp32, tier.signature), judged)
    for precision in PRECISIONS:
        path = folder / f"{precision}.tflite"
        if precision != "fp32":
            quantize_litert(fp32, precision, of_signatures(ranges), path)
        on_cpu = _drawn(open_litert(path, tier.signature), judged)
        try:
            with open_gpu(path, tier.signature) as session:
                on_gpu = _drawn(session, judged)
                where = str(session.device)
        except ToolError as error:
            yield f"{tier.id} {precision}: {error.message}"
            continue
        both = [psnr_db(picture, wanted) for picture in (on_cpu, on_gpu)]
        yield (
            f"{tier.id} {precision}: whole on {where}, {both[1]:.1f} dB from FP32 on the CPU "
            f"(on the CPU {both[0]:.1f} dB)"
        )


def _drawn(session: Session, fed: Feeds) -> Array:
    return to_levels(session.run(fed)[STYLIZED])


def main(arguments: Sequence[str] | None = None) -> None:
    """Tries each side and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", help="NETWORK:FACTORY, as `build --network` takes it")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[256], metavar="PX")
    given = parser.parse_args(arguments)
    network = load_network(given.network, given.checkpoint)
    for side_px in given.sides:
        with tempfile.TemporaryDirectory() as folder:
            for line in judge(network, side_px, Path(folder)):
                print(line, flush=True)


if __name__ == "__main__":
    main()
