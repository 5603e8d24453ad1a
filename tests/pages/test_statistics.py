"""What is lifted of a tier, what is not and what follows, as lines that a developer reads."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from iast_export.pages.statistics import statistics_words
from iast_export.reports.statistics import KeptReduction, TierStatistics

LIFTED = TierStatistics(lifted=4, passes=2, halo_px=40, tile_multiple_px=8)
MAXIMUM = KeptReduction(runtime="litert", operator="REDUCE_MAX", at="operator 3", reason="r")


def lines(found: TierStatistics) -> list[str]:
    return list(statistics_words({"d1-64px": found}))


def test_a_tier_of_which_all_is_lifted_is_exact_in_both_runtimes() -> None:
    (line,) = lines(LIFTED)
    assert "4 means over the picture lifted, 2 passes, tiles look 40 px around them" in line
    assert line.endswith("large pictures, clips and albums are exact in both runtimes")


def test_a_runtime_with_a_limit_is_named_with_it() -> None:
    (line,) = lines(LIFTED.model_copy(update={"limits": {"litert": "squares alone"}}))
    assert "exact in ONNX Runtime alone (LiteRT: squares alone)" in line


def test_a_reduction_that_is_kept_has_a_line_with_operator_and_reason() -> None:
    found = TierStatistics(
        lifted=1, passes=1, not_lifted=(MAXIMUM,), limits={"litert": "why", "onnxruntime": "too"}
    )
    first, second = lines(found)
    assert "1 mean over the picture lifted; large pictures are tiles with statistics" in first
    assert second == "d1-64px: not lifted in LiteRT: REDUCE_MAX (operator 3), as r"


def test_a_network_without_reductions_says_so() -> None:
    (line,) = lines(TierStatistics(lifted=0, passes=0, halo_px=8, tile_multiple_px=4))
    assert "no reduction over the picture; large pictures, clips and albums are exact" in line


def test_facts_that_contradict_each_other_are_no_facts() -> None:
    with pytest.raises(ValidationError, match="come together"):
        TierStatistics(lifted=1, passes=1, halo_px=8)
    with pytest.raises(ValidationError, match="litert keeps reductions, and no limit says so"):
        TierStatistics(lifted=1, passes=1, not_lifted=(MAXIMUM,))
