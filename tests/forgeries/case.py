"""A genuine bundle to be forged, and the list that forgeries are added to."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iast_export.files.artifacts import sha256_bytes
from iast_export.gate.baseline import content_sha256

DOCUMENTS = {
    "manifest": "bundle/manifest.json",
    "verify": "bundle/reports/verify.json",
    "benchmark": "bundle/reports/benchmark.json",
    "quantize": "bundle/reports/quantize.json",
    "convert": "bundle/reports/convert.json",
    "baseline": "baseline.json",
}
Json = Any


class Case:
    """A genuine bundle with its baseline and rules in memory, to be forged and written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.texts = {path: (root / path).read_bytes() for path in DOCUMENTS.values()}
        self.docs: dict[str, Json] = {}
        self.files: dict[str, bytes | None] = {}
        self.rules: str | None = None

    def fresh(self) -> Case:
        """An unforged copy."""
        other = copy.copy(self)
        other.docs, other.files, other.rules = {}, {}, None
        return other

    def __getitem__(self, name: str) -> Json:
        if name not in self.docs:
            self.docs[name] = json.loads(self.texts[DOCUMENTS[name]])
        return self.docs[name]

    def row(
        self, name: str, runtime: str = "litert", precision: str = "int8", tier: str = "d2-256px"
    ) -> Json:
        """A row of a report; `name` may be `baseline.verify`."""
        first, *rest = name.split(".")
        doc = self[first]
        for part in rest:
            doc = doc[part]
        return next(
            r
            for r in doc["rows"]
            if (r["runtime"], r["precision"], r["tier"]) == (runtime, precision, tier)
        )

    def entry(self, path: str) -> Json:
        """A file's entry in the manifest."""
        return next(one for one in self["manifest"]["files"] if one["path"] == path)

    def data(self, path: str) -> bytes:
        """The bytes of a bundle's file."""
        return (self.root / "bundle" / path).read_bytes()

    def put(self, path: str, data: bytes) -> None:
        """Other bytes for a file, and its hash and size rewritten wherever they stand."""
        before = sha256_bytes(self.data(path))
        self.files[f"bundle/{path}"] = data
        for name in DOCUMENTS:
            _rehash(self[name], before, path, data)

    def seal(self) -> None:
        """The baseline's own hash, made anew as anyone can."""
        held = {key: value for key, value in self["baseline"].items() if key != "sha256"}
        self["baseline"]["sha256"] = content_sha256(held)

    def write(self) -> list[str]:
        """Writes what was forged; the paths that were written or deleted."""
        self.files = {
            DOCUMENTS[name]: json.dumps(doc).encode() for name, doc in self.docs.items()
        } | self.files
        for path, data in self.files.items():
            if data is None:
                (self.root / path).unlink()
            else:
                (self.root / path).write_bytes(data)
        if self.rules is not None:
            (self.root / "rules.toml").write_text(self.rules)
        return list(self.files)


def _rehash(doc: Json, before: str, path: str, data: bytes) -> None:
    """Rewrites hash and size of a file in a document: everywhere where its old hash or its path
    stands."""
    if isinstance(doc, list):
        for one in doc:
            _rehash(one, before, path, data)
    elif isinstance(doc, dict):
        named = doc.get("path") == path or doc.get("sha256") == before
        for key, value in doc.items():
            if value == before and (named or key == path or key.endswith("sha256")):
                doc[key] = sha256_bytes(data)
            elif key in ("bytes", "file_bytes") and named and isinstance(value, int):
                doc[key] = len(data)
            elif key == "file_bytes" and isinstance(value, dict) and path in value:
                value[path] = len(data)
            else:
                _rehash(value, before, path, data)


@dataclass(frozen=True)
class Forgery:
    """A change and the exit codes that are right for it."""

    name: str
    codes: tuple[int, ...]
    change: Callable[[Case], None]


WRITTEN: list[Forgery] = []


def forged(*codes: int) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Adds a change to `WRITTEN`."""

    def add(change: Callable[[Case], None]) -> Callable[[Case], None]:
        WRITTEN.append(Forgery(change.__name__.replace("_", " "), codes, change))
        return change

    return add


def many(codes: tuple[int, ...], name: str, changes: dict[str, Callable[[Case], Any]]) -> None:
    """Adds several changes of one kind."""
    WRITTEN.extend(Forgery(f"{name}: {what}", codes, change) for what, change in changes.items())


def set_row(name: str, **values: Any) -> Callable[[Case], None]:
    """Sets fields of LiteRT's INT8 row of a report."""
    return lambda case: case.row(name).update(values)


def rows_of(name: str, change: Callable[[list[Json]], Any]) -> Callable[[Case], None]:
    return lambda case: change(case[name]["rows"])
