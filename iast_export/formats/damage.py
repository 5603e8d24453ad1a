"""How a damaged model file is refused, whichever its format."""

from __future__ import annotations

from iast_export.errors import InputError


class DamagedError(ValueError):
    """What is wrong with a model file, in a few words."""


def refusal(where: object, error: Exception) -> InputError:
    """The error for the file `where`, which can't be read because of `error`."""
    words = str(error) if isinstance(error, DamagedError) else f"{type(error).__name__}: {error}"
    told = " ".join(words.encode("utf-8", "replace").decode().split())[:300]
    return InputError(f"{where} is truncated or damaged: {told}", "build it again or copy it again")
