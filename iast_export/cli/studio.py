"""`iast-export studio`: a bundle's pictures in the browser of this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PORT
from iast_export.cli.streams import STDOUT
from iast_export.cli.verbs import Verb


@click.command(cls=Verb)
@options.folder
@click.option("--port", metavar="N", type=PORT, help="of 127.0.0.1 [default: one that is free]")
@options.threads
@click.option("--open", "open_it", is_flag=True, help="open the page in the usual browser")
def studio(folder: Path, port: int | None, threads: int, open_it: bool) -> None:
    """A page on this machine: a photograph, styles, lanes and tiers, drawn at once.

    Shows the picture beside the photograph and beside FP32's, with its time and PSNR. Answers on
    127.0.0.1 alone, to who knows the address that is printed; photographs go nowhere else and are
    not written to the disk. Pictures beyond the tier are scaled down. Ctrl-C ends it. Needs the
    extra `iast-export[studio]`.

    \b
    Example:
      iast-export studio dist/demo --open
    """
    from iast_export.studio.server import serve

    def ready(address: str) -> None:
        console.say(f"studio  {address}")
        STDOUT.flush()
        console.remark("Ctrl-C ends it")
        if open_it:
            click.launch(address)

    with suppress(KeyboardInterrupt):
        serve(folder, ready, port, threads)
    console.remark("the studio has ended; nothing was written")
