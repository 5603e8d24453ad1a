"""The words that name a style: its id, a blend of ids, or the path of a picture.

A blend is `riviera-boats:0.7+teal-fish:0.3`: codes mix linearly, by shares that are divided by
their sum. The id's pattern has no `:`, so that no id and no picture's name is read as a blend.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from iast_export.bundle.styles import style_id
from iast_export.errors import UsageError
from iast_export.files.texts import shown
from iast_export.reports.manifest import Manifest

_PART = r"([a-z0-9][a-z0-9_-]*):([0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_BLEND = re.compile(rf"{_PART}(?:\+{_PART})*")


def blend_of(style: str) -> dict[str, float] | None:
    """Share of each style of a blend, in the order given, of sum 1; None: the words are no blend.

    Raises:
        UsageError: a style is named twice, or no share is above zero.
    """
    if not _BLEND.fullmatch(style):
        return None
    parts = [(name, float(share)) for name, share in re.findall(_PART, style)]
    shares = dict(parts)
    total = sum(shares.values())
    if len(shares) < len(parts) or not 0 < total < math.inf:
        raise UsageError(
            f"the blend {shown(style)} names a style twice, or has no share above zero",
            "give each style once, such as cafe:0.7+stage:0.3",
        )
    return {name: share / total for name, share in parts}


def blend_words(shares: Mapping[str, float]) -> str:
    """A blend as `blend_of` reads it, shares to a hundredth."""
    return "+".join(f"{name}:{share:.2f}" for name, share in shares.items())


def name_of(style: str) -> str:
    """What results in a style are called: its id, `cafe70-stage30` of a blend."""
    shares = blend_of(style)
    if shares is not None:
        return "-".join(f"{name}{100 * share:.0f}" for name, share in shares.items())
    return style_id(Path(style)) if Path(style).is_file() else style


def only_style(manifest: Manifest) -> list[str]:
    """The style of a bundle that has one.

    Raises:
        UsageError: it has more, or none.
    """
    known = [style.id for style in manifest.styles]
    if len(known) != 1:
        listed = f": {', '.join(known)}" if known else ""
        raise UsageError(
            f"the bundle has {len(known)} styles, --style says which to draw in",
            f"give --style ID or a picture{listed}",
        )
    return known


def names_of(contents: Sequence[Path], styles: Sequence[str]) -> list[str]:
    """`name_of` each style.

    Raises:
        UsageError: two of the contents or of the styles have one name; says which.
    """
    names = [name_of(style) for style in styles]
    for given, found in (([str(c) for c in contents], [c.stem for c in contents]), (styles, names)):
        first: dict[str, str] = {}
        for text, name in zip(given, found, strict=True):
            # Case and composed accents tell no files apart on macOS and Windows.
            key = unicodedata.normalize("NFC", name).casefold()
            if key in first:
                raise UsageError(
                    f"{first[key]} and {text} share one name, {name!r}",
                    "rename one, or run them apart",
                )
            first[key] = text
    return names
