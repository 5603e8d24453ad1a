"""The forms that operators take on their way from PyTorch to either runtime, and why.

Each is equal in exact arithmetic to what it stands for. They are recognized while a network runs,
where every shape is known, so that it does not matter whether a layer is a module, a function or a
product of matrices. A runtime's own forms come on top (`litert_forms`).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from iast_export.forms.grids import affine_grid, in_floats, is_number, linspace
from iast_export.forms.layouts import (
    Layout,
    View,
    are_equal,
    is_one,
    moved_layout,
    order_of,
    reshaped_layout,
)
from iast_export.forms.lookups import sampled


@dataclass(frozen=True)
class Form:
    """A form of an operator; `name` as in reports, `reason` one sentence, what it gains."""

    name: str
    reason: str


TRACED: tuple[Form, ...] = (
    Form(
        "broadcasts",
        "A sum or product repeats a small tensor by itself; written out it is a pass over memory.",
    ),
    Form(
        "positions",
        "A linear layer over positions is a 1x1 convolution, which both runtimes compute in "
        "integers.",
    ),
    Form(
        "lookups",
        "A gather moves all channels of a corner at once, where a lookup by places takes one by "
        "one, or has no operator.",
    ),
)

_PER_PAIR = frozenset(
    [
        "add",
        "div",
        "maximum",
        "minimum",
        "mul",
        "multiply",
        "rsub",
        "sub",
        "subtract",
        "true_divide",
        "__rsub__",
        "__rtruediv__",
        "__rdiv__",
    ]
)
_PER_VALUE = frozenset(
    [
        "celu",
        "dropout",
        "elu",
        "gelu",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "softplus",
        "tanh",
    ]
)


class TracedForms(TorchFunctionMode):
    """While active, operators are traced in the forms of `TRACED`; `counts` has their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._views: dict[int, View] = {}
        self._repeated: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if _changes_in_place(func, args, kwargs):
            self.forget()
            return func(*args, **kwargs)
        made = self.formed(func, args, kwargs)
        return func(*args, **kwargs) if made is None else made

    def forget(self) -> None:
        """Drops what is known of tensors, since one of them no longer holds what it did."""
        self._views.clear()
        self._repeated.clear()

    def formed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of an operator in another form; None: it has none."""
        if func is torch.linspace:
            return linspace(*args, **kwargs)
        if func is F.affine_grid:
            return affine_grid(*args, **kwargs)
        if func is F.grid_sample:
            return self._look_up(*args, **kwargs)
        if func is torch.eye and not kwargs and all(isinstance(one, int) for one in args):
            return torch.tensor(np.eye(*args).tolist())
        if func is F.normalize:
            return self._normalize(*args, **kwargs)
        along, reduced = _WHOLE.get(func, (None, None))
        whole = along(*args, **kwargs) if along is not None else ()
        if whole and reduced is not None:
            given = args[0], whole, True
            made = self.formed(reduced, given, {})
            return reduced(*given) if made is None else made
        name = str(getattr(func, "__name__", "")) if args else ""
        if not name or not isinstance(args[0], Tensor):
            return self._pair(func, args, kwargs) if name else None
        if name in ("expand", "expand_as", "broadcast_to", "repeat"):
            return self._repeat(func, args, kwargs)
        if func is F.pad and len(args) > 1 and not any(args[1]):
            return args[0]
        if name in ("chunk", "split", "split_with_sizes", "tensor_split"):
            parts = func(*args, **kwargs)
            return parts if len(parts) > 1 else (args[0],)
        if func is F.linear:
            return self._linear(*args, **kwargs)
        if func is torch.matmul or func is Tensor.matmul:
            return self._matmul(*args, **kwargs)
        if name in ("permute", "transpose", "flatten", "view", "reshape"):
            return self._lay_out(func, name, args, kwargs)
        if name in _PER_VALUE and id(args[0]) in self._views:
            view = self._views[id(args[0])]
            return self._in_layout(func(view.picture, *args[1:], **kwargs), view.layout)
        return self._pair(func, args, kwargs)

    def _repeat(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """A tensor repeated along sides of 1, of which the one before is remembered."""
        result: Tensor = func(*args, **kwargs)
        if all(is_one(a) or are_equal(a, b) for a, b in _aligned(args[0], result)):
            result = self.repeated(args[0], result)
            self._repeated[id(result)] = result, args[0]
        return result

    def repeated(self, small: Tensor, result: Tensor) -> Tensor:
        """A tensor repeated as another is, where nothing else repeats it."""
        return result

    def _normalize(
        self, input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: None = None
    ) -> Tensor:
        """Vectors divided by their lengths, which the quotient repeats."""
        self.counts["broadcasts"] += 1
        lengths: Tensor = input.norm(p, dim, keepdim=True)
        return input / lengths.clamp_min(eps)

    def _look_up(self, *args: Any, **kwargs: Any) -> Tensor | None:
        """A picture or volume looked up at places, by gathers."""
        result = sampled(*args, **kwargs)
        if result is not None:
            self.counts["lookups"] += 1
        return result

    def _pair(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
        """A sum or product of two tensors, repeated or in another layout."""
        if getattr(func, "__name__", "") not in _PER_PAIR or len(args) != 2 or "out" in kwargs:
            return None
        if (floats := in_floats(args)) is not None:
            return cast(Tensor, func(*floats, **kwargs))
        found = [self._views.get(id(item)) for item in args]
        if any(found) and (made := self._pair_in_layout(func, args, kwargs)) is not None:
            return made
        for place in (0, 1):
            small = self._repeated.get(id(args[place]), (None, None))[1]
            if small is None or not isinstance(args[1 - place], Tensor):
                continue
            if _repeats_as(small, args[place], args[1 - place]):
                operands = (small, args[1]) if place == 0 else (args[0], small)
                self.counts["broadcasts"] += 1
                result: Tensor = func(*operands, **kwargs)
                return result
        return None

    def _pair_in_layout(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor | None:
        """A sum or product in a layout, with another in the same or with a value per channel."""
        views = [self._views.get(id(item)) for item in args]
        layout = next(view.layout for view in views if view is not None)
        pictures: list[Any] = []
        for item, view in zip(args, views, strict=True):
            if view is not None and view.layout == layout:
                pictures.append(view.picture)
            elif not isinstance(item, Tensor) or item.dim() == 0:
                pictures.append(item)
            elif view is None and item.dim() == 1 and layout != "flat":
                pictures.append(item.view(-1, 1, 1))
            else:
                return None
        if not _fit(pictures):
            return None
        return self._in_layout(func(*pictures, **kwargs), layout)

    def _in_layout(self, picture: Tensor, layout: Layout) -> Tensor:
        """A picture in a layout, of which it is remembered."""
        if layout == "last":
            result = picture.permute(0, 2, 3, 1)
        else:
            result = picture.flatten(2)
            result = result.transpose(1, 2) if layout == "tokens" else result
        self._views[id(result)] = View(result, layout, picture)
        return result

    def _lay_out(
        self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        """A movement, and what layout its result is in, if one has a name."""
        result: Tensor = func(*args, **kwargs)
        source, view = args[0], self._views.get(id(args[0]))
        if name in ("permute", "transpose"):
            known = moved_layout(source, view, result, order_of(name, args, kwargs))
        else:
            known = reshaped_layout(source, view, result)
        if isinstance(known, View):
            self._views[id(result)] = known
        return known if isinstance(known, Tensor) else result

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
        """A linear layer over positions, as a convolution."""
        view = self._views.get(id(x))
        layout: Layout = "last" if x.dim() == 4 else "tokens"
        if view is not None and view.layout == layout:
            picture = view.picture
        elif x.dim() == 4 and not is_one(x.shape[1]) and not is_one(x.shape[2]):
            picture = x.permute(0, 3, 1, 2)
        else:
            return None
        self.counts["positions"] += 1
        return self._in_layout(F.conv2d(picture, weight[:, :, None, None], bias), layout)

    def _matmul(self, one: Tensor, other: Tensor) -> Tensor | None:
        """A constant matrix times a flat picture, or positions times one, as a convolution."""
        left, right = self._views.get(id(one)), self._views.get(id(other))
        layout: Layout
        if right is not None and right.layout == "flat" and one.dim() == 2:
            picture, weight, layout = right.picture, one, right.layout
        elif left is not None and left.layout != "flat" and other.dim() == 2:
            picture, weight, layout = left.picture, other.t(), left.layout
        else:
            return None
        if not isinstance(one if weight is one else other, nn.Parameter):
            return None
        self.counts["positions"] += 1
        return self._in_layout(F.conv2d(picture, weight[:, :, None, None]), layout)


def _pooled_to(x: Tensor, output_size: Any, return_indices: bool = False) -> tuple[int, ...]:
    """The side along which all of a picture is pooled, the other staying as it is."""
    if x.dim() != 4 or return_indices or not isinstance(output_size, (tuple, list)):
        return ()
    wanted = list(output_size)
    return {(None, 1): (3,), (1, None): (2,)}.get(tuple(wanted), ()) if len(wanted) == 2 else ()


def _pools_all(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[int, ...]:
    """The sides of a picture, of whatever size, where an average is taken of the whole of it."""
    sides = (kernel_size,) * 2 if is_number(kernel_size) else tuple(kernel_size)
    plain = padding in (0, (0, 0), [0, 0]) and divisor_override is None
    fits = x.dim() == 4 and len(sides) == 2 and plain
    whole = fits and all(are_equal(a, b) for a, b in zip(sides, x.shape[2:], strict=True))
    return (2, 3) if whole else ()


_WHOLE: Mapping[Any, tuple[Callable[..., tuple[int, ...]], Callable[..., Tensor]]] = {
    F.adaptive_avg_pool2d: (_pooled_to, Tensor.mean),
    F.adaptive_max_pool2d: (_pooled_to, Tensor.amax),
    F.avg_pool2d: (_pools_all, Tensor.mean),
}


def _changes_in_place(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    name = str(getattr(func, "__name__", ""))
    if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
        return True
    if kwargs.get("out") is not None or kwargs.get("inplace") is True:
        return True
    return name in _PER_VALUE and any(one is True for one in args[1:])


def _aligned(small: Tensor, large: Tensor) -> Iterator[tuple[Any, Any]]:
    """The sides of two tensors, the last ones together; what the first lacks counts as 1."""
    missing = large.dim() - small.dim()
    return zip([*[1] * missing, *small.shape], large.shape, strict=True)


def _fit(operands: Sequence[Any]) -> bool:
    """Whether sides are equal, or 1, in all tensors: rows of another length are no rows."""
    tensors = sorted((one for one in operands if isinstance(one, Tensor)), key=Tensor.dim)
    return len(tensors) < 2 or all(
        is_one(a) or is_one(b) or are_equal(a, b) for a, b in _aligned(*tensors)
    )


def _repeats_as(small: Tensor, repeated: Tensor, other: Tensor) -> bool:
    """Whether an operator on `other` repeats a tensor by itself as it was repeated."""
    if other.dim() < repeated.dim():
        return False
    sides = list(other.shape)[other.dim() - repeated.dim() :]
    pairs = zip(_aligned(small, repeated), sides, strict=True)
    return all(are_equal(a, b) or (not is_one(side)) for (a, b), side in pairs)


def in_forms(module: nn.Module) -> Counter[str]:
    """Changes a module in place, so that its forward pass is traced in `TRACED`.

    Its parameters keep their names, as they would not in a module around it.

    Args:
        module: its own copy.

    Returns:
        The places of each form in the last pass, by name.
    """
    plain, counts = module.forward, Counter[str]()

    @functools.wraps(plain)
    def forward(*args: Any, **kwargs: Any) -> Any:
        with TracedForms() as mode:
            result = plain(*args, **kwargs)
        counts.clear()
        counts.update(mode.counts)
        return result

    module.forward = forward
    return counts
