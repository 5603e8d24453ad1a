"""What makes a network another one: its computation, weights and sources, wherever they lie."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from iast_export.network.adapters import load_network
from iast_export.network.brought import Brought
from iast_export.network.digest import network_sha256, packages_of, sources_of

ADAPTER = """
import json
from pathlib import Path
import torch
from digest_model import Net
import numpy


def factory(checkpoint):
    here = Path(__file__).parent
    net = Net(json.loads((here / "settings.json").read_text())["gain"])
    net.t.load_state_dict(torch.load(here / "weights.pt"))
    return net
"""
MODEL = """
from tests.network_mistakes import Net as Base, Transfer
import torch


class Scaled(Transfer):
    def forward(self, content, mean, std):
        return torch.sigmoid(self.core(content, mean, std) * self.gain)


class Net(Base):
    transfer = Scaled

    def __init__(self, gain):
        super().__init__()
        self.t.gain = gain
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An adapter, its model in another file, weights and settings that the factory reads itself."""
    (tmp_path / "digest_adapter.py").write_text(ADAPTER)
    (tmp_path / "digest_model.py").write_text(MODEL)
    (tmp_path / "settings.json").write_text('{"gain": 1.0}')
    _save(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _save(folder: Path, seed: int) -> None:
    from tests.network_mistakes import Transfer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.save(Transfer().state_dict(), folder / "weights.pt")


def _loaded() -> Brought:
    for name in ("digest_adapter", "digest_model"):
        sys.modules.pop(name, None)
    network = load_network("digest_adapter:factory", None)
    assert isinstance(network, Brought)
    return network


def _sha256() -> str:
    return network_sha256(_loaded(), [1], "digest_adapter:factory")


def _edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


CHANGES: dict[str, Callable[[Path], None]] = {
    "weights": lambda folder: _save(folder, 2),
    "settings": _edit("settings.json", "1.0", "1.5"),
    "the model's line": _edit("digest_model.py", "* self.gain", "* self.gain + 0"),
    "the adapter's line": _edit("digest_adapter.py", "import numpy", "import numpy  # here"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_anything_that_decides_makes_another_hash(folder: Path, name: str) -> None:
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        first = _sha256()
        assert _sha256() == first
        CHANGES[name](folder)
        assert _sha256() != first
    finally:
        sys.dont_write_bytecode = before


def test_sources_are_followed_and_packages_are_named_with_versions(folder: Path) -> None:
    author = _loaded().author
    sources = {path.name for path in sources_of(author, "digest_adapter:factory")}
    assert {"digest_adapter.py", "digest_model.py", "network_mistakes.py"} <= sources
    packages = packages_of(author, "digest_adapter:factory")
    assert packages["numpy"] and packages["torch"]


def test_operands_that_change_places_make_another_hash(folder: Path) -> None:
    one = _sha256()
    _edit("digest_model.py", "mean, std) * self.gain", "std, mean) * self.gain")(folder)
    assert _sha256() != one


def test_a_network_that_raises_has_a_hash_too(folder: Path) -> None:
    _edit("digest_model.py", "return torch", "raise ValueError(3); return torch")(folder)
    assert _sha256()
