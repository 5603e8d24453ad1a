"""Teaches the zoo's networks to draw: weights of a seed become those of a network at work.

    python -m benchmarks.zoo.teach --data DATA --out FOLDER [--only NAME] [--steps 400]

Each network learns to draw what the packaged one draws of the same photographs in the same artworks
(Hinton et al. 2015, arXiv:1503.02531), one artwork for a network of one style. That is no training
that an author would publish; it gives features and pictures as networks have them that draw
pictures, where a seed gives textures. Written: FOLDER/NAME.safetensors, which
`python -m benchmarks.zoo --taught FOLDER` takes. A file that is there stays.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.catalog import ENTRIES, Entry
from benchmarks.zoo.child import ROOT
from iast_export.files.artifacts import write_atomic
from iast_export.network.adapters import StyleNetwork
from iast_export.network.checkpoint import packaged_network
from iast_export.pictures.images import center_square
from models.data import CropStore, read_rgb, training_files

STYLES, PHOTOGRAPHS = 12, 240
STYLE_SIDE_PX, CROP_PX, BATCH = 256, 128, 4
RATE = 1e-3
SLOPES = 1.0  # weight of differences between neighbors beside that of values
LARGEST_NORM = 1.0  # of a step's gradient
SEED = 5


def teach(network: Adapter, teacher: StyleNetwork, root: Path, steps: int) -> list[float]:
    """Changes the network's weights; the mean difference [0, 1] of each step.

    Batch normalization keeps its statistics: samples go through one by one.
    """
    photographs, artworks = pictures(root)
    rng = np.random.default_rng(SEED)
    learned = weights_of(network)
    optimizer = torch.optim.Adam(learned, lr=RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    own, lost = unclamped(network), []
    known = [codes(teacher, artwork) for artwork in artworks]
    deepest = teacher.cut(max(teacher.depths))
    for _ in range(steps):
        index = int(rng.integers(len(artworks))) if network.code_shapes else 0
        crops = photographs.batch(BATCH, rng, smallest=0.6)
        optimizer.zero_grad()
        difference = 0.0
        for crop in crops.split(1):
            with torch.no_grad():
                wanted = deepest(crop, *known[index])
            drawn = own(crop, *network.encode_style(artworks[index]))
            values = (drawn - wanted).abs().mean()
            (values + SLOPES * slopes(drawn - wanted)).div(BATCH).backward()
            difference += float(values.detach()) / BATCH
        torch.nn.utils.clip_grad_norm_(learned, LARGEST_NORM)
        optimizer.step()
        rates.step()
        lost.append(difference)
    return lost


def pictures(root: Path) -> tuple[CropStore, list[Tensor]]:
    """Photographs, and artworks [1, 3, side, side] in [0, 1], spread over the training files."""
    contents, styles = training_files(root)
    store = CropStore(spread(contents, PHOTOGRAPHS), CROP_PX, torch.device("cpu"))
    squares = [center_square(read_rgb(one), STYLE_SIDE_PX) for one in spread(styles, STYLES)]
    return store, [torch.from_numpy(one).permute(2, 0, 1)[None].float() / 255.0 for one in squares]


def spread(files: Sequence[Path], count: int) -> list[Path]:
    """`count` of the files at equal distances."""
    step = max(1, len(files) // count)
    return list(files[::step][:count])


def codes(teacher: StyleNetwork, artwork: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return teacher.encode_style(artwork)


def slopes(difference: Tensor) -> Tensor:
    """Mean absolute step between neighbors: edges are to lie where the teacher has them."""
    return difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()


def unclamped(network: Adapter) -> torch.nn.Module:
    """The transfer without the cut to [0, 1], behind which no gradient comes back."""
    transfer = network.transfer
    if not isinstance(transfer, Ranged):
        return transfer
    return Ranged(transfer.network, transfer.low, transfer.high, clamp=False).eval()


def weights_of(network: Adapter) -> list[Tensor]:
    """All parameters, shared ones once."""
    found = {id(one): one for part in network.parts().values() for one in part.parameters()}
    for one in found.values():
        one.requires_grad_(True)
    return list(found.values())


def taught(entry: Entry, data: Path, steps: int) -> tuple[bytes, str]:
    """The weights of a network that learned, as a safetensors file, and how much it did."""
    network = entry.made(entry.checkpoint("real", data))
    torch.manual_seed(SEED)
    lost = teach(network, packaged_network(), data / "images", steps)
    tenth = max(1, steps // 10)
    first, last = np.mean(lost[:tenth]), np.mean(lost[-tenth:])
    if not last < first:
        raise ArithmeticError(f"{entry.name} learned nothing: {first:.3f} at first, {last:.3f}")
    told = f"difference {first:.3f} at first, {last:.3f} at the end"
    return save(network.state(), {"difference": f"{last:.4f}", "steps": str(steps)}), told


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [entry.name for entry in ENTRIES if entry.learns]
    parser.add_argument("--only", action="append", default=[], choices=names)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    return parser.parse_args()


def main() -> int:
    options = parse()
    torch.set_num_threads(1)
    for entry in ENTRIES:
        file = entry.taught(options.out)
        if not entry.learns or (options.only and entry.name not in options.only) or file.exists():
            continue
        started = time.monotonic()
        weights, told = taught(entry, options.data, options.steps)
        write_atomic(file, weights)
        print(f"{file}: {told}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
