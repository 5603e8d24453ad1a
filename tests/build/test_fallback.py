"""Where INT8 loses too much the worst groups go to float; elsewhere nothing happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iast_export.build import fallback, searching
from iast_export.build.pipeline import Build, Request, run_stages
from iast_export.bundle.sealed import Seals
from iast_export.decide.groups import litert_groups, onnx_groups
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import load_model
from iast_export.pages.summary import fallback_lines
from iast_export.reports.base import QUANTIZE_PATH, VERIFY_PATH
from iast_export.reports.quantize import FallbackRow, QuantizeReport
from iast_export.reports.search import GroupRow, JudgedBudget, SearchedLane
from iast_export.reports.verify import VerifyReport
from iast_export.search import Options, Subject
from iast_export.specs import Runtime, Tier


def asking(small_request: Request, out: Path) -> Build:
    """The small build, with a time for fallbacks."""
    quantize = small_request.recipe.quantize.model_copy(update={"fallback": 2.0})
    recipe = small_request.recipe.model_copy(update={"quantize": quantize})
    return Build(replace(small_request, out=out, recipe=recipe))


def row(runtime: Runtime, tier: Tier, names: tuple[str, ...], complete: bool = True) -> FallbackRow:
    figures = {"int8_psnr_db": 25.0, "psnr_db": 35.0, "int8_ms": 1.0, "ms": 2.0, "fp32_ms": 4.0}
    facts: dict[str, Any] = {"runtime": runtime, "tier": tier.id, "in_float": names, "groups": 9}
    return FallbackRow.model_validate({**facts, **figures, "complete": complete})


def made_of(files: list[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[Runtime, str]]]:
    """Lets tiers miss the rule, and searches end with given rows; returns what is searched."""

    def told(rows: list[FallbackRow], tiers: tuple[Tier, ...]) -> list[tuple[Runtime, str]]:
        searched: list[tuple[Runtime, str]] = []
        of = {(one.runtime, one.tier): one for one in rows}
        places = [(one.runtime, tier) for one in rows for tier in tiers if tier.id == one.tier]

        def search(build: Build, runtime: Runtime, tier: Tier, first: object) -> FallbackRow:
            searched.append((runtime, tier.id))
            return of[runtime, tier.id]

        monkeypatch.setattr(fallback, "_missed", lambda build: places)
        monkeypatch.setattr(fallback, "_search", search)
        return searched

    return told


def test_a_build_that_holds_the_rule_or_has_no_time_searches_nothing(
    small_request: Request, bundle_copy: Path, missing: Callable[..., Any]
) -> None:
    build = asking(small_request, bundle_copy)
    missing([], build.tiers)
    assert not fallback.fall_back(build) and not build.layout.fallback.exists()
    searched = missing([row("litert", build.tiers[0], ())], build.tiers)
    none = Build(replace(small_request, out=bundle_copy))
    assert not fallback.fall_back(none) and not searched


def test_groups_that_a_search_chose_are_in_float_from_then_on(
    small_request: Request, bundle_copy: Path, missing: Callable[..., Any]
) -> None:
    build = asking(small_request, bundle_copy)
    first, last = build.tiers[0], build.tiers[-1]
    layout, litert = build.layout, build.layout.tflite("int8")
    groups = (
        onnx_groups(layout.onnx(first, "fp32")),
        litert_groups(layout.tflite("fp32"), last.signature),
    )
    names = [(found[1].name,) for found in groups]
    rows = [row("onnxruntime", first, names[0]), row("litert", last, names[1])]
    files = [layout.onnx(tier, "int8") for tier in build.tiers] + [litert]
    before, searched = made_of(files), missing(rows, build.tiers)
    results = {one.stage: one.ran for one in run_stages(build)}
    assert searched == [("onnxruntime", first.id), ("litert", last.id)]
    assert results["quantize"] and results["verify"] and not results["learn"]
    after = made_of(files)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {layout.onnx(first, "int8").name, litert.name}
    made = {name for node in load_model(files[0]).graph.node for name in node.output}
    assert names[0][0] in made
    assert tf.count_bytes(tf.read_model(litert)).shared_weight_bytes > 0
    assert QuantizeReport.load(bundle_copy / QUANTIZE_PATH).fallback == tuple(rows)
    assert all("1 of 9 groups were left in float" in one for one in fallback_lines(bundle_copy))
    again = run_stages(asking(small_request, bundle_copy))
    assert not any(one.ran for one in again) and len(searched) == 2
    assert made_of(files) == after


def test_a_tier_tries_first_what_another_of_its_depth_was_given(
    small_request: Request, bundle_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, tried = asking(small_request, bundle_copy), list[tuple[str, object]]()
    one, other = build.tiers[0], replace(build.tiers[0], max_side_px=64)
    deeper = replace(other, depth=one.depth + 1)
    monkeypatch.setattr(Build, "tiers", (one, other, deeper))

    def search(build: Build, runtime: Runtime, tier: Tier, first: object) -> FallbackRow:
        tried.append((tier.id, first))
        return row(runtime, tier, (f"{tier.signature}/003_CONV_2D",))

    places = [("litert", tier) for tier in (one, other, deeper)] + [("onnxruntime", other)]
    monkeypatch.setattr(fallback, "_missed", lambda build: places)
    monkeypatch.setattr(fallback, "_search", search)
    monkeypatch.setattr(fallback, "_key", lambda build: "0" * 64)
    fallback.fall_back(build)
    same = ((f"{other.signature}/003_CONV_2D",),)
    assert tried == [(one.id, ()), (other.id, same), (deeper.id, ()), (other.id, ())]


def test_a_search_that_ran_out_of_time_goes_on_and_one_at_its_end_does_not(
    small_request: Request, bundle_copy: Path, missing: Callable[..., Any]
) -> None:
    build = asking(small_request, bundle_copy)
    tier = build.tiers[0]
    for complete in (False, True):
        searched = missing([row("litert", tier, (), complete)], build.tiers)
        assert fallback.fall_back(build) and searched == [("litert", tier.id)]
    assert not fallback.fall_back(build) and len(searched) == 1


def test_a_fallback_of_other_files_is_not_taken(
    small_request: Request, bundle_copy: Path, missing: Callable[..., Any]
) -> None:
    build = asking(small_request, bundle_copy)
    missing([row("litert", build.tiers[0], ("d4_32px/000_CONV_2D",))], build.tiers)
    assert fallback.fall_back(build) and fallback.in_float(build)
    build.layout.learned.write_bytes(b"other")
    assert not fallback.in_float(build)


def test_what_verify_found_decides(small_request: Request, bundle_copy: Path) -> None:
    path = bundle_copy / VERIFY_PATH
    report, build = VerifyReport.load(path), asking(small_request, bundle_copy)
    wanted = set()
    rows = []
    for one in report.rows:
        low = one.precision == "int8" and one.runtime == "litert"
        mean = 30.0 if low else 40.0
        drop = one.drop.model_copy(update={"ssim_content": 0.0, "style_distance": 0.0})
        psnr = one.psnr_db.model_copy(update={"mean": mean})
        rows.append(one.model_copy(update={"psnr_db": psnr, "drop": drop, "own_shape": None}))
        wanted |= {(one.runtime, one.tier)} if low else set()
    report.model_copy(update={"rows": tuple(rows)}).save(path)
    assert {(runtime, tier.id) for runtime, tier in fallback._missed(build)} == wanted


def test_a_lane_that_loses_pictures_in_their_own_shape_alone_is_missed_too(
    small_request: Request, bundle_copy: Path
) -> None:
    path = bundle_copy / VERIFY_PATH
    report, build = VerifyReport.load(path), asking(small_request, bundle_copy)
    row = next(r for r in report.rows if (r.runtime, r.precision) == ("onnxruntime", "int8"))
    assert row.own_shape is not None
    rows = []
    for one in report.rows:
        drop = one.drop.model_copy(update={"ssim_content": 0.0, "style_distance": 0.0})
        psnr = one.psnr_db.model_copy(update={"mean": 33.5})
        made = one.model_copy(update={"psnr_db": psnr, "drop": drop, "own_shape": None})
        if one is row:
            low = row.own_shape.psnr_db.model_copy(update={"mean": 30.0})
            shaped = row.own_shape.model_copy(update={"psnr_db": low})
            made = made.model_copy(update={"own_shape": shaped})
        rows.append(made)
    report.model_copy(update={"rows": tuple(rows)}).save(path)
    found = [(runtime, tier.id) for runtime, tier in fallback._missed(build)]
    assert found == [("onnxruntime", row.tier)]


def test_a_fallback_judges_the_pictures_that_choose_default_lanes(
    small_request: Request, bundle_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, seen, keys = asking(small_request, bundle_copy), list[int | None](), set[str]()

    def told(subject: Subject, budgets: object, facts: object, key: str, *rest: object) -> None:
        seen.append(subject.multiple_px)
        keys.add(key)

    monkeypatch.setattr(searching, "search", told)
    given = (build, build.tiers[0], (), None)
    for by_value in (True, False):
        options, seals = Options(by_value=by_value), Seals.of_build(bundle_copy)
        searching.search_tier(*given, options, "onnxruntime", seals)
    assert seen == [build.network.size_multiple_px] * 2
    assert len(keys) == 1, "either goes on from the other's figures"


class Found:
    """What a search reports, as far as a fallback reads it."""

    runtime, tier = "litert", "d1-64px"

    def __init__(self, value_db: float, in_float: int, mixed_ms: float, complete: bool) -> None:
        self.complete = complete
        self.groups = [
            GroupRow(
                name=f"g{n}",
                operators=("CONV_2D",),
                precision="fp32" if n < in_float else "int8",
                reason="",
            )
            for n in range(3)
        ]
        bound = {"value": value_db, "bound": value_db - 1, "holds": value_db >= 33}
        limits: dict[str, Any] = {"name": "psnr_db", "operator": ">=", "limit": 33.0, **bound}
        self.budgets = [JudgedBudget.model_validate(limits)]
        times = {"fp32": 4.0, "int8": 1.0, "mixed": mixed_ms}
        self.lanes = [
            SearchedLane.model_validate(
                {
                    "lane": lane,
                    "median_ms": ms,
                    "speed_to_int8": 1.0,
                    "psnr_db": value_db,
                    "psnr_db_low": value_db,
                    "file_bytes": 9,
                }
            )
            for lane, ms in times.items()
        ]


@pytest.mark.parametrize(
    ("value_db", "in_float", "mixed_ms", "chosen"),
    [
        (34.0, 2, 2.0, ("g0", "g1")),
        (32.0, 2, 2.0, ()),
        (34.0, 3, 2.0, ()),
        (34.0, 2, 5.0, ()),
    ],
)
def test_a_mix_is_taken_that_holds_the_rule_and_is_faster_than_fp32(
    value_db: float, in_float: int, mixed_ms: float, chosen: tuple[str, ...]
) -> None:
    found: Any = Found(value_db, in_float, mixed_ms, complete=False)
    made = fallback._row(found)
    assert made.in_float == chosen and made.complete == bool(chosen)
