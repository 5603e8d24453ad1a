"""Large kernels over blocks of pixels: the same values at any size, and only where it is worth
it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import helper

from iast_export.forms.block_kernels import in_blocks
from iast_export.forms.large_kernels import (
    best_block,
    block_large_kernels,
    machine_cost,
    unfold_shallow_kernels,
)
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.qdq import quantize_onnx
from iast_export.specs import SIZE_MULTIPLE_KEY
from tests.forms.test_narrow_heads import model_of, run


class Range:
    """A measured range."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high


def layer(
    outputs: int, inputs: int, kernel: int, pads: list[int], source: str = "x", bias: bool = True
):
    rng = np.random.default_rng(outputs * 100 + kernel)
    constants = {"w": rng.normal(0.0, 0.1, (outputs, inputs, kernel, kernel)).astype(np.float32)}
    if bias:
        constants["b"] = rng.normal(size=outputs).astype(np.float32)
    node = helper.make_node("Conv", [source, "w", "b"] if bias else [source, "w"], ["y"], pads=pads)
    return node, constants


def picture(channels: int, height: int, width: int) -> np.ndarray:
    return (
        np.random.default_rng(height).normal(size=(1, channels, height, width)).astype(np.float32)
    )


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("kernel", [3, 5, 7, 9])
@pytest.mark.parametrize(("height", "width"), [(16, 24), (17, 23), (19, 18)])
def test_a_last_layer_in_blocks_keeps_its_values_whatever_the_size(
    kernel: int, height: int, width: int
) -> None:
    node, constants = layer(3, 16, kernel, [1, 0, 2, 1], bias=kernel != 5)
    model = model_of([node], constants, {"x": 16})
    rewritten = block_large_kernels(model).model
    assert "DepthToSpace" in kinds(rewritten) and kinds(model) == ["Conv"]
    feeds = {"x": picture(16, height, width)}
    np.testing.assert_allclose(run(rewritten, feeds), run(model, feeds), atol=1e-5)


@pytest.mark.parametrize(("outputs", "kernel"), [(32, 9), (3, 1), (12, 3), (16, 5)])
def test_a_layer_that_fills_the_kernel_stays(outputs: int, kernel: int) -> None:
    node, constants = layer(outputs, 16, kernel, [0] * 4)
    model = model_of([node], constants, {"x": 16})
    assert kinds(block_large_kernels(model).model) == ["Conv"]
    assert best_block(outputs, (kernel, kernel)) == 1


def test_a_block_costs_less_where_few_outputs_were_computed_sixteen_at_a_time() -> None:
    assert machine_cost(3, (9, 9)) == 16 * 81
    assert machine_cost(3, (9, 9), 4) == 48 * 144 / 16
    assert best_block(3, (9, 9)) == 4 and best_block(3, (3, 3)) == 2


@pytest.mark.parametrize("pads", [[0] * 4, [2] * 4])
def test_a_first_layer_reads_two_by_two_pixels_at_once(pads: list[int]) -> None:
    node, constants = layer(16, 3, 9, pads)
    model = model_of([node], constants, {"x": 3})
    rewritten = unfold_shallow_kernels(model, 4).model
    assert kinds(rewritten) == ["SpaceToDepth", "Conv", "DepthToSpace"]
    feeds = {"x": picture(3, 20, 28)}
    np.testing.assert_allclose(run(rewritten, feeds), run(model, feeds), atol=1e-5)


def test_a_first_layer_stays_where_the_picture_may_have_odd_sides() -> None:
    node, constants = layer(16, 3, 9, [0] * 4)
    model = model_of([node], constants, {"x": 3})
    assert kinds(unfold_shallow_kernels(model, 1).model) == ["Conv"]
    assert kinds(unfold_shallow_kernels(model, 2, kept=["y"]).model) == ["Conv"]


@pytest.mark.parametrize("multiple", [1, 2])
def test_int8_computes_a_large_first_layer_unfolded_or_not_at_all(
    multiple: int, tmp_path: Path
) -> None:
    """Read three channels at a time, it is slower in integers than in float."""
    first, held = layer(16, 3, 9, [4] * 4, source="content")
    first.output[0] = "z"
    second, last = layer(16, 16, 3, [1] * 4, source="r")
    second.input[1:], renamed = ["w2", "b2"], {f"{name}2": value for name, value in last.items()}
    relu = helper.make_node("Relu", ["z"], ["r"])
    model = model_of([first, relu, second], {**held, **renamed}, {"content": 3})
    helper.set_model_props(model, {SIZE_MULTIPLE_KEY: str(multiple)})
    onnx.save(model, tmp_path / "fp32.onnx")
    values = {"content": np.abs(picture(3, 16, 16)).clip(0, 1)}
    wanted = run(model, values)
    ranges = {"r": Range(0.0, 4.0), "y": Range(float(wanted.min()), float(wanted.max()))}
    summary = quantize_onnx(tmp_path / "fp32.onnx", Learned(ranges), tmp_path / "int8.onnx")
    assert summary.quantized_ops["Conv"] == multiple
    got = run(onnx.load(tmp_path / "int8.onnx"), values)
    assert np.abs(got - wanted).mean() < 0.05 * wanted.std()


@pytest.mark.parametrize(
    ("outputs", "inputs", "kernel", "padding"),
    [(3, 8, 9, 4), (3, 8, 3, 1), (16, 3, 9, 0), (16, 3, 5, 2)],
)
def test_pytorch_computes_the_same_in_blocks(
    outputs: int, inputs: int, kernel: int, padding: int
) -> None:
    generator = torch.Generator().manual_seed(kernel)
    x = torch.rand(1, inputs, 16, 24, generator=generator)
    weight = torch.rand(outputs, inputs, kernel, kernel, generator=generator) - 0.5
    bias = torch.rand(outputs, generator=generator)
    found = in_blocks(x, weight, bias, padding=padding)
    assert found is not None
    got = F.pixel_shuffle(F.conv2d(*found.args), found.block)
    torch.testing.assert_close(got, F.conv2d(x, weight, bias, padding=padding), atol=1e-4, rtol=0)


def test_pytorch_keeps_what_makes_no_whole_blocks() -> None:
    weight = torch.rand(3, 8, 9, 9)
    assert in_blocks(torch.rand(1, 8, 17, 16), weight, padding=4) is None
    assert in_blocks(torch.rand(1, 8, 16, 16), weight, padding="same") is None
    assert in_blocks(torch.rand(1, 8, 16, 16), weight, stride=2, padding=4) is None
    assert in_blocks(torch.rand(1, 3, 16, 16), torch.rand(16, 3, 8, 8)) is None
