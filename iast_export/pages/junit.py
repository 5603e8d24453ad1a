"""A verdict as JUnit XML, which every CI service shows."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from iast_export.reports.verdict import Check, Verdict

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(verdict: Verdict) -> bytes:
    """One testcase per check, UTF-8: failures are `failure`, what can't be judged is `error`.

    Nothing is `skipped`, since CI services count that as good.
    """
    suite = ElementTree.Element(
        "testsuite",
        name=_text(f"iast-export gate: {verdict.bundle}"),
        tests=str(len(verdict.checks)),
        failures=str(verdict.count("fail")),
        errors=str(verdict.count("cannot judge")),
        skipped="0",
    )
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", name="exit_code", value=str(verdict.exit_code))
    for check in verdict.checks:
        suite.append(_case(check))
    if verdict.notes:
        ElementTree.SubElement(suite, "system-out").text = _text("\n".join(verdict.notes))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(check: Check) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=f"gate.{check.kind}", name=_text(check.name))
    text = _text(f"measured: {check.measured}\nneeded: {check.rule}")
    if check.outcome == "pass":
        ElementTree.SubElement(case, "system-out").text = text
        return case
    tag = "failure" if check.outcome == "fail" else "error"
    message = _text(f"{check.measured}; needed {check.rule}")
    bad = ElementTree.SubElement(case, tag, message=message, type=f"exit {check.exit_code}")
    bad.text = f"{text}\n→ {_text(check.remedy)}"
    return case


def _text(text: str) -> str:
    """`text` with what XML can't hold (control characters, lone surrogates) as `\\x00`."""
    return _NO_XML.sub(lambda found: ascii(found[0])[1:-1], text)
