"""Styles by words: retrieval among those that a bundle has, not the making of new ones.

What is searched is what a bundle says of a style: title, kind of art and captions. Words become
vectors by a kept library (the mean of its word vectors), offline. The similarity of a style is the
mean cosine of the query to all its sentences, which ranked held-out sentences better than the
nearest one did (`python -m benchmarks.retrieval`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError, ToolError, UsageError
from iast_export.files.texts import shown

# Above each of 15 queries about nothing that a picture shows; 45 of 48 packaged captions, left out
# in turn, stay above it (`benchmarks.retrieval`, which judges it by other sentences).
LEAST_SIMILARITY = 0.085
# How many styles are named, and mixed; chosen: more than three hide one another.
MOST = 3


class Described(Protocol):
    """What is searched of a style, in a bundle or on its way there."""

    @property
    def id(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def captions(self) -> tuple[str, ...]: ...


class Vectors(Protocol):
    """What gives sentences a place among others."""

    def __call__(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [N, D] of length 1; zeros for a sentence of no known word."""


@dataclass(frozen=True)
class Match:
    """A style, how near it is to the query, and the sentence of it that is nearest."""

    id: str
    similarity: float
    sentence: str


def find_styles(
    styles: Sequence[Described],
    query: str,
    vectors: Vectors,
    *,
    least: float = LEAST_SIMILARITY,
    most: int = MOST,
) -> list[Match]:
    """The styles nearest to some words, nearest first: at least one, at most `most`.

    Args:
        styles: of a bundle.
        query: in English, as the word vectors are.
        vectors: such as `word_vectors()`.
        least: a similarity that each reaches, in [-1, 1].
        most: how many at most.

    Raises:
        UsageError: the query is empty.
        InputError: no style is as near, or there are none.
    """
    if not query.strip():
        raise UsageError("no words to search by", 'say what to look for, such as "calm sea"')
    if not styles:
        raise InputError(
            "the bundle has no styles to choose from", "add one: iast-export style add"
        )
    ranked = ranked_styles(styles, query, vectors)
    found = [match for match in ranked[:most] if match.similarity >= least]
    if not found:
        best = ranked[0]
        raise InputError(
            f"no style is like {shown(query)}: the nearest, {best.id}, has a similarity of "
            f"{best.similarity:.3f}, {least:.3f} is needed",
            "use other words, see `iast-export style list`, or add captions to styles of your own "
            "(`style add --caption`)",
        )
    return found


def ranked_styles(styles: Sequence[Described], query: str, vectors: Vectors) -> list[Match]:
    """All styles, nearest first, however far they are."""
    asked = vectors([query])[0]
    matches = [_match(style, asked, vectors) for style in styles]
    return sorted(matches, key=lambda match: -match.similarity)


def shares_of(matches: Sequence[Match]) -> dict[str, float]:
    """Shares of a blend, by similarity, of sum 1."""
    total = math.fsum(match.similarity for match in matches)
    return {match.id: match.similarity / total for match in matches}


def _match(style: Described, asked: NDArray[np.float32], vectors: Vectors) -> Match:
    sentences = _sentences(style)
    cosines = vectors(sentences) @ asked
    return Match(style.id, float(cosines.mean()), sentences[int(cosines.argmax())])


def _sentences(style: Described) -> list[str]:
    """What a style says of itself; its kind and id where it has no title."""
    title = style.title or f"{style.category.replace('-', ' ')}, {style.id.replace('-', ' ')}"
    return [title, *style.captions]


@cache
def word_vectors() -> Vectors:
    """The vectors of the `find` extra: 256 numbers a word, English, read from the wheel itself.

    Raises:
        ToolError: the wheel lacks its files.
    """
    import wordllama

    # Where the wheel keeps them: its own search misses its tokenizer, and would go online.
    kept = Path(wordllama.__file__).parent
    try:
        model = wordllama.WordLlama.load(cache_dir=kept, disable_download=True)
    except (FileNotFoundError, ValueError) as error:
        raise ToolError(
            f"wordllama does not find its vectors: {error}",
            "install it again: pip install --force-reinstall 'iast-export[find]'",
        ) from error

    def embed(sentences: Sequence[str]) -> NDArray[np.float32]:
        found = np.asarray(model.embed(list(sentences)), np.float32)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(np.divide(found, norms, out=np.zeros_like(found), where=norms > 0))

    return embed
