"""A network as its author wrote it, behind the protocol as the toolkit uses it.

What costs no judgment is done here, once: names that files can't have are replaced, a declared
value range is converted to [0, 1], gradients and training are switched off, and what the author's
code raises is shown at its own line. What needs judgment, `contract` refuses.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from iast_export.errors import InputError
from iast_export.network.facts import Facts, read_facts
from iast_export.network.user_code import calling
from iast_export.network.watching import hidden_modules
from iast_export.specs import STRENGTH

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

ZERO_TO_ONE = (0.0, 1.0)


class Brought:
    """A `StyleNetwork` around one of a user's.

    Attributes:
        author: the user's own object.
        facts: what it says of itself.
    """

    def __init__(self, author: StyleNetwork) -> None:
        """Reads the facts.

        Raises:
            InputError: see `read_facts`.
        """
        self.author = author
        self.facts: Facts = read_facts(author)

    @property
    def depths(self) -> tuple[int, ...]:
        return self.facts.depths

    @property
    def size_multiple_px(self) -> int:
        return self.facts.size_multiple_px

    @property
    def code_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return self.facts.code_shapes

    @property
    def style_encoder(self) -> nn.Module | None:
        """The author's encoder as a module; None where `encode_style` is all there is."""
        found = getattr(self.author, "style_encoder", None)
        if not isinstance(found, nn.Module):
            return None
        return found if self._is_plain else _Ranged(found, self.facts.value_range, gives=False)

    def cut(self, depth: int) -> nn.Module:
        """A module of its own, in eval mode and without gradients: [0, 1] to [0, 1].

        Raises:
            InputError: the author's `cut` raised, or returned no module.
        """
        with calling(f"cut({depth})"):
            module: Any = self.author.cut(depth)
        if not isinstance(module, nn.Module):
            raise InputError(
                f"cut({depth}) returned {kind_of(module)}, a torch module was needed",
                "return an nn.Module whose forward(content, *codes) gives the picture, for example "
                "`return copy.deepcopy(self.transfer)`",
            )
        return self._quiet(_apart(module, self.author))

    def _quiet(self, module: nn.Module) -> nn.Module:
        """The module in eval mode and without gradients, between pictures in [0, 1]."""
        for one in (module, *(inner for _, inner in hidden_modules(module))):
            one.eval().requires_grad_(False)
        if self._is_plain:
            return module
        return _Ranged(module, self.facts.value_range, gives=True).eval()

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """The codes of an artwork [1, 3, H, W] in [0, 1], as `code_shapes` promises them.

        Raises:
            InputError: the author's code raised, or returned something else.
        """
        return checked_codes(self.facts, self.encode(style))

    def encode(self, style: Tensor) -> Any:
        """What the author's `encode_style` returns, as it is."""
        low, high = self.facts.value_range
        picture = style if self._is_plain else style * (high - low) + low
        with torch.no_grad(), calling("encode_style"):
            return self.author.encode_style(picture)

    @property
    def _is_plain(self) -> bool:
        return self.facts.value_range == ZERO_TO_ONE


class _Ranged(nn.Module):
    """A module that takes pictures of another range, behind pictures in [0, 1]."""

    def __init__(self, inner: nn.Module, ends: tuple[float, float], *, gives: bool) -> None:
        super().__init__()
        self.inner = inner
        self.low, self.span, self.gives = ends[0], ends[1] - ends[0], gives

    def forward(self, picture: Tensor, *codes: Tensor) -> Any:
        result = self.inner(picture * self.span + self.low, *codes)
        return (result - self.low) / self.span if self.gives else result


def author_of(network: object) -> object:
    """The object that the author's factory made."""
    return network.author if isinstance(network, Brought) else network


def checked_codes(facts: Facts, codes: Any) -> tuple[Tensor, ...]:
    """`codes` without gradients, if they are what the facts promise.

    Raises:
        InputError: their number, kind, shape, type, device or values differ.
    """
    shapes = facts.code_shapes
    example = ", ".join(facts.own_names.values())
    if not isinstance(codes, (tuple, list)):
        raise InputError(
            f"encode_style returned {kind_of(codes)}, a tuple of one tensor per code was needed",
            f"write `return ({example},)`" if len(shapes) == 1 else f"write `return {example}`",
        )
    if len(codes) != len(shapes):
        raise InputError(
            f"encode_style returned {len(codes)} codes, code_shapes names {len(shapes)}: {example}",
            f"write `return ({example}{',' if len(shapes) == 1 else ''})`, in code_shapes' order",
        )
    for name, shape, code in zip(facts.own_names.values(), shapes.values(), codes, strict=True):
        _check_code(name, shape, code)
    return tuple(code.detach() for code in codes)


def _check_code(name: str, shape: Sequence[int], code: Any) -> None:
    if not isinstance(code, Tensor):
        raise InputError(
            f"encode_style returned {kind_of(code)} for the code {name}, a tensor was needed",
            "return tensors, for example `x.mean((2, 3), keepdim=True)`",
        )
    if tuple(code.shape) != tuple(shape):
        raise InputError(
            f"encode_style returned {tuple(code.shape)} for the code {name}, code_shapes says "
            f"{tuple(shape)}",
            f'write `"{name}": {tuple(code.shape)}` in code_shapes, or let encode_style keep to it '
            "for an artwork of 256 x 256 px",
        )
    if code.dtype != torch.float32 or code.device.type != "cpu":
        raise InputError(
            f"encode_style returned {code.dtype} on {code.device} for the code {name}, "
            "torch.float32 on the cpu was needed",
            "bring the network there in the factory: `network.float().cpu()`",
        )
    if not bool(torch.isfinite(code).all()):
        raise InputError(
            f"encode_style returned NaN or infinity for the code {name}",
            "look for a division by a deviation of 0 or a root of less than 0; add 1e-5 there",
        )
    if name == STRENGTH and not bool((code == 1).all()):
        raise InputError(
            f"encode_style returned {code.tolist()} for the code {STRENGTH}, 1 was needed",
            "write `torch.ones(1, 1)` for it: --strength replaces it",
        )


def tensors_of(holder: object) -> Iterator[Tensor]:
    """Every tensor of a module, or of the modules and tensors that an object holds."""
    if isinstance(holder, nn.Module):
        yield from holder.parameters()
        yield from holder.buffers()
    elif isinstance(holder, Tensor):
        yield holder
    elif isinstance(holder, (list, tuple, dict)):
        for one in holder.values() if isinstance(holder, dict) else holder:
            yield from tensors_of(one)
    elif hasattr(holder, "__dict__") and not isinstance(holder, type):
        for one in vars(holder).values():
            if isinstance(one, (nn.Module, Tensor, list, tuple, dict)):
                yield from tensors_of(one)


def _apart(module: nn.Module, author: object) -> nn.Module:
    """The module, copied where it shares tensors with the author's network.

    Folding and converting write into it.
    """
    own = {tensor.data_ptr() for tensor in tensors_of(author) if tensor.numel()}
    shares = any(one.data_ptr() in own for one in tensors_of(module) if one.numel())
    if not shares and module is not author:
        return module
    with calling("copying what cut() returned", "return a new module, a deep copy"):
        return copy.deepcopy(module)


def kind_of(value: object) -> str:
    """What a value is, in words: "a function", "nothing (None)"."""
    name = type(value).__name__
    return (
        "nothing (None)" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
    )
