"""Loading a network of one's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from iast_export.errors import InputError, UsageError
from iast_export.network import adapters
from iast_export.network.adapters import PACKAGED, load_network, module_of


def test_a_factory_is_found_beside_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from tests.tiny_networks import tiny_adain_factory as factory\n"
    (tmp_path / "a_network_of_mine.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    assert load_network("a_network_of_mine:factory", None).depths


def test_nothing_beside_the_caller_takes_the_place_of_an_installed_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "import iast_own_dependency\nfrom tests.tiny_networks import tiny_adain_factory as "
        "factory\n"
    )
    (tmp_path / "another_network.py").write_text(source)
    beside, installed = tmp_path, tmp_path / "installed"
    installed.mkdir()
    (installed / "iast_own_dependency.py").write_text("")
    (beside / "iast_own_dependency.py").write_text("raise SystemExit('the stray module was run')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(installed))
    before = list(sys.path)
    assert load_network("another_network:factory", None).depths
    assert sys.path == before


def test_a_factory_is_found_in_a_file_whatever_its_folder_and_name(tmp_path: Path) -> None:
    made = "from tests.tiny_networks import tiny_adain_factory\n"
    (tmp_path / "beside_it_alone.py").write_text(f"{made}factory = tiny_adain_factory\n")
    own = tmp_path / "json.py"
    own.write_text("from beside_it_alone import factory\n")
    before, known = list(sys.path), sys.modules["json"]
    assert load_network(f"{own}:factory", None).depths
    assert sys.path == before and sys.modules["json"] is known
    assert sys.modules[module_of(f"{own}:factory")].__file__ == str(own)
    assert load_network(f"{own}:factory", None).depths


def test_a_file_that_raises_is_not_known_afterwards(tmp_path: Path) -> None:
    own = tmp_path / "raises_at_once.py"
    own.write_text("1 / 0\n")
    for _ in range(2):
        with pytest.raises(InputError, match=r"ZeroDivisionError.*raises_at_once\.py:1"):
            load_network(f"{own}:factory", None)


def test_the_current_folder_is_not_looked_at_for_the_packaged_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        adapters, "_factory", lambda *names: lambda given: seen.append(list(sys.path))
    )
    for target in (PACKAGED, "my_net:factory"):
        with pytest.raises(InputError):
            load_network(target, None)
    packaged, own = seen
    assert str(tmp_path) not in packaged and own[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_colon", "not module:factory"),
        ("../net:factory", "not module:factory"),
        (".net:factory", "not module:factory"),
        (":factory", "not module:factory"),
        ("no_such_module_here:factory", "no_such_module_here"),
        ("no/such_net.py:factory", "no file no/such_net.py"),
        ("no/such_net.py", "not module:factory"),
        ("iast_export.errors:nothing", r"nothing.*errors\.py"),
    ],
)
def test_a_target_that_leads_nowhere_is_a_usage_error(target: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_network(target, None)


def test_an_object_that_is_no_network_is_refused_by_what_it_lacks() -> None:
    with pytest.raises(InputError, match="lacks depths"):
        load_network("tests.network.test_adapters:not_a_network", None)


def not_a_network(checkpoint: Path | None) -> object:
    """A factory that returns the wrong thing."""
    return object()
