"""The table of shapes that lies beside a TFLite model of a bundle."""

from __future__ import annotations

from pathlib import Path

from iast_export.bundle.layout import SHAPES_SUFFIX
from iast_export.bundle.sealed import Seals
from iast_export.shapes.table import ShapeTable, read_table


def load_shapes(seals: Seals, model: Path, data: bytes) -> ShapeTable | None:
    """The table of a model; None where the bundle lists none.

    Args:
        seals: of the bundle.
        model: a model's file.
        data: what is in it.

    Raises:
        InputError: the table is missing, altered, broken or of another model.
    """
    path = model.with_suffix(SHAPES_SUFFIX)
    if path.relative_to(seals.root).as_posix() not in seals.sha256:
        return None
    return read_table(seals.read(path), data, path)
