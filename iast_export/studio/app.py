"""The studio's pages: one to choose on, and a part of it for every picture that was drawn.

They are answered to who knows the token of this run, from this machine, and to nobody else.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from iast_export.errors import IastExportError, UsageError
from iast_export.lanes.gallery import GAIN, difference_map
from iast_export.pages.policy import policy
from iast_export.pages.rendering import render, source
from iast_export.pages.thumbnails import thumbnails
from iast_export.pictures.images import Rgb, encode_png
from iast_export.pictures.picture_reader import LARGEST_MEGAPIXELS
from iast_export.studio.desk import Artwork, Desk, Painting, Wish

HOSTS = ("127.0.0.1", "localhost")
# What the largest picture that is read takes where it is not compressed: four channels of 16 bits,
# and a MB for its header.
LARGEST_BYTES = LARGEST_MEGAPIXELS * 8_000_000 + 1_000_000
# Beside what every page of ours may: show the photograph that was chosen, and send it here.
_ALLOWED = {"img-src": "data: blob:", "connect-src": "'self'", "frame-ancestors": "'none'"}
_CSS, _SCRIPT = ("page.css", "studio/studio.css"), ("slider.js", "studio/studio.js")


def studio_app(desk: Desk, token: str, largest_bytes: int = LARGEST_BYTES) -> Starlette:
    """The pages of a desk, below `/TOKEN/`."""
    css, script = ("".join(map(source, names)) for names in (_CSS, _SCRIPT))
    rules = policy(css, script, _ALLOWED)
    pages = _Pages(desk, css, script, largest_bytes)
    return Starlette(
        routes=[
            Route("/{token}/", pages.page),
            Route("/{token}/paint", pages.paint, methods=["POST"]),
            Route("/{token}/artworks", pages.add_artwork, methods=["POST"]),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS)),
            Middleware(_Guard, token=token, rules=rules),
        ],
        exception_handlers={IastExportError: _refused, Exception: _failed},
    )


class _Guard:
    """Answers who knows the token, and forbids the browser all that the page does not need."""

    def __init__(self, app: ASGIApp, token: str, rules: str) -> None:
        self._app, self._token = app, token
        self._headers = {
            "content-security-policy": rules,
            "cache-control": "no-store",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        given = scope["path"].split("/")[1]
        known = secrets.compare_digest(given.encode(), self._token.encode())
        app = self._app if known else PlainTextResponse("not found", 404)
        await app(scope, receive, answer)


class _Pages:
    """What each address answers."""

    def __init__(self, desk: Desk, css: str, script: str, largest_bytes: int) -> None:
        self._desk, self._css, self._script = desk, css, script
        self._largest_bytes = largest_bytes

    async def page(self, _: Request) -> HTMLResponse:
        """What there is to choose."""
        styles = self._desk.manifest.styles
        return HTMLResponse(
            render(
                "studio/page.html.j2",
                desk=self._desk,
                styles=styles,
                thumbnails=thumbnails(self._desk.folder, styles),
                css=Markup(self._css),
                script=Markup(self._script),
                largest_bytes=self._largest_bytes,
            )
        )

    async def paint(self, request: Request) -> HTMLResponse:
        """A picture, drawn."""
        name, data = _name(request), await self._body(request)
        wish, desk = _wish(request), self._desk
        return await _made(lambda: _painting(desk.paint(data, name, wish), name, desk.threads))

    async def add_artwork(self, request: Request) -> HTMLResponse:
        """A style of a visitor's own, to choose."""
        name, data = _name(request), await self._body(request)
        return await _made(lambda: _artwork(self._desk.add_artwork(data, name)))

    async def _body(self, request: Request) -> bytes:
        """What was sent, held in memory.

        Raises:
            UsageError: nothing, or more than any picture that is read.
        """
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > self._largest_bytes:
                raise UsageError(
                    f"{_name(request)} has more than {self._largest_bytes / 1e6:.0f} MB",
                    "scale the picture down first",
                )
        if not data:
            raise UsageError("no picture was sent", "choose a photograph")
        return bytes(data)


async def _made(make: Callable[[], Markup]) -> HTMLResponse:
    return HTMLResponse(await run_in_threadpool(make))


def _name(request: Request) -> str:
    """The file's name, without a folder."""
    return Path(request.query_params.get("name", "")).name or "the picture"


def _wish(request: Request) -> Wish:
    given = request.query_params
    strength = given.get("strength", "1")
    try:
        number = float(strength)
    except ValueError as error:
        raise UsageError(
            f"a strength of {strength!r} is no number", "give one from 0 to 1"
        ) from error
    return Wish(given.get("style", ""), number, given.get("lane", ""), given.get("tier", ""))


def _painting(made: Painting, name: str, threads: int) -> Markup:
    reference = made.reference
    return render(
        "studio/painting.html.j2",
        made=made,
        name=name,
        gain=GAIN,
        threads=threads,
        photograph=_png(made.photograph),
        picture=_png(made.picture),
        reference=None if reference is None else _png(reference),
        difference=None if reference is None else _png(difference_map(reference, made.picture)),
    )


def _artwork(made: Artwork) -> Markup:
    return render("studio/artwork.html.j2", made=made, picture=_png(made.square))


def _png(rgb: Rgb) -> str:
    return base64.b64encode(encode_png(rgb)).decode("ascii")


async def _refused(_: Request, error: Any) -> HTMLResponse:
    told = render("studio/error.html.j2", message=error.message, remedy=error.remedy)
    return HTMLResponse(told, 400)


async def _failed(_: Request, error: Exception) -> HTMLResponse:
    """A bug of ours, whose traceback goes to the terminal."""
    message = f"a bug of ours: {type(error).__name__}"
    remedy = "report it with the traceback that stands in the terminal"
    return HTMLResponse(render("studio/error.html.j2", message=message, remedy=remedy), 500)
