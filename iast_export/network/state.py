"""The weights of a cut network: where they are, of which type, finite, the same each time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from iast_export.errors import InputError
from iast_export.network.watching import hidden_modules

# An ONNX file is one protobuf message, which ends at 2 GiB; a tenth is left for the graph.
_MOST_BYTES = 1_900_000_000
_MOST_TENSOR_BYTES = (
    256_000_000  # of one tensor that is no weight; chosen, it would be in each tier
)


def named_tensors(module: nn.Module) -> Iterator[tuple[str, str, Tensor]]:
    """Kind, name and tensor of everything that a module computes with.

    Besides what torch registers: layers in plain lists, and tensors that are plain attributes.
    """
    for name, parameter in module.named_parameters(remove_duplicate=True):
        yield "parameter", name, parameter
    for name, buffer in module.named_buffers(remove_duplicate=True):
        yield "buffer", name, buffer
    for path, inner in hidden_modules(module):
        for kind, name, tensor in named_tensors(inner):
            yield kind, f"{path}.{name}", tensor
    for path, inner in module.named_modules():
        for key, value in vars(inner).items():
            if isinstance(value, Tensor):
                yield "tensor", f"{path}.{key}" if path else key, value


def check_state(what: str, module: nn.Module) -> None:
    """Holds every tensor of a module to have values: float32 if floats, finite, of sane size.

    Raises:
        InputError: names the first that is not.
    """
    total = 0
    for kind, name, tensor in named_tensors(module):
        where = f"{what}: the {kind} {name}"
        if tensor.device.type == "meta":
            raise InputError(
                f"{where} has no values: it is on the meta device",
                "make the network on the CPU, or fill it with "
                "`load_state_dict(torch.load(path), assign=True)`",
            )
        if tensor.device.type != "cpu":
            raise InputError(
                f"{where} is on {tensor.device}, the cpu was needed",
                "end the factory with `network.cpu()`, and load with `map_location='cpu'`",
            )
        _check_values(where, tensor)
        size = tensor.numel() * tensor.element_size()
        if kind == "tensor" and size > _MOST_TENSOR_BYTES:
            raise InputError(
                f"{where} of shape {list(tensor.shape)} is a constant of {size / 1e6:,.0f} MB, at "
                f"most {_MOST_TENSOR_BYTES / 1e6:,.0f} MB can be written into every file",
                "compute it in forward from the picture's size, or make it smaller",
            )
        total += size
    if total > _MOST_BYTES:
        raise InputError(
            f"{what} holds {total / 1e9:.2f} GB of weights, an ONNX file ends at 2 GB",
            "use a narrower network; what encodes the style alone does not belong into the cut",
        )


def differing(one: nn.Module, two: nn.Module) -> str:
    """The first parameter or buffer that two modules have not alike; empty where all are."""
    first, second = (dict(_kept(module)) for module in (one, two))
    for name in dict.fromkeys((*first, *second)):
        if name not in first or name not in second or not _same(first[name], second[name]):
            return name
    return ""


def _kept(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What is not written anew with every run, as some plain attributes are."""
    return ((name, tensor) for kind, name, tensor in named_tensors(module) if kind != "tensor")


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers of a module, by name."""
    return {name: tensor.detach().clone() for name, tensor in _kept(module)}


def _same(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and bool(torch.isclose(one, two, 0, 0, equal_nan=True).all())


def _check_values(where: str, tensor: Tensor) -> None:
    if not tensor.is_floating_point():
        if tensor.is_complex():
            raise InputError(
                f"{where} is {tensor.dtype}, no runtime takes complex numbers",
                "keep real and imaginary parts as two float32 tensors",
            )
        return
    if tensor.dtype != torch.float32:
        raise InputError(
            f"{where} is {tensor.dtype}, torch.float32 was needed",
            "end the factory with `network.float()`; what computes in 16 or 8 bits, `build` makes",
        )
    if not bool(torch.isfinite(tensor).all()):
        raise InputError(
            f"{where} holds NaN or infinity",
            "take an earlier checkpoint of the training, or check how it is loaded",
        )
