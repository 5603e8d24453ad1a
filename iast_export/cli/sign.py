"""`iast-export sign`: a signature over a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH
from iast_export.cli.verbs import Verb


@click.command(cls=Verb)
@options.folder
@click.option(
    "--key",
    required=True,
    metavar="FILE",
    type=PATH,
    help="Ed25519 private key, PEM without a password",
)
def sign(folder: Path, key: Path) -> None:
    """Signs a bundle's manifest and reports, for `gate --public-key`.

    The signature is DIR/bundle.sig.json.

    \b
    Example:
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out public.pem
      iast-export sign dist/demo --key key.pem
      iast-export gate dist/demo --baseline baseline.json --public-key public.pem
    """
    from iast_export.bundle.signing import sign as make

    console.say(f"signature {make(folder, key)}")
