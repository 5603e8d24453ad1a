"""BiSeNet: the layout of its state dict, masks of parts, and what is said of another file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from iast_export.errors import InputError
from models.faces import PARTS, FaceTerms, KnownFaces, LandmarkNetwork
from models.faces.parsing import FaceParser


@pytest.fixture(scope="module")
def parser() -> FaceParser:
    torch.manual_seed(0)
    return FaceParser().eval()


def test_its_parameters_have_the_public_names_and_shapes(parser: FaceParser) -> None:
    shapes = {k: tuple(v.shape) for k, v in parser.state_dict().items()}
    for name, shape in {
        "cp.resnet.conv1.weight": (64, 3, 7, 7),
        "cp.resnet.layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "cp.resnet.layer4.1.bn2.running_var": (512,),
        "cp.arm16.conv.conv.weight": (128, 256, 3, 3),
        "cp.arm32.bn_atten.weight": (128,),
        "cp.conv_avg.conv.weight": (128, 512, 1, 1),
        "cp.conv_head32.bn.bias": (128,),
        "ffm.convblk.conv.weight": (256, 256, 1, 1),
        "ffm.conv1.weight": (64, 256, 1, 1),
        "conv_out.conv_out.weight": (19, 256, 1, 1),
    }.items():
        assert shapes[name] == shape, name


def test_masks_are_shares_of_the_parts(parser: FaceParser) -> None:
    masks = parser(torch.rand(1, 3, 64, 96))
    assert masks.shape == (1, len(PARTS), 8, 12)
    assert masks.min() >= 0.0 and masks.sum(1).max() <= 1.0 + 1e-5


def test_a_state_dict_is_loaded_without_its_auxiliary_outputs(
    parser: FaceParser, tmp_path: Path
) -> None:
    torch.save(
        {**parser.state_dict(), "conv_out16.conv_out.weight": torch.zeros(1)}, tmp_path / "b.pth"
    )
    loaded, crop = FaceParser.load(tmp_path / "b.pth"), torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(loaded(crop), parser(crop))
    torch.save({"something": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"no BiSeNet state dict(.|\n)*19-class"):
        FaceParser.load(tmp_path / "other.pth")
    with pytest.raises(InputError, match="masks drawn from landmarks"):
        FaceParser.load(tmp_path / "none.pth")


def test_it_takes_the_place_of_drawn_masks(
    parser: FaceParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parser, "side_px", 64, raising=False)
    terms = FaceTerms(LandmarkNetwork().eval(), parser)
    photograph = torch.rand(1, 3, 64, 64)
    boxes = KnownFaces(torch.tensor([[8.0, 8.0, 56.0, 56.0]]))
    assert terms(photograph, photograph, boxes)["face_parts"].item() == pytest.approx(0.0, abs=5e-6)
    assert terms(1.0 - photograph, photograph, boxes)["face_parts"].item() > 1e-5
