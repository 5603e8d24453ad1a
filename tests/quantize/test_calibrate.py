"""Calibration: even pairs, a stream that is not held, the same ranges in any order, refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.build.pipeline import Request
from iast_export.errors import InputError
from iast_export.pages.summary import calibration_line
from iast_export.quantize.calibrate import (
    check_enough,
    collect,
    latin_square,
    load_ranges,
    pairs_at,
    pictures_at,
    save_ranges,
    tier_feeds,
)
from iast_export.quantize.observers import observe_litert, observe_onnx
from iast_export.quantize.onnx.qdq import tensors_to_calibrate
from iast_export.quantize.ranges import Range
from iast_export.reports.base import QUANTIZE_PATH
from iast_export.reports.quantize import QuantizeReport
from iast_export.specs import Tier


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 90))
def test_pairs_use_every_content_and_style_evenly(contents: int, styles: int, pairs: int) -> None:
    found = latin_square(contents, styles, pairs)
    assert len(found) == len(set(found)) == min(pairs, contents * styles)
    by_content, by_style = (Counter(pair[i] for pair in found) for i in (0, 1))
    assert max(by_content.values()) - min(by_content[i] for i in range(contents)) <= 1
    if pairs >= styles:
        assert len(by_style) == min(styles, len(found))


def test_large_tiers_take_fewer_pairs_but_never_too_few() -> None:
    assert [pairs_at(Tier(1, side), 24) for side in (256, 384, 512, 1024)] == [24, 24, 18, 9]
    assert pairs_at(Tier(1, 4096), 24) == 8
    assert pairs_at(Tier(1, 4096), 4) == 4


def test_one_feed_is_held_at_a_time() -> None:
    alive = Counter()

    class Feed(dict[str, Any]):
        def __init__(self) -> None:
            super().__init__()
            alive["now"] += 1
            alive["most"] = max(alive["most"], alive["now"])

        def __del__(self) -> None:
            alive["now"] -= 1

    def observe(feed: Any) -> Iterator[tuple[str, np.ndarray]]:
        yield "t", np.ones(3, np.float32)

    collect(observe, (Feed() for _ in range(50)))
    assert alive["most"] <= 2


def test_no_picture_is_an_error_not_an_empty_result() -> None:
    with pytest.raises(InputError, match="there was no picture"):
        collect(lambda feed: iter(()), [])
    with pytest.raises(InputError, match="small holds 2 pictures"):
        check_enough("small", 2)


def test_ranges_of_real_models_do_not_depend_on_order(
    small_bundle: Path, small_request: Request
) -> None:
    rng = np.random.default_rng(0)
    tier = Tier(4, 32)
    contents = [rng.integers(0, 255, (40, 30, 3), dtype=np.uint8) for _ in range(3)]
    codes = [
        {"style_code": rng.normal(1, 0.3, (1, 96)).astype("f4"), "strength": np.ones((1, 1), "f4")}
        for _ in range(2)
    ]
    onnx_file, tflite = (
        small_bundle / "models" / n for n in ("tiny-d4-32px-fp32.onnx", "tiny-fp32.tflite")
    )
    for observe, multiple in (
        (observe_onnx(onnx_file, tensors_to_calibrate(onnx_file)), 4),
        (observe_litert(tflite, tier.signature), None),
    ):
        feeds = list(tier_feeds(tier, contents, codes, 6, multiple))
        forward, backward = collect(observe, feeds), collect(observe, feeds[::-1])
        assert forward == backward
        assert len(forward) > 5
        assert sum(r.low < r.high for r in forward.values()) > len(forward) / 2


def test_ranges_survive_the_file_and_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    save_ranges(path, {"a": Range(-1.0, 2.5)}, {"method": "minmax"})
    assert load_ranges(path) == {"a": Range(-1.0, 2.5)}
    path.write_text('{"tensors": {"a": [2, 1]}}')
    with pytest.raises(InputError, match="reversed"):
        load_ranges(path)
    path.write_text('{"tensors": {"a": 1}}')
    with pytest.raises(InputError, match="holds no ranges"):
        load_ranges(path)


def test_of_more_pictures_than_pairs_those_used_are_spread_over_all() -> None:
    pictures = [np.full((8, 8, 3), i, np.uint8) for i in range(40)]
    feeds = tier_feeds(Tier(1, 8), pictures, [{}, {}], 5, None)
    assert [round(float(feed["content"].max()) * 255) for feed in feeds] == [4, 12, 20, 28, 36]
    assert pictures_at(Tier(1, 8), 5, 40) == 5 and pictures_at(Tier(1, 8), 24, 16) == 16
    assert pictures_at(Tier(1, 1024), 24, 300) == 9


def test_a_set_that_is_too_small_says_what_was_left_out() -> None:
    with pytest.raises(InputError, match=r"3 pictures, at least 4 are needed; 1 left out: x\.heic"):
        check_enough("photos", 3, "; 1 left out: x.heic (an HEIC picture)")


def test_a_build_records_which_pictures_calibrated(small_bundle: Path) -> None:
    report = QuantizeReport.load(small_bundle / QUANTIZE_PATH)
    assert report.calibrated is not None
    assert report.calibrated.found >= 4 and set(report.calibrated.used) == {"d4-32px", "d1-64px"}
    assert calibration_line(small_bundle).startswith("calibrated on ")


@pytest.mark.parametrize(
    "bounds",
    [
        '["NaN", "1"]',
        '["0", "1"]',
        "[0, 1e999]",
        "[true, 1]",
        f"[0, {'9' * 400}]",
        "[0]",
        "null",
        '"01"',
    ],
)
def test_a_range_that_is_no_two_finite_numbers_is_refused(bounds: str, tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(f'{{"schema_version": 1, "tensors": {{"x": {bounds}}}}}')
    with pytest.raises(InputError, match=r"ranges|valid JSON"):
        load_ranges(path)
