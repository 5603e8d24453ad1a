"""Cutting a tier's network out of any `StyleNetwork`, and checking what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from iast_export.errors import InputError
from iast_export.network.adapters import StyleNetwork
from iast_export.specs import STRENGTH, Tier

# Of size_multiple_px, at least: a side that reflections of several layers fit into.
_PROBE_MULTIPLES = 16
_CONTRACT = "make `cut` follow the StyleNetwork protocol"


def cut(network: StyleNetwork, tier: Tier) -> nn.Module:
    """A new static module for the tier: forward(content, *codes) -> picture of the content's size.

    The result is in eval mode with no gradient, shares no tensor with an earlier cut, and was run
    once on a small non-square picture.

    Raises:
        InputError: the network breaks the `StyleNetwork` protocol: not a new module, or an output
            of another shape, type or with NaN or infinity.
    """
    if tier.depth not in network.depths:
        raise InputError(
            f"tier {tier.id}: depth {tier.depth} is not one of {tuple(network.depths)}",
            "choose a depth that the network can be cut to",
        )
    module = network.cut(tier.depth)
    if not isinstance(module, nn.Module):
        raise InputError(
            f"cut({tier.depth}) returned a {type(module).__name__}, not a torch module", _CONTRACT
        )
    _check_new(network, module, tier)
    module = module.eval().requires_grad_(False)
    step = network.size_multiple_px
    side = -(-_PROBE_MULTIPLES // step) * step
    _check_output(module, probe_inputs(network, side, side + step), tier)
    return module


def probe_inputs(network: StyleNetwork, height_px: int, width_px: int) -> tuple[Tensor, ...]:
    """A smooth content [1, 3, H, W] in [0, 1] and the codes of a plain style, `strength` 1.

    Deterministic: for tracing and checks, never for accuracy or calibration.
    """
    rows = torch.linspace(0.0, 1.0, height_px).view(1, 1, -1, 1)
    columns = torch.linspace(1.0, 0.0, width_px).view(1, 1, 1, -1)
    shades = torch.tensor([0.5, 0.7, 0.9]).view(1, 3, 1, 1)
    content = (shades * (rows + columns) / 2.0).contiguous()
    return (content, *plain_codes(network))


def plain_codes(network: StyleNetwork) -> tuple[Tensor, ...]:
    """Codes that the network itself computes for a smooth picture, checked against `code_shapes`.

    Raises:
        InputError: their number, shapes or types differ from `code_shapes`, or one is not finite.
    """
    ramp = torch.linspace(0.2, 0.8, 256)
    style = torch.stack(
        [ramp.expand(256, 256), ramp.flip(0).expand(256, 256), ramp.view(-1, 1).expand(256, 256)]
    )
    with torch.no_grad():
        codes = network.encode_style(style.unsqueeze(0).contiguous())
    return check_codes(network.code_shapes, codes)


def check_codes(
    shapes: Mapping[str, tuple[int, ...]], codes: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """`codes`, if they are what `code_shapes` promises.

    Raises:
        InputError: their number, shapes or types differ, one is not finite, or `strength` is not 1.
    """
    if len(codes) != len(shapes):
        raise InputError(
            f"encode_style returned {len(codes)} codes, code_shapes names {len(shapes)}: "
            f"{', '.join(shapes)}",
            "return one tensor per entry of code_shapes, in its order",
        )
    for (name, shape), code in zip(shapes.items(), codes, strict=True):
        if tuple(code.shape) != tuple(shape) or code.dtype != torch.float32:
            raise InputError(
                f"code {name} is {list(code.shape)} {code.dtype}, not {list(shape)} torch.float32",
                "make encode_style and code_shapes agree",
            )
        if not torch.isfinite(code).all():
            raise InputError(f"code {name} holds NaN or infinity", "check the network's weights")
        if name == STRENGTH and not bool((code == 1).all()):
            raise InputError(
                f"encode_style returned {code.tolist()} for {STRENGTH}, 1 was needed", _CONTRACT
            )
    return tuple(codes)


def parity(left: nn.Module, right: nn.Module, inputs: Sequence[Tensor]) -> float:
    """Largest absolute difference between two modules' outputs on the same inputs.

    Raises:
        InputError: outputs of different shape, or NaN or infinity in one.
    """
    with torch.no_grad():
        first, second = left(*inputs), right(*inputs)
    if first.shape != second.shape:
        raise InputError(
            f"outputs of {list(first.shape)} and {list(second.shape)} can't be compared", _CONTRACT
        )
    difference = float((first - second).abs().max())
    if difference != difference or difference == float("inf"):
        raise InputError("an output holds NaN or infinity", "check the network's weights")
    return difference


def _check_new(network: StyleNetwork, module: nn.Module, tier: Tier) -> None:
    """Refuses a cut that hands out the network itself or tensors that it keeps using."""
    original: object = network
    if module is original:
        raise InputError(
            f"cut({tier.depth}) returned the network itself", "return a new module, a copy"
        )
    own = {tensor.data_ptr() for tensor in _tensors(network)}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.numel() and tensor.data_ptr() in own:
            raise InputError(
                f"cut({tier.depth}) shares the tensor {name} with the network",
                "return a new module, a deep copy",
            )


def _tensors(network: object) -> list[Tensor]:
    if not isinstance(network, nn.Module):
        return []
    return [t for t in [*network.parameters(), *network.buffers()] if t.numel()]


def _check_output(module: nn.Module, inputs: Sequence[Tensor], tier: Tier) -> None:
    with torch.no_grad():
        output = module(*inputs)
    content = inputs[0]
    if (
        not isinstance(output, Tensor)
        or output.shape != content.shape
        or output.dtype != torch.float32
    ):
        found = (
            f"{list(output.shape)} {output.dtype}"
            if isinstance(output, Tensor)
            else type(output).__name__
        )
        raise InputError(
            f"cut({tier.depth}) maps a picture {list(content.shape)} to {found}, the same shape "
            "and float32 were needed",
            "check size_multiple_px and the network's padding",
        )
    if not torch.isfinite(output).all():
        raise InputError(f"cut({tier.depth}) gives NaN or infinity", "check the network's weights")
