"""`iast-export completion`: what a shell needs to complete words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from iast_export.cli import streams
from iast_export.cli.verbs import Verb

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Verb)
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """The script that makes bash, zsh or fish complete words.

    Verbs, options and files. For one session `eval` it. To keep it, write it to a file and read
    that from the shell's own start-up file; fish reads its folder by itself.

    \b
    Example:
      eval "$(iast-export completion bash)"
      iast-export completion bash > ~/.iast-export.bash    # . ~/.iast-export.bash in ~/.bashrc
      iast-export completion zsh > ~/.iast-export.zsh      # . ~/.iast-export.zsh in ~/.zshrc
      iast-export completion fish > ~/.config/fish/completions/iast-export.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    script = found(root, {}, "iast-export", "_IAST_EXPORT_COMPLETE")
    # Not source(), which runs bash to ask for its version.
    streams.STDOUT.write(script.source_template % script.source_vars())
