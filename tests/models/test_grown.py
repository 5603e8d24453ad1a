"""The grown teacher: the student at first, then more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from iast_export.network.iast import NetworkConfig
from models.grown import GrownConfig, GrownTeacher
from models.networks import build, load_trainable, style_network
from models.objective import Helpers
from models.recipe import TrainingRecipe
from models.teacher import StandaloneTeacher
from models.trainer import Trainer
from tests.training_cases import CPU, RECIPES, tiny, vgg

SMALL = GrownConfig(width=8, stem_width=8, blocks=4, more_blocks=2)


def recipes() -> tuple[TrainingRecipe, TrainingRecipe]:
    student = tiny(TrainingRecipe.read(RECIPES / "iast.toml"))
    student = replace(student, network=NetworkConfig(width=8, stem_width=8))
    return student, replace(tiny(TrainingRecipe.read(RECIPES / "grown.toml")), network=SMALL)


def test_it_begins_as_the_student_it_is_started_from(tmp_path: Path) -> None:
    student, grown = recipes()
    first = Trainer(student, Helpers(vgg()), CPU)
    first.save(tmp_path)
    second = Trainer(grown, Helpers(vgg()), CPU)
    assert len(second.start_from(tmp_path / "weights.pt")) == len(first.net.state_dict())
    small, large = first.averaged().eval(), second.averaged().eval()
    content, style, strength = (
        torch.rand(2, 3, 32, 32),
        torch.rand(2, 3, 32, 32),
        torch.tensor([[1.0], [0.4]]),
    )
    seen = second.objective.vgg(content), second.objective.vgg(style)
    with torch.no_grad():
        one = small.render(content, seen[0], small.encode(style, seen[1]), strength, 4)
        two = large.render(content, seen[0], large.encode(style, seen[1]), strength, 1)
    torch.testing.assert_close(one.image, two.image, atol=1e-5, rtol=1e-4)
    assert two.features["stride_4"].shape == one.features["stride_4"].shape


def test_what_is_new_takes_part_once_it_is_not_zero() -> None:
    torch.manual_seed(0)
    net = GrownTeacher(SMALL).eval()
    content, style = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    seen, of_style, full = vgg()(content), vgg()(style), torch.ones(1, 1)

    def draw() -> torch.Tensor:
        with torch.no_grad():
            return net.render(content, seen, net.encode(style, of_style), full, 1).image

    before = draw()
    for part in (net.see_half, net.see_quarter, net.see_styled, net.see_style, net.more[0].norm2):
        with torch.no_grad():
            part.weight.add_(0.5)
        after = draw()
        assert not torch.allclose(before, after), part
        before = after


def test_a_run_is_read_back_as_a_style_network(tmp_path: Path) -> None:
    trainer = Trainer(recipes()[1], Helpers(vgg()), CPU)
    trainer.save(tmp_path)
    loaded = load_trainable(tmp_path / "weights.pt")
    assert isinstance(loaded, GrownTeacher) and loaded.grown_config == SMALL
    net = style_network(loaded, vgg())
    assert isinstance(net, StandaloneTeacher) and net.depths == (1,) and net.size_multiple_px == 8
    picture = torch.rand(1, 3, 32, 32)
    code, strength = net.encode_style(picture)
    assert tuple(code.shape) == net.code_shapes["style_code"]
    image = net.cut(1)(picture, code, strength)
    assert image.shape == picture.shape and torch.isfinite(image).all()
    with pytest.raises(ValueError, match="--vgg"):
        style_network(loaded)
    with pytest.raises(ValueError, match="depth 2 is not 1"):
        loaded.render(picture, {}, code, strength, 2)


def test_the_recipe_names_it() -> None:
    assert isinstance(build(TrainingRecipe.read(RECIPES / "grown.toml")), GrownTeacher)
