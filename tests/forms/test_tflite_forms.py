from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.build import convert
from iast_export.formats import tflite_file
from iast_export.forms.tflite_forms import reduced
from iast_export.runtimes.litert import open_litert
from iast_export.specs import Tier
from tests.litert_cases import operators
from tests.tiny_networks import OneTier


class Moved(nn.Module):
    """A convolution, one way to move values, and a clamp."""

    def __init__(self, move: str) -> None:
        super().__init__()
        self.move = move
        self.conv = nn.Conv2d(3, 12, 3, padding=1)
        self.last = nn.Conv2d(12, 3, 1)

    def forward(self, content: Tensor) -> Tensor:
        x = self.conv(content)
        if self.move == "shuffle":
            return F.pixel_shuffle(x, 2).clamp(0.0, 1.0)
        if self.move == "shuffle of a product":
            return F.pixel_shuffle(x * x, 2).clamp(0.0, 1.0)
        if self.move == "unshuffle":
            x = F.pixel_unshuffle(x, 2)[:, ::4].contiguous()
        if self.move == "groups":
            n, c, h, w = x.shape
            x = x.reshape(n, 3, c // 3, h, w).transpose(1, 2).reshape(n, c, h, w)
        if self.move == "columns":  # values of one channel block side by side, as no operator does
            n, c, h, w = x.shape
            x = x.permute(0, 2, 3, 1).reshape(n, h, 2, w // 2, 2, c // 2)
            x = x.permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c).permute(0, 3, 1, 2)
        return self.last(x).clamp(0.0, 1.0)


@pytest.mark.parametrize(
    ("move", "expected"),
    [
        ("shuffle", {"DEPTH_TO_SPACE": 1, "RESHAPE": 0}),
        ("shuffle of a product", {"DEPTH_TO_SPACE": 1}),
        ("unshuffle", {}),
        ("groups", {}),
        ("columns", {"TRANSPOSE": 1}),
    ],
)
def test_values_are_moved_exactly_in_at_most_four_dimensions(
    move: str, expected: dict[str, int], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    path = tmp_path / "moved.tflite"
    convert.convert_fp32(OneTier(Moved(move)), (Tier(1, 16),), path)  # compares with PyTorch
    model = tflite_file.read_model(path)
    assert max(len(tflite_file.tensor_shape(t)) for t in model.subgraphs[0].tensors) <= 4
    found = operators(path, "d1_16px")
    assert {name: found.get(name, 0) for name in expected} == expected
    assert "RELU_0_TO_1" not in found


def test_a_clamp_is_fused_before_what_moves_values_and_ends_at_one(tmp_path: Path) -> None:
    module = Moved("shuffle")
    with torch.no_grad():
        module.conv.weight.mul_(9.0)
    path = tmp_path / "clamped.tflite"
    convert.convert_fp32(OneTier(module), (Tier(1, 16),), path)
    assert operators(path, "d1_16px") == {"CONV_2D": 1, "DEPTH_TO_SPACE": 1, "RELU": 1}
    picture = np.random.default_rng(0).random((1, 3, 16, 16), np.float32)
    stylized = open_litert(path).run({"content": picture})["stylized"]
    assert (stylized.min(), stylized.max()) == (0.0, 1.0)


def test_transpositions_are_equal_when_the_same_runs_of_values_change_places() -> None:
    shuffle = reduced((1, 4, 6, 2, 2, 3), (0, 1, 3, 2, 4, 5))
    assert shuffle == ((4, 6, 2, 6), (0, 2, 1, 3))
    assert shuffle == reduced((4, 6, 2, 6), (0, 2, 1, 3))
    assert reduced((1, 1, 5), (1, 2, 0)) == ((5,), (0,))
    assert reduced((2, 1, 3), (0, 2, 1)) == ((6,), (0,))
    assert reduced((2, 3), (1, 0)) != reduced((3, 2), (1, 0))
