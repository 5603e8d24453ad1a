"""The verb as a visitor meets it: an address in the terminal, a page in a real browser, an end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from iast_export.cli.main import run
from tests.browser import Browser, browser, serious
from tests.without_packages import run_without

ROOT = Path(__file__).resolve().parents[2]
DESK_PX, PHONE_PX = 1400, 390
PHOTOGRAPH = np.random.default_rng(3).integers(0, 256, (24, 30, 3), np.uint8)
PAINT = "document.querySelector('#ask').requestSubmit()"
DONE = """new Promise((ready) => { const look = () =>
  document.querySelector("#status").textContent === "Done." ? ready(true) : setTimeout(look, 20);
  look(); })"""


@pytest.fixture(scope="module")
def studio(small_bundle: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The verb in a process of its own, and the address that it told."""
    command = [sys.executable, "-m", "iast_export", "studio", str(small_bundle)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            word, address = process.stdout.readline().split()
            assert word == "studio"
            yield process, address
        finally:
            process.kill()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def painted(
    studio: tuple[subprocess.Popen[str], str], chromium: Browser, tmp_path: Path
) -> Browser:
    """The page with a photograph, an artwork and what was painted of them."""
    for name in ("me.png", "art.png"):
        cv2.imwrite(str(tmp_path / name), PHOTOGRAPH)
    chromium.open(studio[1], DESK_PX)
    chromium.choose("[name=artwork]", tmp_path / "art.png")
    chromium.run(
        "new Promise((ready) => { const look = () => document.querySelector('[value^=own]')"
        " ? ready(1) : setTimeout(look, 20); look(); })"
    )
    chromium.choose("[name=photograph]", tmp_path / "me.png")
    chromium.run(PAINT)
    chromium.run(DONE)
    return chromium


def test_a_photograph_is_painted_in_a_style_and_in_an_artwork_of_ones_own(
    painted: Browser, studio: tuple[subprocess.Popen[str], str]
) -> None:
    titles = painted.run("[...document.querySelectorAll('.painting h2')].map((h) => h.textContent)")
    assert len(titles) == 2 and titles[1] == "art"
    assert painted.run("[...document.images].every((one) => one.complete && one.naturalWidth)")
    assert painted.complaints == []
    asked = {one for one in painted.requests if not one.startswith(("data:", "blob:"))}
    assert asked and all(one.startswith(studio[1]) for one in asked)


def test_a_slider_of_a_painting_follows_the_keyboard(painted: Browser) -> None:
    painted.run("document.querySelector('.painting .slider input').focus()")
    painted.press("ArrowRight", 39)
    said = painted.run("document.querySelector('.slider input').getAttribute('aria-valuetext')")
    assert said == "51 % photograph, the rest painting"


def test_a_refusal_stands_where_the_painting_would(painted: Browser, tmp_path: Path) -> None:
    (tmp_path / "me.txt").write_text("no picture")
    painted.choose("[name=photograph]", tmp_path / "me.txt")
    painted.run(PAINT)
    painted.run(DONE)
    assert "me.txt" in painted.run("document.querySelector('[role=alert]').textContent")
    assert painted.run("document.querySelectorAll('.painting').length") == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width_px", [DESK_PX, PHONE_PX])
def test_the_page_fits_and_axe_finds_nothing_serious(
    painted: Browser, width_px: int, dark: bool
) -> None:
    painted.resize(width_px, dark=dark)
    assert painted.run("document.documentElement.scrollWidth") == width_px
    assert serious(painted) == []


def test_a_port_that_is_taken_is_said(
    small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["studio", str(small_bundle), "--port", port]) == 2
    assert "choose another --port" in capsys.readouterr().err


def test_without_the_extra_it_says_which_to_install(small_bundle: Path, tmp_path: Path) -> None:
    for gone in (["starlette"], ["uvicorn"]):
        done = run_without(gone, ["studio", str(small_bundle)], tmp_path)
        assert done.returncode == 2 and "iast-export[studio]'" in done.stderr


def test_it_listens_on_this_machine_alone_and_ends_with_a_word(
    studio: tuple[subprocess.Popen[str], str],
) -> None:
    process, address = studio
    assert address.startswith("http://127.0.0.1:") and len(address.split("/")[3]) == 43
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0 and "nothing was written" in said and "Traceback" not in said
