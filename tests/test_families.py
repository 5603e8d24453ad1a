"""The runtimes that a bundle holds files for."""

from __future__ import annotations

from iast_export.families import FAMILIES
from iast_export.specs import GOLDEN_LANES, REFERENCE, RUNTIMES, USUAL


def test_every_runtime_of_a_manifest_is_a_family() -> None:
    assert tuple(FAMILIES) == RUNTIMES
    assert len({one.suffix for one in FAMILIES.values()}) == len(RUNTIMES)


def test_every_family_has_the_precisions_that_are_promised() -> None:
    assert all(one.precisions[0] == "fp32" for one in FAMILIES.values())
    assert all(lane[1] in FAMILIES[lane[0]].precisions for lane in (*GOLDEN_LANES, REFERENCE))


def test_a_picture_of_any_shape_has_a_family_that_does_not_pad_it() -> None:
    assert FAMILIES[USUAL].fixed_shape
    assert [one.runtime for one in FAMILIES.values() if not one.fixed_shape] == [REFERENCE[0]]
