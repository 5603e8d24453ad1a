"""The teacher: shapes, strength 0, exact style statistics, learning, other encoders, building from
it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.network.adapters import StyleNetwork
from models.backbones import DISTILLED_VGG_LEVELS, Level
from models.losses import Features, moments
from models.perceptual import DistilledVgg
from models.teacher import StandaloneTeacher, StyleTargets, Teacher, TeacherConfig, style_statistics
from models.trainable import Rendered, Trainable

TINY = TeacherConfig(widths=(8, 8, 8, 8), code_hidden=16, map_hidden=8)


class FourLevels(nn.Module):
    """Another kind of encoder: strides 2 to 16."""

    levels = tuple(Level(f"level{i}", 4 * i, 2**i) for i in range(1, 5))

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *(level.channels for level in self.levels)]
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairs)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Features:
        made: dict[str, Tensor] = {}
        for i, conv in enumerate(self.convs):
            x = torch.relu(conv(x))
            x = x if i else self.norm(x)
            made[self.levels[i].name] = x
        return made


@pytest.fixture(scope="module")
def vgg() -> DistilledVgg:
    """Random weights whose features are about as large as the trained network's."""
    torch.manual_seed(0)
    net = DistilledVgg().eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    net.conv0.weight.mul_(16.0)
    return net


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(4, 3, 6, 6, generator=generator)
    return F.interpolate(coarse[:2], (32, 48), mode="bicubic").clamp(0.0, 1.0), F.interpolate(
        coarse[2:], (32, 32)
    )


def render(
    teacher: Teacher, vgg: DistilledVgg, pictures: tuple[Tensor, Tensor], strength: float
) -> Rendered:
    content, style = pictures
    code = teacher.encode(style, vgg(style))
    return teacher.render(content, vgg(content), code, torch.full((2, 1), strength), 1)


def test_a_picture_of_the_contents_size_with_its_maps_and_features(
    vgg: DistilledVgg, pictures: tuple[Tensor, Tensor]
) -> None:
    teacher = Teacher(TINY)
    assert isinstance(teacher, Trainable)
    made = render(teacher, vgg, pictures, 1.0)
    assert made.image.shape == (2, 3, 32, 48)
    assert made.attention.shape == made.alpha.shape == (2, 1, 8, 12)
    for map_ in (made.attention, made.alpha):
        assert map_.min() > 0.0 and map_.max() < 1.0
    assert {k: v.shape[2] for k, v in made.features.items()} == {
        "stride_8": 4, "stride_4": 8, "stride_2": 16, "stride_1": 32,
    }  # fmt: skip


def test_at_strength_0_the_artwork_makes_no_difference_and_at_1_it_does(
    vgg: DistilledVgg, pictures: tuple[Tensor, Tensor]
) -> None:
    teacher = Teacher(TINY)
    content, style = pictures
    other = (content, style.flip(0) * 0.3)
    torch.testing.assert_close(
        render(teacher, vgg, pictures, 0.0).image,
        render(teacher, vgg, other, 0.0).image,
        atol=1e-5,
        rtol=0,
    )
    apart = render(teacher, vgg, pictures, 1.0).image - render(teacher, vgg, other, 1.0).image
    assert apart.abs().max() > 1e-4


def test_each_level_takes_on_exactly_the_artworks_mean_and_deviation(
    vgg: DistilledVgg, pictures: tuple[Tensor, Tensor]
) -> None:
    content, style = (vgg(x) for x in pictures)
    code = style_statistics(style, DISTILLED_VGG_LEVELS)
    targets = StyleTargets(DISTILLED_VGG_LEVELS[:4], DISTILLED_VGG_LEVELS)(code)
    level, pair = DISTILLED_VGG_LEVELS[2], targets[2]
    wide = content[level.name] * 100.0 / level.rms  # so that the regularizing constant is small
    mean, std = moments(Teacher._restyled(wide, pair))
    wanted_mean, wanted_std = moments(style[level.name] / level.rms)
    alive = content[level.name].std((2, 3)) > 1e-2
    torch.testing.assert_close(mean, wanted_mean, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(std[alive], wanted_std[alive], atol=2e-3, rtol=2e-2)


def test_it_learns_to_give_photographs_back(
    vgg: DistilledVgg, pictures: tuple[Tensor, Tensor]
) -> None:
    torch.manual_seed(3)
    teacher = Teacher(TINY)
    optimizer = torch.optim.Adam(teacher.parameters(), 5e-3)
    errors = []
    for _ in range(20):
        error = (render(teacher, vgg, pictures, 0.0).image - pictures[0]).abs().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert min(errors[-5:]) < 0.9 * errors[0]  # how far it comes depends on the order of float sums


def test_every_trained_part_gets_a_gradient(
    vgg: DistilledVgg, pictures: tuple[Tensor, Tensor]
) -> None:
    teacher = Teacher(TINY)
    made = render(teacher, vgg, pictures, 1.0)
    made.image.square().mean().backward()
    without = [
        k for k, p in teacher.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert without == []


def test_other_encoders_are_held_frozen_and_joined_by_a_learned_map(
    vgg: DistilledVgg, pictures: tuple[Tensor, Tensor]
) -> None:
    teacher = Teacher(TINY, content=FourLevels(), style=None).train()
    assert teacher.size_multiple_px == 16
    assert not teacher.content_backbone.norm.training
    made = render(teacher, vgg, pictures, 1.0)
    assert made.image.shape == (2, 3, 32, 48)
    made.image.sum().backward()
    trained = {k.split(".")[0] for k, p in teacher.named_parameters() if p.grad is not None}
    assert "targets" in trained and "content_backbone" not in trained
    same = Teacher(TINY, content=FourLevels(), style=FourLevels())
    assert len(same.targets.maps) == 0


def test_what_does_not_fit_is_refused(vgg: DistilledVgg, pictures: tuple[Tensor, Tensor]) -> None:
    teacher = Teacher(TINY)
    content, style = pictures
    with pytest.raises(ValueError, match="multiples of 8"):
        render(teacher, vgg, (content[..., :44], style), 1.0)
    code = teacher.encode(style, vgg(style))
    with pytest.raises(ValueError, match="depth 2"):
        teacher.render(content, vgg(content), code, torch.ones(2, 1), 2)
    with pytest.raises(ValueError, match="4 levels"):
        Teacher(TeacherConfig(widths=(8, 8)))


def test_with_its_perceptual_network_it_is_a_network_to_build_from(
    vgg: DistilledVgg, pictures: tuple[Tensor, Tensor]
) -> None:
    network = StandaloneTeacher(Teacher(TINY), vgg)
    assert isinstance(network, StyleNetwork)
    codes = network.encode_style(pictures[1][:1])
    assert [tuple(c.shape) for c in codes] == list(network.code_shapes.values())
    made = network.cut(1)(pictures[0][:1], *codes)
    assert made.shape == (1, 3, 32, 48) and made.min() >= 0.0 and made.max() <= 1.0
    with pytest.raises(ValueError, match="depth 3"):
        network.cut(3)
