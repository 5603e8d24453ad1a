"""How far a picture is from an artwork's style: feature statistics and Gram matrices."""

from __future__ import annotations

from torch import Tensor

from models.losses.features import Features, gram, moments

MOMENT_LAYERS = ("1_1", "2_1", "3_1", "4_1", "5_1")
GRAM_LAYERS = ("2_1", "3_1", "4_1")


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
