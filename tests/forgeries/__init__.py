"""Forged bundles, baselines and rules: small changes to genuine ones, with the exit codes they must
end in.

Two sorts: those of `WRITTEN`, each with a thought behind it, and those of `generated`, which takes
every field of every document.
"""

from tests.forgeries import figures, files, told
from tests.forgeries.case import WRITTEN, Case, Forgery
from tests.forgeries.generated import FREE, generated

__all__ = ["FREE", "WRITTEN", "Case", "Forgery", "figures", "files", "generated", "told"]
