"""Several juries on the same pictures: what is made anew, what is kept, what a report shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from iast_export.pictures.images import Rgb
from models.evaluation.judges import HIGHER_IS_BETTER, LABELS, OF_FACES, Judges
from models.evaluation.report import Findings
from models.evaluation.run import Judged, judge
from models.evaluation.sample import Pair, Picture
from models.evaluation.statistics import relative
from models.evaluation.tables import columns_of
from models.faces.measuring import Face

FACE = Face(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 0.9)


class Darker:
    """A method that counts its pictures."""

    name, strengths, parameters, size_multiple_px, fingerprint = "darker", (0.5, 1.0), 1, 1, "d"

    def __init__(self) -> None:
        self.made = 0

    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        for strength in strengths:
            self.made += 1
            yield strength, np.asarray(content * (1.0 - strength / 2), np.uint8)


class Levels:
    """A jury of faces: how much darker a result is."""

    def __init__(self, fingerprint: str = "one") -> None:
        self.fingerprint, self.asked = fingerprint, 0

    def sees(self, pair: Pair) -> bool:
        return pair.content.face is not None

    def scores(self, pair: Pair, result: Rgb, *, styled: bool = True) -> dict[str, float]:
        self.asked += 1
        lost = float(pair.content.rgb.mean() - result.mean())
        return {"dlib_identity": lost, "dlib_same": float(lost < 40)}

    def features(self, result: Rgb) -> None:
        return None


def pairs() -> list[Pair]:
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(5)]
    shown = [Picture(f"p{i}", x, FACE if i else None) for i, x in enumerate(drawn[:3])]
    return [Pair(content, Picture("a", drawn[3])) for content in shown]


def test_a_jury_that_comes_later_sees_its_pictures_alone_and_the_others_scores_stay(
    tmp_path: Path,
) -> None:
    first, again, levels = Darker(), Darker(), Levels()
    one = judge(first, pairs(), [Judges()], tmp_path)
    two = judge(again, pairs(), [Judges(), levels], tmp_path)
    assert first.made == 6 and again.made == levels.asked == 4  # the two faces
    for strength, found in one.scores.items():
        for key, scores in found.items():
            assert scores.items() <= two.scores[strength][key].items()
    assert "dlib_identity" not in two.scores[1.0]["p0+a"]
    judge(again, pairs(), [Judges(), levels], tmp_path)
    assert (again.made, levels.asked) == (4, 4)
    other = Levels("two")
    judge(again, pairs(), [Judges(), other], tmp_path)
    assert (again.made, other.asked) == (8, 4)


def test_a_report_has_a_column_for_what_some_jury_says(tmp_path: Path) -> None:
    plain = judge(Darker(), pairs(), [Judges()], tmp_path)
    both = judge(Darker(), pairs(), [Judges(), Levels()], tmp_path)
    assert "dlib_same" not in columns_of([plain]) and "dlib_same" in columns_of([plain, both])
    made = [
        Judged(name, both.strengths, 1, both.scores, {})
        for name in ("adain", "student-d4", "student-d1")
    ]
    facts = dict.fromkeys(
        ("photographs", "faces", "artworks", "pictures", "side_px", "artworks_for_fid"), 3
    )
    findings = Findings(facts, made, {}, None, ["p0", "p1", "p2"], ["p1", "p2"])
    assert "dlib_identity" in findings.matches() and "dlib_same" not in findings.matches()
    text = findings.markdown()
    head, line = text.split("\n")[2:4]
    assert LABELS["dlib_same"] in head and head.count("|") == line.count("|")
    assert f"| method | {LABELS['dlib_identity']} | student-d4 keeps more by" in text


def test_every_score_has_a_name_and_a_direction_and_a_share_of_nothing_has_no_loss() -> None:
    assert set(HIGHER_IS_BETTER) == set(LABELS) and set(OF_FACES) <= set(LABELS)

    def of(value: float) -> Judged:
        return Judged("x", (1.0,), 1, {1.0: {f"p{i}+a": {"dlib_same": value} for i in (1, 2)}}, {})

    assert relative(of(0.0), of(1.0), "dlib_same", 1.0) is None
    lost = relative(of(1.0), of(0.5), "dlib_same", 1.0)
    assert lost is not None and lost.value == pytest.approx(0.5)
