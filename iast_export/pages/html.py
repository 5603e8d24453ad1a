"""The bundle's report as one self-contained HTML page, which asks the network for nothing."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from iast_export.files.artifacts import write_atomic
from iast_export.pages.parts import ReportParts, load_parts
from iast_export.pages.policy import policy
from iast_export.pages.rendering import render, source
from iast_export.pages.sections import SECTIONS
from iast_export.reports.base import HTML_PATH
from iast_export.reports.verdict import Verdict

_CSS, _SCRIPTS = "page.css", ("slider.js", "page.js")


def write_html(
    folder: Path,
    *,
    verdict: Verdict | None = None,
    against: Path | None = None,
    out: Path | None = None,
) -> Path:
    """Writes the page of a bundle from its manifest, reports and pictures.

    Args:
        folder: the bundle; the reports on quantization and conversion may be absent.
        verdict: of the gate, shown after the pictures.
        against: another bundle, to stand beside it.
        out: where to; None: DIR/reports/report.html.

    Raises:
        InputError: the manifest, a report or a golden picture is missing or can't be read, or a
            report of the build is of other files.
    """
    path = out or folder / HTML_PATH
    page = html_report(load_parts(folder, verdict, against))
    write_atomic(path, page.encode("utf-8", "replace"))
    return path


def html_report(parts: ReportParts) -> str:
    """The page. The same parts give the same bytes."""
    css, script = source(_CSS), "".join(map(source, _SCRIPTS))
    return render(
        "page.html.j2",
        parts=parts,
        policy=policy(css, script),
        css=Markup(css),
        script=Markup(script),
        sections=[found for make in SECTIONS if (found := make(parts)) is not None],
        total_bytes=sum(entry.bytes for entry in parts.manifest.files),
    )
