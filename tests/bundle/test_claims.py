"""A build knows its own files from the user's, also after it was killed or the power failed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from iast_export.build.pipeline import Build, Request, planned_outputs
from iast_export.bundle.claims import claim, made_files, working
from iast_export.errors import InputError
from iast_export.files.artifacts import record, write_atomic
from iast_export.files.temporary import PREFIX

CLAIMS = ".stages/claims.json"


def test_a_users_file_in_the_way_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "of a web page"}')
    with pytest.raises(
        InputError, match=r"holds manifest\.json, not made by a build.*\n.*move it away"
    ):
        claim(tmp_path, [tmp_path / "manifest.json", tmp_path / "models" / "m.onnx"])
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_claimed_place_is_the_builds_own_from_then_on(tmp_path: Path) -> None:
    place = tmp_path / "models" / "m.onnx"
    claim(tmp_path, [place])
    write_atomic(place, b"made, and then the build was killed")
    claim(tmp_path, [place])
    assert list(made_files(tmp_path)) == [place]


def test_a_claim_of_other_places_keeps_the_first_ones_while_their_files_are_there(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "models" / "first.onnx", tmp_path / "models" / "second.onnx"
    claim(tmp_path, [first, tmp_path / "models" / "never.onnx"])
    write_atomic(first, b"made")
    claim(tmp_path, [second])
    assert list(made_files(tmp_path)) == [first, second]
    second.write_bytes(b"made")
    claim(tmp_path, [first, second])


def test_a_folder_of_an_earlier_version_is_known_by_its_records(tmp_path: Path) -> None:
    made, own = tmp_path / "models" / "m.onnx", tmp_path / "styles" / "own.png"
    write_atomic(made, b"made")
    record(tmp_path, "export", "key", [made])
    claim(tmp_path, [made])
    own.parent.mkdir()
    own.write_bytes(b"a picture of the user's")
    with pytest.raises(InputError, match=r"styles/own\.png"):
        claim(tmp_path, [made, own])


@pytest.mark.parametrize(
    "left", [b"", b'{"paths": ["mod', b"\0\0\0\0", b'{"paths": ["../x"]}', b"{}"]
)
def test_claims_that_a_power_cut_emptied_are_made_again(left: bytes, tmp_path: Path) -> None:
    place = tmp_path / "models" / "m.onnx"
    claim(tmp_path, [place])
    write_atomic(place, b"made")
    whole = (tmp_path / CLAIMS).read_bytes()
    (tmp_path / CLAIMS).write_bytes(left)
    claim(tmp_path, [place])
    assert (tmp_path / CLAIMS).read_bytes() == whole


def test_a_bundle_that_was_copied_without_its_hidden_records_may_be_built_again(
    bundle_copy: Path, small_request: Request
) -> None:
    shutil.rmtree(bundle_copy / ".stages")
    own = bundle_copy / "models" / "mine.onnx"
    own.write_bytes(b"the user's")
    places = planned_outputs(Build(replace(small_request, out=bundle_copy)))
    claim(bundle_copy, places)
    assert own not in made_files(bundle_copy)
    with pytest.raises(InputError, match=r"holds models/mine\.onnx"):
        claim(bundle_copy, [*places, own])


def test_what_killed_processes_left_goes_when_the_next_one_works_there(tmp_path: Path) -> None:
    left, decoy = tmp_path / "models" / f"{PREFIX}{'0' * 16}", tmp_path / ".env-local"
    left.mkdir(parents=True)
    (left / "m.onnx").write_bytes(b"half")
    decoy.write_text("mine")
    with working(tmp_path):
        assert not left.exists() and decoy.read_text() == "mine"


def test_a_folder_is_made_only_for_a_build(tmp_path: Path) -> None:
    with working(tmp_path / "typo"):
        assert not (tmp_path / "typo").exists()
    with working(tmp_path / "new", make=True):
        assert (tmp_path / "new").is_dir()


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(InputError, match="Not a directory"),
        working(tmp_path / "file" / "out", make=True),
    ):
        pass
