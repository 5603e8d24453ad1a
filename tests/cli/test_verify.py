"""`verify` is a stage, and answers to the names that `ladder` and `golden` had before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iast_export.cli import verify
from iast_export.cli.main import run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the verbs behind the aliases were asked for, which are not run."""
    found: list[tuple[Any, ...]] = []
    monkeypatch.setattr(verify, "climb", lambda *given: found.append(("ladder", *given)))
    monkeypatch.setattr(verify, "check", lambda *given: found.append(("golden", *given)))
    return found


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("d --ladder", ("ladder", Path("d"), (), 2, None, None, None, False)),
        (
            "c.pt --out d --ladder --tier t --pictures 3 --network m:f --json",
            ("ladder", Path("d"), ("t",), 3, None, Path("c.pt"), "m:f", True),
        ),
        (
            "--out d --ladder --recipe r.toml",
            ("ladder", Path("d"), (), 2, Path("r.toml"), None, None, False),
        ),
        ("d --accelerator cpu", ("golden", Path("d"), "cpu", (), False)),
        (
            "--out d --accelerator gpu --tier t --tier u --json",
            ("golden", Path("d"), "gpu", ("t", "u"), True),
        ),
    ],
)
def test_an_alias_asks_the_verb_that_it_stands_for(
    typed: str, wanted: tuple[Any, ...], asked: list[tuple[Any, ...]]
) -> None:
    assert run(["verify", *typed.split()]) == 0
    assert asked == [wanted]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "give the bundle's folder"),
        ("--ladder", "write `iast-export verify DIR --ladder`"),
        ("--accelerator cpu", "write `iast-export verify DIR --accelerator"),
        ("d --ladder --accelerator cpu", "exclude each other"),
        ("d --ladder --styles x", "--ladder takes no --styles"),
        ("d --ladder --calibration x", "--ladder takes no --calibration"),
        ("d --accelerator cpu --pictures 2", "--accelerator takes no --pictures"),
        ("d --accelerator cpu --network m:f", "--accelerator takes no --network"),
        ("--out d --tier t", "see `iast-export ladder`"),
        ("--out d --pictures 2", "see `iast-export ladder`"),
    ],
)
def test_what_a_name_does_not_take_is_refused_with_what_to_do(
    typed: str, says: str, asked: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", *typed.split()]) == 2
    assert says in " ".join(capsys.readouterr().err.split()) and asked == []
