"""What a method is, and those that are not baselines: the photograph, our networks, our bundles.

A method turns a photograph and an artwork, both squares of one size, into one picture per strength.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from iast_export.errors import InputError
from iast_export.pictures.images import Rgb, center_square, to_levels, to_tensor
from iast_export.reports.manifest import load_manifest
from iast_export.specs import STYLE_ENCODER_SIDE_PX, STYLE_IMAGE, Precision, Runtime
from iast_export.stylize.engine import BundleEngine

OUR_STRENGTHS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
FEW_STRENGTHS = (0.2, 0.35, 0.5, 1.0)


@runtime_checkable
class Method(Protocol):
    """A way to stylize, with the settings that are judged.

    `strengths` are settings from weak to strong; `fingerprint` changes with weights and arithmetic,
    so that stored scores are never those of another network. Sides of pictures must be multiples of
    `size_multiple_px`. A method with `targets` knows only artworks of these names.
    """

    name: str
    strengths: tuple[float, ...]
    parameters: int
    fingerprint: str
    size_multiple_px: int

    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """Each strength that was asked, in that order, and its picture of the photograph's size."""
        ...


def fingerprint_of(*parts: str) -> str:
    """A short hash of a method's version and the files it rests on."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def parameter_count(*modules: nn.Module) -> int:
    """Parameters of all modules."""
    return sum(p.numel() for module in modules for p in module.parameters())


def targets_of(method: Method) -> frozenset[str] | None:
    """Names of the only artworks a method knows; None for any."""
    found: frozenset[str] | None = getattr(method, "targets", None)
    return found


class Photograph:
    """Nothing done: SSIM 1, and the style distance that all others start from."""

    name = "photograph"
    strengths: tuple[float, ...] = (0.0,)
    parameters = 0
    fingerprint = "photograph-1"
    size_multiple_px = 1

    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """The photograph itself."""
        for strength in strengths:
            yield strength, content


class Network:
    """One depth of a `StyleNetwork` in PyTorch, FP32."""

    def __init__(
        self,
        name: str,
        net: Any,
        depth: int,
        fingerprint: str,
        strengths: Sequence[float] = OUR_STRENGTHS,
    ) -> None:
        self.name, self.strengths = name, tuple(strengths)
        self.fingerprint = fingerprint_of("network-1", fingerprint, str(depth))
        self.size_multiple_px = net.size_multiple_px
        self._net, self._module = net, net.cut(depth)
        self.parameters = parameter_count(self._module)
        self._code: tuple[bytes, tuple[torch.Tensor, ...]] = (b"", ())

    def code(self, style: Rgb) -> tuple[torch.Tensor, ...]:
        """The codes of an artwork; the last one is kept."""
        key = style.tobytes()
        if self._code[0] != key:
            picture = center_square(style, STYLE_ENCODER_SIDE_PX)
            self._code = key, self._net.encode_style(torch.from_numpy(to_tensor(picture)))
        return self._code[1]

    @torch.no_grad()
    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """A picture per strength."""
        photograph = torch.from_numpy(to_tensor(content))
        code = self.code(style)[0]
        for strength in strengths:
            yield (
                strength,
                to_levels(self._module(photograph, code, torch.full((1, 1), strength)).numpy()),
            )


class BundleLane:
    """One runtime and precision of a bundle at one depth's tier; codes by its encoder."""

    size_multiple_px = 4

    def __init__(
        self,
        folder: Path,
        runtime: Runtime,
        precision: Precision,
        depth: int,
        strengths: Sequence[float] = OUR_STRENGTHS,
    ) -> None:
        self._engine = BundleEngine(folder, runtime, precision)
        tiers = [tier for tier in self._engine.tiers if tier.depth == depth]
        if not tiers:
            known = ", ".join(str(tier.depth) for tier in self._engine.tiers)
            raise InputError(f"{folder} has no tier of depth {depth}", f"its depths are {known}")
        self._tier, self._encoder = tiers[0], self._engine._encoder()
        self.name, self.strengths = f"bundle-{runtime}-{precision}-d{depth}", tuple(strengths)
        shas = sorted(f.sha256 for f in self._engine.manifest.files)
        self.fingerprint = fingerprint_of("bundle-1", self.name, *shas)
        self.parameters = 0

    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """A picture per strength."""
        picture = to_tensor(center_square(style, STYLE_ENCODER_SIDE_PX))
        codes = self._encoder.run({STYLE_IMAGE: picture})
        for strength in strengths:
            yield strength, self._engine._once(content, codes, strength, self._tier)[0]


def bundle_depths(folder: Path) -> list[int]:
    """Depths of a bundle's tiers.

    Raises:
        InputError: no bundle there.
    """
    return [tier.depth for tier in load_manifest(folder).tiers]
