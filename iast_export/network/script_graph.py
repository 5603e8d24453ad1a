"""A TorchScript module as a plain one: its frozen graph, run operator by operator.

What torch.export and the converters trace is Python; a TorchScript module is none.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from iast_export.errors import InputError

_ADAPTER = "save its state dict, and bring the module itself by `--network my_net:factory`"
# What reckons with sizes, in plain Python, where no argument is a tensor.
_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "aten::add": lambda a, b, *_: a + b,
    "aten::sub": lambda a, b, *_: a - b,
    "aten::mul": operator.mul,
    "aten::div": operator.truediv,
    "aten::floordiv": operator.floordiv,
    "aten::floor_divide": operator.floordiv,
    "aten::remainder": operator.mod,
    "aten::neg": operator.neg,
    "aten::eq": operator.eq,
    "aten::ne": operator.ne,
    "aten::lt": operator.lt,
    "aten::le": operator.le,
    "aten::gt": operator.gt,
    "aten::ge": operator.ge,
    "aten::__not__": operator.not_,
    "aten::__is__": operator.is_,
    "aten::__isnot__": operator.is_not,
    "aten::__getitem__": operator.getitem,
    "aten::len": len,
    "aten::Int": int,
    "aten::Float": float,
    "aten::Bool": bool,
    "aten::ScalarImplicit": lambda a: a,
    "aten::append": lambda a, b: a.append(b) or a,
    "prim::NumToTensor": lambda a: a,
}
# The same of tensors.
_OF_TENSORS: Mapping[str, Callable[..., Any]] = {
    "aten::size": lambda x, *at: x.shape[at[0]] if at else list(x.shape),
    "aten::dim": lambda x: x.dim(),
    "aten::len": len,
    "aten::append": lambda a, b: a.append(b) or a,
    "prim::shape": lambda x: list(x.shape),
    "prim::dtype": lambda x: x.dtype,
    "prim::device": lambda x: x.device,
}
_CONVOLUTION_ARGUMENTS = 9  # of `convolution`; `_convolution` takes four flags for CUDA besides
_SAME = (
    "aten::detach",
    "aten::contiguous",
    "prim::unchecked_cast",
    "prim::unchecked_unwrap_optional",
)


@dataclass(frozen=True)
class _Held:
    """A constant tensor, by the name of the buffer that holds it."""

    name: str


class ScriptGraph(nn.Module):
    """forward of a frozen TorchScript module.

    Attributes:
        names: of its tensors, the picture first.
    """

    def __init__(self, script: torch.jit.ScriptModule) -> None:
        """Freezes the module.

        Raises:
            InputError: its graph holds what is not known here.
        """
        super().__init__()
        frozen = torch.jit.freeze(script.eval(), optimize_numerics=False)
        self._graph = frozen.graph
        inputs = list(self._graph.inputs())[1:]
        self.names = [_plain(one.debugName()) for one in inputs]
        self._inputs = [one.debugName() for one in inputs]
        self._fixed: dict[str, Any] = {}
        for node in self._graph.findAllNodes("prim::Constant", True):
            self._keep(node)

    def _keep(self, node: Any) -> None:
        value, name = node.output().toIValue(), node.output().debugName()
        if isinstance(value, Tensor):
            self.register_buffer(f"constant_{len(self._fixed)}", value.detach().clone())
            self._fixed[name] = _Held(f"constant_{len(self._fixed)}")
        else:
            self._fixed[name] = value

    def __deepcopy__(self, memo: dict[int, Any]) -> ScriptGraph:
        """A module with tensors of its own over the same graph, which nothing changes."""
        made = ScriptGraph.__new__(ScriptGraph)
        memo[id(self)] = made
        made.__dict__.update(self.__dict__)
        made._buffers = {
            name: None if one is None else one.clone() for name, one in self._buffers.items()
        }
        return made

    def forward(self, *given: Tensor) -> Any:
        values: dict[str, Any] = dict(zip(self._inputs, given, strict=True))
        for name, value in self._fixed.items():
            held = isinstance(value, _Held)
            fresh = list(value) if isinstance(value, list) else value
            values[name] = getattr(self, value.name) if held else fresh
        self._run(self._graph, values)
        found = tuple(values[one.debugName()] for one in self._graph.outputs())
        return found[0] if len(found) == 1 else found

    def _run(self, block: Any, values: dict[str, Any]) -> None:
        for node in block.nodes():
            kind = node.kind()
            if kind == "prim::Constant":
                continue
            given = [values[one.debugName()] for one in node.inputs()]
            if kind == "prim::If":
                chosen = list(node.blocks())[0 if given[0] else 1]
                self._run(chosen, values)
                made = tuple(values[one.debugName()] for one in chosen.outputs())
            elif kind == "prim::Loop":
                made = self._loop(node, given, values)
            else:
                made = _applied(kind, node.outputsSize(), given)
            for one, value in zip(node.outputs(), made, strict=True):
                values[one.debugName()] = value

    def _loop(self, node: Any, given: list[Any], values: dict[str, Any]) -> tuple[Any, ...]:
        most, goes_on, *carried = given
        (body,) = node.blocks()
        turn = 0
        while goes_on and turn < most:
            for one, value in zip(body.inputs(), (turn, *carried), strict=True):
                values[one.debugName()] = value
            self._run(body, values)
            goes_on, *carried = (values[one.debugName()] for one in body.outputs())
            turn += 1
        return tuple(carried)


def _applied(kind: str, outputs: int, given: list[Any]) -> tuple[Any, ...]:
    """What one operator makes of its arguments."""
    if kind in ("prim::ListConstruct", "prim::TupleConstruct"):
        return (list(given) if kind == "prim::ListConstruct" else tuple(given),)
    if kind in ("prim::Uninitialized", "aten::warn", "prim::Print"):
        return (None,) * outputs
    if kind in ("prim::ListUnpack", "prim::TupleUnpack"):
        return tuple(given[0])
    if kind in _SAME:
        return (given[0],)
    if kind == "aten::_convolution":
        return (torch.ops.aten.convolution(*given[:_CONVOLUTION_ARGUMENTS]),)
    has_tensor = any(isinstance(one, Tensor) for one in given)
    table = _OF_TENSORS if has_tensor else _NUMBERS
    if kind in table:
        return (table[kind](*given),)
    if kind == "prim::RaiseException":
        raise ValueError(f"the TorchScript module raises {given[0]}")
    found = getattr(torch.ops.aten, kind.removeprefix("aten::"), None)
    if found is None or not kind.startswith("aten::"):
        raise InputError(f"the TorchScript module does {kind}, which is not known here", _ADAPTER)
    result = found(*given)
    return tuple(result) if outputs > 1 else (result,)


def _plain(name: str) -> str:
    """A tensor's name without the number that torch puts behind it."""
    head, _, tail = name.rpartition(".")
    return head if head and tail.isdigit() else name
