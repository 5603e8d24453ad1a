"""The places that a nearest resize takes are PyTorch's own, at any factor; turns as well."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from iast_export.forms.moved_places import nearest_places, turned

SIDES = torch.arange(35.0).reshape(1, 1, 5, 7)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("recompute", [None, True])
@pytest.mark.parametrize("factor", [0.3, 0.5, 0.7, 1.1, 1.5, 2.7, (1.25, 0.75)])
def test_places_are_those_of_the_factor_as_it_was_given(
    factor: float | tuple[float, float], recompute: bool | None, mode: str
) -> None:
    given = {"scale_factor": factor, "mode": mode, "recompute_scale_factor": recompute}
    found, wanted = nearest_places(SIDES, **given), F.interpolate(SIDES, **given)
    if found is None:
        assert factor == 1.1 and torch.equal(SIDES, wanted), "as large as before"
    else:
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_places_are_those_of_the_sizes_where_sizes_are_given(mode: str) -> None:
    for size in ((1, 1), (4, 6), (9, 20), (15, 8), (13, 7), 6):
        found = nearest_places(SIDES, size, mode=mode)
        assert found is not None and torch.equal(found, F.interpolate(SIDES, size, mode=mode))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_whole_parts_are_taken_by_a_step(mode: str) -> None:
    x = torch.arange(12.0 * 18).reshape(1, 1, 12, 18)
    for given in ({"size": (6, 6)}, {"size": (4, 18)}, {"scale_factor": 0.5}):
        found = nearest_places(x, **given, mode=mode)
        assert found is not None and torch.equal(found, F.interpolate(x, **given, mode=mode))
        assert found.untyped_storage().data_ptr() == x.untyped_storage().data_ptr(), "a view"


def test_a_resize_that_repeats_every_pixel_alike_is_left_to_its_operator() -> None:
    assert nearest_places(SIDES, (10, 21)) is None
    assert nearest_places(SIDES, scale_factor=2.0, mode="bilinear") is None


@pytest.mark.parametrize("given", [(3, 3), (-9, -1), ((2, 0), (2, 3)), ((1, -1), (3, 3))])
def test_turns_are_those_of_roll(given: tuple[object, object]) -> None:
    found = turned(SIDES, *given)
    assert found is not None and torch.equal(found, torch.roll(SIDES, *given))
    assert turned(SIDES, 3) is None, "along all values at once"
