"""The page's pictures: a sheet, the worst pairs, styles with licenses; a hole is said, not left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iast_export.pages import write_html
from iast_export.pages.html import html_report
from iast_export.pages.parts import load_parts
from iast_export.pages.sections import SECTIONS
from iast_export.reports.gallery import GALLERY_PATH
from tests.gallery_cases import add_gallery
from tests.gate_cases import make_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return make_bundle(folder)


def titles(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", page)


def test_the_page_opens_with_pictures_and_then_says_the_verdict(bundle: Path) -> None:
    add_gallery(bundle)
    page = write_html(bundle).read_text()
    assert titles(page)[:5] == [
        "Pictures", "Furthest from FP32", "Styles and their licenses", "Verdict", "Lanes",
    ]  # fmt: skip
    assert "iast-export build --out &#39;a bundle&#39;" in page
    assert "2026-01-31 12:00:00 UTC" in page


def test_every_picture_and_every_slider_says_what_it_is(bundle: Path) -> None:
    add_gallery(bundle)
    page = write_html(bundle).read_text()
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', page)
    assert len(alts) == page.count("<img ") and all(len(alt) > 8 for alt in alts)
    labels = re.findall(r'<input type="range"[^>]*aria-label="([^"]*)"', page)
    assert len(labels) == 4 and all("how much of" in label for label in labels)
    assert "photo0 in ink at d2-256px, LiteRT INT8: how much of FP32, the rest is INT8" in labels


def test_lanes_come_with_their_worst_pairs_and_those_left_out_are_named(bundle: Path) -> None:
    add_gallery(bundle)
    page = write_html(bundle).read_text()
    assert "<b>38.0 dB</b> photo0 in ink, 256 × 192 px" in page
    assert "LiteRT dynamic INT8 at d2-256px: 41.0 dB" in page
    assert "Not shown, for the size of this page: onnxruntime int8 d1-512px" in page
    assert re.search(r"Nothing to see in LiteRT FP32 \(\d+\.\d dB at worst\)", page)


def test_without_pictures_the_page_says_how_to_get_them(bundle: Path) -> None:
    page = write_html(bundle).read_text()
    assert titles(page)[0] == "Pictures" and "Furthest from FP32" not in titles(page)
    assert "which this bundle does not have" in page and "iast-export build" in page


def test_pictures_of_other_files_are_left_out(bundle: Path) -> None:
    files = {"models/litert-int8.bin": "7" * 64}
    add_gallery(bundle, files=files)
    page = write_html(bundle).read_text()
    assert "which is missing or of other files (see “Left out”)" in page
    assert f"{GALLERY_PATH} is of another build of this bundle" in page


def test_a_style_without_a_license_says_so(bundle: Path) -> None:
    assert "no license recorded" in write_html(bundle).read_text()


def test_another_bundle_stands_beside_this_one(bundle: Path, tmp_path: Path) -> None:
    add_gallery(bundle)
    before = tmp_path / "before"
    before.mkdir()
    add_gallery(make_bundle(before))
    page = write_html(bundle, against=before, out=tmp_path / "page.html").read_text()
    assert "Beside before" in titles(page) and "+0.0 dB" in page
    assert page.count(">before</span>") == 2, "a slider for each shared pair"
    assert not (bundle / "reports" / "report.html").read_text().count("Beside before")


def test_another_bundle_without_pictures_is_shown_by_its_figures(
    bundle: Path, tmp_path: Path
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    page = write_html(bundle, against=make_bundle(before)).read_text()
    assert "No pictures side by side" in page and "speed over FP32, before" in page


def test_a_section_is_added_by_its_place_in_the_list(bundle: Path) -> None:
    parts = load_parts(bundle)
    sections = [made for make in SECTIONS if (made := make(parts)) is not None]
    ids = [section.id for section in sections]
    assert len(ids) == len(set(ids)) and all(re.fullmatch("[a-z-]+", one) for one in ids)
    page = html_report(parts)
    assert all(f'href="#{one}"' in page and f'id="{one}"' in page for one in ids)
