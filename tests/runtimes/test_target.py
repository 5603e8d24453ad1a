"""Every runtime answers the same questions: a further one is held to this by standing in the
table."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.build.export import pseudo_photograph
from iast_export.errors import InputError, UsageError
from iast_export.families import FAMILIES
from iast_export.pictures.images import to_levels
from iast_export.runtimes.target import TARGETS, find_target, stylize_tier
from iast_export.specs import USUAL, Tier
from tests.litert_cases import converted
from tests.tiny_networks import tiny_codes, tiny_onnx

TIER = Tier(2, 32)


def file_of(name: str) -> bytes:
    """The FP32 file of a tiny network for a runtime."""
    made = {"onnxruntime": lambda: tiny_onnx("iast", 2, 32), "litert": lambda: converted()[1]}
    return made[TARGETS[name].family.runtime]().read_bytes()


def test_each_family_is_run_by_a_runtime_of_its_name() -> None:
    assert {name: TARGETS[name].family for name in FAMILIES} == FAMILIES
    assert USUAL in FAMILIES and all(name == target.name for name, target in TARGETS.items())
    assert len({target.label for target in TARGETS.values()}) == len(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_every_runtime_opens_runs_and_pads(name: str) -> None:
    target = TARGETS[name]
    session = target.open(file_of(name), TIER, where="tiny")
    codes = tiny_codes("iast")
    feeds = {"content": pseudo_photograph(32, 32), **codes}
    assert session.input_names == ("content", "style_code", "strength")
    made = session.run(feeds)["stylized"]
    assert made.shape == (1, 3, 32, 32) and made.dtype == np.float32
    session.bare_run(feeds)()
    np.testing.assert_array_equal(session.run(feeds)["stylized"], made)
    rgb = to_levels(pseudo_photograph(32, 32))[:28, :20]
    for multiple_px in (4, None):
        drawn = stylize_tier(target.family, session, rgb, codes, TIER, multiple_px)
        assert drawn.shape == rgb.shape


@pytest.mark.parametrize("name", TARGETS)
def test_every_runtime_names_what_it_is_not_fed(name: str) -> None:
    session = TARGETS[name].open(file_of(name), TIER)
    for call in (session.run, session.bare_run):
        with pytest.raises(InputError, match="missing: strength, style_code, unknown: style"):
            call({"content": pseudo_photograph(32, 32), "style": np.zeros(1, np.float32)})


def test_only_free_shapes_are_padded_to_a_multiple() -> None:
    rgb, sizes = np.zeros((20, 12, 3), np.uint8), {}
    for name, family in FAMILIES.items():
        session = TARGETS[name].open(file_of(name), TIER)
        run = session.run
        seen: list[tuple[int, ...]] = []
        session.run = (
            lambda feeds, run=run, seen=seen: (  # type: ignore[method-assign]
                seen.append(feeds["content"].shape[2:]),
                run(feeds),
            )[1]
        )
        stylize_tier(family, session, rgb, tiny_codes("iast"), TIER, 4)
        sizes[name] = seen
    assert sizes == {"onnxruntime": [(20, 12)], "litert": [(32, 32)]}


def test_an_unknown_runtime_and_one_without_a_gpu_are_refused() -> None:
    with pytest.raises(UsageError, match="no runtime 'tensorrt'") as unknown:
        find_target("tensorrt")
    assert ", ".join(TARGETS) in unknown.value.remedy
    with pytest.raises(UsageError, match="no GPU computes for onnxruntime") as without:
        find_target("onnxruntime", "gpu")
    assert "--runtime litert" in without.value.remedy
    assert find_target(USUAL, "gpu").name == USUAL
