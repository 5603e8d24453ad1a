"""Which networks there are, and where weights of their authors lie if someone has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Width = Literal["tiny", "real"]


@dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes:
        name: of its module.
        title: as people call it.
        weights: file of trained weights below the data folder; None for a seed's.
    """

    name: str
    title: str
    weights: str | None = None

    def target(self, width: Width) -> str:
        """What `--network` takes."""
        made = "tiny" if width == "tiny" else "factory"
        return f"benchmarks.zoo.networks.{self.name}:{made}"

    def checkpoint(self, width: Width, data: Path) -> Path | None:
        """Its trained weights at real width, where they are there."""
        if self.weights is None or width == "tiny":
            return None
        file = data / "weights" / self.weights
        return file if file.is_file() else None


ENTRIES = (
    Entry("johnson", "fast neural style", "fast_neural_style/candy.npz"),
    Entry("animegan", "AnimeGANv2"),
    Entry("whitebox", "White-box cartoon, guided filter"),
    Entry("adain", "AdaIN with VGG", "vgg19_16x_distilled/4SE.pt"),
    Entry("sanet", "SANet", "vgg19_16x_distilled/5SE.pt"),
    Entry("linear", "linear style transfer", "vgg19_16x_distilled/3SE.pt"),
    Entry("msgnet", "MSG-Net"),
    Entry("stargan", "StarGANv2-like"),
    Entry("conditional", "conditional instance norm"),
    Entry("mobilenet", "MobileNetV3-style transfer"),
    Entry("transposed", "transposed convolutions (CycleGAN's generator)"),
    Entry("convnext", "ConvNeXt-like"),
    Entry("bilateral", "bilateral grid (HDRNet-like)"),
    Entry("attention", "attention blocks (StyTr2-like)"),
    Entry("pyramid", "two resolutions (LapStyle-like)"),
)
