"""The recipe: the packaged default, refused keys and values, equal recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from iast_export.errors import InputError, RecipeError
from iast_export.recipe import Recipe, load_recipe, parse_recipe
from iast_export.specs import Tier, check_plan

DEFAULT = Recipe().plan


def test_the_packaged_recipe_states_the_defaults() -> None:
    recipe = load_recipe(None)
    assert recipe == Recipe()
    assert recipe.plan == (Tier(3, 256), Tier(3, 512), Tier(1, 1024))
    check_plan(recipe.plan, (1, 2, 3, 4), 8)


def test_a_recipe_may_state_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("[calibration]\nmethod = 'percentile'\npercentile = 99\n", encoding="utf-8")
    recipe = load_recipe(path)
    assert (recipe.calibration.method, recipe.calibration.percentile) == ("percentile", 99.0)
    assert recipe.tiers == Recipe().tiers and recipe.benchmark == Recipe().benchmark


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("nmae = 'x'", "nmae", "name"),
        ("[calibraton]\nset = 'x'", "calibraton", "calibration"),
        ("[calibration]\nmetod = 'mse'", "calibration.metod", "method"),
        ("[[tiers]]\ndepht = 1\nmax_side_px = 8", "tiers.0.depht", "depth"),
        ("[benchmark]\nthread = 1", "benchmark.thread", "threads"),
        ("[quantize]\nedge = 'int8'", "quantize.edge", "edges"),
        ("[verify]\nimage = 8", "verify.image", "images"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_perhaps_meant(
    text: str, key: str, meant: str
) -> None:
    with pytest.raises(RecipeError, match=f"r: unknown key '{key}'") as caught:
        parse_recipe(text.encode(), "r")
    assert f"perhaps you meant '{meant}'" in caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_key_like_no_other_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="known here: threads, warmup, blocks"):
        parse_recipe(b"[benchmark]\nzzzzzz = 1", "r")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("tiers = []", "tiers"),
        ("[[tiers]]\ndepth = 0\nmax_side_px = 8", "tiers.0.depth"),
        ("[[tiers]]\ndepth = 1", "tiers.0.max_side_px"),
        ("[calibration]\nmethod = 'best'", "calibration.method"),
        ("[calibration]\npercentile = nan", "calibration.percentile"),
        ("[calibration]\npercentile = 101", "calibration.percentile"),
        ("[calibration]\nmax_pairs = 0", "calibration.max_pairs"),
        ("[quantize]\nedges = 'int4'", "quantize.edges"),
        ("[verify]\nimages = 0", "verify.images"),
        ("[benchmark]\nthreads = '1'", "benchmark.threads"),
        ("[benchmark]\nwarmup = 1.5", "benchmark.warmup"),
        ("[benchmark]\nthreads = true", "benchmark.threads"),
        ("name = '../x'", "name"),
        ("calibration = 3", "calibration"),
        ("[[tiers]]\ndepth = 1\nmax_side_px = 1000000000", "tiers.0.max_side_px"),
        ("[[tiers]]\ndepth = 4611686018427387904\nmax_side_px = 8", "tiers.0.depth"),
        ("[calibration]\nmax_pairs = 9223372036854775807", "calibration.max_pairs"),
        ("[calibration]\nset = ''", "calibration.set"),
        ('[calibration]\nset = "a\\u0000b"', "calibration.set"),
        ("[verify]\nimages = 4611686018427387904", "verify.images"),
        ("[benchmark]\nthreads = 4611686018427387904", "benchmark.threads"),
        ("[benchmark]\nblocks = 4611686018427387904", "benchmark.blocks"),
        ('[bundle]\nlandmarks = "a\\u0000"', "bundle.landmarks"),
        (f"name = '{'a' * 300}'", "name"),
        ('name = "a\\n"', "name"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_place(text: str, where: str) -> None:
    with pytest.raises(RecipeError, match=f"r: {where}: "):
        parse_recipe(text.encode(), "r")


@pytest.mark.parametrize("data", [b"name = ", b"\xff", b"[a\n", b"name = 'a'\nname = 'b'"])
def test_what_is_not_toml_is_refused(data: bytes) -> None:
    with pytest.raises(RecipeError, match="not valid TOML"):
        parse_recipe(data, "r")


def test_a_missing_recipe_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml is missing"):
        load_recipe(tmp_path / "absent.toml")


def test_the_hash_follows_values_and_not_layout() -> None:
    plain = parse_recipe(b"[calibration]\npercentile = 99.99", "r")
    assert plain.sha256 == Recipe().sha256 == parse_recipe(b"# nothing\n", "r").sha256
    assert parse_recipe(b"[verify]\nimages = 9", "r").sha256 != plain.sha256


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("multiple", [10_000_000, 0, -4, 4.0, True, None])
def test_a_network_of_an_impossible_side_step_is_refused_by_its_value(multiple: Any) -> None:
    for refused in (
        lambda: Recipe().fitted((1, 2), multiple),
        lambda: check_plan(DEFAULT, (1, 2), multiple),
    ):
        with pytest.raises(InputError, match="size_multiple_px is "):
            refused()


@pytest.mark.parametrize("depths", [(), (0,), (1.5,), ("4",), (True,)])
def test_a_network_of_impossible_depths_is_refused(depths: Any) -> None:
    with pytest.raises(InputError, match="the network's depths are "):
        Recipe().fitted(depths, 4)
