"""Numbers of a side by `int` and `float`, which an export else keeps as they were.

Python asks of these two a number of its own, so that the side is lost. While an export traces, an
author's own lines call others, which leave a side what it is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

from iast_export.network.user_code import is_own_file


@contextmanager
def whole_sides() -> Iterator[None]:
    """While active, `int` and `float` in an author's own files keep sides."""
    own = {id(one): vars(one) for one in list(sys.modules.values()) if _is_own(one)}
    given = [(names, name) for names in own.values() for name in _INSTEAD if name not in names]
    for names, name in given:
        names[name] = _INSTEAD[name]
    try:
        yield
    finally:
        for names, name in given:
            del names[name]


def _is_own(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and is_own_file(file)


class _Numbers(type):
    """A class that takes for its own what Python's own number of its name does."""

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, cls.__mro__[1])


class _Int(int, metaclass=_Numbers):
    def __new__(cls, value: Any = 0, *base: Any, **kwargs: Any) -> Any:
        if isinstance(value, torch.SymInt):
            return value
        is_fraction = isinstance(value, torch.SymFloat)
        return math.trunc(value) if is_fraction else int(value, *base, **kwargs)


class _Float(float, metaclass=_Numbers):
    def __new__(cls, value: Any = 0.0) -> Any:
        if isinstance(value, torch.SymInt):
            return value * 1.0
        return value if isinstance(value, torch.SymFloat) else float(value)


_INSTEAD = {"int": _Int, "float": _Float}
