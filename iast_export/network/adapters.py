"""What a network of one's own must offer, and how it is loaded from `module:factory`.

Or from `FILE.py:factory`, wherever the file lies; what it imports may lie beside it.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from pathlib import Path
from types import ModuleType
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
        target: `module:factory` or `FILE.py:factory`.
        checkpoint: what the factory gets.
        seed: of random numbers while it runs, so that every process gets the same network.

    Returns:
        The packaged network as it is, any other as a `Brought`.

    Raises:
        UsageError: `target` is malformed, can't be found or has no such factory.
        InputError: its code raised, or the result does not fulfil `StyleNetwork`.
    """
    packaged = target == PACKAGED
    module_name, _, attribute = (_PACKAGED_FACTORY if packaged else target).rpartition(":")
    file = _file_of(target)
    named = all(part.isidentifier() for part in module_name.split("."))
    if not attribute or not module_name or not (named or file):
        raise UsageError(
            f"--network {target!r} is not module:factory",
            "write for example my_net:factory, or nets/my_net.py:factory",
        )
    folders = [*([str(file.resolve().parent)] if file else []), str(Path.cwd())]
    with nullcontext() if packaged else _found_last(folders):
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


def module_of(target: str) -> str:
    """The name by which Python knows the module that a target names, once it is loaded."""
    file = _file_of(target)
    return _name_of(file) if file else target.rpartition(":")[0]


def _file_of(target: str) -> Path | None:
    """The file of a target that names one."""
    name = target.rpartition(":")[0]
    return Path(name) if name.endswith(".py") else None


def _name_of(file: Path) -> str:
    """A module's name by its file: the file's own, unless Python knows another by it."""
    path = file.resolve()
    known = sys.modules.get(file.stem)
    free = known is None and file.stem not in sys.stdlib_module_names
    if free or _lies_at(known, path):
        return file.stem
    return f"{file.stem}_{sha256(bytes(path)).hexdigest()[:8]}"


def _lies_at(module: ModuleType | None, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path


def _factory(target: str, module_name: str, attribute: str) -> Factory:
    where, file = "", _file_of(target)
    try:
        with calling(f"--network {target}: importing {module_name}", passed=ModuleNotFoundError):
            module = _of_file(file) if file else importlib.import_module(module_name)
        where = f" ({getattr(module, '__file__', None) or 'built in'})"
        return cast(Factory, getattr(module, attribute))
    except (ModuleNotFoundError, AttributeError) as error:
        raise UsageError(
            f"--network {target}: {error}{where}",
            "check the module's name and that it can be imported from here",
        ) from error


def _of_file(file: Path) -> ModuleType:
    """The module that a file is, loaded once.

    Raises:
        UsageError: there is no such file.
    """
    if not file.is_file():
        raise UsageError(f"--network: there is no file {visible(str(file))}", "check the path")
    name = _name_of(file)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


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
def _found_last(folders: Sequence[str]) -> Iterator[None]:
    """Folders at the end of the import path; afterwards the path is as before."""
    added = [one for one in dict.fromkeys(folders) if one not in sys.path]
    sys.path.extend(added)
    try:
        yield
    finally:
        for one in added:
            if one in sys.path:
                sys.path.remove(one)
