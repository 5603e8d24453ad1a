"""Whose network a build makes files of, for the files to say so."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from iast_export import __version__
from iast_export.build.request import Build
from iast_export.bundle.about import NOT_STATED, About
from iast_export.files.artifacts import sha256_file
from iast_export.network.checkpoint import told_by_card

# Enough to tell checkpoints apart, as version control shortens its hashes.
_SHORT_SHA256 = 12


def about_of(build: Build) -> About:
    """What the files of a build say of themselves, by the card beside its checkpoint.

    A card may hold `name`, `version`, `author` and `licence`. Without a version the checkpoint's
    hash stands for one.

    Raises:
        InputError: the card can't be read, or is another checkpoint's.
    """
    checkpoint, network = build.checkpoint_file, build.request.network
    card = told_by_card(checkpoint)
    sha256 = sha256_file(checkpoint) if checkpoint else None
    version = f"checkpoint {sha256[:_SHORT_SHA256]}" if sha256 else NOT_STATED
    return About(
        bundle=build.recipe.name,
        title=card.get("name", network),
        version=card.get("version", version),
        author=card.get("author", NOT_STATED),
        license=card.get("licence", NOT_STATED),
        network=network,
        checkpoint_sha256=sha256,
        created_by=f"iast-export {__version__}",
        tiers=build.tiers,
    )


def about_params(build: Build) -> dict[str, Any]:
    """The same, as part of what decides the files of a stage."""
    return {"about": asdict(about_of(build))}
