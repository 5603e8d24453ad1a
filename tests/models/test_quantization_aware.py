"""Fake quantization: its numbers, its points, what it learns, and the plain checkpoint that it
leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from iast_export.build.export import export_tier
from iast_export.decide.decide import decide_onnx
from iast_export.errors import InputError
from iast_export.formats.onnx_graph import load_model
from iast_export.network.checkpoint import load_checkpoint, save_checkpoint
from iast_export.network.iast import IAST, ResidualBlock
from iast_export.quantize.calibrate import collect
from iast_export.quantize.learned import Learned
from iast_export.quantize.observers import observe_onnx
from iast_export.quantize.onnx.layers import activation_parameters, quantize_weight
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.ranges import minmax
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import Tier
from models import release
from models.batch import Batch
from models.networks import learned, load_trainable, style_network
from models.objective import Helpers
from models.quantization_aware import (
    QuantizationAware,
    fake_activation,
    fake_picture,
    fake_weight,
    parts_at,
    points,
)
from models.recipe import TrainingRecipe
from models.train import main, train
from models.trainable import Trainable
from models.trainer import Trainer
from tests.training_cases import CPU, RECIPES, TINY, draw_pictures, stores, tiny, vgg

RECIPE = RECIPES / "quantization_aware.toml"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def recipe() -> TrainingRecipe:
    return tiny(TrainingRecipe.read(RECIPE), steps=2, log_every=1, observe_batches=2)


def student() -> IAST:
    """A student with weights large enough that rounding is seen in its pictures."""
    torch.manual_seed(3)
    net = IAST(TINY["student"])
    with torch.no_grad():
        for block in net.blocks:
            assert isinstance(block, ResidualBlock)
            block.conv2.conv.weight.mul_(5.0)
        net.to_rgb.weight.mul_(5.0)
    return net.eval()


def one_pair(seed: int = 0) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    content, style = (torch.rand(1, 3, 32, 32, generator=rng) for _ in range(2))
    return Batch(content, style, torch.ones(1, 1), torch.zeros(1))


def observed(net: IAST, *batches: Batch) -> QuantizationAware:
    made = QuantizationAware(net)
    made.observe(batches or (one_pair(),), minmax)
    return made


def rendered(module: QuantizationAware, batch: Batch, depth: int) -> Any:
    code = module.encode(batch.style, {})
    return module.render(batch.content, {}, code, batch.strength, depth)


def test_a_fake_quantized_convolution_is_numpys_quantize_and_dequantize() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0.3, 1.0, (2, 4, 9, 9)).astype(np.float32)
    weight = rng.normal(0.0, 0.2, (6, 4, 3, 3)).astype(np.float32)
    weight[2] = 0.0
    found = activation_parameters(-1.5, 2.0)
    levels = np.clip(np.round(x / found.scale) + found.zero_point, 0, 255)
    rounded = ((levels - found.zero_point) * found.scale).astype(np.float32)
    int8, scales, _ = quantize_weight(weight, np.zeros(6, np.float32), found.scale)
    dequantized = int8.astype(np.float32) * scales[:, None, None, None]
    made_x, made_weight = (
        fake_activation(torch.from_numpy(x), -1.5, 2.0),
        fake_weight(torch.from_numpy(weight)),
    )
    np.testing.assert_allclose(made_x.numpy(), rounded, atol=1e-6)
    np.testing.assert_allclose(made_weight.numpy(), dequantized, atol=1e-7)
    expected = F.conv2d(torch.from_numpy(rounded), torch.from_numpy(dequantized))
    torch.testing.assert_close(F.conv2d(made_x, made_weight), expected, atol=1e-5, rtol=0)


def test_gradients_pass_where_nothing_is_clipped() -> None:
    x = torch.tensor([-3.0, -0.51, 0.0, 0.7, 5.0], requires_grad=True)
    fake_activation(x, -1.0, 1.0).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    weight = torch.randn(3, 2, 3, 3, requires_grad=True)
    fake_weight(weight).sum().backward()
    assert weight.grad is not None and (weight.grad == 1.0).all()
    image = torch.tensor([-0.2, 0.5004, 1.3], requires_grad=True)
    made = fake_picture(image)
    torch.testing.assert_close(made * 255, torch.tensor([-51.0, 128.0, 332.0]), atol=1e-3, rtol=0)
    made.sum().backward()
    assert (
        image.grad is not None and (image.grad == 1.0).all()
    )  # outside too, for the loss on what is outside


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_without_rounding_the_pictures_are_the_networks_own(depth: int) -> None:
    net, batch = student(), one_pair()
    code = net.style_encoder(batch.style)
    names: list[str] = []

    def at(name: str, x: torch.Tensor) -> torch.Tensor:
        names.append(name)
        return x

    made = parts_at(
        net.share(depth), batch.content, code, batch.strength, at, lambda weight: weight
    )
    expected = net.share(depth).parts(batch.content, code, batch.strength)
    for own, other in zip(made, expected, strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-5)
    assert sorted(names) == sorted(points(depth)) and len(set(names)) == len(names)


@pytest.mark.parametrize("depth", [1, 4])
def test_it_quantizes_what_the_export_quantizes_and_makes_its_picture(
    depth: int, tmp_path: Path
) -> None:
    net, batch, path = student(), one_pair(), tmp_path / "fp32.onnx"
    export_tier(net, Tier(depth, 32), path)
    decisions = decide_onnx(load_model(path))
    assert len(decisions.roots) == len(points(depth)) == 9 + 3 * depth
    code = net.style_encoder(batch.style).detach().numpy()
    feed = {
        "content": batch.content.numpy(),
        "style_code": code,
        "strength": np.ones((1, 1), np.float32),
    }
    ranges = collect(observe_onnx(path, tensors_to_calibrate(path)), [feed])
    module = observed(net, batch)
    own = {k: v for k, v in module.range_of(depth).items() if k not in ("content", "image")}
    of_export = sorted((found.low, found.high) for found in ranges.values())
    np.testing.assert_allclose(
        sorted(own.values()), of_export, atol=1e-4
    )  # the same tensors, not only as many

    quantize_onnx(path, Learned(ranges), tmp_path / "int8.onnx")
    int8 = open_onnx((tmp_path / "int8.onnx").read_bytes()).run(feed)["stylized"]
    made = rendered(module, batch, depth)
    fake = made.image.clamp(0.0, 1.0).detach().numpy()
    lost = np.abs(int8 - made.target.numpy()).mean()
    assert (
        np.abs(fake - int8).mean() < 0.35 * lost
    )  # rounding at the same places, not noise of the same size


def test_it_is_a_trainable_that_asks_for_its_ranges() -> None:
    module = QuantizationAware(student())
    assert isinstance(module, Trainable)
    with pytest.raises(ValueError, match=r"call observe\(\)"):
        rendered(module, one_pair(), 1)
    with pytest.raises(InputError, match="never observed"):
        module.observe([])
    assert module.observe([one_pair()]) == sum(len(points(d)) for d in module.depths)
    assert module.range_of(1)["content"] == module.range_of(4)["image"] == (0.0, 1.0)
    assert module.range_of(1)["trunk"] != module.range_of(4)["trunk"]  # a range per depth


def test_style_encoder_and_float_copy_stay_as_they_are(
    images: Path, recipe: TrainingRecipe
) -> None:
    subject, draw = trainer(recipe), source(images, recipe)
    before = {k: v.clone() for k, v in subject.net.state_dict().items()}
    list(train(subject, draw, images.parent / "kept", 1e9))
    after = subject.net.state_dict()
    moved = {k for k, v in after.items() if not torch.equal(v, before[k])} - {"ranges"}
    assert moved and all(k.startswith("net.") and "style_encoder" not in k for k in moved)


def trainer(recipe: TrainingRecipe) -> Trainer:
    made = Trainer(recipe, Helpers(vgg()), CPU)
    net: Any = made.net
    net.begin(student())
    made.ema = {k: v.clone() for k, v in learned(net).items()}
    return made


def source(images: Path, recipe: TrainingRecipe) -> Any:
    contents, styles = stores(images, recipe)
    return lambda rng: Batch.draw(contents, styles, recipe, rng)


def test_20_steps_bring_int8_closer_to_the_float_picture(
    images: Path, recipe: TrainingRecipe
) -> None:
    alone = replace(
        recipe.loss, **{k: 0.0 for k in ("style_moments", "style_gram", "content", "detail")}
    )
    alone = replace(alone, reconstruction=0.0, total_variation=0.0, out_of_range=0.0)
    subject = trainer(replace(recipe, steps=100, loss=alone, learning_rate=3e-4))
    batch = source(images, recipe)(np.random.default_rng(0))
    subject.observe([batch])
    subject._depths = lambda: (4,)  # type: ignore[method-assign]
    values = [subject.train_step(batch)["float_image"].item() for _ in range(20)]
    assert np.mean(values[-3:]) < 0.9 * np.mean(values[:3])


def test_the_result_is_an_ordinary_checkpoint_without_fake_quantization(
    images: Path, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    subject = trainer(recipe)
    list(train(subject, source(images, recipe), tmp_path / "run", 1e9))
    loaded = load_trainable(tmp_path / "run" / "weights.pt")
    assert isinstance(loaded, QuantizationAware)
    torch.testing.assert_close(loaded.ranges, subject.net.ranges, equal_nan=True)
    card = {k: "test" for k in ("name", "licence", "value_range")} | {
        k: {} for k in ("data", "metrics", "training")
    }
    save_checkpoint(style_network(loaded), tmp_path / "qat.safetensors", card)
    net = load_checkpoint(tmp_path / "qat.safetensors")
    assert net.state_dict().keys() == student().state_dict().keys()
    assert not torch.equal(net.stem.conv.weight, student().stem.conv.weight)
    batch = one_pair()
    code = net.style_encoder(batch.style)
    expected: Any = subject.averaged().net.share(3)(batch.content, code, batch.strength)  # type: ignore[operator,union-attr]
    torch.testing.assert_close(
        net.cut(3)(batch.content, code, batch.strength), expected, atol=1e-5, rtol=0
    )


def test_a_run_is_released_to_a_file_of_its_own(
    images: Path, recipe: TrainingRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = trainer(recipe)
    subject.save(tmp_path)
    facts = {k: "test" for k in ("name", "licence", "value_range")}
    facts |= {k: {} for k in ("data", "metrics", "training")}  # type: ignore[misc]
    monkeypatch.setattr(release, "card", lambda *_: facts)  # what it measures takes minutes
    out = tmp_path / "qat.safetensors"
    given = ["release", "--run", tmp_path, "--recipe", RECIPE, "--images", images]
    monkeypatch.setattr("sys.argv", [str(part) for part in given])
    with pytest.raises(SystemExit):
        release.main()
    monkeypatch.setattr("sys.argv", [str(part) for part in [*given, "--checkpoint", out]])
    release.main()
    assert torch.equal(load_checkpoint(out).stem.conv.weight, student().stem.conv.weight)


def test_a_resumed_run_keeps_its_ranges(
    images: Path, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    subject, draw = trainer(replace(recipe, steps=4)), source(images, recipe)
    rows = train(subject, draw, tmp_path, 1e9)
    next(rows)
    subject.save(tmp_path)
    again = Trainer(recipe, Helpers(vgg()), CPU)
    assert again.resume(tmp_path) and again.step == 1
    torch.testing.assert_close(again.net.ranges, subject.net.ranges, equal_nan=True)


def test_it_starts_from_a_students_run_with_its_normalization_folded(
    recipe: TrainingRecipe, tmp_path: Path
) -> None:
    plain = replace(
        recipe, kind="student", block_norm=True, loss=replace(recipe.loss, float_image=0.0)
    )
    first = Trainer(plain, Helpers(vgg()), CPU)
    first.save(tmp_path)
    second = Trainer(recipe, Helpers(vgg()), CPU)
    assert "blocks.0.conv1.conv.weight" in second.start_from(tmp_path / "weights.pt")
    batch = one_pair()
    net: Any = second.net
    code = net.encode(batch.style, {})
    expected = first.net.cut(2)(batch.content, code, batch.strength)
    torch.testing.assert_close(
        net.float_net.share(2)(batch.content, code, batch.strength), expected
    )
    other = QuantizationAware(IAST(replace(TINY["student"], width=16)))
    with pytest.raises(ValueError, match=r"the recipe's \[network\] is"):
        other.begin(student())


def test_what_is_missing_is_asked_for(images: Path, recipe: TrainingRecipe, tmp_path: Path) -> None:
    torch.save(vgg().state_dict(), tmp_path / "5SE.pt")
    paths = {
        "--recipe": RECIPE,
        "--images": images,
        "--vgg": tmp_path / "5SE.pt",
        "--run": tmp_path,
    }
    command = [str(part) for pair in paths.items() for part in pair] + ["--device", "cpu"]
    with pytest.raises(SystemExit, match="give --init"):
        main(command)
    plain = Trainer(replace(recipe, kind="student"), Helpers(vgg()), CPU)
    with pytest.raises(ValueError, match="set float_image = 0"):
        plain.train_step(source(images, recipe)(np.random.default_rng(0)))
