"""The fuzzer's damage: drawn from a seed alone, and inside the format where it says so."""

from __future__ import annotations

import io
import json
import zipfile
from random import Random

import numpy as np
import pytest

from benchmarks.trust.fuzz.mutate_bytes import Mutator, mutate_bytes
from benchmarks.trust.fuzz.mutate_formats import mutate_picture, mutate_safetensors, mutate_zip
from benchmarks.trust.fuzz.mutate_text import mutate_json, mutate_text, mutate_toml, mutate_tree
from benchmarks.trust.fuzz.shrink import shrink
from iast_export.errors import InputError
from iast_export.network.safetensors_file import to_bytes
from iast_export.pictures.images import encode_png
from iast_export.pictures.picture_formats import check_whole

JSON = json.dumps({"a": [1, 2.5, {"b": "x"}], "c": True}).encode()
TOML = b"name = 'x'\n[calibration]\nmax_pairs = 3\n"
PNG = encode_png(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
TENSORS = to_bytes({"w": np.ones((2, 3), np.float32)}, {"config": "{}"})


def archive() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        made.writestr("x/data.pkl", b"pickled" * 9)
        made.writestr("x/version", b"3\n")
    return held.getvalue()


SEEDS: dict[Mutator, bytes] = {
    mutate_bytes: JSON,
    mutate_text: TOML,
    mutate_json: JSON,
    mutate_toml: TOML,
    mutate_safetensors: TENSORS,
    mutate_zip: archive(),
    mutate_picture: PNG,
}


@pytest.mark.parametrize("mutator", SEEDS, ids=lambda one: one.__name__)
def test_the_same_seed_gives_the_same_damage_and_another_another(mutator: Mutator) -> None:
    data = SEEDS[mutator]
    drawn = [mutator(data, Random(seed), [data, b"other"]) for seed in range(60)]
    assert drawn == [mutator(data, Random(seed), [data, b"other"]) for seed in range(60)]
    assert len(set(drawn)) > 25 and sum(one != data for one in drawn) > 40


@pytest.mark.parametrize("mutator", SEEDS, ids=lambda one: one.__name__)
def test_nothing_to_damage_is_no_trouble(mutator: Mutator) -> None:
    if mutator in (mutate_json, mutate_safetensors):
        return  # their seeds are valid files, whose structure is read
    for seed in range(60):
        mutator(b"", Random(seed), ())


def test_json_damage_is_often_still_json() -> None:
    whole = 0
    for seed in range(80):
        try:
            json.loads(mutate_json(JSON, Random(seed), ()).decode("utf-8", "surrogatepass"))
            whole += 1
        except (ValueError, RecursionError):
            continue
    assert whole > 40, "damage that every reader refuses at its first byte finds nothing"


def test_a_tree_is_changed_in_one_place_at_most() -> None:
    for seed in range(40):
        tree = mutate_tree({"a": {"b": 1}, "c": [2, 3]}, Random(seed))
        assert isinstance(tree, dict) and ("a" in tree or "c" in tree)
    assert mutate_tree("a leaf", Random(0)) != "a leaf"


def test_half_of_the_damaged_pictures_keep_the_checksums_of_their_chunks() -> None:
    damaged = [mutate_picture(PNG, Random(seed), ()) for seed in range(80)]
    whole = 0
    for one in damaged:
        try:
            check_whole(one, "x", "PNG")
            whole += one != PNG
        except InputError:
            continue
    assert whole > 20


def test_members_of_a_damaged_archive_have_right_checksums_again() -> None:
    found = 0
    for seed in range(60):
        data = mutate_zip(archive(), Random(seed), ())
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as opened:
                found += data != archive() and opened.testzip() is None
        except Exception:  # damage to the archive itself
            continue
    assert found > 10


def test_a_damaged_header_still_says_its_own_length() -> None:
    fitting = 0
    for seed in range(60):
        data = mutate_safetensors(TENSORS, Random(seed), ())
        size = int.from_bytes(data[:8], "little")
        fitting += 8 + size <= len(data) and data[8:9] in b'{["0123456789ntf-'
    assert fitting > 30


@pytest.mark.parametrize("tries", [0, 1, 500])
def test_a_finding_never_stops_failing_while_it_shrinks(tries: int) -> None:
    def fails(data: bytes) -> bool:
        return b"XY" in data

    long = b"a" * 50 + b"XY" + b"b" * 50
    found = shrink(long, b"", fails, tries)
    assert fails(found) and len(found) <= len(long)
    if tries == 500:
        assert found == b"XY"
