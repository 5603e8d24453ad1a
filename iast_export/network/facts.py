"""What a network says of itself, read and held to sense; its codes under names that files can have.

Codes get their names in ONNX and TFLite files, in Python calls and in the manifest, so a name that
one of them can't have is replaced once, here, and nothing behind has to know.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iast_export.errors import InputError
from iast_export.files.texts import shown
from iast_export.specs import (
    CONTENT,
    MOST_DEPTH,
    STRENGTH,
    STYLE_IMAGE,
    STYLIZED,
    check_facts,
)

# Names of our own at the edges of files, and of the calls that trace them.
_TAKEN = frozenset({CONTENT, STYLIZED, STYLE_IMAGE, "self", "input", "inputs", "output", "outputs"})
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MOST_NAME = 64
_MOST_RANK = 6  # of a code; TFLite's operators end there
_MOST_VALUES = 1 << 24  # of a code: 64 MB; chosen, a style of more is no code
_STRENGTH_SHAPE = (1, 1)


@dataclass(frozen=True)
class Facts:
    """What a network says of itself.

    Attributes:
        depths: subnetworks that it can be cut to, rising.
        size_multiple_px: of which sides must be multiples.
        code_shapes: of its codes by the name that files have, in its own order.
        own_names: those names -> the author's.
        value_range: of pictures as the author's code takes and gives them.
    """

    depths: tuple[int, ...]
    size_multiple_px: int
    code_shapes: Mapping[str, tuple[int, ...]]
    own_names: Mapping[str, str]
    value_range: tuple[float, float] = (0.0, 1.0)

    @property
    def renamed(self) -> dict[str, str]:
        """The author's names that files can't have, and what stands for them."""
        return {own: name for name, own in self.own_names.items() if own != name}


def read_facts(network: Any) -> Facts:
    """The facts of a network of a user's.

    Raises:
        InputError: one that no bundle could follow from; names it, with a line to write.
    """
    depths = _depths(network.depths)
    check_facts(depths, network.size_multiple_px)
    shapes = _shapes(network.code_shapes)
    named = dict(zip(shapes, file_names(shapes), strict=True))
    return Facts(
        depths=depths,
        size_multiple_px=network.size_multiple_px,
        code_shapes={named[own]: shape for own, shape in shapes.items()},
        own_names={name: own for own, name in named.items()},
        value_range=_value_range(getattr(network, "value_range", (0.0, 1.0))),
    )


def file_names(names: Iterable[str]) -> list[str]:
    """A name for each that files, Python calls and apps can have: itself where that is one.

    >>> file_names(["mean", "style mean", "style-mean", "class", "style"])
    ['mean', 'style_mean', 'style_mean_2', 'code_class', 'code_style']
    """
    found: list[str] = []
    given = list(names)
    kept = {name for name in given if _is_plain(name)}
    for name in given:
        if name in kept:
            found.append(name)
            continue
        base = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_MOST_NAME]
        base = base if _is_plain(base) else f"code_{base}".rstrip("_")
        tries = (base, *(f"{base}_{i}" for i in range(2, len(given) + 2)))
        found.append(next(one for one in tries if one not in found and one not in kept))
    return found


def _is_plain(name: str) -> bool:
    """Whether a name can stand in every file and call as it is."""
    return (
        _PLAIN.fullmatch(name) is not None
        and len(name) <= _MOST_NAME
        and not keyword.iskeyword(name)
        and name not in _TAKEN
    )


def _depths(found: object) -> tuple[int, ...]:
    if isinstance(found, bool) or not isinstance(found, Sequence | set | frozenset | range):
        raise InputError(
            f"the network's depths is {shown(found)}, a tuple of whole numbers was needed",
            "write for example `depths = (1,)` for a network that is one whole",
        )
    depths = tuple(found)
    check_facts(depths, 1)
    if len(set(depths)) != len(depths) or max(depths) > MOST_DEPTH:
        raise InputError(
            f"the network's depths are {shown(depths)}, different numbers in 1..{MOST_DEPTH} were "
            "needed",
            "write each depth once, for example `depths = (1, 2, 3)`",
        )
    return tuple(sorted(depths))


def _shapes(found: object) -> dict[str, tuple[int, ...]]:
    if not isinstance(found, Mapping):
        raise InputError(
            f"the network's code_shapes is {shown(found)}, a dict of names and shapes was needed",
            'write for example `code_shapes = {"mean": (1, 64, 1, 1)}`, or `{}` where one style is '
            "trained in",
        )
    return {_name(name): _shape(name, shape) for name, shape in found.items()}


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InputError(
            f"the network's code_shapes names a code {shown(name)}, a word was needed",
            'write for example `code_shapes = {"mean": (1, 64, 1, 1)}`',
        )
    return name


def _shape(name: object, shape: object) -> tuple[int, ...]:
    sides = tuple(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else None
    fixed = sides is not None and all(type(side) is int and side >= 1 for side in sides)
    if sides is None or not fixed or not 1 <= len(sides) <= _MOST_RANK:
        raise InputError(
            f"the code {shown(name)} has the shape {shown(shape)}, whole numbers of at least 1 "
            "were needed: a code's size must be fixed",
            "give every side a number, batch included, for example (1, 64, 1, 1); pool or resize "
            "what follows the artwork's size in encode_style",
        )
    if math.prod(sides) > _MOST_VALUES:
        raise InputError(
            f"the code {shown(name)} of shape {sides} holds {math.prod(sides):,} values, at most "
            f"{_MOST_VALUES:,} are taken",
            "let encode_style return what sums a style up, such as means and deviations",
        )
    if name == STRENGTH and sides != _STRENGTH_SHAPE:
        raise InputError(
            f"the code {STRENGTH} has the shape {sides}, {_STRENGTH_SHAPE} was needed: it is the "
            "user's, set with --strength",
            f'write `"{STRENGTH}": {_STRENGTH_SHAPE}`, or give the code another name',
        )
    return sides


def _value_range(found: object) -> tuple[float, float]:
    ends = tuple(found) if isinstance(found, Sequence) and not isinstance(found, str) else ()
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if len(ends) != 2 or not numbers or not -math.inf < ends[0] < ends[1] < math.inf:
        raise InputError(
            f"the network's value_range is {shown(found)}, its lowest and highest value were "
            "needed",
            "write for example `value_range = (-1, 1)` or `value_range = (0, 255)`",
        )
    return float(ends[0]), float(ends[1])
