"""The page in a real browser: sliders move, nothing is asked for, nothing overflows, all can read
it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from iast_export.build.page import write_page
from tests.browser import Browser, browser, need, serious
from tests.gallery_cases import add_gallery
from tests.gate_cases import make_bundle

# A desk, a phone; A4 at 96 dots an inch less the margins of `@page`.
DESK_PX, PHONE_PX, PAPER_PX = 1400, 390, 703
RIGHT_ARROW = ("ArrowRight", 39)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a bundle with pictures, with the bundle before beside it."""
    made = tmp_path_factory.mktemp("page")
    for name in ("now", "before"):
        (made / name).mkdir()
        add_gallery(make_bundle(made / name))
    return write_page(made / "now", against=made / "before")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


WIDE = """[...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".skip"))
  .map((one) => one.outerHTML.slice(0, 80))"""
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
AT = "getComputedStyle(document.querySelectorAll('.slider')[{}]).getPropertyValue('--at')"


@pytest.mark.parametrize("width_px", [DESK_PX, PHONE_PX])
def test_nothing_is_asked_for_and_nothing_overflows(
    chromium: Browser, page: Path, width_px: int
) -> None:
    chromium.open(page, width_px)
    chromium.run(UNFOLD)
    asked = [one for one in chromium.requests if not one.startswith("data:image/webp")]
    assert asked == [page.absolute().as_uri()]
    assert chromium.complaints == []
    assert chromium.run("document.documentElement.scrollWidth") == width_px
    assert chromium.run(WIDE) == []
    cut = (
        "[...document.querySelectorAll('th, td')].filter((c) => c.scrollWidth > c.clientWidth + 1)"
    )
    assert chromium.run(f"{cut}.map((c) => c.textContent)") == []


def test_a_slider_follows_the_mouse(chromium: Browser, page: Path) -> None:
    chromium.open(page, DESK_PX)
    box = chromium.run(
        "(() => { const b = document.querySelector('.slider').getBoundingClientRect();"
        " return [b.left, b.top, b.width, b.height]; })()"
    )
    left, top, width, height = box
    middle = top + height / 2
    chromium.drag((left + width / 2, middle), (left + width / 4, middle))
    assert float(chromium.run(AT.format(0)).rstrip("%")) == pytest.approx(25, abs=2)
    shown = chromium.run("getComputedStyle(document.querySelector('.slider img.left')).clipPath")
    assert re.search(r"inset\(0px .*75", shown) or "25%" in shown


def test_a_slider_follows_the_keyboard_and_says_where_it_is(chromium: Browser, page: Path) -> None:
    chromium.open(page, DESK_PX)
    chromium.run("document.querySelector('.slider input').focus()")
    for _ in range(3):
        chromium.press(*RIGHT_ARROW)
    assert chromium.run(AT.format(0)) == "53%"
    said = chromium.run("document.querySelector('.slider input').getAttribute('aria-valuetext')")
    assert said == "53 % photograph, the rest painting"
    assert chromium.run(AT.format(1)).strip() == "50%"


def test_a_painting_of_the_sheet_is_shown_large(chromium: Browser, page: Path) -> None:
    chromium.open(page, PHONE_PX)
    chosen = "document.querySelectorAll('[data-pair]')[1]"
    chromium.run(f"{chosen}.focus()")
    chromium.run(f"{chosen}.click()")
    shown = "document.querySelector('.viewer img.right').src"
    assert chromium.run(f"{shown} === {chosen}.querySelector('img').src")
    assert chromium.run("document.querySelector('.viewer figcaption').textContent") == (
        "photo1 in the style ink"
    )
    pressed = "[...document.querySelectorAll('[data-pair]')].map((b) => b.ariaPressed)"
    assert chromium.run(pressed) == ["false", "true"]


def test_everything_that_moves_is_reached_by_the_keyboard(chromium: Browser, page: Path) -> None:
    chromium.open(page, DESK_PX)
    wanted = chromium.run("document.querySelectorAll('a, button, input, summary').length")
    hidden = "details:not([open]) > :not(summary) :is(a, button, input, summary)"
    wanted -= chromium.run(f"document.querySelectorAll('{hidden}').length")
    chromium.run("window.seen = new Set()")
    chromium.run("addEventListener('focusin', (event) => window.seen.add(event.target))")
    for _ in range(wanted):
        chromium.press("Tab", 9)
    assert chromium.run("window.seen.size") == wanted


def test_print_keeps_every_table_whole_on_a4(chromium: Browser, page: Path) -> None:
    chromium.open(page, PAPER_PX, media="print")
    chromium.run(UNFOLD)
    assert chromium.run(WIDE) == []
    split = "[...document.querySelectorAll('tr, figure')].filter("
    split += "(one) => getComputedStyle(one).breakInside !== 'avoid').length"
    assert chromium.run(split) == 0
    heads = "[...document.querySelectorAll('table[role] thead')].filter("
    heads += "(one) => getComputedStyle(one).display !== 'table-header-group').length"
    assert chromium.run(heads) == 0
    boxes = re.findall(rb"/MediaBox\s*\[0 0 (\d+)\S* (\d+)", chromium.pdf())
    assert boxes and set(boxes) <= {(b"594", b"841"), (b"595", b"841"), (b"595", b"842")}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width_px", [DESK_PX, PHONE_PX])
def test_axe_finds_nothing_serious(
    chromium: Browser, page: Path, width_px: int, dark: bool
) -> None:
    chromium.open(page, width_px, dark=dark)
    chromium.run(UNFOLD)
    assert serious(chromium) == []


def test_axe_would_find_a_picture_without_words(chromium: Browser, page: Path) -> None:
    chromium.open(page, PHONE_PX)
    chromium.run("document.querySelector('.viewer img').removeAttribute('alt')")
    assert [found[0] for found in serious(chromium)] == ["image-alt"]


def test_a_browser_that_is_missing_is_said_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.browser.TOOLS", Path("nowhere"))
    with pytest.raises(FileNotFoundError, match=r"run `python3 .*install_browser.py`"):
        need("axe.min.js")
