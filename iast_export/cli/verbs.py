"""Verbs: each in a file of its own that is read when it is asked for, listed in sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, cast

import click

from iast_export.cli import console
from iast_export.files.temporary import scratch

_VERBOSE = click.Option(
    ["-v", "--verbose"], is_flag=True, help="say every step, also where output is no terminal"
)
_QUIET = click.Option(
    ["-q", "--quiet"], is_flag=True, help="no progress and no notes; results and errors stay"
)


class Verb(click.Command):
    """A command that does work, and how much it says of it: --verbose or --quiet.

    What it makes in the system's temporary folder is gone when it ends.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *own, help_option = super().get_params(ctx)
        return [*own, _VERBOSE, _QUIET, help_option]

    def invoke(self, ctx: click.Context) -> Any:
        verbose, quiet = ctx.params.pop("verbose"), ctx.params.pop("quiet")
        if verbose and quiet:
            raise click.UsageError("--verbose and --quiet exclude each other", ctx)
        talk: console.Talk = "verbose" if verbose else "quiet" if quiet else "usual"
        with console.talking(talk), scratch(), console.notes():
            return super().invoke(ctx)


class VerbGroup(click.Group):
    """Verbs of one word before them, such as `style list`, in the order of their file."""

    command_class = Verb

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class _Loaded(Mapping[str, click.Command]):
    """Verbs by name, loaded when one is looked up."""

    def __init__(self, names: Sequence[str], load: Callable[[str], click.Command]) -> None:
        self._names, self._load = names, load

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._names:
            raise KeyError(name)
        return self._load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Verbs(click.Group):
    """The verbs of the program, in sections and in the order in which they are used.

    Args:
        sections: names of verbs by title.
        load: reads the file of a verb.
        others: as `click.Group`.
    """

    def __init__(
        self,
        sections: Mapping[str, Sequence[str]],
        load: Callable[[str], click.Command],
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.sections = sections
        names = [name for section in sections.values() for name in section]
        # click only looks things up in it
        self.commands = cast(MutableMapping[str, click.Command], _Loaded(names, load))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self.commands))
        for title, names in self.sections.items():
            with formatter.section(title):
                rows = [
                    (f"{name:<{widest}}", _first_sentence(self.commands[name])) for name in names
                ]
                formatter.write_dl(rows)


def _first_sentence(command: click.Command) -> str:
    """What a verb does, whole: a line that is too long is wrapped, not cut."""
    return command.get_short_help_str(limit=200)
