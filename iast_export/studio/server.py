"""The studio as a server of this machine alone, on a port of its own, until it is stopped."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from iast_export.errors import UsageError
from iast_export.studio.app import HOSTS, studio_app
from iast_export.studio.desk import Desk

# Chosen: what a browser keeps open ends within it.
_LAST_SECONDS = 2


def serve(
    folder: Path, ready: Callable[[str], None], port: int | None = None, threads: int = 1
) -> None:
    """Answers until the process is interrupted.

    Args:
        folder: the bundle.
        ready: told the address, with the token of this run, once the port is open.
        port: None: one that is free.
        threads: of the runtimes.

    Raises:
        InputError: the folder is no bundle, or a file in it is altered or missing.
        UsageError: the port is taken.
    """
    desk, token = Desk(folder, threads), secrets.token_urlsafe(32)
    with _listener(port) as listener:
        settings = uvicorn.Config(
            studio_app(desk, token),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,  # it would hold the token
            server_header=False,
            timeout_graceful_shutdown=_LAST_SECONDS,
        )
        ready(f"http://{HOSTS[0]}:{listener.getsockname()[1]}/{token}/")
        uvicorn.Server(settings).run(sockets=[listener])


def _listener(port: int | None) -> socket.socket:
    try:
        return socket.create_server((HOSTS[0], port or 0))
    except OSError as error:
        raise UsageError(
            f"port {port} of {HOSTS[0]} can't be opened: {error.strerror or error}",
            "choose another --port, or leave it out",
        ) from error
