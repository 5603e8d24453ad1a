"""The bundle's page with its verdict, for every verb that writes it."""

from __future__ import annotations

from pathlib import Path

from iast_export.gate import gate, judge_alone
from iast_export.pages import write_html


def write_page(
    folder: Path,
    *,
    baseline: Path | None = None,
    rules: Path | None = None,
    against: Path | None = None,
    out: Path | None = None,
) -> Path:
    """Writes DIR/reports/report.html with the gate's verdict.

    Args:
        folder: the bundle.
        baseline: of the gate; None: judged by rules alone.
        rules: TOML; None: the packaged ones.
        against: another bundle, to stand beside it.
        out: where to write instead.

    Raises:
        UsageError: the rules can't be used.
        InputError: as `gate` and `write_html`.
    """
    verdict = judge_alone(folder, rules) if baseline is None else gate(folder, baseline, rules)
    return write_html(folder, verdict=verdict, against=against, out=out)
