"""What was judged, as Markdown for people and JSON for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.evaluation.fid import frechet_distance
from models.evaluation.judges import OF_FACES
from models.evaluation.run import Judged
from models.evaluation.statistics import curve, dominates, matched
from models.evaluation.tables import (
    Match,
    Row,
    columns_of,
    given,
    table_of_depths,
    table_of_losses,
    table_of_matches,
    table_of_rows,
)

_SHARES = {"dlib_same"}  # of 1 for most: nothing to compare where curves meet
_OF_DEPTHS = ("identity", "dlib_identity")  # what a depth keeps of a face


def rows_of(judged: Sequence[Judged], artworks: np.ndarray | None) -> list[Row]:
    """Means of every method and strength; FID-768 over as many pictures as most methods have."""
    most = max((len(f) for j in judged for f in j.features.values()), default=0)
    rows, columns = [], columns_of(judged)
    for method in judged:
        for strength in method.strengths:
            features = list(method.features.get(strength, {}).values())
            whole = artworks is not None and len(features) == most and most > 1
            fid = (
                frechet_distance(np.stack(features), artworks)
                if whole and artworks is not None
                else None
            )
            means = {name: method.mean(strength, name) for name in columns}
            rows.append(Row(method.name, strength, len(method.scores[strength]), means, fid))
    return rows


def compare(
    judged: Sequence[Judged], ours: str, reference: str, score: str, photographs: Sequence[str]
) -> Match | None:
    """Everything at the reference's style distance, on named photographs; None: one is missing."""
    by_name = {j.name: j for j in judged}
    if ours not in by_name or reference not in by_name or len(photographs) < 2:
        return None
    curves = []
    for method in judged:
        found = [key.split("+")[0] for key in method.scores[method.strengths[0]]]
        scored = all(score in s for s in method.scores[method.strengths[0]].values() if s)
        if set(photographs) <= set(found) and (scored or score in OF_FACES):
            first = next(iter(method.scores[method.strengths[0]].values()))
            if "style" in first:
                curves.append(curve(method, score, photographs))
    own = next((c for c in curves if c.name == ours), None)
    mark = next((c for c in curves if c.name == reference), None)
    if own is None or mark is None:
        return None
    others = [c for c in curves if c is not own]
    target, rows = matched(own, others, mark, score)
    shares = [None, *[dominates(own, c, score) for c in others]]
    return target, list(zip(rows, shares, strict=True))


@dataclass(frozen=True)
class Findings:
    """A whole run, judged: what is written and printed."""

    facts: dict[str, Any]
    judged: Sequence[Judged]
    times: Mapping[str, float]
    artworks: np.ndarray | None
    everyone: Sequence[str]
    people: Sequence[str]
    reference: str = "adain"

    @property
    def ours(self) -> str:
        """The network that others are compared with: the student's deepest, or its stand-in."""
        names = [j.name for j in self.judged]
        own = [n for n in names if n.startswith("student")]
        return own[0] if own else names[-1]

    def rows(self) -> list[Row]:
        """A row per method and strength."""
        return rows_of(self.judged, self.artworks)

    def matches(self) -> dict[str, Match]:
        """Per score everything at the reference's style distance; the slowest's pictures apart."""
        groups = {"ssim": self.everyone, "squeeze": self.everyone}
        groups |= {k: self.people for k in OF_FACES if k in given(self.judged) - _SHARES}
        found = {
            k: compare(self.judged, self.ours, self.reference, k, v) for k, v in groups.items()
        }
        few = _on_fewest(self.judged)
        if few:
            names = sorted({key.split("+")[0] for key in few[0].scores[few[0].strengths[0]]})
            found["ssim, pictures of the slowest"] = compare(
                few, self.ours, self.reference, "ssim", names
            )
        return {k: v for k, v in found.items() if v is not None}

    def losses(self) -> str:
        """How much is lost: student to teacher, shallower to deeper, INT8 to FP32."""
        names = [j.name for j in self.judged]
        pairs = [("teacher", self.ours)]
        pairs += [(self.ours, n) for n in names if n.startswith("student") and n != self.ours]
        pairs += [(f"student-d{n.rsplit('-d', 1)[1]}", n) for n in names if n.startswith("bundle-")]
        return table_of_losses(self.judged, [p for p in pairs if set(p) <= set(names)], 1.0)

    def markdown(self) -> str:
        """The whole report."""
        facts = self.facts
        head = (
            f"{facts['pictures']} pictures of {facts['side_px']} px: {facts['photographs']} Kodak "
            f"photographs and {facts['faces']} faces, each with some of {facts['artworks']} "
            f"artworks; none trained anything. FID-768 to {facts['artworks_for_fid']} held-out "
            "artworks. Milliseconds on one thread, in turn, PyTorch but for bundle lanes."
        )
        parts = [
            head,
            table_of_rows(self.rows(), self.times, {j.name: j.parameters for j in self.judged}),
        ]
        for name, found in self.matches().items():
            title = "On the pictures that the slowest method was judged on. " if "," in name else ""
            parts.append(title + table_of_matches(found, self.reference, name.split(",")[0]))
        depths = [j for j in self.judged if j.name.startswith("student-d")]
        if len(depths) > 1:
            groups = {"ssim": self.everyone, "squeeze": self.everyone}
            any_pair = next(iter(depths[0].scores[depths[0].strengths[0]].values()))
            known = {k: v for k, v in groups.items() if k in any_pair}
            known |= {
                k: self.people if k in given(depths) else ()
                for k in columns_of(depths)
                if k in _OF_DEPTHS
            }
            parts.append(table_of_depths(depths, known))
        losses = self.losses()
        return "\n\n".join([*parts, *([losses] if losses.count("\n") > 3 else [])]) + "\n"

    def json(self) -> dict[str, Any]:
        """The same for machines."""
        found = as_json(self.rows(), self.matches(), self.times, self.facts)
        return {**found, "parameters": {j.name: j.parameters for j in self.judged}}

    def drawn(self) -> list[Judged]:
        """Methods with a curve on all pictures."""
        most = max(len(j.scores[j.strengths[0]]) for j in self.judged)
        whole = [j for j in self.judged if len(j.scores[j.strengths[0]]) == most]
        return [j for j in whole if j.mean(j.strengths[0], "style") is not None]


def _on_fewest(judged: Sequence[Judged]) -> list[Judged]:
    """Everything on the pairs of the method that was judged on the fewest, if there is one."""
    least = min(judged, key=lambda j: len(j.scores[j.strengths[0]]))
    keys = set(least.scores[least.strengths[0]])
    if all(len(j.scores[j.strengths[0]]) == len(keys) for j in judged):
        return []
    cut = []
    for j in judged:
        scores = {s: {k: v for k, v in found.items() if k in keys} for s, found in j.scores.items()}
        cut.append(Judged(j.name, j.strengths, j.parameters, scores, {}))
    return cut


def as_json(
    rows: Sequence[Row],
    matches: Mapping[str, Match],
    times: Mapping[str, float],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything for machines."""
    return {
        "facts": dict(facts),
        "rows": [asdict(row) for row in rows],
        "milliseconds": dict(times),
        "at_equal_style": {
            score: {
                "style_distance": asdict(target),
                "methods": [{**asdict(row), "share_won": share} for row, share in found],
            }
            for score, (target, found) in matches.items()
        },
    }
