"""What stops a run without being a bug of ours: a full disk, a long path, a missing package.

Python raises these anywhere, so they get their words and their exit code in one place.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from iast_export.environment import missing_package
from iast_export.errors import IastExportError, InputError, ToolError, UsageError
from iast_export.files.system_errors import REMEDIES, of_system


def known(error: Exception) -> IastExportError | None:
    """The error in the project's terms; None for a bug of ours, which keeps its traceback."""
    for one in _causes(error):
        if isinstance(one, ImportError) and (missing := of_import(one)):
            return missing
    if isinstance(error, IastExportError):
        return error
    if isinstance(error, OSError):
        return of_system(error)
    if isinstance(error, MemoryError):
        return InputError(
            f"not enough memory{f': {error}' if str(error) else ''}", REMEDIES[errno.ENOMEM]
        )
    if isinstance(error, UnicodeEncodeError):
        return of_encoding(error)
    return None


def of_import(error: ImportError) -> IastExportError | None:
    """A package that is not installed, or does not load; None where it is none of ours."""
    package = missing_package(error.name or "")
    if package is None:
        return None
    name, use, remedy = package
    if isinstance(error, ModuleNotFoundError):
        return UsageError(f"{name} is not installed, which is needed for {use}", remedy)
    return ToolError(f"{name}, which is needed for {use}, does not load: {error}", remedy)


def of_encoding(error: UnicodeEncodeError) -> InputError | None:
    """A name that has no form in the environment's encoding, or in UTF-8; None: text of our own."""
    lacking = error.object[error.start : error.end]
    if any("\udc80" <= c <= "\udcff" for c in lacking):
        return InputError(
            f"the name {error.object[:200]!r} is not UTF-8", "rename the file or folder"
        )
    if error.encoding in ("utf-8", "utf8"):
        return None
    return InputError(
        f"{lacking[:20]!r} can't be written in the encoding of this environment, {error.encoding}",
        "set PYTHONUTF8=1, or a UTF-8 locale such as LC_ALL=C.UTF-8",
    )


def of_output(error: OSError) -> InputError:
    """stdout could not be written."""
    return InputError(
        f"the output could not be written: {error.strerror or error}",
        "what was made stands; send the output where there is space",
    )


def of_exit(error: SystemExit) -> ToolError:
    """Something that we called ended the program, which is never ours to pass on as a verdict."""
    return ToolError(
        f"a module that was run called sys.exit({error.code!r})",
        "take the call out of the network's own modules (`if __name__ == '__main__'`)",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        seen.append(found)
        yield found
        found = found.__cause__
