"""Reports made readable: HTML for people, Markdown and JUnit for CI. Computes nothing."""

from __future__ import annotations

from iast_export.report.html import ReportParts, html_report, write_html
from iast_export.report.junit import junit_xml
from iast_export.report.markdown import markdown_text

__all__ = ["ReportParts", "html_report", "junit_xml", "markdown_text", "write_html"]
