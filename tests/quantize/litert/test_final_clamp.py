"""A clamp to [0, 1] that ends a network is left to the output's scale, and no other is."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from iast_export.build.convert import convert_fp32
from iast_export.decide.decide import decide_litert
from iast_export.formats import tflite_file as tf
from iast_export.quantize.litert.final_clamp import decide_unclamped, drop_final_clamp
from iast_export.specs import Tier
from tests.litert_cases import folder
from tests.tiny_networks import OneTier

TIER = Tier(1, 16)


class Ends(nn.Module):
    """A convolution, a pixel shuffle and a clamp; behind a sigmoid where `floats`."""

    def __init__(self, floats: bool) -> None:
        super().__init__()
        self.last, self.floats = nn.Conv2d(3, 12, 3, padding=1), floats

    def forward(self, content: Tensor) -> Tensor:
        x = self.last(content)
        x = torch.sigmoid(x) * 2 if self.floats else x
        return nn.functional.pixel_shuffle(x, 2)[:, :, ::2, ::2].clamp(0.0, 1.0)


@functools.cache
def file_of(floats: bool) -> Path:
    path = folder() / f"clamp-{floats}.tflite"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        convert_fp32(OneTier(Ends(floats)), (TIER,), path)
    return path


def read(floats: bool) -> tuple[tf.Model, tf.Signature]:
    model = tf.read_model(file_of(floats))
    return model, tf.find_signature(model, TIER.signature)


def test_behind_integers_it_goes_and_what_moves_pixels_there_works_on_integers() -> None:
    model, signature = read(floats=False)
    before = decide_litert(model, signature)
    after = decide_unclamped(model, signature)
    assert "RELU" in {op.native for op in before.network.ops}
    assert "RELU" not in {op.native for op in after.network.ops}
    assert all(after.is_integer(op) for op in after.network.ops)
    (last,) = after.network.outputs
    assert after.roots[after.root_of[last]].exact


def test_behind_floats_it_stays() -> None:
    model, signature = read(floats=True)
    kinds = [op.native for op in decide_litert(model, signature).network.ops]
    assert [op.native for op in decide_unclamped(model, signature).network.ops] == kinds


@pytest.mark.parametrize("saturates", [True, False])
def test_the_caller_says_whether_the_operator_before_saturates(saturates: bool) -> None:
    model, signature = read(floats=True)
    assert drop_final_clamp(model, signature, lambda _: saturates) is saturates
