"""The discriminator in training: learns to tell artworks from results, given the style code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models import losses
from models.batch import Batch
from models.discriminator import PatchDiscriminator
from models.objective import Drawn
from models.processes import average

_BETAS = (0.5, 0.99)


class Critic:
    """A patch discriminator and its optimizer."""

    def __init__(self, code_size: int, learning_rate: float, device: torch.device) -> None:
        layout = torch.channels_last
        self.net = PatchDiscriminator(code_size).to(device, memory_format=layout)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), learning_rate, _BETAS, fused=device.type == "cuda"
        )

    def frozen(self) -> PatchDiscriminator:
        """The network, its own parameters without gradients: for the step of what it judges."""
        net: PatchDiscriminator = self.net.requires_grad_(False)
        return net

    def learn(self, batch: Batch, drawn: Drawn) -> Tensor:
        """Gradients of a step on the batch's artworks and on results; the loss, detached.

        `update` takes the step. Samples at low strength are left out: nobody asks them to look
        painted.
        """
        self.net.requires_grad_(True)
        # By weight: to select them the host would have to wait for the device.
        chosen = (batch.strength[:, 0] >= 0.5).float()
        self.optimizer.zero_grad(set_to_none=True)
        height, width = drawn.image.shape[2:]  # an artwork may be larger
        artworks = batch.style[..., :height, :width]
        real, made = (self.net(x, drawn.code) for x in (artworks, drawn.image))
        loss = losses.discriminator_loss(real, made, chosen / chosen.sum().clamp_min(1.0))
        loss.backward()
        return loss.detach()

    def update(self) -> None:
        """The step that `learn` found gradients for."""
        average(p.grad for p in self.net.parameters() if p.grad is not None)
        self.optimizer.step()

    def state(self) -> dict[str, Any]:
        """Network and optimizer, to save."""
        return {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Loads what `state` gave."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
