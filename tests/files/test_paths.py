"""Results stay in the bundle, inputs stay out of it, and nobody's file is written over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from iast_export.errors import InputError, UsageError
from iast_export.files.paths import (
    check_folders,
    check_inputs_apart,
    check_not_overwriting,
    inside,
    is_made_place,
)


@pytest.mark.parametrize(
    "path",
    ["../victim.txt", "/etc/passwd", "models/../../x", "models//x", ".", "", "a\\b", "C:x", "a\0b"],
)
def test_a_path_that_leads_out_is_no_path_of_a_bundle(path: str) -> None:
    with pytest.raises(ValueError, match="not a relative path inside"):
        inside(path)


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("models/x.onnx", True),
        ("manifest.json", True),
        (".stages/export.json", True),
        (".git/config", False),
        ("photos/a.jpg", False),
    ],
)
def test_only_some_folders_are_written_to(path: str, made: bool, tmp_path: Path) -> None:
    assert is_made_place(tmp_path, path) == made


def test_a_folder_that_is_a_link_is_no_place_of_the_bundle(tmp_path: Path) -> None:
    root, other = tmp_path / "bundle", tmp_path / "other"
    other.mkdir()
    root.mkdir()
    (root / "models").symlink_to(other)
    assert not is_made_place(root, "models/x.onnx")
    with pytest.raises(InputError, match=r"is a link to .*other"):
        check_folders(root)


def test_the_bundles_own_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "bundle").symlink_to(tmp_path / "disk")
    check_folders(tmp_path / "bundle")
    assert is_made_place(tmp_path / "bundle", "models/x.onnx")


def test_a_file_is_no_folder_for_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is not a folder"):
        check_folders(tmp_path / "file")


@pytest.mark.parametrize(
    "place", ["styles", "models/net.safetensors", "golden/deep/a.png", "manifest.json"]
)
def test_inputs_among_the_outputs_are_refused(place: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"which the build writes itself\n.*another --out"):
        check_inputs_apart(tmp_path, [tmp_path / place])


def test_inputs_are_found_among_the_outputs_through_links_of_either_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out" / "styles").mkdir(parents=True)
    (tmp_path / "art").symlink_to(tmp_path / "out" / "styles")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    (tmp_path / "out" / "styles" / "a.png").symlink_to(tmp_path / "away.png")
    monkeypatch.chdir(tmp_path)
    for root, given in (
        (Path("out"), tmp_path / "art"),
        (tmp_path / "link", Path("out/styles")),
        (tmp_path / "out", tmp_path / "out" / "styles" / "a.png"),
        (tmp_path / "out", tmp_path / "out" / "x" / ".." / "styles"),
    ):
        with pytest.raises(UsageError, match="writes itself"):
            check_inputs_apart(root, [given])


def test_inputs_beside_the_outputs_are_fine(tmp_path: Path) -> None:
    check_inputs_apart(
        tmp_path, [tmp_path, tmp_path / "net.safetensors", tmp_path / "art" / "a.png"]
    )


@pytest.mark.parametrize("name", ["nul\0.onnx", "loop/a.onnx", "n" * 5000])
def test_an_input_that_no_disk_takes_is_left_to_its_reader(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    check_inputs_apart(tmp_path, [tmp_path / name])
    check_not_overwriting([tmp_path / "a"], [tmp_path / name])


def test_a_result_never_takes_the_place_of_an_input_by_any_of_its_names(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"mine")
    (tmp_path / "link.png").symlink_to(picture)
    os.link(picture, tmp_path / "hard.png")
    for name in ("a.png", "link.png", "hard.png", "x/../a.png"):
        with pytest.raises(UsageError, match="would be overwritten"):
            check_not_overwriting([tmp_path / name], [picture])
    check_not_overwriting([tmp_path / "b.png"], [picture, tmp_path / "absent.png"])


def test_two_results_need_two_places(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two results"):
        check_not_overwriting([tmp_path / "gate.xml", tmp_path / "." / "gate.xml"], [])
