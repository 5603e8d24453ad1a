"""The styles of a network: encoded from pictures, or the one that it has trained in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from iast_export.bundle.styles import Style, encoded_styles
from iast_export.errors import InputError
from iast_export.metrics.style import style_statistics
from iast_export.network.user_code import calling
from iast_export.pictures.images import Rgb, center_square, pad_to_multiple, to_levels, to_tensor
from iast_export.specs import STYLE_ENCODER_SIDE_PX, style_codes_of

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

# The style of a network that has one trained in and takes no code.
BUILT_IN = "built-in"


def styles_of(network: StyleNetwork, folder: Path | None, photograph: Rgb) -> list[Style]:
    """The styles of a network: encoded from pictures, or the one that it has trained in.

    Args:
        network: as loaded.
        folder: of style pictures; None: those that the project draws.
        photograph: [H, W, 3] that a trained-in style is shown on, to be judged by.

    Raises:
        InputError: see `encoded_styles`; or a folder for a network that takes no code.
    """
    if style_codes_of(network.code_shapes):
        return encoded_styles(network, folder)
    if folder is not None:
        raise InputError(
            f"the network takes no code: its one style is trained in, and {folder} has no use",
            "leave --styles out",
        )
    return [_built_in(network, photograph)]


def _built_in(network: StyleNetwork, photograph: Rgb) -> Style:
    """The trained-in style; with no artwork to compare with, the network's own picture is one."""
    square = center_square(photograph, STYLE_ENCODER_SIDE_PX)
    multiple = network.size_multiple_px
    content = torch.from_numpy(to_tensor(pad_to_multiple(square, multiple)))
    codes = [torch.ones(*shape) for shape in network.code_shapes.values()]  # of strength alone
    with torch.no_grad(), calling("forward"):
        drawn = network.cut(max(network.depths))(content, *codes)
    picture = to_levels(drawn.numpy())
    return Style(
        id=BUILT_IN,
        category=BUILT_IN,
        codes={},
        statistics=style_statistics(picture[: square.shape[0], : square.shape[1]]),
        held_out=False,
        title="the network's one style",
    )
