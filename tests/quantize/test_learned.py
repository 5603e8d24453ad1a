"""What is learned survives its file, the same bytes for the same values, and no other file passes
for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.errors import InputError
from iast_export.network.safetensors_file import to_bytes
from iast_export.quantize.learned import Adjustments, Learned, of_signatures
from iast_export.quantize.ranges import Range

RNG = np.random.default_rng(0)
FILTERS = {f"{n}" * 64: RNG.normal(size=(3, 2, n)).astype(np.float32) for n in (1, 2)}
ALONE = {key: value / 2 for key, value in FILTERS.items()}
SHIFTS = {"d4-256px": {"conv/1": RNG.normal(size=5).astype(np.float32)}, "d1-64px": {}}


def test_what_is_learned_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "learned.safetensors"
    Adjustments({"onnxruntime": FILTERS, "litert": ALONE}, {"onnxruntime": SHIFTS}).save(path)
    found = Adjustments.load(path)
    for runtime, wanted in (("onnxruntime", FILTERS), ("litert", ALONE)):
        held = found.filters[runtime]  # type: ignore[index]
        assert held.keys() == wanted.keys()
        assert all(np.array_equal(held[key], value) for key, value in wanted.items())
    held = found.shifts["onnxruntime"]["d4-256px"]["conv/1"]
    assert np.array_equal(held, SHIFTS["d4-256px"]["conv/1"]) and not found.shifts["litert"]


def test_the_same_values_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    Adjustments({"onnxruntime": FILTERS, "litert": ALONE}).save(one)
    backwards = dict(reversed(FILTERS.items()))
    Adjustments({"litert": ALONE, "onnxruntime": backwards}).save(other)
    assert one.read_bytes() == other.read_bytes()


def test_where_nothing_is_asked_for_nothing_is_held(tmp_path: Path) -> None:
    path = tmp_path / "learned.safetensors"
    Adjustments().save(path)
    found = Adjustments.load(path)
    assert found.filters == found.shifts == {"onnxruntime": {}, "litert": {}}


@pytest.mark.parametrize(
    "data",
    [b"", b"no tensors", to_bytes({}, {}), to_bytes(FILTERS, {"schema_version": "0"})],
    ids=["empty", "text", "no version", "other version"],
)
def test_a_file_that_learn_did_not_write_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "learned.safetensors"
    path.write_bytes(data)
    with pytest.raises(InputError):
        Adjustments.load(path)
    with pytest.raises(InputError, match="missing"):
        Adjustments.load(tmp_path / "none.safetensors")


def test_an_altered_weight_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "learned.safetensors"
    Adjustments({"onnxruntime": FILTERS}).save(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="altered"):
        Adjustments.load(path)


def test_signatures_share_filters_and_have_ranges_of_their_own() -> None:
    ranges = {"d1": {"a": Range(0, 1)}, "d2": {"a": Range(0, 2)}}
    found = of_signatures(ranges, FILTERS, trim_sums=False)
    assert found["d2"] == Learned(ranges["d2"], FILTERS, {}, trim_sums=False)
    assert found["d1"].filters is found["d2"].filters
