"""The adversarial term: hinge losses over a patch discriminator's scores."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(
    of_artworks: Tensor, of_results: Tensor, share: Tensor | None = None
) -> Tensor:
    """mean max(0, 1 - D(artwork)) + mean max(0, 1 + D(result)) (Lim and Ye 2017, equation 6).

    Args:
        of_artworks, of_results: scores of any shape, one per patch; results detached by the caller.
        share: of each sample in the means [N], adding up to 1; by default all weigh alike.
    """
    hinges = F.relu(1.0 - of_artworks.float()) + F.relu(1.0 + of_results.float())
    return hinges.mean() if share is None else (hinges.flatten(1).mean(1) * share).sum()


def generator_loss(of_results: Tensor) -> Tensor:
    """-mean D(result) per sample [N]: what the network gains by passing for a painting."""
    return -of_results.float().flatten(1).mean(1)
