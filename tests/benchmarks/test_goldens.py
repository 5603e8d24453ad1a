"""How far another processor's outputs are from this one's, in the levels that people see."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.arm.goldens import difference
from iast_export.errors import InputError


def test_equal_bytes_are_identical() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32)
    found = difference({"y": values.copy()}, {"y": values})
    assert (found.identical, found.max_levels, found.differing_share) == (True, 0, 0.0)


def test_values_that_round_to_one_level_differ_in_none() -> None:
    values = np.full(4, 0.5, np.float32)
    found = difference({"y": values + np.float32(1e-6)}, {"y": values})
    assert (found.identical, found.max_levels) == (False, 0)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_integers_are_levels_already(dtype: type[np.generic]) -> None:
    here = np.array([0, 5, 9, 100], dtype)
    there = np.array([0, 5, 12, 100], dtype)
    found = difference({"y": there}, {"y": here})
    assert (found.max_levels, found.differing_share) == (3, 0.25)


def test_integers_of_opposite_ends_do_not_wrap_around() -> None:
    found = difference({"y": np.array([-128], np.int8)}, {"y": np.array([127], np.int8)})
    assert found.max_levels == 255


def test_values_beyond_a_picture_count_as_its_ends() -> None:
    found = difference({"y": np.array([7.0], np.float32)}, {"y": np.array([1.0], np.float32)})
    assert found.max_levels == 0 and not found.identical


def test_other_outputs_and_no_numbers_are_refused() -> None:
    one = np.zeros(1, np.float32)
    with pytest.raises(InputError, match="run the same file on both"):
        difference({"y": one}, {"z": one})
    with pytest.raises(InputError, match="NaN or infinity"):
        difference({"y": one * np.nan}, {"y": one})
