"""Styles found by words: the ranking by vectors of our own making, and by the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from iast_export.bundle.styles import packaged_styles
from iast_export.cli.main import run
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import sha256_file
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT
from iast_export.stylize.style_find import (
    LEAST_SIMILARITY,
    MOST,
    Match,
    find_styles,
    ranked_styles,
    shares_of,
    word_vectors,
)

WORDS = ("sea", "boat", "red", "dress", "tea")


@dataclass(frozen=True)
class Told:
    """What a style says of itself."""

    id: str
    title: str = ""
    captions: tuple[str, ...] = ()
    category: str = "oil"


def vectors(sentences: Sequence[str]) -> NDArray[np.float32]:
    """A number for each of a few words."""
    found = np.array([[word in s.split() for word in WORDS] for s in sentences], np.float32)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return np.divide(found, norms, out=np.zeros_like(found), where=norms > 0)


HARBOR = Told("harbor", "sea", ("boat and sea", "boat"))
LADY = Told("lady", "dress", ("red dress",))


def test_the_style_whose_sentences_are_nearest_comes_first() -> None:
    found = find_styles([LADY, HARBOR], "boat", vectors)
    assert [match.id for match in found] == ["harbor"]
    assert found[0].sentence == "boat"
    assert found[0].similarity == pytest.approx((0 + 0.5**0.5 + 1) / 3)


def test_no_more_are_named_than_asked_for() -> None:
    assert len(find_styles([LADY, HARBOR], "boat dress", vectors)) == 2
    assert len(find_styles([LADY, HARBOR], "boat dress", vectors, most=1)) == 1


@pytest.mark.parametrize("words", ["tea", "invoice"])
def test_words_that_no_style_is_like_are_refused(words: str) -> None:
    with pytest.raises(InputError, match=rf"no style is like '{words}'.*0\.000, 0\.085 is needed"):
        find_styles([LADY, HARBOR], words, vectors)


def test_the_least_similarity_can_be_asked_for() -> None:
    with pytest.raises(InputError, match=r"0\.569, 0\.600 is needed"):
        find_styles([LADY, HARBOR], "boat", vectors, least=0.6)


@pytest.mark.parametrize("words", ["", "  "])
def test_no_words_are_no_query(words: str) -> None:
    with pytest.raises(UsageError, match="no words"):
        find_styles([HARBOR], words, vectors)


def test_a_bundle_without_styles_finds_none() -> None:
    with pytest.raises(InputError, match="no styles"):
        find_styles([], "sea", vectors)


def test_a_style_without_a_title_is_known_by_its_id_and_kind() -> None:
    assert find_styles([Told("red-dress")], "red", vectors)[0].sentence == "oil, red dress"


def test_shares_of_a_blend_are_those_of_similarity() -> None:
    found = [Match("a", 0.3, ""), Match("b", 0.1, "")]
    assert shares_of(found) == pytest.approx({"a": 0.75, "b": 0.25})


@pytest.mark.parametrize(
    ("words", "style"),
    [
        ("waves and sailing boats by the coast", "riviera-boats"),
        ("underwater fish", "teal-fish"),
        ("opera house", "stage"),
        ("pirates with treasure", "pirate-bay"),
    ],
)
def test_real_vectors_find_packaged_styles(words: str, style: str) -> None:
    styles = packaged_styles(sha256_file(PACKAGED_CHECKPOINT))
    assert find_styles(styles, words, word_vectors())[0].id == style


def test_words_that_no_vector_knows_are_like_nothing() -> None:
    styles = packaged_styles(sha256_file(PACKAGED_CHECKPOINT))
    nearest = ranked_styles(styles, "\N{ZERO WIDTH SPACE}", word_vectors())[0]
    assert np.isfinite(nearest.similarity)
    with pytest.raises(InputError, match="no style is like"):
        find_styles(styles, "mortgage interest rate", word_vectors())


def test_help_tells_the_defaults_that_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["style", "find", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"[default: {LEAST_SIMILARITY}]" in said and f"[default: {MOST};" in said
