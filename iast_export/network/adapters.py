"""What a network of one's own must offer, and how it is loaded from `module:factory`."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from iast_export.errors import InputError, UsageError
from iast_export.files.texts import visible
from iast_export.network.brought import Brought, kind_of
from iast_export.network.user_code import calling

if TYPE_CHECKING:
    from torch import Tensor, nn

# What manifests name the packaged network, wherever its factory lies.
PACKAGED = "iast_export.checkpoint:packaged_network"
_PACKAGED_FACTORY = "iast_export.network.checkpoint:packaged_network"

SEED = 0  # of what a factory draws


@runtime_checkable
class StyleNetwork(Protocol):
    """A style-transfer network as the toolkit sees it. Images are float RGB in [0, 1], NCHW.

    A code named `strength` of shape (1, 1) is the user's: `encode_style` returns 1 for it and
    `--strength` replaces it. A network without one is always applied in full.
    """

    @property
    def depths(self) -> tuple[int, ...]:
        """Subnetworks it can be cut to; one entry is fine."""
        ...

    @property
    def size_multiple_px(self) -> int:
        """Height and width must be multiples of this."""
        ...

    @property
    def code_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Named style inputs of the cut network, batch included."""
        ...

    def cut(self, depth: int) -> nn.Module:
        """A new module: forward(content, *codes) -> image of the content's size."""
        ...

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """Codes of an artwork, in the order of `code_shapes`."""
        ...


Factory = Callable[[Path | None], StyleNetwork]


def load_network(target: str, checkpoint: Path | None, seed: int = SEED) -> StyleNetwork:
    """The network that `module:factory` makes from a checkpoint (None: its own default).

    This runs the module's code. It is looked for on the import path and then, but for the packaged
    network, in the current folder: nothing there takes the place of an installed module.

    Args:
        target: `module:factory`.
        checkpoint: what the factory gets.
        seed: of random numbers while it runs, so that every process gets the same network.

    Returns:
        The packaged network as it is, any other as a `Brought`.

    Raises:
        UsageError: `target` is malformed, can't be found or has no such factory.
        InputError: its code raised, or the result does not fulfil `StyleNetwork`.
    """
    packaged = target == PACKAGED
    module_name, _, attribute = (_PACKAGED_FACTORY if packaged else target).partition(":")
    if not attribute or not all(part.isidentifier() for part in module_name.split(".")):
        raise UsageError(
            f"--network {target!r} is not module:factory", "write for example my_net:factory"
        )
    with nullcontext() if packaged else _current_folder_last():
        factory = _factory(target, module_name, attribute)
        with _seeded(seed), calling(f"--network {target}: {attribute}({_argument(checkpoint)})"):
            network = factory(checkpoint)
    needed = ("depths", "size_multiple_px", "code_shapes", "cut", "encode_style")
    missing = [name for name in needed if not hasattr(network, name)]
    if missing:
        raise InputError(
            f"--network {target}: {attribute} returned {kind_of(network)}, which lacks "
            f"{', '.join(missing)}",
            "let the factory end with `return MyNet()`, an object with depths, size_multiple_px, "
            "code_shapes, cut and encode_style",
        )
    return network if packaged else Brought(network)


def _argument(checkpoint: Path | None) -> str:
    return "None" if checkpoint is None else visible(str(checkpoint))


def _factory(target: str, module_name: str, attribute: str) -> Factory:
    where = ""
    try:
        with calling(f"--network {target}: importing {module_name}", passed=ModuleNotFoundError):
            module = importlib.import_module(module_name)
        where = f" ({getattr(module, '__file__', None) or 'built in'})"
        return cast(Factory, getattr(module, attribute))
    except (ModuleNotFoundError, AttributeError) as error:
        raise UsageError(
            f"--network {target}: {error}{where}",
            "check the module's name and that it can be imported from here",
        ) from error


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers of Python, numpy and torch from a seed; afterwards they go on as before."""
    import numpy as np
    import torch

    python, own = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(own)


@contextmanager
def _current_folder_last() -> Iterator[None]:
    """The current folder at the end of the import path; afterwards the path is as before."""
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.append(here)
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
