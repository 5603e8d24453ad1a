"""Fast neural style: one style in the weights, no code.

Johnson et al. 2016, arXiv:1603.08155, with instance normalization (Ulyanov et al. 2016,
arXiv:1607.08022), reflection padding and nearest upsampling as PyTorch's published weights have it.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.compare.fast_neural_style import FastNeuralStyle
from benchmarks.compare.fast_neural_style import factory as with_weights
from benchmarks.zoo.seeds import seeded, settle

WIDTH = 32


def network(width: int) -> FastNeuralStyle:
    """The network at any width, weights of a seed; it computes in [0, 255]."""
    made = FastNeuralStyle(width)
    seeded(made, 1)
    last = made.transfer.deconv3[1]
    settle(made.transfer, last)
    last.weight.data.mul_(255.0)
    last.bias.data.mul_(255.0).add_(127.0)
    return made


def factory(checkpoint: Path | None) -> FastNeuralStyle:
    """Published weights where an .npz is given, else a seed."""
    return with_weights(checkpoint) if checkpoint else network(WIDTH)


def tiny(checkpoint: Path | None) -> FastNeuralStyle:
    return network(4)
