"""The networks that a checkpoint may hold, by the name that it gives its architecture.

A file that names none is of the first: it was written before there was a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from iast_export.errors import InputError
from iast_export.files.texts import shown
from iast_export.network.iast import IAST, NetworkConfig
from iast_export.network.iast2 import IAST2, IAST2Config

Network: TypeAlias = IAST | IAST2
Config: TypeAlias = NetworkConfig | IAST2Config

FIRST = "iast"
_CONFIGS: dict[str, type[NetworkConfig] | type[IAST2Config]] = {
    FIRST: NetworkConfig,
    "iast2": IAST2Config,
}
# Chosen: beyond them a damaged number is likelier than a network, and memory gives out.
_LARGEST_WIDTH = 4096
_LARGEST_BLOCKS = 64
# Lowest and highest value of a number that is no width.
_BOUNDS = {
    "blocks": (1, _LARGEST_BLOCKS),
    "mid_site_after": (1, _LARGEST_BLOCKS),
    "coarse_blocks": (0, _LARGEST_BLOCKS),
    "strided_kernel": (3, 5),
    "skip_rank": (0, _LARGEST_WIDTH),
    "palette": (0, 1),
    "full_strength_percent": (1, 100),
}
_MOST_ENTRIES = 8  # of a list of widths or blocks
ONE_NETWORK = "let config and tensors come from one network, saved as `save_checkpoint` saves it"


def architecture_of(net: Network) -> str:
    """The name that a checkpoint of `net` gives its architecture."""
    return next(name for name, config in _CONFIGS.items() if type(net.config) is config)


def made(config: Config) -> Network:
    """A new network of a configuration."""
    return IAST2(config) if isinstance(config, IAST2Config) else IAST(config)


def config_from(architecture: object, raw: object, name: str) -> Config:
    """The configuration in a checkpoint called `name`, from plain values of an untrusted source.

    Raises:
        InputError: an architecture that is not known here, or a configuration that is not of sane
            size; names the wrong entry.
    """
    found = _CONFIGS.get(architecture) if isinstance(architecture, str) else None
    if found is None:
        raise InputError(
            f"{name}: its architecture is {shown(architecture)}, one of {sorted(_CONFIGS)} was "
            "needed",
            "update iast-export if the checkpoint is newer, or use --network module:factory",
        )
    defaults = found()
    known = {field.name: getattr(defaults, field.name) for field in fields(found)}
    if not isinstance(raw, Mapping) or set(raw) != set(known):
        holds = shown(sorted(map(str, raw))) if isinstance(raw, Mapping) else type(raw).__name__
        raise InputError(
            f"{name}: its config holds {holds}, {sorted(known)} was needed", ONE_NETWORK
        )
    values: dict[str, Any] = {
        key: _checked(key, value, isinstance(known[key], tuple), name) for key, value in raw.items()
    }
    config = found(**values)
    if isinstance(config, IAST2Config) and len(config.blocks) != len(config.coarse_blocks):
        raise InputError(
            f"{name}: config blocks has {len(config.blocks)} entries, coarse_blocks "
            f"{len(config.coarse_blocks)}, one per depth was needed",
            ONE_NETWORK,
        )
    return config


def _checked(key: str, value: object, listed: bool, name: str) -> object:
    """A number, or a tuple of them where `listed`, each within the bounds of its key."""
    low, high = _BOUNDS.get(key, (1, _LARGEST_WIDTH))
    given = value if listed else (value,)
    numbers = tuple(given) if isinstance(given, list | tuple) else ()
    whole = 0 < len(numbers) <= _MOST_ENTRIES
    if not whole or not all(type(n) is int and low <= n <= high for n in numbers):
        raise InputError(
            f"{name}: config {key} = {shown(value)}, whole numbers in {low}..{high} were needed",
            ONE_NETWORK,
        )
    return numbers if listed else value
