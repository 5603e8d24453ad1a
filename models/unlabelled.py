"""Content features learned from photographs alone, in place of a network that was taught labels.

    python -m models.unlabelled --images DIR --out runs/encoder.pt

A place must keep its features when colors, contrast, sharpness and noise of the picture change, and
differ from other places (VICReg, Bardes et al., ICLR 2022, arXiv:2105.04906, by places instead of
pictures). What stays the same when a photograph is painted is what the content term is about. No
label, no other network and no artwork is seen. `--judge` says how often a place is found again
among 256 of eight changed photographs that trained nothing, beside the distilled VGG.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.errors import InputError
from iast_export.files.artifacts import atomic_path
from models.data import CropStore, training_files
from models.losses import CONTENT_LAYERS, Features
from models.perceptual import DistilledVgg
from models.telling import aloud, tell

# Named as the layers of VGG that they stand in for, at their strides of 4, 8 and 16.
_WIDTHS = {"3_2": 64, "4_2": 96, "5_1": 128}
_STEM = 32
_SEED = 20261126
STEPS, _BATCH, _CROP_PX, _RATE = 600, 16, 96, 1e-3
# Weights of invariance, variance and covariance, as published; places a picture, dimensions.
_VICREG = (25.0, 25.0, 1.0)
_PLACES, _DIMENSIONS = 32, 64


class ContentEncoder(nn.Module):
    """RGB [N, 3, H, W] in [0, 1] -> features by the names of `CONTENT_LAYERS`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, _STEM, 2), _conv(_STEM, _STEM))
        previous, stages = _STEM, {}
        for name, width in _WIDTHS.items():
            stages[name] = nn.Sequential(_conv(previous, width, 2), _conv(width, width))
            previous = width
        self.stages = nn.ModuleDict(stages)

    def forward(self, x: Tensor) -> Features:
        found: dict[str, Tensor] = {}
        x = self.stem(x - 0.5)
        for name, stage in self.stages.items():
            x = stage(x)
            found[name] = x
        return found

    @classmethod
    def load(cls, path: Path) -> ContentEncoder:
        """Reads what this module trained; frozen.

        Raises:
            InputError: the file is missing.
        """
        if not path.is_file():
            raise InputError(f"{path} is missing", "train it: python -m models.unlabelled")
        net = cls()
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return net.eval().requires_grad_(False)


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False, padding_mode="replicate")
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU())


