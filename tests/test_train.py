"""The training loop: loss falls on a fixed batch, a resumed run goes the same way, data stay apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from iast_export.network import NetworkConfig
from models import losses
from models.data import CropStore, held_out, training_files
from models.perceptual import DistilledVgg
from models.train import Batch, Trainer, TrainingRecipe

RECIPE = Path(__file__).parents[1] / "models" / "recipes" / "iast.toml"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for folder, name in (("content/bsds500", "bsds_"), ("style/oil", "oil_")):
        (root / folder).mkdir(parents=True)
        for i in range(1, 4):
            coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            cv2.imwrite(str(root / folder / f"{name}{i:04d}.jpg"), cv2.resize(coarse, (80, 64)))
    return root


@pytest.fixture(scope="module")
def recipe() -> TrainingRecipe:
    tiny = NetworkConfig(width=8, stem_width=8, encoder_widths=(8, 8, 8, 8), encoder_hidden=16)
    full = TrainingRecipe.read(RECIPE)
    loss = replace(full.loss, style_schedule=[[0, 1.0]])
    return replace(
        full, batch=2, crop_px=32, warmup_steps=1, network=tiny, loss=loss, bfloat16=False, sandwich=True
    )


def trainer(recipe: TrainingRecipe) -> Trainer:
    torch.manual_seed(1)
    return Trainer(recipe, DistilledVgg().eval().requires_grad_(False), CPU)


def test_loss_falls_on_a_fixed_batch_in_20_steps(images: Path, recipe: TrainingRecipe) -> None:
    contents, styles = (CropStore(files, recipe.crop_px, CPU) for files in training_files(images))
    subject = trainer(recipe)
    rng = np.random.default_rng(0)
    batch = Batch.draw(contents, styles, recipe, rng)
    values = [subject.train_step(batch, np.random.default_rng(5))["loss"].item() for _ in range(20)]
    assert np.mean(values[-3:]) < 0.9 * np.mean(values[:3])


def test_a_resumed_run_takes_the_same_steps(images: Path, recipe: TrainingRecipe, tmp_path: Path) -> None:
    contents, styles = (CropStore(files, recipe.crop_px, CPU) for files in training_files(images))

    def go(subject: Trainer, steps: int) -> None:
        for _ in range(steps):
            rng = subject.rng()
            subject.train_step(Batch.draw(contents, styles, recipe, rng), rng)

    whole, first, second = trainer(recipe), trainer(recipe), trainer(recipe)
    go(whole, 4)
    go(first, 2)
    first.save(tmp_path)
    assert second.resume(tmp_path)
    assert second.step == 2
    go(second, 2)
    for key, value in whole.net.state_dict().items():
        torch.testing.assert_close(second.net.state_dict()[key], value, atol=1e-6, rtol=1e-5)


def test_held_out_artworks_never_train(images: Path) -> None:
    assert held_out(Path("style/oil/oil_0008.jpg"))
    assert held_out(Path("style/cartoon/toon_cafe_0001.jpg"))
    _, styles = training_files(images)
    assert styles and not any(held_out(p) for p in styles)
    with pytest.raises(FileNotFoundError, match="0 photographs"):
        training_files(images / "content")


def test_an_unknown_key_in_a_recipe_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(RECIPE.read_text().replace("batch =", "bach ="))
    with pytest.raises(ValueError, match="bach"):
        TrainingRecipe.read(path)


def test_losses_are_zero_on_equal_features_and_known_otherwise() -> None:
    layers = sorted({*losses.CONTENT_LAYERS, *losses.MOMENT_LAYERS, *losses.GRAM_LAYERS})
    features = {k: torch.rand(2, 4, 8, 8) for k in layers}
    for loss in (losses.content_loss, losses.style_moment_loss, losses.style_gram_loss):
        torch.testing.assert_close(loss(features, features), torch.zeros(2))
    assert losses.out_of_range_loss(torch.full((1, 3, 2, 2), 1.5)).item() == pytest.approx(0.5)
    assert losses.total_variation_loss(torch.ones(1, 3, 4, 4)).item() == 0.0
    assert losses.gram(torch.ones(1, 2, 3, 3)).tolist() == [[[1.0, 1.0], [1.0, 1.0]]]
