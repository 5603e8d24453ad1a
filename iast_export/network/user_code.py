"""Code of a user's that raises: its own file, line and text, and the one line that says why.

torch wraps what went wrong in pages of advice. What an author can act on is the innermost error's
own words and the last line of the author's own that was running.
"""

from __future__ import annotations

import linecache
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType

from iast_export.errors import IastExportError, InputError
from iast_export.files.texts import visible

_PACKAGE = str(Path(__file__).resolve().parents[1])
_COLORS = re.compile(r"(?:\x1b|\\x1b)\[[0-9;]*m")
# Lines that torch puts before or behind the reason, whatever it is.
_PREAMBLE = re.compile(
    r"^(failed to|next steps|- |this is step|refer to|for more information|the following call"
    r"|from user code|user stack|set torch|you can suppress|##|<class|while executing|original"
    r"|\(refer|graphmodule|use tlparse|caused by|hint:|\* )",
    re.IGNORECASE,
)
_MOST_TEXT = 300
_MOST_LINE = 100

# What an error's words betray, and what to do then: the first that fits.
_REMEDIES: Sequence[tuple[str, str]] = (
    (
        r"no such file|filenotfound|does not exist|is a directory",
        "give the weights' file as CHECKPOINT, and load the path that the factory gets",
    ),
    (
        r"nonetype",
        "give CHECKPOINT where the factory loads weights: without one it gets None for the path",
    ),
    (
        r"trace submodules|torchscript|scriptmodule|__torch__",
        "keep the plain nn.Module beside what `torch.jit` made of it: a TorchScript module runs as "
        "a whole only; or give its file as --network",
    ),
    (
        r"cuda|nvidia|hip|mps|device type|same device|meta tensor|on the meta",
        "keep everything on the CPU: take out `.cuda()` and `.to(...)`, and load weights with "
        "`torch.load(path, map_location='cpu')`",
    ),
    (
        r"\bhalf\b|bfloat16|\bdouble\b|expected scalar type|same dtype|dtype",
        "bring weights and inputs to float32, for example `self.transfer.float()` in the factory",
    ),
    (
        r"positional argument|unexpected keyword|missing \d+ required",
        "let it be `def factory(checkpoint):`, `def cut(self, depth):`, "
        "`def encode_style(self, style):` and `def forward(self, content, *codes):`",
    ),
    (
        r"not yet|notimplemented|abstract",
        "write the body of the method, for example `return copy.deepcopy(self.transfer)`",
    ),
    (
        r"missing key|unexpected key|size mismatch for|error\(s\) in loading",
        "let the checkpoint and the class be of one network: compare the keys of its state dict",
    ),
)
_DEFAULT_REMEDY = "mend the line; the factory's own script should run on a picture [1, 3, 64, 64]"


@contextmanager
def calling(
    what: str, remedy: str = "", passed: type[Exception] = IastExportError
) -> Iterator[None]:
    """Runs code of a user's; what it raises is shown at its own line.

    Args:
        what: that is called, as in "cut(1)".
        remedy: what to do; empty: chosen by the error's words.
        passed: a class of errors that the caller has words for.

    Raises:
        InputError: whatever was raised, but errors of this project's own and Ctrl-C.
    """
    try:
        yield
    except (IastExportError, passed):
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, MemoryError):
            raise
        raise InputError(
            f"{what} raised {told(error)}", remedy or _remedy_of(error) or _DEFAULT_REMEDY
        ) from error


def told(error: BaseException) -> str:
    """An error in one line: its class, its words, and the author's line that it left from."""
    words = last_words(error)
    named = type(_innermost(error)).__name__
    place = place_of(error)
    return f"{named}{f': {words}' if words else ''}{f' ({place})' if place else ''}"


def last_words(error: BaseException) -> str:
    """The line of an error that says why, without colors and without advice around it."""
    text = _COLORS.sub("", str(_innermost(error)))
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not _PREAMBLE.match(line)]
    if not telling:
        return visible(lines[-1][:_MOST_TEXT]) if lines else ""
    chosen = telling[0] if telling[0] is lines[0] else telling[-1]
    return visible(chosen[:_MOST_TEXT])


def place_of(error: BaseException) -> str:
    """`my_net.py:12, in forward: the line` of the author's last line; empty where none was."""
    for one in reversed(_chain(error)):
        if isinstance(one, SyntaxError) and one.filename:
            return _place(one.filename, one.lineno or 0, "")
        frames = [
            (frame.f_code.co_filename, number, frame.f_code.co_name)
            for frame, number in traceback.walk_tb(one.__traceback__)
            if is_own(frame.f_code)
        ]
        if frames:
            return _place(*frames[-1])
    return ""


def line_now(frame: FrameType | None = None) -> str:
    """`place_of` the author's line that is running, seen from a function that it called."""
    found = frame or sys._getframe(1)
    while found is not None and not is_own(found.f_code):
        found = found.f_back  # type: ignore[assignment]
    if found is None:
        return ""
    return _place(found.f_code.co_filename, found.f_lineno, found.f_code.co_name)


def is_own(code: CodeType) -> bool:
    """Whether code is a user's: neither Python's, an installed package's, nor this project's."""
    return is_own_file(code.co_filename)


@cache
def is_own_file(name: str) -> bool:
    """Whether a file is a user's, see `is_own`."""
    if name.startswith("<"):
        return False
    path = str(Path(name).resolve())
    return not any(path.startswith(folder + "/") for folder in _foreign_folders())


@cache
def _foreign_folders() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    found = {str(Path(sysconfig.get_paths()[name]).resolve()) for name in names}
    import torch  # a user's own lines run only where it is there

    return (*sorted(found), str(Path(torch.__file__).resolve().parents[1]), _PACKAGE)


def _place(filename: str, number: int, function: str) -> str:
    text = " ".join(linecache.getline(filename, number).split())
    cut = text if len(text) <= _MOST_LINE else f"{text[: _MOST_LINE - 3]}..."
    inside = f", in {function}" if function and not function.startswith("<") else ""
    shown = f": `{cut}`" if cut else ""
    return visible(f"{Path(filename).name}:{number}{inside}{shown}")


def _remedy_of(error: BaseException) -> str:
    text = f"{type(_innermost(error)).__name__}: {_innermost(error)}".lower()
    return next((remedy for words, remedy in _REMEDIES if re.search(words, text)), "")


def _innermost(error: BaseException) -> BaseException:
    return _chain(error)[-1]


def _chain(error: BaseException) -> list[BaseException]:
    """An error and its causes, outermost first."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found:
        found.append(one)
        one = one.__cause__
    return found
