"""What a number written for one picture may mean for another, the likeliest first.

A converter traces one picture, so a slice that begins at row 62 of 64 may begin 2 rows before the
end, or at row 62 of any picture, or after 31 of 32 parts. Which, shows in what the shapes must be
further on, and in the proof at other shapes.
"""

from __future__ import annotations

from fractions import Fraction

from iast_export.shapes.dims import Dim, Steps, scaled

# A share is likelier than a count from an end of more rows than this times the share's parts;
# chosen so that halves of 32 rows are shares, and 2 of 4 rows are counted.
_SHARE_COST = 6
_MOST_PARTS = 4


def places(length: Dim, place: int, steps: Steps) -> list[Dim]:
    """What a place along a side may be for other pictures.

    Args:
        length: of the side.
        place: 0 to the side's length in the picture that was traced.
        steps: of that picture.
    """
    if length.is_constant or place == 0:
        return [Dim(place)]
    size = length.at(steps)
    found: list[tuple[int, int, Dim]] = [
        (size - place, 0, length - (size - place)),
        (place, 1, Dim(place)),
    ]
    share = Fraction(place, size)
    whole = scaled(length, share)
    if whole is not None and 1 < share.denominator <= _MOST_PARTS:
        found.append((share.denominator * _SHARE_COST, 2, whole))
    if length.rows and length.columns:  # rows and columns behind one another
        parts = (Dim(0, length.rows), Dim(0, 0, length.columns))
        found += [(-1, n, part) for n, part in enumerate(parts) if part.at(steps) == place]
    return [dim for *_, dim in sorted(found, key=lambda one: one[:2])]


def sizes(length: Dim, made: int, steps: Steps) -> list[Dim]:
    """What a side that is resized from `length` to `made` px may be for other pictures."""
    if length.is_constant:
        return [Dim(made)]
    whole = scaled(length, Fraction(made, length.at(steps)))
    return [Dim(made)] if whole is None else [whole, Dim(made)]


def split_sides(before: tuple[Dim, ...], made: tuple[int, ...], steps: Steps) -> list[list[Dim]]:
    """What each side of a reshaped tensor may be, before it is known how they go together.

    Args:
        before: sides of the tensor that is reshaped.
        made: sides that were traced.
        steps: of the picture that was traced.
    """
    known = [dim for dim in before if not dim.is_constant]
    rows = [Dim(0, dim.area) for dim in known if dim.area]
    columns = [Dim(0, 0, dim.area) for dim in known if dim.area]
    found = []
    for size in made:
        moving = [
            whole
            for dim in dict.fromkeys([*known, *rows, *columns])
            if dim.at(steps) and (whole := scaled(dim, Fraction(size, dim.at(steps)))) is not None
        ]
        found.append([*dict.fromkeys(moving), Dim(size)])
    return found
