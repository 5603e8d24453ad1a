"""docs/cli.md, made from the command line's own help.

python -m tests.cli_page > docs/cli.md
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import click

from iast_export import errors
from iast_export.cli.main import SECTIONS, app

INTRODUCTION = """\
# The command line

Every verb of `iast-export`, as its `--help` says; this page is made from there by
`python -m tests.cli_page`. DIR is a bundle, finished or being built. Results are printed on stdout,
progress, notes and errors on stderr. A name that an option takes for a file may be any path.

To complete verbs, options and files with the tab key, see [`completion`](#iast-export-completion).
"""
EVERYWHERE = """\
Every verb also takes:

- `-v, --verbose`: say every step, also where output is no terminal
- `-q, --quiet`: no progress and no notes; results and errors stay
- `-h, --help`: the words of this page
"""
_COMMON = {"--verbose", "--quiet", "--help"}


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, EVERYWHERE, "## Exit codes\n", _exit_codes()]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += _verb(name, app.commands[name], click.Context(app, info_name="iast-export"))
    return "\n".join(parts).rstrip() + "\n"


def _exit_codes() -> str:
    rows = {0: "pass", 1: "a bug of ours, with its traceback"}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.IastExportError):
            text = (kind.__doc__ or "").splitlines()[0].rstrip(".")
            rows.setdefault(kind.exit_code, text[0].lower() + text[1:])
    lines = [f"| {code} | {text} |" for code, text in sorted(rows.items())]
    return "\n".join(["| code | meaning |", "| ---: | --- |", *lines, ""])


def _verb(name: str, command: click.Command, before: click.Context) -> Iterator[str]:
    context = click.Context(command, before, info_name=name)
    yield f"### {context.command_path}\n"
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n"
    yield from _words(command.help or "")
    options = [
        _option(*record)
        for param in command.get_params(context)
        if isinstance(param, click.Option) and _COMMON.isdisjoint(param.opts)
        if (record := param.get_help_record(context))
    ]
    if options:
        yield "\n".join(options) + "\n"
    if isinstance(command, click.Group):
        for inner, found in command.commands.items():
            yield from _verb(inner, found, context)


def _option(names: str, text: str) -> str:
    line = f"- `{names}`: {_plain(text)}" if text else f"- `{names}`"
    return textwrap.fill(line, 100, subsequent_indent="  ", break_on_hyphens=False)


def _words(text: str) -> Iterator[str]:
    """Paragraphs wrapped anew, examples as they are."""
    for block in re.split(r"\n\s*\n", textwrap.dedent(text).strip()):
        if block.lstrip().startswith("\b"):
            _, _, lines = block.partition("Example:\n")
            yield f"```sh\n{textwrap.dedent(lines).rstrip()}\n```\n"
        else:
            yield textwrap.fill(_plain(block), 100, break_on_hyphens=False) + "\n"


def _plain(text: str) -> str:
    """Words in which Markdown finds no emphasis, link or tag of its own."""
    outside = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_<>\[\]])", r"\\\1", part)
        for part in outside
    )


if __name__ == "__main__":
    click.echo(page(), nl=False)
