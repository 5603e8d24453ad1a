"""How much an adapter or a refined code gains over the shared encoder, on unseen pictures.

The judge is the style distance, which trained nothing either. A lower distance is easily bought
with a lower SSIM, so codes are compared twice: at full strength with both figures, and by the SSIM
that each keeps where their style distances are equal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from iast_export.errors import InputError
from iast_export.metrics.bootstrap import Interval, central_interval
from iast_export.metrics.fidelity import ssim_content
from iast_export.metrics.style import statistics_distance, style_statistics
from iast_export.network.architectures import Network
from iast_export.pictures.images import Rgb, center_square, load_image, to_levels, to_tensor
from iast_export.specs import STYLE_ENCODER_SIDE_PX
from models.evaluation.statistics import RESAMPLING, Curve, matched
from models.styles.adapter import KindAdapter, adapted_code, files_of
from models.styles.kit import Kit
from models.styles.optimize import Effort, refined_code

STRENGTHS = (0.5, 0.75, 1.0)
ALL = "all kinds"


@dataclass(frozen=True)
class SampleCounts:
    """How many unseen pictures are judged: artworks of a kind, of them refined, photographs."""

    artworks: int = 6
    refined: int = 3
    photographs: int = 4


@dataclass(frozen=True)
class Gain:
    """A kind's codes beside the shared encoder's on the same artworks.

    Attributes:
        style, ssim: of the shared encoder's codes and of these, at full strength.
        closer: style distance that these are closer by, at full strength.
        kept: SSIM that these keep more, at the style distance of the shared codes at strength 0.75;
            None where that distance is not reached.
    """

    kind: str
    code: str
    artworks: int
    style: tuple[float, float]
    ssim: tuple[float, float]
    closer: Interval
    kept: Interval | None

    @property
    def gains(self) -> bool:
        """Whether it keeps more detail at equal style, the whole interval above zero."""
        return self.kept is not None and self.kept.low > 0.0


@dataclass(frozen=True)
class Measured:
    """All gains, and what they were measured on."""

    checkpoint_sha256: str
    plan: SampleCounts
    gains: tuple[Gain, ...]


def measure(
    kit: Kit, images: Path, adapters: Mapping[str, KindAdapter], plan: SampleCounts, effort: Effort
) -> Measured:
    """Judges shared, adapted and refined codes of every kind that has an adapter.

    Raises:
        InputError: too few artworks or photographs to resample.
    """
    photographs = _squares(sorted((images / "content" / "kodak24").glob("*.jpg")), plan.photographs)
    if not photographs or min(plan.artworks, plan.refined) < 2:
        raise InputError(
            f"{len(photographs)} photographs of Kodak-24, {plan.artworks} artworks and "
            f"{plan.refined} refined ones are too few to judge by",
            f"give a folder with {images / 'content' / 'kodak24'}, and at least 2 artworks of each "
            "kind",
        )
    found: dict[str, dict[str, Curve]] = {"adapter": {}, "refined": {}, "shared": {}}
    for kind in tqdm(adapters, disable=bool(os.environ.get("CI")), desc="kinds"):
        artworks = _squares(files_of(images, kind).unseen, plan.artworks)
        tensors = [torch.from_numpy(to_tensor(a)) for a in artworks]
        few = min(plan.refined, len(artworks))
        with torch.no_grad():
            shared = [adapted_code(kit.net, None, t) for t in tensors]
            adapted = [adapted_code(kit.net, adapters[kind], t) for t in tensors]
        refined = [
            refined_code(kit.net, t, kit.contents, kit.recipe, kit.vgg, effort)[0]
            for t in tensors[:few]
        ]
        for name, codes in (("shared", shared), ("adapter", adapted), ("refined", refined)):
            found[name][kind] = curve_of(kit.net, name, codes, artworks, photographs)
    return Measured(kit.checkpoint_sha256, plan, tuple(_gains(found)))


def _gains(found: Mapping[str, Mapping[str, Curve]]) -> list[Gain]:
    """A row per code and kind, and one over all kinds."""
    rows = []
    for code in ("adapter", "refined"):
        pairs = []
        for kind, own in found[code].items():
            base = found["shared"][kind]
            pairs.append((_rows(base, len(own.style)), own))
            rows.append(gain(kind, *pairs[-1]))
        if len(pairs) > 1:
            rows.append(gain(ALL, *(_joined(curves) for curves in zip(*pairs, strict=True))))
    return rows


def gain(kind: str, shared: Curve, own: Curve) -> Gain:
    """What one kind of code gains over the shared encoder's, resampled over artworks."""
    closer = shared.style[:, -1] - own.style[:, -1]
    draws = RESAMPLING.draws(len(closer))
    reference = Curve("target", STRENGTHS[:2], shared.style[:, :2], shared.score[:, :2])
    _, matches = matched(own, [shared], reference, "ssim")
    return Gain(
        kind,
        own.name,
        len(closer),
        (float(shared.style[:, -1].mean()), float(own.style[:, -1].mean())),
        (float(shared.score[:, -1].mean()), float(own.score[:, -1].mean())),
        central_interval(closer[draws].mean(1), float(closer.mean())),
        matches[1].gain,
    )


def curve_of(
    net: Network,
    name: str,
    codes: Sequence[Tensor],
    artworks: Sequence[Rgb],
    photographs: Sequence[Rgb],
) -> Curve:
    """Style distance and SSIM [artworks, strengths] of codes [1, code_size], over photographs."""
    rows = [
        scores(net, code, artwork, photographs, STRENGTHS)
        for code, artwork in zip(codes, artworks, strict=False)
    ]
    values = np.asarray(rows, np.float64)
    return Curve(name, STRENGTHS, values[:, :, 0], values[:, :, 1])


@torch.no_grad()
def scores(
    net: Network, code: Tensor, artwork: Rgb, photographs: Sequence[Rgb], strengths: Sequence[float]
) -> NDArray[np.float64]:
    """Style distance and SSIM of the deepest, means over photographs: [strengths, 2]."""
    module, reference = net.cut(net.depths[-1]), style_statistics(artwork)
    rows = []
    for strength in strengths:
        row = []
        for photograph in photographs:
            content = torch.from_numpy(to_tensor(photograph))
            image = to_levels(module(content, code, torch.full((1, 1), strength)).numpy())
            distance = statistics_distance(style_statistics(image), reference)
            row.append((distance, ssim_content(image, photograph)))
        rows.append(np.mean(row, 0))
    return np.asarray(rows)


def _rows(found: Curve, count: int) -> Curve:
    return Curve(found.name, found.strengths, found.style[:count], found.score[:count])


def _joined(curves: Sequence[Curve]) -> Curve:
    style, score = (
        np.concatenate([getattr(c, name) for c in curves]) for name in ("style", "score")
    )
    return Curve(curves[0].name, curves[0].strengths, style, score)


def _squares(files: Sequence[Path], count: int) -> list[Rgb]:
    """Middle squares of `count` of the files, spread over all."""
    if not files:
        return []
    chosen = np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int)
    return [center_square(load_image(files[i]), STYLE_ENCODER_SIDE_PX) for i in chosen]
