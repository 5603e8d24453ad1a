"""Features learned without labels: what they are asked, and that they learn it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from iast_export.errors import InputError
from models.losses import CONTENT_LAYERS
from models.unlabelled import (
    ContentEncoder,
    agreement_loss,
    changed,
    found_again,
    places_of,
    train,
)


def crops(seed: int, count: int = 4, side: int = 64) -> Tensor:
    """Patches of random grays, eight pixels wide: places that differ."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((count, 3, side // 8, side // 8), dtype=np.float32))
    return torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bilinear")


def test_features_have_the_names_and_strides_of_the_content_layers() -> None:
    found = ContentEncoder().eval()(crops(0))
    assert list(found) == list(CONTENT_LAYERS)
    assert [64 // x.shape[2] for x in found.values()] == [4, 8, 16]


def test_changed_pictures_stay_pictures_and_nothing_moves() -> None:
    picture = torch.zeros(2, 3, 32, 32)
    picture[..., 12:20, 12:20] = 1.0
    other = changed(picture, torch.Generator().manual_seed(0))
    assert other.shape == picture.shape and other.min() >= 0.0 and other.max() <= 1.0
    inside, outside = other[..., 14:18, 14:18].mean((2, 3)), other[..., :8, :8].mean((2, 3))
    assert ((inside - outside).abs() > 0.05).any(1).all()


def test_equal_varied_independent_features_agree() -> None:
    z = torch.randn(4096, 8, generator=torch.Generator().manual_seed(0)) * 1.5
    assert agreement_loss(z, z).item() < 0.1


@pytest.mark.parametrize("fault", ["apart", "collapsed", "repeated"])
def test_each_fault_costs(fault: str) -> None:
    z = torch.randn(512, 8, generator=torch.Generator().manual_seed(0)) * 1.5
    one, other = {
        "apart": (z, z.flip(0)),
        "collapsed": (torch.zeros_like(z), torch.zeros_like(z)),
        "repeated": (z[:, :1].expand(-1, 8), z[:, :1].expand(-1, 8)),
    }[fault]
    assert agreement_loss(one, other).item() > 1.0


def test_places_are_those_of_each_picture() -> None:
    grid = torch.arange(2 * 3 * 4, dtype=torch.float32).view(2, 1, 3, 4)
    assert places_of(grid, torch.tensor([[0, 5], [11, 1]])).flatten().tolist() == [0, 5, 23, 13]


def test_training_brings_views_of_a_place_together() -> None:
    batches = iter(crops(seed) for seed in range(1, 200))
    said: list[str] = []
    net = train(lambda: next(batches), 100, said.append)
    first, last = (float(line.rpartition(" ")[2]) for line in said)
    assert last < 0.9 * first
    assert not net.training and not any(p.requires_grad for p in net.parameters())


def test_places_that_differ_are_found_again_and_equal_ones_by_chance() -> None:
    torch.manual_seed(0)
    net = ContentEncoder().eval()
    assert found_again(net, [crops(1000 + i, 1) for i in range(4)], "3_2", 16) > 0.25
    assert found_again(net, [torch.full((1, 3, 64, 64), 0.5)] * 4, "3_2", 16) < 0.2


def test_a_missing_encoder_says_how_to_train_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"python -m models\.unlabelled"):
        ContentEncoder.load(tmp_path / "none.pt")
