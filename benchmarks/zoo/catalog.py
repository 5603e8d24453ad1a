"""Which networks there are, and where weights of their authors lie if someone has them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

Width = Literal["tiny", "real"]


@dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes:
        name: of its module.
        title: as people call it.
        weights: file of trained weights below the data folder; None for a seed's.
        learns: `benchmarks.zoo.teach` has something to teach it: not every weight is its authors'.
    """

    name: str
    title: str
    weights: str | None = None
    learns: bool = True

    def target(self, width: Width) -> str:
        """What `--network` takes."""
        made = "tiny" if width == "tiny" else "factory"
        return f"benchmarks.zoo.networks.{self.name}:{made}"

    def taught(self, folder: Path) -> Path:
        """Where `benchmarks.zoo.teach` keeps what it learned."""
        return folder / f"{self.name}.safetensors"

    def checkpoint(self, width: Width, data: Path) -> Path | None:
        """Its authors' weights at real width, where they are there."""
        if self.weights is None or width == "tiny":
            return None
        file = data / "weights" / self.weights
        return file if file.is_file() else None

    def made(self, checkpoint: Path | None) -> Any:
        """The network at real width, to be trained: nothing in it is frozen or checked."""
        return import_module(f"benchmarks.zoo.networks.{self.name}").factory(checkpoint)


ENTRIES = (
    Entry("johnson", "fast neural style", "fast_neural_style/candy.npz", learns=False),
    Entry("animegan", "AnimeGANv2"),
    Entry("whitebox", "White-box cartoon, guided filter"),
    Entry("adain", "AdaIN with VGG", "vgg19_16x_distilled/4SE.pt", learns=False),
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
