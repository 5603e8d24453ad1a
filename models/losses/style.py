"""How far a picture is from an artwork's style: feature statistics and Gram matrices."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from models.losses.features import Features, by_place, gram, moments

MOMENT_LAYERS = ("1_1", "2_1", "3_1", "4_1", "5_1")
GRAM_LAYERS = ("2_1", "3_1", "4_1")
SLICED_LAYERS = ("2_1", "3_1", "4_1")
FLAT_SHARE = 0.3  # of a picture's places, the flattest
_MOST_PLACES = 4096  # sorted at once on a GPU; with more it sorts another way, slowly
_DIRECTIONS = 64
_COLOR_GRID = 32  # places each way at which colors are compared
_LEAST_SPREAD = 0.01  # of colors, in squared parts of the range; an artwork of one color has none
_WINDOW_PX = 9  # a place's surroundings, about a brush stroke at the size that is trained


def style_moment_loss(result: Features, style: Features) -> Tensor:
    """Distance [N] of feature means and deviations (Huang and Belongie 2017, equation 13).

    Per layer: mean over channels of (mu_r - mu_s)^2 + (sigma_r - sigma_s)^2, over the style's own
    mu_s^2 + sigma_s^2; then the mean over relu1_1 .. relu5_1.
    """
    total: Tensor | float = 0.0
    for layer in MOMENT_LAYERS:
        mean, std = moments(result[layer])
        mean_s, std_s = moments(style[layer])
        energy = (mean_s.square() + std_s.square()).mean(1) + 1e-6
        total = total + ((mean - mean_s).square() + (std - std_s).square()).mean(1) / energy
    return total / len(MOMENT_LAYERS)  # type: ignore[return-value]


def style_gram_loss(result: Features, style: Features) -> Tensor:
    """Distance [N] of Gram matrices (Gatys et al. 2016, equation 4), relative to the style's.

    Per layer ||G_r - G_s||^2 / ||G_s||^2 in the Frobenius norm; then the mean over layers.
    """
    total: Tensor | float = 0.0
    for layer in GRAM_LAYERS:
        target = gram(style[layer])
        difference = (gram(result[layer]) - target).square().sum((1, 2))
        total = total + difference / (target.square().sum((1, 2)) + 1e-6)
    return total / len(GRAM_LAYERS)  # type: ignore[return-value]


def color_loss(picture: Tensor, artwork: Tensor) -> Tensor:
    """Distance [N] of the colors of a picture's areas to those of an artwork's, wherever they lie.

    The squared sliced Wasserstein distance of colors over an even grid of places, relative to how
    far the artwork's own are spread. Moments of colors don't tell two hues from the grey between.

    Args:
        picture, artwork: [N, 3, H, W], of any two sizes.
    """
    ours, theirs = (
        _sorted_projections(by_place(F.adaptive_avg_pool2d(x.float(), _COLOR_GRID)))
        for x in (picture, artwork)
    )
    spread = theirs.var(2, correction=0).mean(1)
    return (ours - theirs).square().mean((1, 2)) / (spread + _LEAST_SPREAD)


def roughness(picture: Tensor) -> Tensor:
    """Mean absolute gradient of the lightness around each pixel [N, 1, H, W], of [N, 3, H, W]."""
    light = picture.float().mean(1, keepdim=True)
    across = F.pad((light[..., 1:] - light[..., :-1]).abs(), (0, 1))
    down = F.pad((light[..., 1:, :] - light[..., :-1, :]).abs(), (0, 0, 0, 1))
    return F.avg_pool2d(across + down, _WINDOW_PX, 1, _WINDOW_PX // 2, count_include_pad=False)


def sliced_style_loss(
    result: Features, style: Features, rough_photograph: Tensor, rough_style: Tensor
) -> Tensor:
    """Distance [N] of what flat regions look like: the photograph's, drawn, to the artwork's own.

    Per layer the squared sliced Wasserstein distance (Heitz et al., "A Sliced Wasserstein Loss for
    Neural Texture Synthesis", CVPR 2021) over `FLAT_SHARE` of the places, relative to the energy of
    the style's; then the mean over layers. A flat sky so need not carry what the artwork draws
    elsewhere.

    Args:
        result, style: perceptual features, of pictures of any two sizes.
        rough_photograph, rough_style: `roughness` of the photograph and of the artwork.
    """
    total: Tensor | float = 0.0
    for layer in SLICED_LAYERS:
        ours = _sorted_projections(_flattest(result[layer].float(), rough_photograph))
        theirs = _sorted_projections(_flattest(style[layer].float(), rough_style))
        count = min(ours.shape[2], theirs.shape[2])
        ours, theirs = _spread(ours, count), _spread(theirs, count)
        energy = theirs.square().mean((1, 2)) + 1e-6
        total = total + (ours - theirs).square().mean((1, 2)) / energy
    return total / len(SLICED_LAYERS)  # type: ignore[return-value]


def _flattest(x: Tensor, rough: Tensor) -> Tensor:
    """Features [N, K, C] at the K flattest places of [N, C, H, W]."""
    here = F.adaptive_avg_pool2d(rough, x.shape[2:]).flatten(2)  # type: ignore[arg-type]
    count = min(_MOST_PLACES, max(1, int(FLAT_SHARE * here.shape[2])))
    places = here.topk(count, dim=2, largest=False).indices
    return by_place(x).gather(1, places.transpose(1, 2).expand(-1, -1, x.shape[1]))


def _sorted_projections(x: Tensor) -> Tensor:
    """Values [N, directions, K] of features [N, K, C] along each direction, in order."""
    return (x @ _directions(x.shape[2], x.device).T).transpose(1, 2).sort(2).values


def _spread(x: Tensor, count: int) -> Tensor:
    """`count` of the sorted values, evenly."""
    if x.shape[2] == count:
        return x
    steps = torch.arange(count, device=x.device, dtype=torch.float64) + 0.5
    return x[:, :, (steps * (x.shape[2] / count)).long()]


@cache
def _directions(channels: int, device: torch.device) -> Tensor:
    """Unit vectors [directions, channels], the same in every run: bases, turned at random."""
    generator = torch.Generator().manual_seed(channels)
    bases = [
        torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q
        for _ in range(-(-_DIRECTIONS // channels))
    ]
    return torch.cat(bases)[:_DIRECTIONS].to(device)
