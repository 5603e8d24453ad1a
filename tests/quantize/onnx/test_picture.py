"""The picture's layer in INT8: several columns at a time, the very same integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from iast_export.build.tracing import pseudo_photograph
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx import qdq as onnx_qdq
from iast_export.quantize.onnx import writer as onnx_writer
from iast_export.quantize.onnx.picture import (
    PictureBlocks,
    picture_blocks,
    repeat_outputs,
    step_by_columns,
    widen_kernel,
)
from iast_export.runtimes.onnx import open_onnx
from tests.quantize.onnx.test_qdq import measured
from tests.tiny_networks import tiny_codes, tiny_onnx


def convolution(**attributes: object) -> onnx.NodeProto:
    return helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], **attributes)


@given(
    colors=st.integers(1, 3),
    block=st.integers(1, 3),
    columns=st.integers(2, 5),
    inputs=st.integers(1, 3),
    height=st.sampled_from([1, 3]),
    kernel_width=st.sampled_from([1, 3, 5]),
    width=st.integers(5, 13),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_a_wide_kernel_makes_the_pixels_of_the_narrow_one(
    colors: int,
    block: int,
    columns: int,
    inputs: int,
    height: int,
    kernel_width: int,
    width: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    form = PictureBlocks(colors, block, columns)
    weight = rng.integers(-9, 10, (colors * block * block, inputs, height, kernel_width)).astype(
        np.float32
    )
    x = torch.from_numpy(rng.integers(0, 9, (1, inputs, 6, width)).astype(np.float32))
    expected = F.pixel_shuffle(F.conv2d(x, torch.from_numpy(weight)), block).numpy()

    wide = torch.from_numpy(widen_kernel(weight, form))
    made = F.conv2d(F.pad(x, (0, columns - 1)), wide, stride=(1, columns)).numpy()
    rows, runs = made.shape[2:]
    pixels = made.reshape(colors, block, columns * block, rows, runs).transpose(0, 3, 1, 4, 2)
    picture = pixels.reshape(1, colors, rows * block, runs * columns * block)
    np.testing.assert_array_equal(picture[..., : expected.shape[3]], expected)


def test_values_per_channel_are_repeated_for_every_column_in_the_order_of_the_kernel() -> None:
    form, weight = PictureBlocks(3, 2, 4), np.arange(12.0).reshape(12, 1, 1, 1)
    taps = widen_kernel(weight + 1, form)
    largest = taps.reshape(48, -1).max(axis=1) - 1
    np.testing.assert_array_equal(repeat_outputs(np.arange(12.0), form), largest)


@pytest.mark.parametrize("size", [(16, 16), (16, 20), (28, 28), (20, 32), (32, 24)])
def test_the_picture_is_the_same_to_the_last_level(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_onnx("iast", 2, 32)
    ranges = measured(source, "iast")
    onnx_qdq.quantize_onnx(source, Learned(ranges), tmp_path / "columns.onnx")
    monkeypatch.setattr(onnx_writer, "picture_blocks", lambda *_: None)
    onnx_qdq.quantize_onnx(source, Learned(ranges), tmp_path / "plain.onnx")
    feeds = {"content": pseudo_photograph(*size), **tiny_codes("iast")}
    by_columns, plain = (
        open_onnx(tmp_path / f"{n}.onnx").run(feeds)["stylized"] for n in ("columns", "plain")
    )
    np.testing.assert_array_equal(by_columns, plain)
    shuffles = [
        sum(
            node.op_type == "DepthToSpace"
            for node in onnx.load(tmp_path / f"{name}.onnx").graph.node
        )
        for name in ("columns", "plain")
    ]
    assert shuffles == [0, 1]


@pytest.mark.parametrize(
    ("node", "channels", "block"),
    [
        (convolution(strides=[2, 2]), 12, 2),
        (convolution(dilations=[2, 2]), 12, 2),
        (convolution(auto_pad="SAME_UPPER"), 12, 2),
        (convolution(), 16, 2),
        (convolution(), 10, 2),
        (convolution(), 5, 1),
    ],
)
def test_what_gains_nothing_or_is_unclear_stays_as_it_is(
    node: onnx.NodeProto, channels: int, block: int
) -> None:
    assert picture_blocks(node, channels, block) is None


def test_three_colors_before_a_pixel_shuffle_fill_three_groups_of_the_kernel() -> None:
    assert picture_blocks(convolution(), 12, 2) == PictureBlocks(3, 2, 4)


def test_the_step_keeps_the_padding_and_completes_the_last_run() -> None:
    made = step_by_columns(convolution(pads=[1, 2, 3, 4]), (3, 3), PictureBlocks(3, 2, 4))
    found = {item.name: list(helper.get_attribute_value(item)) for item in made.attribute}
    assert found == {"kernel_shape": [3, 6], "strides": [1, 4], "pads": [1, 2, 3, 7]}
