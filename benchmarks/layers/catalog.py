"""Which networks of layers there are; each is a factory of this module, for `--network`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.layers import attentive, convolutional
from benchmarks.zoo.adapter import Adapter
from benchmarks.zoo.seeds import seeded


@dataclass(frozen=True)
class Entry:
    """A network.

    Attributes:
        what: is in it.
        module: its class, of weights by the seed.
        size_multiple_px: of a picture's sides.
        style: the class of what makes its codes, which `module.code_shapes` names; None: it has
            one style.
    """

    what: str
    module: type[nn.Module]
    size_multiple_px: int
    style: type[nn.Module] | None = None

    def made(self, checkpoint: Path | None) -> Adapter:
        """The network; there are no trained weights, so `checkpoint` is None."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            transfer = seeded(self.module(), 3)
            style = seeded(self.style(), 4) if self.style else None
        shapes = getattr(self.module, "code_shapes", None)
        return Adapter(transfer, self.size_multiple_px, shapes, style)


_C, _A = convolutional, attentive
ENTRIES: Mapping[str, Entry] = {
    "hourglass": Entry("maxima over edges, transposed convolutions, skips", _C.Hourglass, 4),
    "dense": Entry("dense blocks, residuals, pixels taken apart", _C.Dense, 2),
    "gated": Entry("layer norms of channels, products of halves", _C.Gated, 1),
    "inverted": Entry("patches, 7x7 depthwise, response norm", _C.Inverted, 4),
    "wavelet": Entry("Haar's wavelets, circular padding", _C.Wavelet, 2),
    "shuffled": Entry("channel shuffle, bicubic enlarging, 9x9", _C.Shuffled, 4),
    "pyramid": Entry("a blur, details, a choice by brightness", _C.Pyramid, 2),
    "maxima": Entry("edges filled with infinity, overlapping maxima", _C.Maxima, 2),
    "positions": Entry("rows and columns of kernels, dilation, coordinates", _C.Positions, 1),
    "functions": Entry("extremes of the picture, floor, powers, logarithms", _C.Functions, 1),
    "padded": Entry("pads itself to a multiple of 4, which it tells", _C.Padded, 4),
    "padded-untold": Entry("the same, and tells a multiple of 1", _C.Padded, 1),
    "channels": Entry("attention of channels and pixels", _A.Channels, 1),
    "coordinates": Entry("attention of rows and columns", _A.Coordinates, 1),
    "transposed": Entry("attention among channels", _A.Transposed, 1),
    "windows": Entry("attention in shifted windows", _A.Windows, 8),
    "everywhere": Entry("attention to a coarser picture", _A.Everywhere, 8),
    "neighbors": Entry("computed weights of nine neighbors (unfold)", _A.Neighbors, 1),
    "filtered": Entry("filters set by the style", _A.Filtered, 2, _A.FilteredStyle),
    "refined": Entry("one block three times, a label", _A.Refined, 1, _A.RefinedStyle),
    "spatial": Entry("gains for each pixel, batch norm's own", _A.Spatial, 2, _A.SpatialStyle),
    "palette": Entry("local response norm, mixed colors", _A.Palette, 1, _A.PaletteStyle),
    "fourier": Entry("Fourier transforms", _C.Fourier, 2),
    "unpooled": Entry("unpooling", _C.Unpooled, 2),
    "dilated": Entry("maxima of windows with holes", _C.Dilated, 2),
}


def __getattr__(name: str) -> Callable[[Path | None], Adapter]:
    key = name.replace("_", "-")
    if key not in ENTRIES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return ENTRIES[key].made
