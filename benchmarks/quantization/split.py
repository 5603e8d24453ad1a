"""What the rounding of weights and of activations costs, each alone, in fake quantization.

    python -m benchmarks.quantization.split [CHECKPOINT]

Ranges come from 12 calibration pictures, pictures are the evaluation set's, all cut to 256 px.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from iast_export.build.request import Build, Request
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT
from iast_export.pictures.images import center_square, to_tensor
from iast_export.recipe import load_recipe
from models.batch import Batch
from models.quantization_aware import (
    QuantizationAware,
    fake_activation,
    fake_picture,
    fake_weight,
    parts_at,
)
from models.sheet import load_weights

_SIDE_PX = 256
_OBSERVED = 12


def _same(x: Tensor) -> Tensor:
    return x


@torch.no_grad()
def losses_db(
    module: QuantizationAware, depth: int, pairs: list[tuple[Tensor, Tensor]]
) -> dict[str, float]:
    """Mean PSNR to float by what is rounded: both, weights, activations."""
    ranges = module.range_of(depth)
    strength = torch.ones(1, 1)

    def rounded(name: str, x: Tensor) -> Tensor:
        return fake_picture(x) if name == "image" else fake_activation(x, *ranges[name])

    ways = {
        "both": (rounded, fake_weight),
        "weights": (lambda _name, x: x, fake_weight),
        "activations": (rounded, _same),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    for content, code in pairs:
        target = module.float_net.share(depth)(content, code, strength)
        for way, (at, weight) in ways.items():
            image = parts_at(module.net.share(depth), content, code, strength, at, weight).image
            error = (image.clamp(0.0, 1.0) - target).square().mean().item()
            found[way].append(-10.0 * float(np.log10(error)))
    return {way: float(np.mean(values)) for way, values in found.items()}


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGED_CHECKPOINT
    build = Build(Request(Path(), load_recipe(None)))
    codes = {
        held: [s.codes["style_code"] for s in build.styles if s.held_out is held]
        for held in (False, True)
    }
    module = QuantizationAware(load_weights(path))
    square = lambda rgb: torch.from_numpy(to_tensor(center_square(rgb, _SIDE_PX)))  # noqa: E731
    contents = torch.cat([square(build.calibration_set[i]) for i in range(_OBSERVED)])
    seen = [
        torch.from_numpy(codes[False][i % len(codes[False])]).view(1, -1) for i in range(_OBSERVED)
    ]
    module.observe(
        (Batch(c[None], c[None], torch.ones(1, 1), torch.zeros(1)) for c in contents),
        codes=iter(seen),
    )
    unseen = [torch.from_numpy(code).view(1, -1) for code in codes[True]]
    pictures = [square(rgb) for _, rgb in build.evaluation_pictures()]
    pairs = [(picture, unseen[i % len(unseen)]) for i, picture in enumerate(pictures)]
    print("| depth | both, dB | weights alone | activations alone |\n| --- | --- | --- | --- |")
    for depth in module.depths:
        found = losses_db(module, depth, pairs)
        print(f"| {depth} | " + " | ".join(f"{found[way]:.1f}" for way in found) + " |")


if __name__ == "__main__":
    main()
