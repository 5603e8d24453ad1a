"""How far a network looks is found by change; tiles with that halo are the whole picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.build.export import export_tier
from iast_export.forms.lift_onnx import OnnxLift
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import Tier
from iast_export.stylize.lifted_tier import LiftedTier, Reach, find_reach, whole_moments
from tests.litert_cases import picture
from tests.tiny_networks import OneTier

TIER = Tier(1, 96)


class Local(nn.Module):
    """Stride 2, a dilated convolution in the middle, and back: 1 + 2 * 3 * 2 px of reach."""

    def __init__(self, middle: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.wide = nn.Conv2d(8, 8, 3, padding=3, dilation=3)
            self.up = nn.Conv2d(8, 12, 1)
        self.middle = middle

    def forward(self, content: Tensor) -> Tensor:
        x = self.wide(self.middle(F.instance_norm(self.down(content))))
        return torch.sigmoid(F.pixel_shuffle(self.up(x), 2))


def attended(x: Tensor) -> Tensor:
    flat = x.flatten(2)
    weights = torch.softmax(flat.transpose(1, 2) @ flat, dim=-1)
    return (flat @ weights.transpose(1, 2)).view(x.shape)


def reach_of(module: nn.Module, path: Path) -> tuple[Reach, OnnxLift]:
    export_tier(OneTier(module), TIER, path)
    lift = OnnxLift(path.read_bytes())
    return find_reach(lambda *_: lift, open_onnx, {}, 2, (64, 96)), lift


def test_the_reach_is_what_the_layers_add_up_to(tmp_path: Path) -> None:
    found, _ = reach_of(Local(), tmp_path / "model.onnx")
    # Down: 1 px, and 1 px of its step; wide: 3 steps of 2 px; then rounded up, and one to spare.
    assert found == Reach(multiple_px=2, halo_px=10)


def test_a_tile_with_that_halo_is_a_part_of_the_whole(tmp_path: Path) -> None:
    found, lift = reach_of(Local(), tmp_path / "model.onnx")
    tier = LiftedTier(lambda *_: lift, open_onnx, 1, found.multiple_px, found.halo_px)
    content = picture(64, 96, 2).numpy()
    moments = whole_moments(tier, content, {})
    whole = tier.render(content, {}, moments)
    part = tier.render(np.ascontiguousarray(content[:, :, :, 16:]), {}, moments)
    halo = found.halo_px
    assert np.array_equal(whole[:, :, :, 16 + halo :], part[:, :, :, halo:])
    assert not np.array_equal(whole[:, :, :, 16 : 16 + halo], part[:, :, :, :halo])


def test_of_many_passes_no_more_sessions_are_kept_than_a_few(tmp_path: Path) -> None:
    found, lift = reach_of(Local(), tmp_path / "model.onnx")
    tier = LiftedTier(lambda *_: lift, open_onnx, 1, found.multiple_px, found.halo_px)
    first = tier.session(0, 64, 96)
    lift.measure = lambda level: OnnxLift.measure(lift, 0)  # type: ignore[method-assign]
    opened = [tier.session(level, 64, 96) for level in range(1, 8)]
    assert tier.session(0, 64, 96) is first, "as many as most networks need"
    tier.session(8, 64, 96)
    assert tier.session(7, 64, 96) is opened[-1]
    assert tier.session(0, 64, 96) is not first, "the oldest made room"


def test_attention_looks_everywhere_and_is_said_to(tmp_path: Path) -> None:
    found, _ = reach_of(Local(attended), tmp_path / "model.onnx")
    assert found.fault == "a pixel of its result depends on all others within 64 px"


def test_a_reduction_that_is_no_mean_is_said(tmp_path: Path) -> None:
    found, _ = reach_of(Local(lambda x: x - x.amax((2, 3), True)), tmp_path / "model.onnx")
    assert "ReduceMax" in found.fault
    assert "an extreme over pixels is no sum" in found.fault
