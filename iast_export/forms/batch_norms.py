"""Batch normalization folded into the convolution before it, in PyTorch, before any export.

Both converters fold by themselves, each with its own rounding. Folded here, a filter has the same
bytes in ONNX and in TFLite, and what is learned for it by its content (`quantize.rounding`,
`quantize.equalize`) reaches both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

M = TypeVar("M", bound=nn.Module)


class _Uses(TorchFunctionMode):
    """Counts how many operators read each of the tensors that are kept, by their identity."""

    def __init__(self, kept: Container[int]) -> None:
        super().__init__()
        self.kept, self.counts = kept, Counter[int]()

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.counts.update({id(one) for one in args if id(one) in self.kept})
        return result


def fold_batch_norms(module: M, *example: Tensor) -> M:
    """The module, changed in place: an `nn.BatchNorm2d` that alone reads an `nn.Conv2d` is folded.

    Args:
        module: in eval mode, its own copy.
        example: inputs of one forward pass, which shows what reads what.
    """
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    found: list[tuple[nn.Conv2d, nn.BatchNorm2d, int]] = []
    calls: Counter[nn.Module] = Counter()

    def after(conv: nn.Conv2d, _inputs: Any, output: Tensor) -> None:
        made[id(output)] = conv, output
        calls[conv] += 1

    def before(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        calls[norm] += 1
        if id(inputs[0]) in made:
            found.append((made[id(inputs[0])][0], norm, id(inputs[0])))

    hooks = []
    for one in module.modules():
        if isinstance(one, nn.Conv2d):
            hooks.append(one.register_forward_hook(partial(after)))
        elif isinstance(one, nn.BatchNorm2d) and not one.training and one.running_var is not None:
            hooks.append(one.register_forward_pre_hook(partial(before)))
    with torch.no_grad(), _Uses(made) as uses:
        module(*example)
    for hook in hooks:
        hook.remove()
    for conv, norm, result in found:
        if calls[conv] == calls[norm] == uses.counts[result] == 1:
            _fold(conv, norm)
            _replace(module, norm, nn.Identity())
    return module


@torch.no_grad()
def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None and norm.running_var is not None
    variance, mean = norm.running_var.double(), norm.running_mean.double()
    gain = norm.weight.double() if norm.weight is not None else torch.ones_like(mean)
    scale = gain / torch.sqrt(variance + norm.eps)
    bias = conv.bias.double() if conv.bias is not None else torch.zeros_like(mean)
    shift = norm.bias.double() if norm.bias is not None else torch.zeros_like(mean)
    weight = conv.weight.double() * scale[:, None, None, None]
    conv.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=False)
    folded = ((bias - mean) * scale + shift).to(conv.weight.dtype)
    conv.bias = nn.Parameter(folded, requires_grad=False)


def _replace(module: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for parent in module.modules():
        for name, child in parent.named_children():
            if child is old:
                setattr(parent, name, new)
