"""One rule says whether a file computes what PyTorch does, for pictures and for codes of any
size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iast_export.build import converter, export
from iast_export.build.convert import convert_style_encoder
from iast_export.build.export import export_style_encoder
from iast_export.errors import ToolError
from iast_export.runtimes.parity import PARITY_TOLERANCE, parity_error
from iast_export.runtimes.pytorch import TorchSession

CODE = np.linspace(-1.0, 1.0, 16, dtype=np.float32)[None]


@pytest.mark.parametrize("size", [1e-3, 1.0, 100.0])
def test_a_code_may_be_off_by_a_share_of_its_own_size(size: float) -> None:
    wanted = {"code": CODE * np.float32(size)}
    for share, is_equal in ((0.9e-4, True), (1.1e-4, False)):
        got = {"code": wanted["code"] + np.float32(size * share)}
        assert (parity_error(wanted, got) <= PARITY_TOLERANCE) is is_equal


def test_a_picture_may_be_off_by_a_share_of_its_range_however_dark_it_is() -> None:
    dark = {"stylized": np.full((1, 3, 4, 4), 0.01, np.float32)}
    assert (
        parity_error(dark, {"stylized": dark["stylized"] + np.float32(0.5e-4)}) <= PARITY_TOLERANCE
    )
    assert parity_error(dark, {"stylized": dark["stylized"] + np.float32(2e-4)}) > PARITY_TOLERANCE


def test_the_worst_output_counts_and_rounding_of_nothing_is_no_error() -> None:
    wanted = {"a": CODE, "b": np.zeros((1, 2), np.float32)}
    assert parity_error(wanted, wanted) == 0.0
    assert (
        parity_error(wanted, {"a": CODE, "b": np.full((1, 2), 1e-8, np.float32)})
        <= PARITY_TOLERANCE
    )
    assert parity_error(wanted, {"a": CODE * np.float32(1.5), "b": wanted["b"]}) == pytest.approx(
        0.5
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_or_of_another_shape_is_never_equal(value: float) -> None:
    wrong = CODE.copy()
    wrong[0, 3] = value
    assert parity_error({"code": CODE}, {"code": wrong}) == np.inf
    assert parity_error({"code": wrong}, {"code": wrong}) == np.inf
    assert parity_error({"code": CODE}, {"code": CODE[:, :5]}) == np.inf


class _Codes(nn.Module):
    """Codes of a size; `off` of them only in what is traced."""

    def __init__(self, size: float, off: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 8, stride=8)
        self.last = nn.Conv2d(64, 8, 1)
        self.size, self.off = size, off

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        code = self.last(torch.relu(self.first(style))).mean((2, 3)) * self.size
        return (code + self.off * self.size if torch.compiler.is_exporting() else code,)


class _Network(nn.Module):
    depths, size_multiple_px = (1,), 4
    code_shapes: Mapping[str, tuple[int, ...]] = {"code": (1, 8)}

    def __init__(self, size: float, off: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.style_encoder = _Codes(size, off).eval().requires_grad_(False)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return self.style_encoder(style)


@pytest.mark.parametrize("size", [1e-3, 100.0])
def test_both_runtimes_take_codes_of_any_size_and_refuse_wrong_ones(
    size: float, tmp_path: Path
) -> None:
    for write, suffix in ((export_style_encoder, "onnx"), (convert_style_encoder, "tflite")):
        write(_Network(size), tmp_path / f"right.{suffix}")
        assert (tmp_path / f"right.{suffix}").is_file()
        with pytest.raises(ToolError, match="of an output's scale"):
            write(_Network(size, off=0.01), tmp_path / f"wrong.{suffix}")
        assert not (tmp_path / f"wrong.{suffix}").exists()


class _Cancels(nn.Module):
    """Its own rounding is above the tolerance."""

    def forward(self, content: Tensor) -> Tensor:
        return (content + 1e4) - 1e4


def test_a_file_may_be_as_far_as_pytorch_is_from_float64() -> None:
    picture = np.random.default_rng(0).random((1, 3, 8, 8)).astype(np.float32)
    reference = TorchSession(_Cancels(), ())
    exact = {"stylized": picture}
    feeds = {"content": picture}
    assert 1e-4 < export.checked_parity("a tier", reference, feeds, exact) < 1e-3
    with pytest.raises(ToolError, match="at 8 x 8 px, allowed 1e-04; PyTorch's own rounding is"):
        export.checked_parity("a tier", reference, feeds, {"stylized": picture + 0.01})
    with pytest.raises(ToolError, match="inf"):
        export.checked_parity("a tier", reference, feeds, {"stylized": picture * np.nan})


def test_the_two_writers_share_the_rule() -> None:
    assert export.checked_parity is converter.checked_parity
