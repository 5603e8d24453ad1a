"""The report's pictures: which pairs are the worst, what their map shows, and that they fit."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from iast_export.lanes import gallery as module
from iast_export.lanes.gallery import GAIN, Drawn, Gallery, difference_map, sheet_tier, worst_pairs
from iast_export.reports.gallery import GALLERY_PATH, GalleryReport, Sheet, SheetCell
from iast_export.reports.verify import VerifyReport
from iast_export.specs import Tier
from tests.gate_cases import make_bundle


@pytest.fixture
def verified(tmp_path: Path) -> VerifyReport:
    (tmp_path / "bundle").mkdir()
    return VerifyReport.load(make_bundle(tmp_path / "bundle") / "reports" / "verify.json")


def test_the_worst_pairs_come_first_and_lanes_without_a_visible_one_not_at_all(
    verified: VerifyReport,
) -> None:
    found = worst_pairs(verified)
    assert {key[1] for key in found} >= {"int8", "dynamic_int8"}
    least = {
        (row.runtime, row.precision, row.tier): min(pair.psnr_db for pair in row.pairs)
        for row in verified.rows
    }
    assert set(found) == {key for key, psnr in least.items() if psnr < 60.0}
    assert not any(key[1] == "fp32" for key in found)
    for scores in found.values():
        psnrs = [score.psnr_db for score in scores]
        assert psnrs == sorted(psnrs) and 1 <= len(scores) <= 3


def test_a_pair_judged_in_two_shapes_comes_once_in_the_worse(verified: VerifyReport) -> None:
    row = next(one for one in verified.rows if one.precision == "int8")
    worse = row.pairs[0].model_copy(update={"psnr_db": 11.0, "width_px": 100})
    shaped = row.model_copy(update={"pairs": (*row.pairs, worse)})
    scores = worst_pairs(verified.model_copy(update={"rows": (shaped,)}))
    ((first, *others),) = scores.values()
    assert (first.psnr_db, first.width_px) == (11.0, 100)
    assert first.key[:2] not in [one.key[:2] for one in others]


def test_a_map_is_the_largest_difference_times_the_gain_and_ends_at_white() -> None:
    one, other = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 100, np.uint8)
    other[0, 0] = (101, 98, 100)
    other[1, 1, 2] = 0
    found = difference_map(one, other)
    assert found[0, 0].tolist() == [2 * GAIN] * 3
    assert found[1, 1].tolist() == [255] * 3 and found[0, 1].tolist() == [0] * 3


def test_the_sheet_is_drawn_at_the_tier_of_its_size_and_of_two_by_the_deeper() -> None:
    assert sheet_tier([Tier(4, 256), Tier(3, 384), Tier(1, 1024)]) == Tier(3, 384)
    assert sheet_tier([Tier(1, 448), Tier(2, 320)]) == Tier(2, 320)


def drawn(verified: VerifyReport) -> list[Drawn]:
    noise = np.random.default_rng(0).integers(0, 256, (2, 400, 400, 3), np.uint8)
    firsts = [(lane, scores[0]) for lane, scores in worst_pairs(verified).items()]
    return [Drawn(lane, score, noise[0], noise[1]) for lane, score in firsts[:6]]


def empty() -> Gallery:
    cell = SheetCell(content="a", style="b", picture="p")
    sheet = Sheet(runtime="litert", precision="int8", tier="t", contents={"a": "c"}, cells=(cell,))
    return Gallery(sheet)


def side_px(encoded: str) -> int:
    data = np.frombuffer(base64.b64decode(encoded), np.uint8)
    return int(max(cv2.imdecode(data, cv2.IMREAD_COLOR).shape[:2]))


@pytest.mark.parametrize(("room", "side"), [(100_000_000, 320), (220_000, 192)])
def test_pictures_are_as_large_as_they_fit(verified: VerifyReport, room: int, side: int) -> None:
    gallery, found = empty(), drawn(verified)
    module._add_fitting(gallery, found, room)
    assert {side_px(one) for one in gallery.pictures.values()} == {side}
    assert len(gallery.worst) == len(found) and gallery.left_out == []
    assert module._bytes(gallery.pictures.values()) <= room


def test_where_the_smallest_do_not_fit_the_best_lanes_are_left_out_and_named(
    verified: VerifyReport,
) -> None:
    gallery, found = empty(), drawn(verified)
    module._add_fitting(gallery, found, 40_000)
    kept = [one.psnr_db for one in gallery.worst]
    gone = [one.score.psnr_db for one in found if " ".join(one.lane) in gallery.left_out]
    assert kept and gone and len(kept) + len(gone) == len(found)
    assert max(kept) <= min(gone)
    assert module._bytes(gallery.pictures.values()) <= 40_000


def test_a_build_leaves_a_sheet_and_its_worst_pairs_in_the_bundle(small_bundle: Path) -> None:
    gallery = GalleryReport.load(small_bundle / GALLERY_PATH)
    contents, styles = gallery.sheet.contents, {cell.style for cell in gallery.sheet.cells}
    assert (len(contents), len(styles)) == (4, 4) and gallery.sheet.tier == "d1-64px"
    assert len(gallery.sheet.cells) == 16
    verified = VerifyReport.load(small_bundle / "reports" / "verify.json")
    asked = worst_pairs(verified)
    assert {pair.lane for pair in gallery.worst} == set(asked)
    for pair in gallery.worst:
        assert pair.psnr_db in [score.psnr_db for score in asked[pair.lane]]
    assert "--out" in gallery.command and str(small_bundle) in gallery.command
    page = (small_bundle / "reports" / "report.html").read_text()
    assert len(page) < 3_000_000 and 'class="viewer"' in page
