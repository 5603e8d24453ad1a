"""Layers that people use in networks of full resolution, of tokens and of coordinates: LiteRT's
files hold them, and draw pictures of other shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.build import converter
from iast_export.build.convert import ConvertSummary, convert_fp32
from iast_export.build.shapes import prove_shapes
from iast_export.decide.decide import decide_litert
from iast_export.errors import ToolError
from iast_export.formats import tflite_file as tf
from iast_export.specs import Tier
from tests.tiny_networks import OneTier

TIER = Tier(1, 32)


class Around(nn.Module):
    """Convolutions around what is asked, to a picture."""

    def __init__(self, inner: Callable[[Tensor], Tensor], kernel: int = 3) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.inner = nn.Conv2d(3, 8, 3, padding=1), inner
        self.last = nn.Conv2d(8, 3, kernel, padding=kernel // 2)

    def forward(self, content: Tensor) -> Tensor:
        return torch.sigmoid(self.last(self.inner(self.first(content))))


class Sized(OneTier):
    """A network whose pictures have sides of a multiple of one's own."""

    def __init__(self, module: nn.Module, multiple_px: int) -> None:
        super().__init__(module)
        self.size_multiple_px = multiple_px


def made(
    path: Path, inner: Callable[[Tensor], Tensor], multiple_px: int = 2, kernel: int = 3
) -> tuple[Sized, ConvertSummary]:
    """The network, converted to a file, which is compared with PyTorch on the way."""
    network = Sized(Around(inner, kernel), multiple_px)
    return network, convert_fp32(network, (TIER,), path)


def _halved(x: Tensor) -> Tensor:
    """Maxima over edges, as in the stems of classifiers, and of windows cut short."""
    edges = F.max_pool2d(x, 3, 2, 1) - F.max_pool2d(-x, 3, 2, ceil_mode=True)
    edges = edges + F.interpolate(x, size=edges.shape[2:], mode="nearest")
    return F.interpolate(edges, scale_factor=2, mode="nearest") + F.max_pool2d(x, 5, 1, 2)


def _attended(x: Tensor) -> Tensor:
    """Attention of channels, rows, columns and pixels."""
    channels = F.adaptive_max_pool2d(x, 1).flatten(1) + F.adaptive_avg_pool2d(x, 1).flatten(1)
    x = x * torch.sigmoid(channels)[:, :, None, None]
    rows = F.adaptive_avg_pool2d(x, (None, 1)) + F.adaptive_max_pool2d(x, (None, 1))
    columns = F.adaptive_avg_pool2d(x, (1, None)).permute(0, 1, 3, 2)
    both = F.hardswish(torch.cat([rows, columns], 2))
    down, across = torch.split(both, [x.shape[2], x.shape[3]], dim=2)
    x = x * torch.sigmoid(down) * torch.sigmoid(across.permute(0, 1, 3, 2))
    tokens = F.normalize(x.flatten(2), dim=1)
    nearness = torch.bmm(tokens.transpose(1, 2), tokens).softmax(-1)
    return torch.bmm(x.flatten(2), nearness.transpose(1, 2)).reshape(x.shape)


def _wound(x: Tensor) -> Tensor:
    """Opposite edges, a split in one part, a matrix made on the way."""
    (x,) = F.pad(x, (1, 2, 2, 0), mode="circular").chunk(1, dim=1)
    return torch.einsum("bchw,dc->bdhw", x[:, :, 2:, 1:-2], torch.eye(8) * 0.5)


@pytest.mark.parametrize("inner", [_halved, _attended, _wound])
def test_pictures_of_other_shapes_are_drawn(
    inner: Callable[[Tensor], Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "made.tflite"
    network, _ = made(path, inner)
    (table,) = prove_shapes(network, (TIER,), [path])
    assert not table.fixed


@pytest.mark.parametrize(
    ("multiple_px", "blocks"), [(1, {}), (2, {"large-kernels": 1}), (4, {"large-kernels": 1})]
)
def test_a_last_layer_is_done_in_blocks_where_every_picture_has_whole_ones(
    multiple_px: int, blocks: dict[str, int], tmp_path: Path
) -> None:
    path = tmp_path / "made.tflite"
    network, summary = made(path, torch.relu, multiple_px, kernel=9)
    assert {name: n for name, n in summary.rewrites.items() if name == "large-kernels"} == blocks
    (table,) = prove_shapes(network, (TIER,), [path])
    assert not table.fixed


def _with_coordinates(x: Tensor) -> Tensor:
    down = torch.linspace(-1, 1, x.shape[2]).view(1, 1, -1, 1).expand(1, 1, *x.shape[2:])
    across = torch.linspace(-1, 1, x.shape[3]).view(1, 1, 1, -1).expand(1, 1, *x.shape[2:])
    return torch.cat([x[:, :6], down, across], 1)


def test_coordinates_beside_channels_are_constants_that_stay_in_float(tmp_path: Path) -> None:
    made(tmp_path / "made.tflite", _with_coordinates)
    model = tf.read_model(tmp_path / "made.tflite")
    decisions = decide_litert(model, tf.find_signature(model, TIER.signature))
    (joined,) = [op for op in decisions.network.ops if op.type == "Concat"]
    assert not decisions.is_integer(joined)
    convolutions = [op for op in decisions.network.ops if op.type == "Conv"]
    assert len(convolutions) == 2 and all(decisions.is_integer(op) for op in convolutions)


def _unpooled(x: Tensor) -> Tensor:
    largest, places = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(largest, places, 2)


@pytest.mark.parametrize(
    ("inner", "operator"),
    [
        (
            lambda x: F.interpolate(F.max_pool2d(x, 3, 1, 1, dilation=2), size=x.shape[2:]),
            "REDUCE_WINDOW",
        ),
        (lambda x: F.local_response_norm(x, 3), "REDUCE_WINDOW"),
        (_unpooled, "SCATTER"),
        (lambda x: x.sort(1)[0], "SORT"),
    ],
)
def test_what_the_converter_writes_as_a_graph_in_an_operator_is_refused_by_name(
    inner: Callable[[Tensor], Tensor], operator: str, tmp_path: Path
) -> None:
    with pytest.raises(ToolError, match=f"writes STABLEHLO_{operator}") as caught:
        made(tmp_path / "made.tflite", inner)
    assert "1x1 convolution" in caught.value.remedy
    assert not list(tmp_path.iterdir())


def test_what_litert_can_not_run_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ToolError("LiteRT failed: no kernel", "convert the model again")

    monkeypatch.setattr(converter, "open_litert", fails)
    with pytest.raises(ToolError, match=r"LiteRT can't run .* no kernel") as one:
        made(tmp_path / "made.tflite", torch.relu)
    assert "write the operator" in one.value.remedy
