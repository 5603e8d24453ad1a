"""The forms on the way to LiteRT: each is counted, and its values are those of the plain one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from iast_export.forms.block_kernels import in_blocks
from iast_export.forms.litert_forms import FORMS, LiteRtForms, count_forms, share_of
from iast_export.specs import Tier
from tests.tiny_networks import tiny_adain_factory, tiny_iast


def picture(channels: int, height: int = 8, width: int = 12) -> Tensor:
    return torch.randn(
        1, channels, height, width, generator=torch.Generator().manual_seed(channels)
    )


def kernel(outputs: int, inputs: int, side: int) -> Tensor:
    return picture(outputs * inputs, side, side).reshape(outputs, inputs, side, side)


def _shuffled_convolution() -> Tensor:
    return F.pixel_shuffle(F.conv2d(picture(3), kernel(8, 3, 3), torch.arange(8.0), padding=1), 2)


def _shuffled_groups() -> Tensor:
    return F.pixel_shuffle(F.conv2d(picture(4), kernel(16, 2, 3), padding=1, groups=2), 2)


CASES: dict[str, tuple[str, Callable[[], Tensor]]] = {
    "reflect": ("edge-pads", lambda: F.pad(picture(2), (2, 1, 3, 0), mode="reflect")),
    "replicate": ("edge-pads", lambda: F.pad(picture(2), (1, 2, 0, 2), mode="replicate")),
    "circular": ("edge-pads", lambda: F.pad(picture(2), (1, 2, 0, 3), mode="circular")),
    "shuffle": ("pixel-shuffle", lambda: F.pixel_shuffle(picture(12), 2)),
    "shuffle by 3": ("pixel-shuffle", lambda: F.pixel_shuffle(picture(18), 3)),
    "convolution and shuffle": ("pixel-shuffle", _shuffled_convolution),
    "groups and shuffle": ("pixel-shuffle", _shuffled_groups),
    "mean": ("mean-by-rows", lambda: picture(5).mean((2, 3))),
    "mean that keeps its axes": ("mean-by-rows", lambda: picture(5).mean((-2, -1), keepdim=True)),
    "ones": ("filled-pictures", lambda: torch.ones_like(picture(2))),
    "zeros": ("filled-pictures", lambda: torch.zeros_like(picture(2))),
    "one value": ("filled-pictures", lambda: torch.full_like(picture(2), -0.5)),
    "average": ("average-pools", lambda: torch.nn.AvgPool2d(2)(picture(3))),
    "averages that overlap": ("average-pools", lambda: F.avg_pool2d(picture(3), 3, 2, 1)),
    "averages to half": ("average-pools", lambda: torch.nn.AdaptiveAvgPool2d((4, 6))(picture(3))),
    "averages along a side": (
        "average-pools",
        lambda: F.avg_pool2d(picture(3), (1, 4), stride=(1, 2), padding=(0, 1)),
    ),
    "largest over edges": ("edge-pools", lambda: F.max_pool2d(picture(3), 3, 2, 1)),
    "largest over edges of rows": (
        "edge-pools",
        lambda: torch.max_pool2d(picture(3), (1, 5), (1, 3), (0, 2)),
    ),
    "largest of windows cut short": (
        "edge-pools",
        lambda: torch.nn.MaxPool2d(3, 2, ceil_mode=True)(picture(3)),
    ),
    "largest of all": ("largest-values", lambda: F.adaptive_max_pool2d(picture(3), 1)),
    "largest to half": ("largest-values", lambda: F.adaptive_max_pool2d(picture(3), (4, 6))),
    "nearest by a half more": (
        "nearest-places",
        lambda: F.interpolate(picture(2), scale_factor=1.5, mode="nearest"),
    ),
    "nearest by a factor of no side": (
        "nearest-places",
        lambda: torch.nn.Upsample(scale_factor=2.3)(picture(2, 7, 13)),
    ),
    "nearest to a size": ("nearest-places", lambda: F.interpolate(picture(2), (11, 12))),
    "nearest down": ("nearest-places", lambda: F.interpolate(picture(2), (3, 5))),
    "nearest to whole middles": (
        "nearest-places",
        lambda: F.interpolate(picture(2), (13, 5), mode="nearest-exact"),
    ),
    "reckoned factor": (
        "nearest-places",
        lambda: F.interpolate(picture(2, 7, 9), scale_factor=1.3, recompute_scale_factor=True),
    ),
    "turn": ("turns", lambda: torch.roll(picture(2), 3, 2)),
    "turn back along both sides": ("turns", lambda: picture(2).roll((-1, 5), dims=(-2, -1))),
    "large kernel to few": ("large-kernels", lambda: F.conv2d(picture(8, 24, 24), kernel(3, 8, 9))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_form_is_counted_and_equals_what_it_stands_for(case: str) -> None:
    name, compute = CASES[case]
    wanted = compute()
    with LiteRtForms() as forms:
        found = compute()
    assert name in forms.counts
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "compute",
    [
        lambda: F.pad(picture(2), (1, 1, 1, 1)),
        lambda: F.interpolate(picture(2), scale_factor=2),
        lambda: F.interpolate(picture(2), (16, 12), mode="nearest-exact"),
        lambda: F.interpolate(picture(2), scale_factor=1.5, mode="bilinear"),
        lambda: F.interpolate(picture(2)[0], 18),
        lambda: torch.roll(picture(2), 3),
        lambda: torch.ones_like(picture(2)[0]),
        lambda: torch.ones_like(picture(2), dtype=torch.float64),
        lambda: F.pad(picture(2)[0], (1, 1, 1, 1), mode="reflect"),
        lambda: picture(2).mean((1, 2)),
        lambda: picture(2).mean(),
        lambda: F.conv2d(picture(3), kernel(8, 3, 3)),
        lambda: F.avg_pool2d(picture(3), 5),
        lambda: F.adaptive_avg_pool2d(picture(3), (3, 4)),
        lambda: F.adaptive_avg_pool2d(picture(3), 1),
        lambda: F.adaptive_avg_pool2d(picture(3), (None, 6)),
        lambda: F.avg_pool2d(picture(3), 3, ceil_mode=True),
        lambda: F.avg_pool2d(picture(3), 3, 1, 1, False, False),
        lambda: F.avg_pool2d(picture(3), 2, divisor_override=3),
        lambda: F.avg_pool2d(picture(3)[0], 2),
        lambda: F.max_pool2d(picture(3), 2, ceil_mode=True),
        lambda: F.max_pool2d(picture(3), 3, 1, 1),
        lambda: F.max_pool2d(picture(3), 3, 2, 1, dilation=2),
        lambda: F.max_pool2d(picture(3), 3, 2, 1, return_indices=True)[0],
        lambda: F.max_pool2d(picture(3)[0], 3, 2, 1),
        lambda: F.adaptive_max_pool2d(picture(3), (3, 5)),
        lambda: F.adaptive_max_pool2d(picture(3), (None, 6)),
        lambda: F.conv2d(picture(8, 24, 24), kernel(3, 8, 9), stride=2),
    ],
)
def test_what_has_no_form_is_traced_as_it_is(compute: Callable[[], Tensor]) -> None:
    with LiteRtForms() as forms:
        found = compute()
    assert not forms.counts and torch.equal(found, compute())


@pytest.mark.parametrize(
    "settings", [{"stride": 2}, {"dilation": 2}, {"groups": 2}, {"padding": "same"}]
)
def test_only_plain_dense_convolutions_are_done_in_blocks(settings: dict[str, object]) -> None:
    plain = in_blocks(picture(8, 16, 16), kernel(4, 8, 9))
    assert plain is not None and plain.block > 1
    weight = kernel(4, 4, 9) if "groups" in settings else kernel(4, 8, 9)
    assert in_blocks(picture(8, 16, 16), weight, **settings) is None


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 2, (1, 0)])
@pytest.mark.parametrize("stride", [None, 1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [2, 3, 5, (3, 1)])
def test_largest_values_are_those_of_pytorch_whatever_the_windows(
    kernel_size: Any, stride: int | None, padding: Any, ceil_mode: bool
) -> None:
    for sides in ((8, 7), (9, 8), (5, 11)):
        x = picture(2, *sides)
        try:
            wanted = F.max_pool2d(x, kernel_size, stride, padding, 1, ceil_mode)
        except RuntimeError:  # more than half of a window outside
            continue
        with LiteRtForms():
            found = F.max_pool2d(x, kernel_size, stride, padding, 1, ceil_mode)
        assert torch.equal(found, wanted)


def test_pictures_that_are_no_whole_blocks_stay() -> None:
    assert in_blocks(picture(8, 16, 16), kernel(3, 8, 9)) is not None
    assert in_blocks(picture(8, 17, 16), kernel(3, 8, 9)) is None


def test_blocks_are_those_that_every_other_picture_has_too() -> None:
    x, weight = picture(8, 64, 64), kernel(3, 8, 9)

    def block(multiple_px: int) -> int:
        share = share_of(multiple_px, 64, 64)
        found = in_blocks(x, weight, None, 1, 4, share=share)
        return 1 if found is None else found.block

    def block_of_first(multiple_px: int) -> int:
        x, weight = picture(3, 72, 72), kernel(16, 3, 9)  # mirrored edges around 64 pixels
        found = in_blocks(x, weight, share=share_of(multiple_px, 64, 64))
        return 1 if found is None else found.block

    assert [block(multiple_px) for multiple_px in (1, 2, 3, 4, 6, 8)] == [1, 2, 1, 4, 2, 4]
    assert block_of_first(1) == 1 and block_of_first(2) == 2


def test_the_forms_of_a_tier_are_counted_without_computing_it() -> None:
    assert count_forms(tiny_iast(), Tier(2, 32)) == {"mean-by-rows": 4, "pixel-shuffle": 2}
    found = count_forms(tiny_adain_factory(None), Tier(1, 32))
    assert found == {"edge-pads": 5, "mean-by-rows": 4, "large-kernels": 2}


def test_forms_have_names_of_their_own_and_say_what_they_gain() -> None:
    assert len({form.name for form in FORMS}) == len(FORMS)
    assert all(form.reason.endswith(".") for form in FORMS)
