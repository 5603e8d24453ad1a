"""The studio answers who knows the token, from this machine, and forbids the browser the rest."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import cv2
import numpy as np
import pytest
from starlette.applications import Starlette

from iast_export.pictures.images import encode_png
from iast_export.pictures.picture_reader import read_picture
from iast_export.studio.app import studio_app
from iast_export.studio.desk import Desk

TOKEN = "the-token"
PHOTOGRAPH = np.random.default_rng(3).integers(0, 256, (24, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def desk(small_bundle: Path) -> Desk:
    return Desk(small_bundle)


@pytest.fixture(scope="module")
def app(desk: Desk) -> Starlette:
    return studio_app(desk, TOKEN, largest_bytes=100_000)


def ask(
    app: Starlette,
    path: str,
    body: bytes | None = None,
    host: str = "127.0.0.1:80",
    **query: str,
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text of an answer, as a server would ask for it; a body is posted."""
    sent: list[dict[str, Any]] = []
    parts: Iterator[bytes] = iter([body or b""])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(parts), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET" if body is None else "POST",
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": [(b"host", host.encode())],
    }
    asyncio.run(app(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    text = b"".join(one.get("body", b"") for one in sent[1:]).decode()
    return sent[0]["status"], headers, text


def test_the_page_offers_every_style_lane_and_tier(app: Starlette, desk: Desk) -> None:
    status, _, page = ask(app, f"/{TOKEN}/")
    assert status == 200
    values = set(re.findall(r'value="([^"]*)"', page))
    assert {style.id for style in desk.manifest.styles} <= values
    assert set(desk.lanes()) <= values and {tier.id for tier in desk.manifest.tiers} <= values


@pytest.mark.parametrize("path", ["/", "/paint", "/other/", "/other/paint", "//", "/the-toke/"])
def test_without_the_token_nothing_is_there(path: str, app: Starlette) -> None:
    for body in (None, encode_png(PHOTOGRAPH)):
        assert ask(app, path, body)[0] == 404


def test_another_name_of_this_machine_is_refused(app: Starlette) -> None:
    assert ask(app, f"/{TOKEN}/", host="evil.example")[0] == 400
    assert ask(app, f"/{TOKEN}/", host="localhost:1234")[0] == 200


def test_the_browser_may_ask_this_server_alone_and_keeps_nothing(app: Starlette) -> None:
    headers = ask(app, f"/{TOKEN}/")[1]
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules.pop("script-src").startswith("'sha256-")
    assert rules.pop("style-src").startswith("'sha256-")
    assert rules == {
        "default-src": "'none'",
        "img-src": "data: blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"


def test_a_painting_is_answered_with_its_figures_and_can_be_saved(
    app: Starlette, desk: Desk
) -> None:
    wish = {"style": desk.manifest.styles[0].id, "lane": "litert int8", "name": "a <b>.png"}
    status, _, told = ask(app, f"/{TOKEN}/paint", encode_png(PHOTOGRAPH), **wish)
    assert status == 200
    assert "LiteRT INT8 at d4-32px" in told and " dB</b>" in told and " ms</b>" in told
    assert "a <b>" not in told and "a &lt;b&gt;" in told
    saved = re.search(r'download="[^"]+\.png" href="data:image/png;base64,([^"]+)"', told)
    assert saved and read_picture(base64.b64decode(saved[1]), "it").shape == PHOTOGRAPH.shape


def test_an_artwork_is_answered_as_a_style_to_choose(app: Starlette) -> None:
    status, _, told = ask(app, f"/{TOKEN}/artworks", encode_png(PHOTOGRAPH), name="my art.png")
    assert status == 200 and "my art" in told
    chosen = re.search(r'value="([^"]+)" checked', told)
    assert chosen
    drawn = ask(app, f"/{TOKEN}/paint", encode_png(PHOTOGRAPH), style=chosen[1])
    assert drawn[0] == 200 and "my art" in drawn[2]


@pytest.mark.parametrize(
    ("body", "query", "said"),
    [
        (b"", {}, "no picture was sent"),
        (b"words", {"name": "me.txt"}, "me.txt"),
        (b"\0" * 100_001, {"name": "me.png"}, "me.png has more than 0 MB"),
        (encode_png(PHOTOGRAPH), {"strength": "much"}, "is no number"),
        (encode_png(PHOTOGRAPH), {"style": "<script>"}, "&lt;script&gt;"),
    ],
)
def test_a_refusal_is_told_in_words(
    body: bytes, query: dict[str, str], said: str, app: Starlette
) -> None:
    status, _, told = ask(app, f"/{TOKEN}/paint", body, **{"style": "none", **query})
    assert status == 400 and 'role="alert"' in told and said in told


def test_a_bug_of_ours_is_told_and_keeps_its_traceback(
    app: Starlette, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Desk, "paint", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(app, f"/{TOKEN}/paint", encode_png(PHOTOGRAPH))


def test_nothing_is_written(app: Starlette, desk: Desk, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in desk.folder.rglob("*")}
    big = cv2.resize(PHOTOGRAPH, (100, 90))
    wish = {"style": desk.manifest.styles[0].id}
    assert ask(app, f"/{TOKEN}/paint", encode_png(big), **wish)[0] == 200
    assert {path: path.stat().st_mtime_ns for path in desk.folder.rglob("*")} == before
