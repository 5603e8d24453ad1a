"""A TFLite signature as a `Session` for pictures of any shape, each re-shaped and kept a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from iast_export.runtimes.session import Array, Session
from iast_export.shapes.table import ShapeTable
from iast_export.specs import CONTENT, Tier

# Shapes whose sessions stay open; chosen: upright and lying pictures of two formats.
_MOST_OPEN = 4

Opener = Callable[[bytes], Session]


class AnyShapeSession:
    """Opens a signature at the shape of each picture that it is given.

    The last few shapes stay open. Pictures are multiples of the table's `size_multiple_px`.
    """

    def __init__(
        self,
        data: bytes,
        signature: str,
        table: ShapeTable,
        shape_px: tuple[int, int],
        open_at: Opener,
    ) -> None:
        """Opens the signature at its own shape.

        Args:
            data: the file that the table belongs to.
            signature: one that the table knows.
            table: how it is re-shaped.
            shape_px: height and width that the signature was made with.
            open_at: opens a re-shaped file.

        Raises:
            InputError, ToolError: see `Target.open`.
        """
        self._data, self._signature, self._table, self._open_at = data, signature, table, open_at
        self._open: OrderedDict[tuple[int, int], Session] = OrderedDict()
        # At the signature's own shape.
        self.usual = self._at(*shape_px)

    @property
    def input_names(self) -> tuple[str, ...]:
        """As `Session.input_names`."""
        return self.usual.input_names

    @property
    def raw(self) -> Any:
        """The runtime's own object at the signature's own shape."""
        return self.usual.raw

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """As `Session.run`, at the picture's shape."""
        return self._for(feeds).run(feeds)

    def bare_run(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """As `Session.bare_run`, at the picture's shape."""
        return self._for(feeds).bare_run(feeds)

    def _for(self, feeds: Mapping[str, Array]) -> Session:
        picture = feeds.get(CONTENT)
        if picture is None or picture.ndim != 4:
            return self.usual
        return self._at(*picture.shape[2:])

    def _at(self, height_px: int, width_px: int) -> Session:
        shape = height_px, width_px
        if shape in self._open:
            self._open.move_to_end(shape)
            return self._open[shape]
        made = self._open_at(self._table.reshape(self._data, self._signature, *shape))
        self._open[shape] = made
        while len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)
        return made


def any_shape(data: bytes, tier: Tier | None, shapes: ShapeTable | None, opened: Opener) -> Session:
    """A session over a tier of a TFLite file: of any shape where the table knows how."""
    if tier is None or shapes is None or shapes.find(tier.signature) is None:
        return opened(data)
    return AnyShapeSession(data, tier.signature, shapes, tier.shape_px, opened)


def takes_any_shape(session: Session) -> bool:
    """Whether a session over a TFLite signature takes more than that signature's own shape."""
    return isinstance(session, AnyShapeSession)
