"""Every reader of the project by name."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.trust.fuzz import binary_readers, bundle_readers, commands, text_readers
from benchmarks.trust.fuzz.probe import PROBE
from benchmarks.trust.fuzz.reader import Reader

READERS: Mapping[str, Reader] = {
    reader.name: reader
    for reader in (
        *text_readers.READERS,
        *bundle_readers.READERS,
        *binary_readers.READERS,
        *commands.READERS,
    )
}
ALL: Mapping[str, Reader] = {**READERS, PROBE.name: PROBE}
