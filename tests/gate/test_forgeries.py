"""The gate against forgers: no forged bundle, baseline or rules file ends in exit code 0."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from iast_export.errors import IastExportError
from iast_export.gate import gate, make_baseline
from tests.forgeries import FREE, WRITTEN, Case, Forgery, generated
from tests.gate_cases import make_bundle


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> Case:
    root = tmp_path_factory.mktemp("genuine")
    (root / "bundle").mkdir()
    make_bundle(root / "bundle")
    make_baseline(root / "bundle", root / "baseline.json")
    return Case(root)


def _exit_code(case: Case) -> int:
    rules = case.root / "rules.toml" if case.rules is not None else None
    try:
        return gate(case.root / "bundle", case.root / "baseline.json", rules).exit_code
    except IastExportError as error:
        return error.exit_code


def _tried(genuine: Case, forgery: Forgery) -> int:
    """The exit code of a forgery; the genuine files are put back."""
    case = genuine.fresh()
    forgery.change(case)
    texts = dict(case.texts)
    texts |= {path: (case.root / path).read_bytes() for path in case.files if path not in texts}
    written = case.write()
    try:
        return _exit_code(case)
    finally:
        for path in written:
            (case.root / path).write_bytes(texts[path])


def _through(genuine: Case, forgeries: Iterable[Forgery]) -> list[str]:
    """Those that end otherwise than they must, with the code."""
    found = [(one, _tried(genuine, one)) for one in forgeries]
    return [
        f"{one.name}: exit {code}, not {one.codes}" for one, code in found if code not in one.codes
    ]


def test_the_genuine_bundle_passes(genuine: Case) -> None:
    assert _exit_code(genuine.fresh()) == 0


def test_no_written_forgery_passes(genuine: Case) -> None:
    assert len({one.name for one in WRITTEN}) == len(WRITTEN) > 200
    assert _through(genuine, WRITTEN) == []


def test_no_field_of_any_document_can_be_forged_unseen(genuine: Case) -> None:
    forgeries = list(generated(genuine))
    assert len(forgeries) > 500
    assert _through(genuine, forgeries) == []
    assert _exit_code(genuine.fresh()) == 0


def test_what_is_free_to_change_is_no_figure_and_no_promise() -> None:
    for field in (
        "verify.rows.0.psnr_db.mean",
        "benchmark.rows.0.median_ms",
        "manifest.files.0.sha256",
    ):
        assert not FREE.fullmatch(field)
