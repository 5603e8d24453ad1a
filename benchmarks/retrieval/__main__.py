"""What `iast-export style find` finds: recall of the packaged styles by sentences held out.

    python -m benchmarks.retrieval

Six queries for each of twelve artworks (`queries.toml`), none of which chose anything. Intervals
draw artworks, since queries about one are alike. Beside the rule that is used, similarity to the
nearest sentence alone; beside the held-out queries, each packaged caption searched among all
others, which chose the rule and its least similarity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from iast_export.bundle.styles import Style, packaged_styles
from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, sha256_file
from iast_export.files.toml_text import parse_toml
from iast_export.metrics.bootstrap import Interval, Resampling, central_interval
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT
from iast_export.stylize.style_find import LEAST_SIMILARITY, MOST, ranked_styles, word_vectors

_QUERIES = Path(__file__).with_name("queries.toml")
_RESAMPLING = Resampling(10_000)
# Styles and a query -> ids, nearest first, and the similarity of the nearest.
Rank = Callable[[Sequence[Style], str], tuple[list[str], float]]
# Where each query's own style came, from 0, and how near the nearest was, by the style's id.
Places = Mapping[str, Sequence[tuple[int, float]]]


def main() -> None:
    queries = parse_toml(read_bytes(_QUERIES), _QUERIES.name, InputError)
    styles = packaged_styles(sha256_file(PACKAGED_CHECKPOINT))
    print("\n".join(_table(styles, queries)))


def _table(styles: Sequence[Style], queries: Mapping[str, list[str]]) -> Iterator[str]:
    yield "| queries | rule | recall at 1 | recall at 3 | refused |"
    yield "| --- | --- | --- | --- | ---: |"
    held_out: Mapping[str, list[str]] = queries["held_out"]  # type: ignore[assignment]
    asked = {style: _places(styles, style, words) for style, words in held_out.items()}
    near = {style: _places(styles, style, words, nearest) for style, words in held_out.items()}
    yield _row("held out", "mean", asked)
    yield _row("held out", "nearest", near, refused="")
    for name, rank in (("mean", mean), ("nearest", nearest)):
        left_out = {style.id: _left_out(styles, style, rank) for style in styles}
        refused = None if rank is mean else ""
        yield _row("a caption among the others", name, left_out, refused)
    for kind in ("nothing", "unlike", "chosen_by"):
        refused = [mean(styles, words)[1] < LEAST_SIMILARITY for words in queries[kind]]
        yield f"| {kind.replace('_', ' ')} | mean | | | {sum(refused)} of {len(refused)} |"


def mean(styles: Sequence[Style], words: str) -> tuple[list[str], float]:
    """The product's rule."""
    ranked = ranked_styles(styles, words, word_vectors())
    return [match.id for match in ranked], ranked[0].similarity


def nearest(styles: Sequence[Style], words: str) -> tuple[list[str], float]:
    """By the nearest sentence alone: each sentence of a style as if it were a style."""
    alone = [
        replace(style, title=sentence, captions=())
        for style in styles
        for sentence in (style.title, *style.captions)
    ]
    ids, similarity = mean(alone, words)
    return list(dict.fromkeys(ids)), similarity


def _places(
    styles: Sequence[Style], own: str, queries: Sequence[str], rank: Rank = mean
) -> list[tuple[int, float]]:
    found = [rank(styles, words) for words in queries]
    return [(ids.index(own), similarity) for ids, similarity in found]


def _left_out(styles: Sequence[Style], own: Style, rank: Rank) -> list[tuple[int, float]]:
    """Each caption of a style searched where the style lacks it."""
    places = []
    for caption in own.captions:
        others = tuple(one for one in own.captions if one != caption)
        among = [replace(style, captions=others) if style is own else style for style in styles]
        places += _places(among, own.id, [caption], rank)
    return places


def _row(name: str, rule: str, places: Places, refused: str | None = None) -> str:
    all_ = [one for of_style in places.values() for one in of_style]
    below = sum(similarity < LEAST_SIMILARITY for _, similarity in all_)
    told = f"{below} of {len(all_)}" if refused is None else refused
    recalls = " | ".join(str(_recall(places, most)) for most in (1, MOST))
    return f"| {name} | {rule} | {recalls} | {told} |"


def _recall(places: Places, most: int) -> Interval:
    """Share of queries whose style is among the first `most`; the interval draws artworks."""
    shares = np.array([np.mean([place < most for place, _ in one]) for one in places.values()])
    drawn = shares[_RESAMPLING.draws(len(shares))].mean(axis=1)
    return central_interval(drawn, float(shares.mean()))


if __name__ == "__main__":
    main()
