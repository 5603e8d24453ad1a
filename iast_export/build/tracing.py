"""What both conversions of a network need: something to trace it on, proof that it is the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iast_export.build.request import Build
from iast_export.environment import versions
from iast_export.errors import InputError, ToolError
from iast_export.network.adapters import StyleNetwork
from iast_export.network.brought import Brought, author_of
from iast_export.network.contract import check_contract
from iast_export.runtimes.parity import PARITY_TOLERANCE, ROUNDINGS, parity_error
from iast_export.runtimes.pytorch import TorchSession
from iast_export.specs import STRENGTH, STYLE_ENCODER_SIDE_PX, check_plan


def traced_params(build: Build) -> dict[str, Any]:
    """What decides the FP32 files of a build, beside the checkpoint."""
    return {
        "network": build.request.network,
        "network_sha256": build.network_sha256,
        "name": build.recipe.name,
        "tiers": [tier.id for tier in build.tiers],
        "versions": versions(),
    }


def hold_to_contract(build: Build) -> None:
    """Refuses a network that breaks the contract, before anything is exported.

    Raises:
        RecipeError: a depth plan that the network can't serve.
        InputError: see `check_contract`.
    """
    check_plan(build.tiers, build.network.depths, build.network.size_multiple_px)
    build.progress("try the network", 0, 1)
    largest_px = max(tier.max_side_px for tier in build.tiers)
    depths = [tier.depth for tier in build.tiers]
    check_contract(build.network, depths, largest_px, build.load_network)
    build.progress("try the network", 1, 1)


class StyleEncoderModule(nn.Module):
    """`encode_style` without the user's strength, as a module: [1, 3, H, W] -> codes.

    It is the network's `style_encoder` where it has such a module, else its `encode_style`.

    Attributes:
        names: of the codes.
    """

    def __init__(self, network: StyleNetwork) -> None:
        super().__init__()
        encoder = getattr(network, "style_encoder", None)
        self.encoder = copy.deepcopy(encoder) if isinstance(encoder, nn.Module) else None
        self.network = None if self.encoder is not None else author_of(network)  # its weights
        self.encode = network.encode if isinstance(network, Brought) else network.encode_style
        self.names = tuple(name for name in network.code_shapes if name != STRENGTH)
        self.kept = [i for i, name in enumerate(network.code_shapes) if name != STRENGTH]

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        if self.encoder is not None:
            result = self.encoder(style)
            return tuple(result) if isinstance(result, (tuple, list)) else (result,)
        codes = self.encode(style)
        return tuple(codes[i] for i in self.kept)


def pseudo_photograph(height_px: int, width_px: int) -> NDArray[np.float32]:
    """A picture [1, 3, H, W] in [0, 1] with slopes, edges and grain; always the same for a size."""
    rows = np.linspace(0.0, 1.0, height_px, dtype=np.float32)[:, None]
    columns = np.linspace(0.0, 1.0, width_px, dtype=np.float32)[None, :]
    waves = [np.sin((3 + 2 * c) * rows + (5 - c) * columns * columns + c) for c in range(3)]
    edges = ((rows * 5).astype(np.int32) + (columns * 7).astype(np.int32)) % 2
    grain = np.random.default_rng(height_px * 10007 + width_px).normal(
        0.0, 0.04, (3, height_px, width_px)
    )
    picture = 0.45 + 0.3 * np.stack(waves) + 0.2 * edges + grain
    levels = np.floor(np.clip(picture, 0.0, 1.0) * 255.0 + 0.5)
    return np.ascontiguousarray(levels[None].astype(np.float32) / np.float32(255.0))


def pseudo_artwork() -> NDArray[np.float32]:
    """A picture in the size that a style encoder takes."""
    return pseudo_photograph(STYLE_ENCODER_SIDE_PX, STYLE_ENCODER_SIDE_PX)


def example_codes(network: StyleNetwork) -> dict[str, Tensor]:
    """The codes of a generated artwork, by name.

    Raises:
        InputError: `encode_style` and `code_shapes` don't agree.
    """
    with torch.inference_mode(False), torch.no_grad():
        codes = network.encode_style(torch.from_numpy(pseudo_artwork()))
    shapes = [tuple(code.shape) for code in codes]
    needed = [tuple(shape) for shape in network.code_shapes.values()]
    if shapes != needed:
        raise InputError(
            f"encode_style returned shapes {shapes}, code_shapes says {needed}",
            "return the codes in the order and the shapes of code_shapes",
        )
    return {
        name: code.detach().float() for name, code in zip(network.code_shapes, codes, strict=True)
    }


def checked_parity(
    what: str,
    reference: TorchSession,
    feeds: Mapping[str, Any],
    got: Mapping[str, Any],
    hint: Callable[[], str] = lambda: "",
) -> float:
    """`parity_error` of a file's outputs to PyTorch's, by name.

    Where it is above the tolerance, PyTorch's own distance to float64 says what is rounding: a
    network that divides by small deviations is as far from itself.

    Args:
        what: the file's part, for messages.
        reference: the module in PyTorch.
        feeds: its inputs by name.
        got: the file's outputs for them.
        hint: names the operator where it begins, or nothing; asked only then.

    Raises:
        ToolError: it is above both, or not a number.
    """
    wanted = reference.run(feeds)
    difference = parity_error(wanted, got)
    if difference <= PARITY_TOLERANCE:
        return difference
    own = parity_error(reference.run_exactly(feeds), wanted)
    if difference <= ROUNDINGS * own < float("inf"):
        return difference
    sides = np.shape(feeds[reference.input_names[0]])[2:]
    raise ToolError(
        f"{what} differs from PyTorch by {difference:.3g} of an output's scale at "
        f"{' x '.join(map(str, sides))} px, allowed {PARITY_TOLERANCE:.0e}; PyTorch's own rounding "
        f"is {own:.1g}{f'; it begins at {place}' if (place := hint()) else ''}",
        "look for layers whose result depends on the size, values that overflow and "
        "operators of unsupported modes, or report the network",
    )
