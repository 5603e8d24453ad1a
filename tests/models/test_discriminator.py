"""The patch discriminator: its grid, its condition, and that it tells paintings from flat
pictures."""

from __future__ import annotations

import pytest
import torch

from models.discriminator import PatchDiscriminator
from models.losses import discriminator_loss, generator_loss


def test_one_score_per_patch() -> None:
    assert PatchDiscriminator()(torch.rand(2, 3, 64, 48)).shape == (2, 1, 8, 6)


def test_a_score_sees_38_px_and_no_more() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, 128, 128, requires_grad=True)
    PatchDiscriminator()(image)[0, 0, 8, 8].backward()
    assert image.grad is not None
    seen = image.grad.abs().sum((0, 1)).nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [38, 38]


def test_scores_depend_on_the_code_where_there_is_one() -> None:
    torch.manual_seed(0)
    subject, image = PatchDiscriminator(code_size=10).eval(), torch.rand(1, 3, 32, 32)
    a, b = (subject(image, code) for code in (torch.randn(1, 10), torch.randn(1, 10)))
    assert not torch.allclose(a, b)
    with pytest.raises(ValueError, match="takes a style code"):
        subject(image)
    with pytest.raises(ValueError, match="takes no style code"):
        PatchDiscriminator()(image, torch.randn(1, 10))


def test_it_learns_to_tell_texture_from_flatness_and_the_generator_follows() -> None:
    torch.manual_seed(0)
    subject = PatchDiscriminator()
    optimizer = torch.optim.Adam(subject.parameters(), 2e-3)
    flat = torch.rand(4, 3, 1, 1).expand(4, 3, 32, 32)
    first = None
    for _ in range(25):
        textured = torch.rand(4, 3, 32, 32)
        loss = discriminator_loss(subject(textured), subject(flat))
        first = first if first is not None else loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6 * first
    assert generator_loss(subject(textured)).mean() < generator_loss(subject(flat)).mean()