def changed(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Pictures [N, 3, H, W] in other colors, contrast, sharpness and with noise; nothing moves."""
    count = len(pictures)

    def drawn(*shape: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=random)

    mixed = torch.eye(3) + drawn(3, 3, low=-0.4, high=0.4)
    mixed = mixed / mixed.sum(2, keepdim=True).clamp_min(0.3)
    x = torch.einsum("nij,njhw->nihw", mixed, pictures)
    x = x.clamp(1e-3, 1.0) ** drawn(1, 1, 1, low=0.6, high=1.6)
    x = 0.5 + (x - 0.5) * drawn(1, 1, 1, low=0.5, high=1.3) + drawn(3, 1, 1, low=-0.15, high=0.15)
    blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.lerp(x, blurred, drawn(1, 1, 1, low=0.0, high=1.0))
    noise = torch.randn(x.shape, generator=random) * drawn(1, 1, 1, low=0.0, high=0.06)
    return (x + noise).clamp(0.0, 1.0)


def agreement_loss(one: Tensor, other: Tensor) -> Tensor:
    """VICReg of places [M, D]: pairs agree, dimensions vary (above 1), and don't repeat others."""
    invariance = F.mse_loss(one, other)
    variance, covariance = torch.zeros(()), torch.zeros(())
    for z in (one, other):
        variance = variance + F.relu(1.0 - (z.var(0) + 1e-4).sqrt()).mean() / 2
        centered = z - z.mean(0)
        matrix = centered.T @ centered / (len(z) - 1)
        apart = matrix.square().sum() - matrix.diagonal().square().sum()
        covariance = covariance + apart / z.shape[1]
    weights = zip(_VICREG, (invariance, variance, covariance), strict=True)
    return torch.stack([weight * value for weight, value in weights]).sum()


def places_of(features: Tensor, places: Tensor) -> Tensor:
    """Features [N * K, C] of [N, C, h, w] at places [N, K] of the flattened grid."""
    flat = features.flatten(2).transpose(1, 2)
    return flat.gather(1, places.unsqueeze(2).expand(-1, -1, flat.shape[2])).flatten(0, 1)


def train(
    draw: Callable[[], Tensor], steps: int = STEPS, say: Callable[[str], None] = tell
) -> ContentEncoder:
    """An encoder, trained on batches of crops [N, 3, S, S]; the same for the same batches."""
    torch.manual_seed(_SEED)
    random = torch.Generator().manual_seed(_SEED)
    net = ContentEncoder()
    heads = nn.ModuleDict({name: nn.Linear(width, _DIMENSIONS) for name, width in _WIDTHS.items()})
    trained = [*net.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(trained, _RATE, weight_decay=1e-4)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, steps)
    for step in range(1, steps + 1):
        crops = draw()
        views = [net(changed(crops, random)) for _ in range(2)]
        losses = []
        for name, head in heads.items():
            one, other = (view[name] for view in views)
            size = one.shape[2] * one.shape[3]
            places = torch.randint(size, (len(crops), min(_PLACES, size)), generator=random)
            losses.append(agreement_loss(*(head(places_of(x, places)) for x in (one, other))))
        loss = torch.stack(losses).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
        if step % 50 == 0 or step == steps:
            say(f"step {step} loss {loss.item():.3f}")
    return net.eval().requires_grad_(False)


@torch.no_grad()
def found_again(net: nn.Module, pictures: Sequence[Tensor], layer: str, places: int = 32) -> float:
    """Share of places whose nearest among all, in changed pictures, is themselves.

    Args:
        net: gives `Features`.
        pictures: [1, 3, S, S] each, of one size.
        layer: of the features.
        places: of each picture, drawn once.
    """
    random = torch.Generator().manual_seed(_SEED)
    batch = torch.cat(list(pictures))
    one, other = (
        F.normalize(_centered(net(x)[layer]), dim=1) for x in (batch, changed(batch, random))
    )
    where = torch.stack(
        [torch.randperm(one.shape[2] * one.shape[3], generator=random)[:places] for _ in pictures]
    )
    asked, among = (places_of(x, where) for x in (one, other))
    return float(((asked @ among.T).argmax(1) == torch.arange(len(asked))).float().mean())


def _centered(x: Tensor) -> Tensor:
    return x - x.mean((0, 2, 3), keepdim=True)


def judged(nets: Mapping[str, nn.Module], pictures: Sequence[Tensor]) -> str:
    """A table: share of places found again, by network and layer."""
    lines = [
        "| features | " + " | ".join(f"stride {4 << i}" for i in range(len(CONTENT_LAYERS))) + " |",
        "| --- |" + " ---: |" * len(CONTENT_LAYERS),
    ]
    for name, net in nets.items():
        cells = [f"{found_again(net, pictures, layer):.0%}" for layer in CONTENT_LAYERS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--judge", type=Path, metavar="5SE.pt", help="beside these weights of VGG")
    args: Any = parser.parse_args(argv)
    torch.set_num_threads(1)
    with aloud():
        net = trained_on(args.images, args.out, args.steps)
        if args.judge:
            # Here, as what trains runs in boxes without a package that opens pictures.
            from iast_export.pictures.images import to_tensor
            from models.evaluation.sample import draw_sample

            photographs = draw_sample(args.images, 256, 8, 0, 1, None).photographs
            pictures = [torch.from_numpy(to_tensor(one.rgb)) for one in photographs]
            nets = {"unlabelled": net, "distilled VGG": DistilledVgg.load(args.judge)}
            print(judged(nets, pictures))


def trained_on(images: Path, out: Path, steps: int = STEPS) -> ContentEncoder:
    """The encoder in `out`, trained on the training photographs where it is not there yet."""
    if not out.is_file():
        store = CropStore(training_files(images)[0], _CROP_PX, torch.device("cpu"))
        rng = np.random.default_rng(_SEED)
        net = train(lambda: store.batch(_BATCH, rng, 0.45), steps)
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(out) as path:
            torch.save(net.state_dict(), path)
    return ContentEncoder.load(out)


if __name__ == "__main__":
    main()
