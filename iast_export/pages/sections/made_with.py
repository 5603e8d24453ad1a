"""Machine, tools and sources, folded away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Cell, Column, Group, Table, render, texts
from iast_export.pages.sections.section import Section

_CODE = Markup("<code>{}</code>")


def section(parts: ReportParts) -> Section:
    """What the figures were measured on, and what the files were made from."""
    source = parts.manifest.source
    origin: list[list[Cell]] = [
        ["network", _CODE.format(source.network)],
        ["checkpoint", _CODE.format(source.checkpoint_sha256 or "none")],
        ["recipe", _CODE.format(source.recipe_sha256)],
        [
            f"calibration set “{source.calibration_set}”",
            _CODE.format(source.calibration_set_sha256),
        ],
    ]
    groups = [
        Group(_told(parts.benchmark.machine), "machine"),
        Group(_told(parts.benchmark.versions), "tools"),
        Group(origin, "source"),
    ]
    columns = [Column("what"), *texts("which")]
    table = Table("Machine, tools and source", columns, groups)
    return Section("made-with", "Made with", render("sections/made_with.html.j2", table=table))


def _told(facts: Mapping[str, Any]) -> list[list[Cell]]:
    return [
        [name, ", ".join(value) if isinstance(value, list) else str(value)]
        for name, value in sorted(facts.items())
    ]
