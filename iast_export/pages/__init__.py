"""Reports made readable: HTML for people, Markdown and JUnit for CI. Computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iast_export.pages.junit import junit_xml
from iast_export.pages.markdown import markdown_text

if TYPE_CHECKING:
    from iast_export.pages.html import html_report, write_html

__all__ = ["html_report", "junit_xml", "markdown_text", "write_html"]


def __getattr__(name: str) -> Any:
    """The page's names, on first use: they need OpenCV and Jinja, which the gate does without."""
    if name not in __all__:
        raise AttributeError(name)
    from iast_export.pages import html

    return getattr(html, name)
