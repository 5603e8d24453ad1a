"""Where a user's measurements lie: theirs alone, also without a home, and damaged ones are none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from iast_export.errors import InputError
from iast_export.plan import cache
from iast_export.reports.plan import ConversionMeasurement

KEY = "a" * 64


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with a home and a folder for temporary files, on Linux."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(cache.sys, "platform", "linux")
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "home"


def measurement(key: str = KEY) -> ConversionMeasurement:
    return ConversionMeasurement(key=key, blocks_ms=((1.0, 2.0), (3.0, 4.0)))


def test_a_measurement_is_found_again_by_its_key(home: Path) -> None:
    cache.save(measurement())
    assert cache.cache_dir() == home / ".cache" / "iast-export" and cache.fallback() == ""
    assert cache.load(KEY, ConversionMeasurement) == measurement()
    assert cache.load("b" * 64, ConversionMeasurement) is None


def test_a_damaged_or_misplaced_measurement_is_none(home: Path) -> None:
    cache.save(measurement())
    path = cache.cache_dir() / "plan" / f"{KEY}.json"
    path.rename(path.with_name(f"{'b' * 64}.json"))
    assert cache.load("b" * 64, ConversionMeasurement) is None, "its own key is another"
    path.write_text("{")
    assert cache.load(KEY, ConversionMeasurement) is None


def test_a_folder_that_the_user_names_wins_where_it_is_absolute(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "own"))
    assert cache.cache_dir() == home / "own" / "iast-export"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.cache_dir() == home / ".cache" / "iast-export"


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("darwin", "Library/Caches/iast-export"),
        ("win32", "AppData/Local/iast-export/Cache"),
        ("linux", ".cache/iast-export"),
    ],
)
def test_each_platform_has_its_place(
    home: Path, monkeypatch: pytest.MonkeyPatch, platform: str, place: str
) -> None:
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(cache.sys, "platform", platform)
    assert cache.cache_dir() == home / place


def test_without_a_home_it_lies_among_temporary_files_for_its_owner_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "not/absolute")
    found = cache.cache_dir()
    assert found.parent == Path(tempfile.gettempdir())
    assert cache.fallback() == "there is no home folder"
    assert found.stat().st_mode & 0o777 == 0o700
    assert cache.cache_dir() == found, "a second run takes the same"


def test_a_home_that_cannot_be_written_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert cache.fallback() == f"{home / '.cache' / 'iast-export'} can't be written"
    assert cache.cache_dir().parent == Path(tempfile.gettempdir())


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_temporary_folder_that_others_can_write_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setenv("HOME", "not/absolute")
    cache.cache_dir().chmod(mode)
    with pytest.raises(InputError, match="is not this user's own folder") as caught:
        cache.cache_dir()
    assert "XDG_CACHE_HOME" in caught.value.remedy


def test_a_link_in_its_place_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "not/absolute")
    folder = cache.cache_dir()
    folder.rmdir()
    folder.symlink_to(home)
    with pytest.raises((InputError, FileExistsError)):
        cache.cache_dir()


def test_a_cache_that_cannot_be_written_says_what_to_set(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "own").write_text("a file in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "own"))
    with pytest.raises(InputError) as caught:
        cache.save(measurement())
    assert caught.value.remedy == "set XDG_CACHE_HOME to a folder that can be written"
