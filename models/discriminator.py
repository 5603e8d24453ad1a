"""A patch discriminator: is this patch painted, and painted in this style?

Scores come per patch (Isola et al. 2017) and may be conditioned on the style code by projection
(Miyato and Koyama 2018): D(x, c) = w . phi(x) + <V c, phi(x)>. Spectral normalization keeps it
Lipschitz (Miyato et al. 2018), so the hinge losses of `models.losses.adversarial` stay meaningful.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """Picture [N, 3, H, W] in [0, 1], sides of 16 px or more -> scores [N, 1, H / 8, W / 8].

    A score sees 38 px: enough for a brush stroke, too little for a scene.
    """

    def __init__(self, code_size: int = 0, widths: tuple[int, ...] = (32, 64, 96)) -> None:
        """`code_size`: length of the style code that scores are conditioned on; 0 for none."""
        super().__init__()
        self.code_size = code_size
        self.convs = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, 2, 1)) for a, b in pairwise((3, *widths))
        )
        self.mix = spectral_norm(nn.Conv2d(widths[-1], widths[-1], 3, 1, 1))
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 1))
        self.project = (
            spectral_norm(nn.Linear(code_size, widths[-1], bias=False)) if code_size else None
        )

    def forward(self, image: Tensor, code: Tensor | None = None) -> Tensor:
        """Scores, higher for what looks painted.

        Args:
            image: pictures in [0, 1]; values outside count as they are.
            code: style codes [N, code_size], when conditioned.

        Raises:
            ValueError: a code is missing, or there is one that nothing takes.
        """
        if (code is None) != (self.project is None):
            raise ValueError(
                f"this discriminator takes {'a style code' if self.project else 'no style code'}"
            )
        x = image * 2.0 - 1.0
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        x = F.leaky_relu(self.mix(x), 0.2)
        scores: Tensor = self.score(x)
        if self.project is not None and code is not None:
            wanted = self.project(F.normalize(code, dim=1))
            scores = scores + (x * wanted[:, :, None, None]).sum(1, keepdim=True)
        return scores
