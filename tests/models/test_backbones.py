"""Encoders by name: public names and shapes of their parameters, levels as promised, loading with
care."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from iast_export.errors import InputError
from models.backbones import BACKBONES, HUB_FILES, load_backbone
from models.perceptual import DistilledVgg
from models.teacher import Teacher, TeacherConfig

# Of torchvision's published state dicts.
PUBLIC_SHAPES = {
    "vgg19": {
        "features.0.weight": (64, 3, 3, 3),
        "features.2.bias": (64,),
        "features.5.weight": (128, 64, 3, 3),
        "features.16.weight": (256, 256, 3, 3),
        "features.19.weight": (512, 256, 3, 3),
        "features.28.weight": (512, 512, 3, 3),
    },
    "resnet50": {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_mean": (64,),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.2.conv3.weight": (256, 64, 1, 1),
        "layer2.0.conv2.weight": (128, 128, 3, 3),
        "layer3.5.bn3.num_batches_tracked": (),
    },
    "mobilenet_v2": {
        "features.0.weight": (32, 3, 3, 3),
        "features.1.dw.weight": (32, 1, 3, 3),
        "features.2.expand.weight": (96, 16, 1, 1),
        "features.7.project.weight": (64, 192, 1, 1),
        "features.13.project.bias": (96,),
    },
    "distilled_vgg": {"net.conv11.weight": (16, 3, 3, 3), "net.conv51.weight": (128, 128, 3, 3)},
}


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_levels_have_the_channels_and_strides_they_promise(name: str) -> None:
    torch.manual_seed(0)
    subject = BACKBONES[name]().eval()
    features = subject(torch.rand(1, 3, 64, 96))
    for level in subject.levels:
        assert features[level.name].shape == (
            1,
            level.channels,
            64 // level.stride,
            96 // level.stride,
        )
    shapes = {k: tuple(v.shape) for k, v in subject.state_dict().items()}
    assert PUBLIC_SHAPES[name].items() <= shapes.items()


def whole(name: str, subject: nn.Module) -> dict[str, Tensor]:
    """A state dict as published: with the layers that the encoder does not use."""
    extra = {
        "vgg19": {
            "features.30.weight": torch.zeros(512, 512, 3, 3),
            "classifier.0.weight": torch.zeros(1),
        },
        "resnet50": {"layer4.0.conv1.weight": torch.zeros(1), "fc.bias": torch.zeros(1000)},
        "mobilenet_v2": {
            "features.18.weight": torch.zeros(1),
            "classifier.bias": torch.zeros(1001),
        },
        "distilled_vgg": {"conv51_aux.weight": torch.zeros(1)},
    }[name]
    return {k.removeprefix("net."): v for k, v in subject.state_dict().items()} | extra


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_published_state_dicts_are_taken_from_a_path(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = BACKBONES[name]().eval()
    torch.save(whole(name, source), tmp_path / "w.pth")
    made = load_backbone(name, tmp_path / "w.pth")
    picture = torch.rand(1, 3, 32, 32)
    for key, value in source(picture).items():
        torch.testing.assert_close(made(picture)[key], value)
    assert not made.training and not any(p.requires_grad for p in made.parameters())


def test_torch_hub_is_asked_for_what_has_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(url: str, **options: object) -> dict[str, Tensor]:
        asked.append(url)
        assert options["check_hash"]
        return whole("resnet50", BACKBONES["resnet50"]())

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetch)
    load_backbone("resnet50")
    assert asked[0].endswith("/resnet50-0676ba61.pth") and set(HUB_FILES) == {"resnet50", "vgg19"}


def test_what_cannot_be_loaded_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose one of distilled_vgg, mobilenet_v2"):
        load_backbone("resnet51")
    with pytest.raises(InputError, match="give the path of its state dict"):
        load_backbone("mobilenet_v2")
    with pytest.raises(InputError, match="give the path of vgg19's state dict"):
        load_backbone("vgg19", tmp_path / "none.pth")
    (tmp_path / "bad.pth").write_bytes(b"no")
    with pytest.raises(InputError, match="fetch the file again"):
        load_backbone("vgg19", tmp_path / "bad.pth")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"no state dict of vgg19(.|\n)*own file"):
        load_backbone("vgg19", tmp_path / "other.pth")


@pytest.mark.parametrize(
    ("content", "style", "multiple"),
    [("resnet50", "vgg19", 16), ("mobilenet_v2", "distilled_vgg", 16)],
)
def test_the_published_teacher_and_a_light_one_run(content: str, style: str, multiple: int) -> None:
    torch.manual_seed(0)
    config = TeacherConfig(content, style, widths=(8, 8, 8, 8), code_hidden=16, map_hidden=8)
    teacher = Teacher(config, BACKBONES[content](), BACKBONES[style]()).eval()
    assert teacher.size_multiple_px == multiple
    picture = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        code = teacher.encode(picture, {})
        made = teacher.render(picture, {}, code, torch.ones(1, 1), 1)
    assert made.image.shape == picture.shape and torch.isfinite(made.image).all()
    assert made.attention.shape == (1, 1, 4, 6)


def test_the_distilled_vgg_is_the_same_as_the_losses() -> None:
    torch.manual_seed(0)
    subject, losses = BACKBONES["distilled_vgg"](), DistilledVgg()
    losses.load_state_dict(subject.net.state_dict())
    picture = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(subject(picture)["4_1"], losses(picture)["4_1"])
