"""Judges methods over pairs: pictures are made once, scored, and kept; a second run only reads."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from iast_export.pictures.images import Rgb
from models.evaluation.judges import Jury, Store
from models.evaluation.methods import Method, fingerprint_of, targets_of
from models.evaluation.sample import Pair

_SHEET_ROWS = 8


@dataclass(frozen=True)
class Judged:
    """A method's scores by strength, pair and name; Inception features by strength and pair."""

    name: str
    strengths: tuple[float, ...]
    parameters: int
    scores: dict[float, dict[str, dict[str, float]]]
    features: dict[float, dict[str, np.ndarray]]

    def mean(self, strength: float, score: str) -> float | None:
        """Mean of a score over the pairs that have it; None where none has."""
        values = [s[score] for s in self.scores[strength].values() if score in s]
        return float(np.mean(values)) if values else None


def judge(
    method: Method,
    pairs: Sequence[Pair],
    juries: Sequence[Jury],
    cache: Path,
    kept: Callable[[float, Pair, Rgb], None] | None = None,
) -> Judged:
    """Scores of every strength on every pair, by all juries together.

    A picture is made anew where one of them has not seen it, and judged by those alone. `kept` is
    shown every picture that is made anew.
    """
    side_px = str(pairs[0].content.rgb.shape[0])
    stores = [
        Store(cache, method.name, fingerprint_of(method.fingerprint, jury.fingerprint, side_px))
        for jury in juries
    ]
    targets = targets_of(method)
    bar = tqdm(pairs, desc=method.name, disable=bool(os.environ.get("CI")), mininterval=5)
    for pair in bar:
        asked = [
            (jury, store, [s for s in method.strengths if store.get(s, pair.key) is None])
            for jury, store in zip(juries, stores, strict=True)
            if jury.sees(pair)
        ]
        missing = {strength for _, _, lacking in asked for strength in lacking}
        if not missing:
            continue
        # All strengths again: one of a sequence can rest on the ones before.
        for strength, picture in method.pictures(
            pair.content.rgb, pair.style.rgb, method.strengths
        ):
            if strength not in missing:
                continue
            styled = targets is None or pair.style.name in targets
            for jury, store, lacking in asked:
                if strength in lacking:
                    seen = jury.features(picture) if strength in fid_strengths(method) else None
                    store.put(strength, pair.key, jury.scores(pair, picture, styled=styled), seen)
            if kept:
                kept(strength, pair, picture)
    return _gathered(method, pairs, stores)


def _gathered(method: Method, pairs: Sequence[Pair], stores: Sequence[Store]) -> Judged:
    """Every jury's scores of a picture in one."""
    keys = [p.key for p in pairs]
    found = {
        s: {k: {n: v for store in stores for n, v in (store.get(s, k) or {}).items()} for k in keys}
        for s in method.strengths
    }
    features = {
        s: {k: v for store in stores for k, v in store.features(s).items() if k in found[s]}
        for s in method.strengths
    }
    return Judged(method.name, method.strengths, method.parameters, found, features)


def fid_strengths(method: Method) -> tuple[float, ...]:
    """Where FID, which costs more than all other scores, is taken: the strongest and a half."""
    return tuple(s for s in method.strengths if s in (0.5, method.strengths[-1]))


def milliseconds(methods: Sequence[Method], pair: Pair, rounds: int = 5) -> dict[str, float]:
    """Median time of one picture at the strongest setting, the methods in turn; the slow ones once.

    A method that keeps the artwork's code has it at hand; the others look at the artwork each time.
    """
    taken: dict[str, list[float]] = {method.name: [] for method in methods}
    for number in range(rounds + 1):
        for method in methods:
            if number > 1 and min(taken[method.name]) > 2000.0:
                continue
            start = time.perf_counter()
            for _ in method.pictures(pair.content.rgb, pair.style.rgb, method.strengths[-1:]):
                pass
            if number or not taken[method.name]:
                taken[method.name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values[1:] or values) for name, values in taken.items()}


def sheet(methods: Sequence[tuple[Method, float]], pairs: Sequence[Pair], path: Path) -> None:
    """Photograph, artwork, each method at its strength; names on top, eight pairs in rows.

    Raises:
        OSError: the file can't be written.
    """
    rows = [_caption(["photograph", "artwork", *[f"{m.name} {s:g}" for m, s in methods]], pairs[0])]
    for pair in pairs[:: max(1, len(pairs) // _SHEET_ROWS)][:_SHEET_ROWS]:
        row = [pair.content.rgb, pair.style.rgb]
        for method, strength in methods:
            wanted = [s for s in method.strengths if s <= strength]
            made = dict(method.pictures(pair.content.rgb, pair.style.rgb, wanted))
            row.append(made[strength])
        rows.append(np.hstack(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)):
        raise OSError(f"{path} was not written")


def _caption(names: Sequence[str], pair: Pair) -> Rgb:
    side = pair.content.rgb.shape[0]
    strip = np.full((24, side * len(names), 3), 255, np.uint8)
    for i, name in enumerate(names):
        cv2.putText(
            strip,
            name,
            (i * side + 4, 17),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.45,
            (0, 0, 0),
            1,
            cv2.LINE_AA,
        )
    return strip
