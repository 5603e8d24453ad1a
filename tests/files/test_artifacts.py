"""Files are whole or absent, JSON is finite and deterministic, records know what is fresh."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.errors import InputError
from iast_export.files import artifacts
from iast_export.files.artifacts import (
    StageRecord,
    atomic_path,
    is_fresh,
    json_bytes,
    read_bytes,
    read_json,
    record,
    remove_made,
    sets_dir,
    sha256_file,
    stage_key,
    write_atomic,
    write_json,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    path.write_bytes(b"iast" * 700_000)
    assert sha256_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("reader", [sha256_file, read_bytes, read_json])
def test_a_missing_file_is_an_input_error_that_names_it(reader: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json is missing.*\n.*check the path"):
        reader(tmp_path / "absent.json")


def test_a_folder_instead_of_a_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read_bytes(tmp_path)


def test_a_write_makes_its_folder_and_leaves_only_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_have_the_mode_that_the_user_wants(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "a.bin", b"one")
        write_atomic(tmp_path / "a.bin", b"two")
        with atomic_path(tmp_path / "b.bin") as temporary:
            temporary.write_bytes(b"three")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}


def test_a_file_and_its_name_are_on_the_disk_before_the_next_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    (tmp_path / "new").mkdir()
    write_atomic(tmp_path / "new" / "a.bin", b"one")
    assert synced == [path.stat().st_ino for path in (tmp_path / "new" / "a.bin", tmp_path / "new")]
    write_atomic(tmp_path / "deep" / "er" / "a.bin", b"one")
    assert {path.stat().st_ino for path in (tmp_path, tmp_path / "deep")} <= set(synced)


@pytest.mark.parametrize(
    ("number", "named"),
    [
        (number, named)
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
        for named in (False, True)
    ],
)
def test_a_disk_that_fails_is_an_input_error_whether_or_not_it_names_the_file(
    number: int, named: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    write_atomic(path, b"old")
    disk = pytest.raises(InputError, match=r"a\.bin can't be written.*\n.*free space")
    with disk, atomic_path(path) as temporary:
        raise OSError(number, os.strerror(number), *([str(temporary)] if named else []))
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_limit_on_file_sizes_is_said(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match="File too large"):
            write_atomic(tmp_path / "a.bin", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["n" * 300 + ".bin", "/".join(["n" * 200] * 40), "nul\0.bin", "\udc80\ud800.bin"]
)
def test_a_name_that_no_disk_takes_is_an_input_error(name: str, tmp_path: Path) -> None:
    for use in (lambda path: write_atomic(path, b""), sha256_file, read_bytes, read_json):
        with pytest.raises(InputError, match=r"can't be (written|read)|is missing"):
            use(tmp_path / name)


def test_a_folder_in_the_place_of_a_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(InputError, match="can't be written"):
        write_atomic(tmp_path / "a.bin", b"one")
    assert list(tmp_path.rglob("*")) == [tmp_path / "a.bin"]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "file.onnx"
    write_atomic(path, b"old")
    with pytest.raises(RuntimeError, match="killed"), atomic_path(path) as temporary:
        assert temporary.name == path.name and temporary.parent.parent == path.parent
        assert temporary.parent.stat().st_mode & 0o777 == 0o700
        temporary.write_bytes(b"half of the n")
        raise RuntimeError("killed")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was written"), atomic_path(tmp_path / "x.bin"):
        pass


def test_an_error_inside_the_block_is_not_taken_for_one_of_the_target(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "x.bin"):
        (tmp_path / "elsewhere").read_bytes()


def test_a_folder_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"can't be written.*\n.*choose a folder"):
        write_atomic(tmp_path / "file" / "x.bin", b"data")


@given(st.dictionaries(st.text(), JSON))
def test_json_survives_and_equal_objects_give_equal_bytes(obj: dict[str, Any]) -> None:
    data = json_bytes(obj)
    assert json.loads(data) == obj
    assert json_bytes(dict(reversed(obj.items()))) == data


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_refused_and_the_old_file_stays(
    bad: float, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    write_json(path, {"ms": 1.5})
    with pytest.raises(InputError, match="not finite"):
        write_json(path, {"ms": [1.0, bad]})
    assert read_json(path) == {"ms": 1.5}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "not valid JSON"),
        (b'{"a": 1', "not valid JSON"),
        (b'{"a": NaN}', "NaN is not a finite number"),
        (b'{"a": -Infinity}', "not a finite number"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[1]", "JSON list, an object was needed"),
        (b"[" * 200_000, "not valid JSON"),
    ],
)
def test_a_damaged_json_file_is_an_input_error_with_a_remedy(
    text: bytes, match: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text)
    with pytest.raises(InputError, match=match) as caught:
        read_json(path)
    assert "make it again" in caught.value.remedy


def test_a_stage_key_changes_with_all_that_decides_the_outputs(tmp_path: Path) -> None:
    first, second = tmp_path / "a.bin", tmp_path / "b.bin"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    key = stage_key("export", {"x": 1, "y": 2}, [first, second])
    assert key == stage_key("export", {"y": 2, "x": 1}, [first, second])
    others = {
        stage_key("convert", {"x": 1, "y": 2}, [first, second]),
        stage_key("export", {"x": 1, "y": 3}, [first, second]),
        stage_key("export", {"x": 1, "y": 2}, [first]),
        stage_key("export", {"x": 1, "y": 2}, [second, first]),
    }
    second.write_bytes(b"3")
    others.add(stage_key("export", {"x": 1, "y": 2}, [first, second]))
    assert key not in others and len(others) == 5


def test_a_stage_key_of_another_version_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = stage_key("export", {}, [])
    monkeypatch.setattr(artifacts, "__version__", "0.1.1")
    assert stage_key("export", {}, []) != key


def test_a_stage_is_fresh_only_while_key_and_outputs_are_untouched(tmp_path: Path) -> None:
    output = tmp_path / "models" / "m.onnx"
    write_atomic(output, b"model")
    assert not is_fresh(tmp_path, "export", "k1")
    record(tmp_path, "export", "k1", [output])
    assert is_fresh(tmp_path, "export", "k1")
    assert not is_fresh(tmp_path, "export", "k2")
    assert not is_fresh(tmp_path, "convert", "k1")
    output.write_bytes(b"altered")
    assert not is_fresh(tmp_path, "export", "k1")
    output.unlink()
    assert not is_fresh(tmp_path, "export", "k1")


def test_a_damaged_record_only_means_that_the_stage_runs_again(tmp_path: Path) -> None:
    output = tmp_path / "models" / "m.onnx"
    write_atomic(output, b"model")
    record(tmp_path, "export", "k", [output])
    path = tmp_path / ".stages" / "export.json"
    wrong = [
        b'{"stage": "export", "key": "k", "outputs": %s}' % it
        for it in (b"[]", b'{"m": 7}', b'{"": "a"}')
    ]
    for damaged in (b"", b"{}", *wrong, path.read_bytes()[:20]):
        path.write_bytes(damaged)
        assert StageRecord.load(tmp_path, "export") is None
        assert not is_fresh(tmp_path, "export", "k")


@pytest.mark.parametrize("name", ["../victim.txt", "{root}/victim.txt", "models/../x", "linked/x"])
def test_a_record_of_files_outside_of_the_bundle_is_none(name: str, tmp_path: Path) -> None:
    output = tmp_path / "models" / "m.onnx"
    write_atomic(output, b"model")
    record(tmp_path, "export", "k", [output])
    found = read_json(tmp_path / ".stages" / "export.json")
    (tmp_path / "linked").symlink_to(tmp_path.parent)
    found["outputs"][name.replace("{root}", str(tmp_path))] = sha256_file(output)
    write_json(tmp_path / ".stages" / "export.json", found)
    assert StageRecord.load(tmp_path, "export") is None and not is_fresh(tmp_path, "export", "k")


def test_only_what_is_still_as_it_was_made_is_deleted(tmp_path: Path) -> None:
    root, other = tmp_path / "bundle", tmp_path / "other"
    names = ("models/a.onnx", "models/edited.onnx", "models/link.onnx", "notes.txt", "away/a.onnx")
    for name in names:
        write_atomic(root / name, name.encode())
    made = {name: sha256_file(root / name) for name in names}
    (root / "models/edited.onnx").write_bytes(b"the user's")
    (root / "models/link.onnx").rename(tmp_path / "target")
    (root / "models/link.onnx").symlink_to(tmp_path / "target")
    (root / "models").rename(root / "golden")
    (root / "away").rename(other)
    (root / "models").symlink_to(root / "golden")
    (root / "styles").symlink_to(other)
    remove_made(root, {**made, "styles/a.onnx": made["away/a.onnx"]})
    assert {p.name for p in (root / "golden").iterdir()} == {"a.onnx", "edited.onnx", "link.onnx"}
    remove_made(root, {name.replace("models", "golden"): digest for name, digest in made.items()})
    assert {p.name for p in (root / "golden").iterdir()} == {"edited.onnx", "link.onnx"}
    assert (other / "a.onnx").is_file() and (root / "notes.txt").is_file()


def test_a_stage_that_made_nothing_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="made nothing"):
        record(tmp_path, "export", "k", [])


def test_the_packaged_sets_are_found() -> None:
    assert sets_dir().is_dir()
