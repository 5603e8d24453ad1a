"""Types of options and arguments: what can't be used is refused while the command line is read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from iast_export.specs import MOST_BLOCKS, MOST_PICTURES, MOST_THREADS


class _Path(click.Path):
    """A path; the empty one, which Python takes for the current folder, is refused."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and (not value.strip() or "\0" in value):
            self.fail("a path is needed, found an empty one or a zero byte", param, ctx)
        return super().convert(value, param, ctx)


class Finite(click.FloatRange):
    """A number in a range, neither NaN nor infinite."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class _Target(click.ParamType):  # type: ignore[type-arg]  # no generic in click 8.1
    """A runtime that opens a bundle's files, by name; runtimes load only where one is asked for."""

    name = "runtime"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = self._known()
        if value not in known:
            self.fail(f"{value!r} is not one of {', '.join(known)}", param, ctx)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self._known())}]"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(one) for one in self._known() if one.startswith(incomplete)]

    @staticmethod
    def _known() -> tuple[str, ...]:
        from iast_export.runtimes.target import TARGETS

        return tuple(TARGETS)


PATH = _Path()
TARGET = _Target()
THREADS = click.IntRange(1, MOST_THREADS)
WORKERS = click.IntRange(1, MOST_THREADS)
BLOCKS = click.IntRange(2, MOST_BLOCKS)
PICTURES = click.IntRange(1, MOST_PICTURES)
PORT = click.IntRange(1, 65535)
SECONDS = click.IntRange(1, 7 * 24 * 3600)
MINUTES = Finite(0, 1e6, min_open=True)
STRENGTH = Finite(0, 1)
