"""Files are whole or absent, JSON is finite and deterministic, records know what is fresh."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export import artifacts
from iast_export.artifacts import (
    StageRecord,
    atomic_path,
    is_fresh,
    json_bytes,
    read_bytes,
    read_json,
    record,
    sets_dir,
    sha256_file,
    stage_key,
    write_atomic,
    write_json,
)
from iast_export.errors import InputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
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
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failed_write_keeps_the_old_file_and_leaves_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "file.onnx"
    write_atomic(path, b"old")
    with pytest.raises(RuntimeError, match="killed"), atomic_path(path) as temporary:
        assert temporary.suffix == ".onnx" and temporary.parent == path.parent
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
def test_a_number_that_is_not_finite_is_refused_and_the_old_file_stays(bad: float, tmp_path: Path) -> None:
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
def test_a_damaged_json_file_is_an_input_error_with_a_remedy(text: bytes, match: str, tmp_path: Path) -> None:
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


def test_a_stage_key_of_another_version_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    output = tmp_path / "m.onnx"
    write_atomic(output, b"model")
    record(tmp_path, "export", "k", [output])
    path = tmp_path / ".stages" / "export.json"
    for damaged in (b"", b"{}", b'{"stage": "export", "key": "k", "outputs": []}', path.read_bytes()[:20]):
        path.write_bytes(damaged)
        assert StageRecord.load(tmp_path, "export") is None
        assert not is_fresh(tmp_path, "export", "k")


def test_a_stage_that_made_nothing_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="made nothing"):
        record(tmp_path, "export", "k", [])


def test_the_packaged_sets_are_found() -> None:
    assert sets_dir().is_dir()
