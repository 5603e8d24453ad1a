"""A verdict as Markdown, for a pull request or a job summary."""

from __future__ import annotations

import re
from collections.abc import Sequence

from iast_export.reports.verdict import PRECEDENCE, Check, Verdict

_MARKUP = re.compile(r"[&<>|`*_\\[\]!#~@$:]")
_WORDS = {"pass": "pass", "fail": "**fail**", "cannot judge": "**can't judge**"}


def markdown_text(verdict: Verdict) -> str:
    """The headline, what did not pass with its remedy, and every check in a folded table."""
    mark = "✅" if verdict.passed else "❌" if verdict.exit_code != PRECEDENCE[-1] else "❔"
    lines = [f"## {mark} {_cell(verdict.bundle)}: {verdict.headline}", ""]
    worst = verdict.worst()
    if worst:
        lines += [*_table(worst, with_remedy=True), ""]
    lines += [f"- {_cell(note)}" for note in verdict.notes]
    lines += [""] if verdict.notes else []
    lines += [f"<details><summary>All {len(verdict.checks)} checks</summary>", ""]
    lines += [*_table(verdict.checks, with_remedy=False), "", "</details>", ""]
    return "\n".join(lines)


def _table(checks: Sequence[Check], with_remedy: bool) -> list[str]:
    heads = ["check", "verdict", "measured", "needed"] + (["next"] if with_remedy else [])
    rows = [heads, ["---"] * len(heads)]
    for check in checks:
        row = [_cell(check.name), _WORDS[check.outcome], _cell(check.measured), _cell(check.rule)]
        rows.append([*row, _cell(check.remedy)] if with_remedy else row)
    return [f"| {' | '.join(row)} |" for row in rows]


def _cell(text: str) -> str:
    """`text` in one line, as it is: nothing in it is markup, a link, a mention or an entity."""
    flat = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", flat)
