"""Loading a network of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from iast_export.adapters import load_network
from iast_export.errors import InputError, UsageError


def test_a_factory_is_found_beside_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from tests.tiny_networks import tiny_adain_factory as factory\n"
    (tmp_path / "a_network_of_mine.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    assert load_network("a_network_of_mine:factory", None).depths


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_colon", "not module:factory"),
        ("no_such_module_here:factory", "no_such_module_here"),
        ("iast_export.errors:nothing", "nothing"),
    ],
)
def test_a_target_that_leads_nowhere_is_a_usage_error(target: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_network(target, None)


def test_an_object_that_is_no_network_is_refused_by_what_it_lacks() -> None:
    with pytest.raises(InputError, match="lacks depths"):
        load_network("tests.test_adapters:not_a_network", None)


def not_a_network(checkpoint: Path | None) -> object:
    """A factory that returns the wrong thing."""
    return object()
