"""`Lifted` in PyTorch over either supernet: a site is a call of `affine_of_statistics`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from iast_export.network import iast, iast2

Arrays = Mapping[str, NDArray[np.float32]]
_STATE = threading.local()
_OWN = iast.affine_of_statistics
_EPS = 1e-3


class _Measured(Exception):  # noqa: N818 - ends a pass
    pass


class _Sites:
    """What the sites of one run are given, and the one that is measured."""

    def __init__(self, moments: Arrays, level: int | None, weight: Tensor | None) -> None:
        self.moments, self.level, self.weight, self.seen = moments, level, weight, 0
        self.found: dict[str, NDArray[np.float32]] = {}

    def affine(self, x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        name = f"site{self.seen}"
        self.seen += 1
        if self.seen - 1 == self.level:
            assert self.weight is not None
            times = self.weight.shape[-1] // x.shape[-1]
            share = F.avg_pool2d(self.weight, times) * times * times
            for key, values in ((f"{name}.mean", x), (f"{name}.square", x * x)):
                self.found[key] = (values * share).sum((2, 3), keepdim=True).numpy()
            raise _Measured
        mean, square = (torch.from_numpy(self.moments[f"{name}.{k}"]) for k in ("mean", "square"))
        gain = scale * torch.rsqrt(F.relu(square - mean * mean) + _EPS)
        return gain, shift - mean * gain


class _Counting(_Sites):
    def affine(self, x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        self.seen += 1
        return _OWN(x, scale, shift)


def _affine(x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    sites: _Sites | None = getattr(_STATE, "sites", None)
    return _OWN(x, scale, shift) if sites is None else sites.affine(x, scale, shift)


@contextmanager
def _given(sites: _Sites) -> Iterator[None]:
    _STATE.sites = sites
    try:
        yield
    finally:
        _STATE.sites = None


class TorchLifted:
    """A cut of a supernet with its statistics lifted out."""

    def __init__(self, network: Any, depth: int, halo_px: int) -> None:
        iast.affine_of_statistics = iast2.affine_of_statistics = _affine
        self.module: nn.Module = network.cut(depth).eval()
        self.multiple_px, self.halo_px, self.tiles = network.size_multiple_px, halo_px, 0
        size = network.code_shapes["style_code"][1]
        codes = {"style_code": np.zeros((1, size), np.float32), "strength": np.ones((1, 1))}
        counting = _Counting({}, None, None)
        self._run(np.zeros((1, 3, 32, 32), np.float32), codes, counting)
        self.levels = counting.seen

    def _run(self, content: NDArray[np.float32], codes: Arrays, sites: _Sites) -> Tensor:
        feeds = [
            torch.from_numpy(np.asarray(codes[k], np.float32)) for k in ("style_code", "strength")
        ]
        with torch.inference_mode(), _given(sites):
            return self.module(torch.from_numpy(content), *feeds)  # type: ignore[no-any-return]

    def measure(
        self,
        content: NDArray[np.float32],
        weight: NDArray[np.float32],
        codes: Arrays,
        moments: Arrays,
        level: int,
    ) -> Arrays:
        self.tiles += 1
        sites = _Sites(moments, level, torch.from_numpy(weight)[None, None])
        try:
            self._run(content, codes, sites)
        except _Measured:
            return sites.found
        raise AssertionError("no such level")

    def render(
        self, content: NDArray[np.float32], codes: Arrays, moments: Arrays
    ) -> NDArray[np.float32]:
        self.tiles += 1
        return self._run(content, codes, _Sites(moments, None, None)).numpy()

    def whole(self, content: NDArray[np.float32], codes: Arrays) -> NDArray[np.float32]:
        """The network as it is, with its own statistics."""
        feeds = [
            torch.from_numpy(np.asarray(codes[k], np.float32)) for k in ("style_code", "strength")
        ]
        with torch.inference_mode():
            return self.module(torch.from_numpy(content), *feeds).numpy()  # type: ignore[no-any-return]
