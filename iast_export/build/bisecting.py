"""Which operator a file first computes otherwise than PyTorch, found by halves."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from iast_export.network.user_code import is_own_file

_FRAME = re.compile(r'File "([^"]+)", line (\d+)(?:, in (\w+))?\s*\n?([^\n]*)')


def first_differing(
    module: nn.Module,
    example: Sequence[Tensor],
    shapes: tuple[Any, ...] | None,
    differs: Callable[[nn.Module], bool],
) -> str:
    """The first operator behind which a file and PyTorch part, with the author's line.

    Args:
        module: whose file differs.
        example: its inputs.
        shapes: their dynamic sides, as forward takes them.
        differs: writes and runs a part of the module, and says whether the file differs.

    Returns:
        Such as "aten.linspace at my_net.py:12"; empty where no part can be told to be the first.
    """
    try:
        program = torch.export.export(module, tuple(example), dynamic_shapes=shapes)
        whole = program.module()
        nodes = [node for node in whole.graph.nodes if _is_picture(node)]
        low, high = 0, len(nodes) - 1
        while low < high:
            middle = (low + high) // 2
            if differs(_until(whole, nodes[middle].name)):
                high = middle
            else:
                low = middle + 1
    except Exception:  # a hint beside an error that stands: what fails here adds nothing to it
        return ""
    node = nodes[low]
    place = _place(str(node.meta.get("stack_trace", "")))
    return f"{str(node.target).removesuffix('.default')}{f' at {place}' if place else ''}"


def _is_picture(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return node.op == "call_function" and isinstance(value, Tensor) and value.dtype == torch.float32


def _until(whole: fx.GraphModule, name: str) -> nn.Module:
    """The part of a module that ends with a node."""
    part = copy.deepcopy(whole)
    graph = part.graph
    graph.set_codegen(fx.graph.CodeGen())
    last = next(node for node in graph.nodes if node.name == name)
    (output,) = (node for node in graph.nodes if node.op == "output")
    output.args = (last,)
    graph.eliminate_dead_code()
    part.recompile()
    return part


def _place(trace: str) -> str:
    """The author's own last line of a traceback."""
    own = [found for found in _FRAME.findall(trace) if is_own_file(found[0])]
    if not own:
        return ""
    file, line, _, text = own[-1]
    return f"{Path(file).name}:{line}{f': `{text.strip()[:100]}`' if text.strip() else ''}"
