"""What a network does while it runs once: its operators, numbers that it draws, values it reads.

Seen below torch's own layers, so that it makes no difference how a line was written, and each with
the author's line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from iast_export.network.user_code import is_own, line_now

# Of `Tensor`: what takes values out of torch without an operator that could be seen below.
_READERS = ("numpy", "tolist", "__array__", "__dlpack__", "data_ptr", "storage", "untyped_storage")
_SCALAR = torch.ops.aten._local_scalar_dense.default
# Tensors made of numbers alone; a number that follows the picture's side is fixed by an export.
# `torch.linspace` of numbers alone is exported along the picture (`forms.grids`).
_MAKERS = ("logspace", "eye", "range", "hann_window", "tril_indices", "triu_indices")

Trail: TypeAlias = Sequence[tuple[str, int, int]]


@dataclass
class Seen:
    """One run.

    Attributes:
        operators: of ATen, with their plain arguments, in order, each with the author's line.
        constants: tensors that were neither inputs nor made on the way, in order of their use.
        draws: operators that draw random numbers, as "rand at my_net.py:3 ...".
        reads: places where values of an input steer Python.
        writes: places where an input is changed.
        makers: of tensors from numbers alone: operator, its numbers, line.
    """

    operators: list[tuple[str, str, str]] = field(default_factory=list)
    constants: list[Tensor] = field(default_factory=list)
    draws: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    makers: list[tuple[str, str, str]] = field(default_factory=list)


def watched(module: nn.Module | Callable[..., Any], inputs: Sequence[Tensor]) -> tuple[Any, Seen]:
    """The result of one run without gradients, and what was seen."""
    watch = _Operators(inputs)
    with torch.no_grad(), _Functions(watch), watch:
        result = module(*inputs)
    return result, watch.seen


class _Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows what depends on the inputs, operator by operator."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = Seen()
        # Kept alive, so that no number is given to another tensor.
        self._kept: list[Tensor] = list(inputs)
        self._following = {id(one) for one in inputs}
        self._numbers = {id(one): i for i, one in enumerate(inputs)}
        self._buffers = {one.untyped_storage().data_ptr() for one in inputs if one.numel()}
        self.function = ""  # of torch's, that the author called

    def follows(self, value: object) -> bool:
        """Whether a tensor depends on the inputs."""
        return id(value) in self._following

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        line = line_now(sys._getframe(1))
        name = func._schema.name.removeprefix("aten::")
        follows = any(self.follows(one) for one in tensors)
        self._note(func, name, tensors, (args, kwargs), follows, line)
        before = torch.get_rng_state() if _may_draw(func) else None
        result = func(*args, **kwargs)
        if before is not None and (_draws_itself(kwargs) or _has_drawn(before)):
            self.seen.draws.append(_at(self.function or name.rstrip("_"), line))
        made = [one for one in tree_leaves(result) if isinstance(one, Tensor)]
        written = tensors[:1] if func._schema.is_mutable else []
        for one in (*made, *written):
            self._number(one)
            if follows:
                self._following.add(id(one))
        return result

    def _note(
        self, func: Any, name: str, tensors: Sequence[Tensor], given: Any, follows: bool, line: str
    ) -> None:
        seen = self.seen
        for one in tensors:
            if id(one) not in self._numbers:
                self._number(one)
                seen.constants.append(one)
        numbers = self._plain(given)
        seen.operators.append((name, numbers, line))
        if func is _SCALAR and follows:
            seen.reads.append(line)
        if func._schema.is_mutable and tensors and self._is_input(tensors[0]):
            seen.writes.append(_at(name, line))
        if name in _MAKERS or (name == "linspace" and tensors):
            seen.makers.append((name, numbers, line))

    def _number(self, one: Tensor) -> None:
        """Tells a tensor apart, and keeps it, so that no other gets its number."""
        if id(one) not in self._numbers:
            self._numbers[id(one)] = len(self._numbers)
            self._kept.append(one)

    def _plain(self, given: Any) -> str:
        """The arguments of an operator: tensors by number, type and shape, the rest as it is."""
        return ",".join(
            f"#{self._numbers[id(one)]} {one.dtype}{list(one.shape)}"
            if isinstance(one, Tensor)
            else repr(one)
            for one in tree_leaves(given)
        )

    def _is_input(self, one: Tensor) -> bool:
        return bool(one.numel()) and one.untyped_storage().data_ptr() in self._buffers


class _Functions(TorchFunctionMode):
    """Sees values leave torch, which no operator shows."""

    def __init__(self, watch: _Operators) -> None:
        super().__init__()
        self._watch = watch

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in _READERS and args and self._watch.follows(args[0]):
            self._watch.seen.reads.append(line_now(sys._getframe(1)))
        self._watch.function = name
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._watch.function = ""


def _may_draw(func: Any) -> bool:
    """So say the tags; of attention too, which draws for dropout alone."""
    return torch.Tag.nondeterministic_seeded in func.tags


def _draws_itself(kwargs: Mapping[str, Any]) -> bool:
    return kwargs.get("generator") is not None


def _has_drawn(before: Tensor) -> bool:
    return not torch.equal(before, torch.get_rng_state())


def _at(what: str, line: str) -> str:
    return f"{what} at {line}" if line else what


def trail_of(run: Callable[[], object], most: int = 200_000) -> tuple[tuple[str, int, int], ...]:
    """The path that Python takes through the author's own lines: file, line and instruction.

    Two pictures that part in it are told apart by Python, which no exported graph can do.
    """
    found: list[tuple[str, int, int]] = []

    def local(frame: FrameType, event: str, argument: object) -> Any:
        if event == "opcode" and len(found) < most:
            found.append((frame.f_code.co_filename, frame.f_lineno, frame.f_lasti))
        return local

    def enter(frame: FrameType, event: str, argument: object) -> Any:
        if not is_own(frame.f_code):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return local

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        run()
    finally:
        sys.settrace(before)
    return tuple(found)


def parting(one: Trail, other: Trail) -> tuple[str, int] | None:
    """File and line of the last step that two trails have in common before they part."""
    if one == other:
        return None
    last = None
    for (file, line, at), second in zip(one, other, strict=False):
        if (file, line, at) != second:
            break
        last = (file, line)
    return last or (one or other)[0][:2]


def hidden_modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers in plain lists or dicts, which torch does not know of, and where they are held."""
    for name, one in module.named_modules():
        for key, value in vars(one).items():
            if key.startswith("_") or not isinstance(value, (list, tuple, dict)):
                continue
            values = value.values() if isinstance(value, dict) else value
            for inner in values:
                if isinstance(inner, nn.Module):
                    yield f"{name}.{key}" if name else key, inner
