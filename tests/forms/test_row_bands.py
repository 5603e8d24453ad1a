"""Convolutions in bands of rows: the same numbers, and no tensor that is too large any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iast_export.build.convert import convert_fp32
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.forms.row_bands import band_rows
from iast_export.quantize.litert import static
from iast_export.quantize.litert.static import quantize_litert
from iast_export.runtimes.gpu_operators import held
from iast_export.runtimes.litert import open_litert
from iast_export.specs import Tier
from tests import litert_cases
from tests.tiny_networks import OneTier

KEY, SIDE_PX = "d1_16px", 16


class Padded(nn.Module):
    """Upsampled, padded by reflection, and read by a convolution of a given kind."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Conv2d(3, 16, 3, 2, padding=1)
        side, stride, dilation = {"wide": (5, 1, 1), "dilated": (3, 1, 2)}.get(kind, (3, 1, 1))
        groups = 16 if kind == "depthwise" else 1
        self.pad = nn.ReflectionPad2d((side - 1) // 2 * dilation)
        self.conv = nn.Conv2d(16, 16, side, stride, dilation=dilation, groups=groups)
        self.last = nn.Conv2d(16, 3, 1)

    def forward(self, content: Tensor) -> Tensor:
        x = torch.relu(self.first(content))
        x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        return torch.sigmoid(self.last(torch.relu(self.conv(self.pad(x)))))


def converted(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.tflite"
    convert_fp32(OneTier(Padded(kind)), (Tier(1, SIDE_PX),), path)
    return path


def unpadded_alone(shape: Sequence[int]) -> bool:
    """Such a limit as holds the picture with 16 channels, and not what is padded."""
    return int(np.prod(shape)) <= SIDE_PX**2 * 16


def largest(data: bytes) -> int:
    graph = tf.parse(data).subgraphs[0]
    results = [int(t) for op in graph.operators for t in op.outputs]
    return max(int(np.prod(tf.tensor_shape(graph.tensors[t]))) for t in results)


@pytest.mark.parametrize("kind", ["dense", "depthwise", "wide", "dilated"])
def test_a_convolution_in_bands_computes_the_same(kind: str, tmp_path: Path) -> None:
    path = converted(kind, tmp_path)
    model = tf.read_model(path)
    assert band_rows(model, unpadded_alone) == 1
    tw.canonicalize(model)
    data, fed = tw.serialize(model), {"content": litert_cases.picture(16, 16, 5).numpy()}
    assert largest(data) <= SIDE_PX**2 * 16 < largest(path.read_bytes())
    drawn = [open_litert(one, KEY).run(fed)["stylized"] for one in (path, data)]
    assert np.array_equal(*drawn)
    weights = [tf.count_bytes(one).unique_weight_bytes for one in (tf.read_model(path), model)]
    assert weights[1] - weights[0] < 256, "ends of slices alone"


def test_what_fits_and_what_no_band_would_make_fit_is_left_as_it_is(tmp_path: Path) -> None:
    path = converted("dense", tmp_path)
    model = tf.read_model(path)
    assert band_rows(model, held) == 0, "small tensors"
    assert band_rows(model, lambda shape: int(np.prod(shape)) <= 256) == 0, "large results"
    assert tw.serialize(model) == path.read_bytes()


def test_the_fp16_file_alone_is_written_in_bands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, made = converted("dense", tmp_path), tmp_path / "made.tflite"
    assert quantize_litert(path, "fp16", None, made).row_bands == 0
    plain = made.read_bytes()
    monkeypatch.setattr(static, "held", unpadded_alone)
    assert quantize_litert(path, "dynamic_int8", None, made).row_bands == 0
    assert quantize_litert(path, "fp16", None, made).row_bands == 1
    fed = {"content": litert_cases.picture(16, 16, 5).numpy()}
    drawn = [open_litert(one, KEY).run(fed)["stylized"] for one in (plain, made)]
    assert np.array_equal(*drawn)
