"""Odd values in any place of a bundle's JSON end in 3 or a verdict, never in a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iast_export.cli.main import run
from iast_export.errors import InputError
from iast_export.gate import make_baseline
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.verify import VerifyReport
from tests.gate_cases import make_bundle

FILES = ("manifest.json", "reports/verify.json", "reports/benchmark.json")
ODD = st.sampled_from(
    [
        "null",
        "true",
        "-1",
        "0",
        "1e308",
        "-0.0",
        "1e999",
        "9" * 30,
        "9" * 5000,
        "[]",
        "{}",
        "[" * 50 + "]" * 50,
        '"\\ud800"',
        '"[/x]\\u001b[31m"',
        '""',
        '"../x"',
        '"a\\u0000"',
        f'"{"a" * 5000}"',
        '{"a": 1, "a": 2}',
        "NaN",
    ]
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd") / "bundle"
    folder.mkdir()
    make_bundle(folder)
    make_baseline(folder, folder.with_name("baseline.json"))
    return folder


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, as the keys and indices that lead there."""
    yield place
    for key, one in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from places(one, (*place, key))


def with_odd(text: str, place: tuple[Any, ...], odd: str) -> str:
    """The JSON text with a value replaced by other JSON text."""
    raw = json.loads(text)
    holder = {"whole": raw}
    *parents, last = ("whole", *place)
    target: Any = holder
    for key in parents:
        target = target[key]
    target[last] = "ODD VALUE"
    return json.dumps(holder["whole"]).replace('"ODD VALUE"', odd)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_an_odd_value_anywhere_is_refused_or_judged(
    bundle: Path, tmp_path: Path, data: st.DataObject, capsys: pytest.CaptureFixture[str]
) -> None:
    name = data.draw(st.sampled_from(FILES))
    original = (bundle / name).read_text(encoding="utf-8")
    place = data.draw(st.sampled_from(list(places(json.loads(original)))))
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(bundle, copy)
    (copy / name).write_text(with_odd(original, place, data.draw(ODD)), encoding="utf-8")
    assert run(["gate", str(copy), "--baseline", str(bundle.with_name("baseline.json"))]) != 1
    capsys.readouterr()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=80))
def test_any_bytes_are_refused_as_reports(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    for kind in (Manifest, VerifyReport, BenchmarkReport):
        with pytest.raises(InputError):
            kind.load(path)
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(InputError):
        load_manifest(tmp_path)
