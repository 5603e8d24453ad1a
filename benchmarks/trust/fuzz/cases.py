"""One case: damaged bytes of one reader, drawn from a seed, and what became of them."""

from __future__ import annotations

import re
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from benchmarks.trust.fuzz.reader import ALLOWED_CODES, SilentAcceptanceError
from benchmarks.trust.fuzz.readers import ALL
from iast_export.errors import IastExportError

TAKEN, REFUSED = "taken", "refused"
EXIT_1, SILENT, CRASH, HANG, MEMORY = "exit 1", "silent acceptance", "crash", "hang", "memory"
FINDINGS = (EXIT_1, SILENT, CRASH, HANG, MEMORY)


@dataclass(frozen=True)
class Result:
    """What became of a case; `where` names the same fault in the same words each time."""

    outcome: str
    where: str = ""
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether a reader did not do what it owes."""
        return self.outcome in FINDINGS


@cache
def seeds_of(reader: str) -> Mapping[str, bytes]:
    """The seeds of a reader."""
    return ALL[reader].seeds()


def draw(reader: str, seed: int, index: int) -> tuple[str, bytes]:
    """A seed's name and its damaged bytes; the same for the same three arguments."""
    rng = Random(f"{seed}:{reader}:{index}")
    given = seeds_of(reader)
    name = rng.choice(sorted(given))
    if index < len(given) and not ALL[reader].all_valid:
        name = sorted(given)[index]  # seeds that are odd themselves, each once as it is
        return name, given[name]
    return name, ALL[reader].mutate(name)(given[name], rng, [given[one] for one in sorted(given)])


def judge(reader: str, name: str, data: bytes) -> Result:
    """Reads one input in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-case-"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ALL[reader].read(data, folder, name)
    except IastExportError as error:
        if error.exit_code not in ALLOWED_CODES:
            return Result(EXIT_1, f"exit code {error.exit_code}", error.message)
        return Result(REFUSED, str(error.exit_code), error.message)
    except SilentAcceptanceError as error:
        return Result(SILENT, str(error), str(error))
    except BaseException as error:  # anything else that leaves a reader is a finding
        return Result(EXIT_1, _place(error), traceback.format_exc()[-4000:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Result(TAKEN)


def _place(error: BaseException) -> str:
    """Type, and the last line of the package that it passed."""
    frames = [
        one for one in traceback.extract_tb(error.__traceback__) if "iast_export" in one.filename
    ]
    last = frames[-1] if frames else None
    words = re.sub(r"'[^']*'|-?\b(nan|inf|\d[\d.e+-]*)\b", "_", str(error))[:80]
    where = f" in {Path(last.filename).name}:{last.name}" if last else f": {words}"
    return f"{type(error).__name__}{where}"
