"""NOTICE: whose work a bundle holds, and under which licenses, for whoever passes it on."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.files.artifacts import sha256_bytes
from iast_export.files.paths import NOTICE_NAME
from iast_export.files.texts import visible
from iast_export.reports.manifest import NoticeEntry, SourceFacts, StyleEntry

_NOT_SAID = "not stated by who built the bundle; ask before you pass it on"


def notice_of(
    name: str, source: SourceFacts, styles: Sequence[StyleEntry], checkpoint_licence: str
) -> bytes:
    """The text, UTF-8; the same facts give the same bytes.

    Args:
        name: of the bundle.
        source: what it was made from.
        styles: its ready-made styles.
        checkpoint_licence: of the weights, as their card says; "" without a card.
    """
    weights = f"SHA-256 {source.checkpoint_sha256}" if source.checkpoint_sha256 else "of no file"
    lines = [
        f"{name}: whose work is in this bundle",
        "",
        "The network's weights",
        f"  {source.network}, {weights}",
        f"  License: {checkpoint_licence or _NOT_SAID}",
        "",
        "The styles",
        "  Codes and thumbnails were computed from these artworks. What a license asks for, as",
        "  to name the author, or to share alike (CC BY-SA), goes with them.",
    ]
    for style in styles:
        lines += [
            "",
            f"  {style.id}{f': {style.title}' if style.title else ''}",
            f"    License: {style.licence or _NOT_SAID}",
            *([f"    Source: {style.source}"] if style.source else []),
        ]
    return ("\n".join(map(visible, lines)) + "\n").encode()


def entry_of(text: bytes, checkpoint_licence: str, *, renamed: bool = False) -> NoticeEntry:
    """How the manifest lists a text.

    Args:
        text: from `notice_of`.
        checkpoint_licence: that it names.
        renamed: whether another lies under the usual name, which a manifest lists until it is
            replaced.
    """
    sha256 = sha256_bytes(text)
    name = f"{NOTICE_NAME}-{sha256[:8]}" if renamed else NOTICE_NAME
    return NoticeEntry(path=name, sha256=sha256, checkpoint_licence=checkpoint_licence)
