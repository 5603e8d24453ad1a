"""What decides a network's files, in one hash: what it computes, by which weights, from which code.

What it computes is taken from runs, not from what the author says: every operator with its plain
arguments, how they hang together, and the values of every tensor that was not computed on the way,
wherever the factory got it from.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from iast_export.files.artifacts import json_bytes, sha256_bytes, sha256_file
from iast_export.network.adapters import StyleNetwork, module_of
from iast_export.network.brought import Brought
from iast_export.network.photographs import artworks, photographs
from iast_export.network.sizes import base_size
from iast_export.network.user_code import is_own_file, told
from iast_export.network.watching import watched


def identity_sha256(
    network: StyleNetwork, depths: Sequence[int], target: str, checkpoint: Path | None
) -> str:
    """Hash of the checkpoint, of what a network computes, and of the sources it is from.

    Args:
        network: as `load_network` made it.
        depths: that are cut.
        target: that it was made from, as `load_network` takes it.
        checkpoint: its file; None for a network that has none.
    """
    parts = [sha256_file(checkpoint)] if checkpoint is not None else []
    if isinstance(network, Brought):
        parts.append(network_sha256(network, depths, target))
    return sha256_bytes("".join(parts).encode())


def network_sha256(network: Brought, depths: Sequence[int], target: str) -> str:
    """Hash of a network as it will be cut.

    Args:
        network: as loaded.
        depths: that are cut.
        target: as `load_network` takes it, whose module's sources and packages count.
    """
    facts = network.facts
    picture = photographs(*base_size(facts.size_multiple_px))["a photograph"]
    codes: tuple[Tensor, ...] = ()
    parts: list[Any] = [
        [list(facts.depths), facts.size_multiple_px, list(facts.value_range)],
        [[name, list(shape)] for name, shape in facts.code_shapes.items()],
    ]
    (artwork, _) = artworks()
    try:
        codes = network.encode_style(artwork)
        encoder = network.style_encoder
        parts.append(_run_sha256(encoder if encoder is not None else network.encode, [artwork]))
        for depth in dict.fromkeys(depths):
            parts.append(_run_sha256(network.cut(depth), [picture, *codes]))
    except Exception as error:  # the contract has words for it, and nothing is fresh until then
        parts.append(told(error))
    parts.append([[path.name, sha256_file(path)] for path in sources_of(network.author, target)])
    parts.append(sorted(packages_of(network.author, target).items()))
    return sha256_bytes(json_bytes({"parts": parts}))


def sources_of(author: object, target: str) -> list[Path]:
    """The files of a user's own that define a network: those its modules are made of, and import.

    Sorted; of what lies in installed packages the versions count (`packages_of`).
    """
    return sorted({Path(name) for name, own in _files(author, target) if own})


def packages_of(author: object, target: str) -> dict[str, str]:
    """The installed distributions that those files use directly, with their versions."""
    known = _distributions()
    tops = {module.partition(".")[0] for module, own in _reached(author, target).items() if not own}
    return {name: version(name) for top in tops for name in known.get(top, ())[:1]}


def _files(author: object, target: str) -> Iterator[tuple[str, bool]]:
    for name, own in _reached(author, target).items():
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None:
            yield file, own


def _reached(author: object, target: str) -> dict[str, bool]:
    """Names of the modules that a network comes from; whether each is a user's own.

    Own ones are followed to what they import.
    """
    waiting = [module_of(target), type(author).__module__]
    waiting += [type(one).__module__ for held in _modules(author) for one in held.modules()]
    found: dict[str, bool] = {}
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in found or module is None:
            continue
        file = getattr(module, "__file__", None)
        found[name] = file is not None and is_own_file(file)
        if found[name]:
            waiting += _imported(module)
    return found


def _imported(module: ModuleType) -> Iterator[str]:
    for value in vars(module).values():
        if isinstance(value, ModuleType):
            yield value.__name__
        elif isinstance(name := getattr(value, "__module__", None), str):
            yield name


def _modules(author: object) -> Iterator[nn.Module]:
    if isinstance(author, nn.Module):
        yield author
    elif hasattr(author, "__dict__"):
        yield from (one for one in vars(author).values() if isinstance(one, nn.Module))


def _run_sha256(call: nn.Module | Callable[..., Any], inputs: Sequence[Tensor]) -> str:
    """Hash of one run: its operators and constants, whatever the numbers in between."""
    _, seen = watched(call, inputs)
    found = hashlib.sha256(repr([one[:2] for one in seen.operators]).encode())
    for constant in seen.constants:
        found.update(f"{constant.dtype}{list(constant.shape)}".encode())
        found.update(constant.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
