"""The words that name a style, and what a blend of codes draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.errors import UsageError
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.style_words import blend_of, blend_words, name_of


def test_shares_are_of_their_sum() -> None:
    assert blend_of("cafe:3+stage:1") == {"cafe": 0.75, "stage": 0.25}
    assert blend_of("cafe:.5") == {"cafe": 1.0}


@pytest.mark.parametrize("words", ["cafe", "cafe+stage", "cafe:0.5+stage", "a/b:1.png", "cafe:-1"])
def test_other_words_are_no_blend(words: str) -> None:
    assert blend_of(words) is None


@pytest.mark.parametrize("words", ["cafe:0+stage:0", "cafe:1+cafe:2", "cafe:" + "9" * 400])
def test_a_blend_of_nothing_or_of_one_style_twice_is_refused(words: str) -> None:
    with pytest.raises(UsageError, match=r"names a style twice, or has no share above zero"):
        blend_of(words)


def test_a_blend_is_written_as_it_is_read() -> None:
    shares = blend_of("cafe:2+stage:1+teal-fish:1")
    assert shares is not None
    assert blend_words(shares) == "cafe:0.50+stage:0.25+teal-fish:0.25"
    assert blend_of(blend_words(shares)) == shares


def test_results_are_named_by_shares_in_percent() -> None:
    assert name_of("cafe:0.7+stage:0.3") == "cafe70-stage30"
    assert name_of("cafe") == "cafe"


def test_codes_mix_by_their_shares(small_bundle: Path) -> None:
    engine = BundleEngine(small_bundle, "onnxruntime", "fp32")
    first, second = [style.id for style in engine.manifest.styles][:2]
    (_, one), (_, other) = engine.style_codes(first), engine.style_codes(second)
    name, mixed = engine.style_codes(f"{first}:3+{second}:1")
    assert name == f"{first}75-{second}25"
    for key, code in mixed.items():
        assert code.dtype == np.float32
        np.testing.assert_allclose(code, 0.75 * one[key] + 0.25 * other[key], rtol=1e-6, atol=1e-7)


def test_one_style_at_any_share_is_that_style(small_bundle: Path) -> None:
    engine = BundleEngine(small_bundle, "onnxruntime", "fp32")
    first = engine.manifest.styles[0].id
    alone, blended = engine.style_codes(first)[1], engine.style_codes(f"{first}:0.2")[1]
    assert all(np.array_equal(alone[key], blended[key]) for key in alone)


def test_a_style_that_the_bundle_lacks_is_named(small_bundle: Path) -> None:
    engine = BundleEngine(small_bundle, "onnxruntime", "fp32")
    known = engine.manifest.styles[0].id
    with pytest.raises(UsageError, match=rf"'nowhere' of .* is no style.*\n.*{known}"):
        engine.style_codes(f"{known}:1+nowhere:1")
