"""The adversarial term: hinge losses over a patch discriminator's scores."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(of_artworks: Tensor, of_results: Tensor) -> Tensor:
    """mean max(0, 1 - D(artwork)) + mean max(0, 1 + D(result)), a scalar (Lim and Ye 2017, equation 6).

    Args:
        of_artworks, of_results: scores of any shape, one per patch; results detached by the caller.
    """
    return F.relu(1.0 - of_artworks.float()).mean() + F.relu(1.0 + of_results.float()).mean()


def generator_loss(of_results: Tensor) -> Tensor:
    """-mean D(result) per sample [N]: what the network gains by passing for a painting."""
    return -of_results.float().flatten(1).mean(1)
