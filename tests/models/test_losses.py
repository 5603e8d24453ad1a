"""Every loss on values that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models import losses
from models.losses import channel_normalized, gram, l2_normalized, moments, rigid_fit

LAYERS = sorted(
    {*losses.CONTENT_LAYERS, *losses.DETAIL_LAYERS, *losses.MOMENT_LAYERS, *losses.GRAM_LAYERS}
)


def features(seed: int, count: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {k: torch.rand(count, 4, 8, 8, generator=generator) for k in LAYERS}


def face(seed: int = 0) -> Tensor:
    return torch.rand(1, 68, 2, generator=torch.Generator().manual_seed(seed)) * 100.0


def turned(points: Tensor, degrees: float, shift: tuple[float, float]) -> Tensor:
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    rotation = torch.tensor([[cos, -sin], [sin, cos]])
    return points @ rotation.T + torch.tensor(shift)


def sliced(result: losses.Features, style: losses.Features) -> Tensor:
    return losses.sliced_style_loss(result, style, *[torch.rand(2, 1, 16, 16) * 0 + 1.0] * 2)


@pytest.mark.parametrize(
    "loss",
    [
        sliced,
        losses.content_loss,
        losses.detail_loss,
        losses.single_layer_loss,
        losses.style_moment_loss,
        losses.style_gram_loss,
        lambda a, b: losses.attended_content_loss(a, b, torch.rand(2, 1, 4, 4) + 0.1),
    ],
)
def test_equal_features_cost_nothing_and_others_do(loss) -> None:  # type: ignore[no-untyped-def]
    torch.testing.assert_close(loss(features(0), features(0)), torch.zeros(2), atol=1e-6, rtol=0)
    assert (loss(features(1), features(0)) > 1e-3).all()


def test_one_layer_is_half_the_sum_of_squares() -> None:
    result, photograph = (
        {"4_2": torch.full((1, 2, 2, 2), 3.0)},
        {"4_2": torch.full((1, 2, 2, 2), 1.0)},
    )
    assert losses.single_layer_loss(result, photograph, normalize=False).item() == pytest.approx(
        0.5 * 8 * 4
    )
    assert losses.single_layer_loss(result, photograph).item() == pytest.approx(0.0, abs=1e-6)
    apart = (
        {"4_2": torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)},
        {"4_2": torch.tensor([0.0, 5.0]).view(1, 2, 1, 1)},
    )
    assert losses.single_layer_loss(*apart).item() == pytest.approx(1.0, abs=1e-5)


def test_layers_weigh_as_published() -> None:
    assert losses.CONTENT_LAYERS == {"3_2": 0.2, "4_2": 0.5, "5_1": 0.3}
    base = features(0)
    for layer, weight in losses.CONTENT_LAYERS.items():
        one = {**base, layer: -base[layer]}  # normalized: 4 x a square whose mean is about 1
        assert losses.content_loss(one, base).mean().item() == pytest.approx(4.0 * weight, rel=0.1)


def test_content_ignores_color_and_contrast() -> None:
    base = features(0)
    brighter = {k: 3.0 * v + 2.0 for k, v in base.items()}
    assert losses.content_loss(brighter, base).max() < 0.02


def test_constant_attention_changes_nothing_and_other_attention_moves_the_weight() -> None:
    result, photograph = features(1), features(0)
    plain = losses.content_loss(result, photograph)
    constant = losses.attended_content_loss(result, photograph, torch.full((2, 1, 8, 8), 0.3))
    torch.testing.assert_close(constant, plain, atol=1e-4, rtol=1e-4)
    half = {k: torch.cat([v[..., :4], photograph[k][..., 4:]], 3) for k, v in result.items()}
    left = torch.zeros(2, 1, 8, 8)
    left[..., :4] = 1.0
    differs = losses.attended_content_loss(half, photograph, left, {"4_2": 1.0})
    spared = losses.attended_content_loss(half, photograph, 1.0 - left, {"4_2": 1.0})
    assert (differs > 2.0 * spared).all()


def test_attention_that_vanishes_wins_nothing() -> None:
    result, photograph = features(1), features(0)
    attention = torch.rand(2, 1, 8, 8) + 0.1
    torch.testing.assert_close(
        losses.attended_content_loss(result, photograph, attention * 1e-2),
        losses.attended_content_loss(result, photograph, attention),
        atol=1e-3,
        rtol=1e-3,
    )


def test_moments_and_normalized_features_agree_with_torch() -> None:
    x = torch.rand(2, 3, 16, 16) * 5.0 + 100.0  # far from zero: where E[x^2] - E[x]^2 would fail
    mean, std = moments(x)
    torch.testing.assert_close(mean, x.mean((2, 3)))
    torch.testing.assert_close(std, x.std((2, 3), unbiased=False), atol=1e-3, rtol=1e-3)
    made = channel_normalized(torch.randn(2, 3, 64, 64))
    torch.testing.assert_close(made.mean((2, 3)), torch.zeros(2, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(made.std((2, 3)), torch.ones(2, 3), atol=0.02, rtol=0)
    torch.testing.assert_close(
        l2_normalized(x).square().sum((1, 2, 3)), torch.ones(2), atol=1e-4, rtol=0
    )


def test_gram_matrices_by_hand() -> None:
    assert gram(torch.ones(1, 2, 3, 3)).tolist() == [[[1.0, 1.0], [1.0, 1.0]]]
    x = torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]]])
    assert gram(x).tolist() == [[[2.5, 3.0], [3.0, 4.5]]]


def test_style_losses_are_relative_to_the_artwork() -> None:
    style = features(0)
    doubled = {k: 2.0 * v for k, v in style.items()}
    torch.testing.assert_close(
        losses.style_moment_loss(doubled, style), torch.ones(2), atol=1e-3, rtol=0
    )
    # G becomes 4 G: ||3 G||^2 / ||G||^2.
    torch.testing.assert_close(
        losses.style_gram_loss(doubled, style), torch.full((2,), 9.0), atol=1e-2, rtol=0
    )


def test_style_does_not_see_where_things_are() -> None:
    style = features(0)
    moved = {k: v.flip(3) for k, v in style.items()}
    assert losses.style_moment_loss(moved, style).max() < 1e-6
    assert losses.style_gram_loss(moved, style).max() < 1e-6
    assert losses.content_loss(moved, style).min() > 0.5


def test_pictures_by_hand() -> None:
    assert losses.out_of_range_loss(torch.full((1, 3, 2, 2), 1.5)).item() == pytest.approx(0.5)
    assert losses.total_variation_loss(torch.ones(1, 3, 4, 4)).item() == 0.0
    stripes = torch.tensor([0.0, 1.0]).repeat(2).expand(1, 3, 4, 4)
    assert losses.total_variation_loss(stripes).item() == pytest.approx(1.0)
    assert losses.pixel_loss(
        torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.5)
    ).item() == pytest.approx(0.25)


def test_hinge_losses_by_hand() -> None:
    sure, wrong = torch.full((2, 1, 3, 3), 2.0), torch.full((2, 1, 3, 3), -2.0)
    assert losses.discriminator_loss(sure, wrong).item() == 0.0
    assert losses.discriminator_loss(wrong, sure).item() == pytest.approx(6.0)
    assert losses.generator_loss(sure).tolist() == [-2.0, -2.0]


@settings(max_examples=30, deadline=None)
@given(st.floats(-170.0, 170.0), st.floats(-50.0, 50.0), st.floats(-50.0, 50.0))
def test_a_rigid_movement_is_found_and_costs_nothing(degrees: float, x: float, y: float) -> None:
    points = face()
    moved = turned(points, degrees, (x, y))
    rotation, translation = rigid_fit(points, moved)
    found = math.degrees(math.atan2(rotation[0, 1, 0].item(), rotation[0, 0, 0].item()))
    assert found == pytest.approx(degrees, abs=0.05)
    torch.testing.assert_close(
        points @ rotation.transpose(1, 2) + translation[:, None], moved, atol=0.02, rtol=0
    )
    assert losses.geometric_loss(moved, points).item() < 1e-6


def test_the_fit_is_the_best_one() -> None:
    points, noise = face(), torch.randn(1, 68, 2, generator=torch.Generator().manual_seed(5))
    target = turned(points, 20.0, (3.0, -7.0)) + 4.0 * noise

    def displacement(angle: float, x: float, y: float) -> float:
        return (turned(points, angle, (x, y)) - target).square().sum().item()

    rotation, translation = rigid_fit(points, target)
    angle = math.degrees(math.atan2(rotation[0, 1, 0].item(), rotation[0, 0, 0].item()))
    x, y = translation[0].tolist()
    best = displacement(angle, x, y)
    for near in (
        (angle + 0.5, x, y),
        (angle - 0.5, x, y),
        (angle, x + 0.5, y),
        (angle, x, y - 0.5),
    ):
        assert displacement(*near) > best


def test_what_no_rigid_transform_explains_is_deformation_free_of_scale() -> None:
    points = face()
    centered = points - points.mean(1, keepdim=True)
    assert losses.geometric_loss(centered * 1.1, centered).item() == pytest.approx(0.01, rel=1e-3)
    assert losses.geometric_loss(centered * 11.0, centered * 10.0).item() == pytest.approx(
        0.01, rel=1e-3
    )
    moved = turned(points, 30.0, (5.0, 5.0))
    moved[0, 30] += 20.0
    points.requires_grad_()
    loss = losses.geometric_loss(moved, points)
    loss.backward()
    assert loss.item() > 0.001 and torch.isfinite(points.grad).all()


def test_a_part_that_leaves_its_mask_costs_its_share() -> None:
    mask = torch.zeros(1, 2, 8, 8)
    mask[0, 0, 2:4, 2:4] = 1.0
    assert losses.semantic_loss(mask, mask).item() == pytest.approx(0.0, abs=1e-5)
    assert losses.semantic_loss(mask.roll(1, 3), mask).item() == pytest.approx(0.5, abs=1e-5)
    assert losses.semantic_loss(mask.roll(4, 3), mask).item() == pytest.approx(1.0, abs=1e-5)
    assert losses.semantic_loss(torch.zeros_like(mask), mask).item() == pytest.approx(1.0, abs=1e-5)
    nothing = torch.zeros_like(mask)
    assert losses.semantic_loss(mask, nothing).item() == 0.0


def test_identity_is_the_angle_between_embeddings() -> None:
    a, b = (
        torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]),
        torch.tensor([[5.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]),
    )
    torch.testing.assert_close(losses.identity_loss(a, b), torch.tensor([0.0, 1.0, 2.0]))


def test_style_is_let_in_along_straight_lines() -> None:
    schedule = [[0, 0.1], [100, 1.1], [200, 3.0]]
    assert losses.style_factor(0, schedule) == pytest.approx(0.1)
    assert losses.style_factor(50, schedule) == pytest.approx(0.6)
    assert losses.style_factor(9999, schedule) == pytest.approx(3.0)
    with pytest.raises(ValueError, match="rising steps"):
        losses.style_factor(0, [[0, 1.0], [0, 2.0]])
    with pytest.raises(ValueError, match="rising steps"):
        losses.style_factor(0, [])


def test_a_picture_is_rough_where_its_lightness_changes() -> None:
    picture = torch.full((1, 3, 32, 32), 0.5)
    picture[..., 16:, ::2] = 0.0
    rough = losses.roughness(picture)
    assert rough.shape == (1, 1, 32, 32)
    assert rough[..., :8, :].max() == 0.0 and rough[..., 24:, :24].min() > 0.4


def test_sliced_distances_look_at_the_flat_places_of_both_alone() -> None:
    rising, steep = torch.arange(32.0).view(1, 1, 8, 4), torch.full((1, 1, 8, 4), 100.0)
    flat_left, flat_right = torch.cat([rising, steep], 3), torch.cat([steep, rising], 3)
    result, style = features(0, 1), features(1, 1)
    for layer in LAYERS:
        style[layer][..., 4:] = result[layer][..., :4]
    same = losses.sliced_style_loss(result, style, flat_left, flat_right)
    other = losses.sliced_style_loss(result, style, flat_right, flat_left)
    assert same < 1e-6 < 1e-2 < other


def test_sliced_distances_compare_pictures_of_two_sizes() -> None:
    tiled = {k: v.repeat(1, 1, 2, 2) for k, v in features(0).items()}
    rough = torch.rand(2, 1, 8, 8)
    value = losses.sliced_style_loss(features(0), tiled, rough, rough.repeat(1, 1, 2, 2))
    torch.testing.assert_close(value, torch.zeros(2), atol=2e-2, rtol=0)


def test_a_picture_that_moves_along_and_changes_its_tone_is_steady() -> None:
    before = torch.rand(2, 3, 32, 32)
    after = before.roll((2, -1), (2, 3)) + 0.1
    assert losses.steady_loss(before, after, torch.tensor([2, -1]), 8).max() < 1e-6
    assert losses.steady_loss(before, after, torch.tensor([0, 0]), 8).min() > 0.1
    flicker = after + 0.05 * torch.tensor([1.0, -1.0]).repeat(16)
    torch.testing.assert_close(
        losses.steady_loss(before, flicker, torch.tensor([2, -1]), 8),
        torch.full((2,), 0.05),
        atol=1e-4,
        rtol=0,
    )


def test_noise_that_is_passed_on_costs_1_and_noise_that_is_doubled_4() -> None:
    photograph, before = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    noise = 0.01 * torch.randn(2, 3, 16, 16)
    gains = torch.tensor([1.0, 2.0])
    after = before + gains[:, None, None, None] * noise
    found = losses.noise_loss(before, after, photograph, photograph + noise)
    torch.testing.assert_close(found, gains.square(), atol=1e-3, rtol=0)
    assert losses.noise_loss(before, before, photograph, photograph).max() == 0.0


def test_pictures_roll_as_tensors_do() -> None:
    x = torch.rand(2, 3, 7, 9)
    for shift in ((2, -1), (0, 0), (-3, 3)):
        assert torch.equal(losses.rolled(x, torch.tensor(shift)), x.roll(shift, (2, 3)))


def test_colors_are_compared_wherever_they_lie_and_grey_is_no_two_hues() -> None:
    halves = torch.zeros(1, 3, 64, 64)
    halves[:, 0, :, :32], halves[:, 2, :, 32:] = 0.8, 0.8
    assert losses.color_loss(halves.flip(3), halves).item() < 1e-6
    assert losses.color_loss(F.interpolate(halves, (96, 96)), halves).item() < 1e-6
    blend = halves.mean((2, 3), keepdim=True).expand(-1, -1, 64, 64)
    assert losses.color_loss(blend, halves).item() > 0.5
    plain = torch.full((1, 3, 32, 32), 0.5)
    assert losses.color_loss(plain + 0.01, plain).item() == pytest.approx(0.01, rel=0.1)


def halves(flat: float = 0.5) -> Tensor:
    """A photograph [1, 3, 24, 24]: the left third rough, the rest of one gray."""
    picture = torch.full((1, 3, 24, 24), flat)
    picture[..., ::2, :8] = 1.0
    return picture


def test_alpha_placed_as_published_costs_nothing() -> None:
    alpha = torch.full((1, 1, 24, 24), 0.6)
    alpha[..., :8], alpha[..., 16:] = 0.9, 0.3
    assert losses.placed_strength_loss(alpha, halves()).item() == 0.0


def test_alpha_that_is_the_same_everywhere_misses_both_published_shares() -> None:
    even = losses.placed_strength_loss(torch.full((1, 1, 24, 24), 0.6), halves())
    assert even.item() == pytest.approx(0.37 + 0.22, abs=1e-5)


def test_the_placing_of_alpha_can_be_learned() -> None:
    alpha = torch.full((1, 1, 24, 24), 0.6, requires_grad=True)
    losses.placed_strength_loss(alpha, halves()).sum().backward()
    assert alpha.grad is not None
    assert alpha.grad[..., :7].mean() < 0 < alpha.grad[..., 17:].mean()


def test_complexity_is_a_share() -> None:
    plain, rough = torch.full((1, 3, 24, 24), 0.5), halves(0.0)
    assert losses.complexity(plain).item() == 0.0
    assert losses.complexity(rough.repeat(2, 1, 1, 1)).tolist() == [1.0, 1.0]
    assert 0.0 < losses.complexity(0.5 + 0.12 * (rough - 0.5)).item() < 1.0


def test_complex_photographs_weigh_finer_layers_and_plain_ones_coarser() -> None:
    both = torch.cat([torch.full((1, 3, 24, 24), 0.5), halves(0.0)])
    found = losses.layers_by_complexity(losses.CONTENT_LAYERS, both, 1.0)
    assert found["3_2"].tolist() == pytest.approx([0.05, 0.35])
    assert found["5_1"].tolist() == pytest.approx([0.45, 0.15])
    total = sum(torch.as_tensor(weight) for weight in found.values())
    assert torch.allclose(torch.as_tensor(total), torch.ones(2))


def test_no_share_of_the_rule_leaves_the_content_distance_as_it_is() -> None:
    layers = losses.layers_by_complexity(losses.CONTENT_LAYERS, torch.rand(2, 3, 24, 24), 0.0)
    ours, theirs = features(1), features(2)
    chosen = losses.content_loss(ours, theirs, layers)
    torch.testing.assert_close(chosen, losses.content_loss(ours, theirs))
