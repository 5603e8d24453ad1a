"""safetensors with a checksum of their own: what is altered is refused, what carries none is
said."""

from __future__ import annotations

import random

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load, save

from iast_export.errors import InputError
from iast_export.network.safetensors_file import CHECKSUM_KEY, Stored, as_float32, read, to_bytes

TENSORS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(2, np.float16)}


def test_what_is_written_is_read_by_the_library_and_by_us() -> None:
    data = to_bytes(TENSORS, {"config": "{}", "who": "ü"})
    assert data == to_bytes(dict(reversed(TENSORS.items())), {"who": "ü", "config": "{}"})
    np.testing.assert_array_equal(load(data)["b"], TENSORS["b"])
    found = read(data, "x")
    assert found.checked and found.metadata == {"config": "{}", "who": "ü"}
    np.testing.assert_array_equal(as_float32(found.tensors["b"], "b"), TENSORS["b"])


def test_a_file_of_another_program_is_read_and_said_to_be_unchecked() -> None:
    assert not read(save(TENSORS), "x").checked


def test_every_alteration_is_refused() -> None:
    data, generator = to_bytes(TENSORS, {"config": "{}"}), random.Random(4)
    for _ in range(400):
        damaged = bytearray(data)
        damaged[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        try:
            found = read(bytes(damaged), "x")
        except InputError as error:
            assert error.remedy
            continue
        # Only what is no content may differ: a blank in the header, or the name of the checksum
        # itself.
        assert not found.checked or found == read(data, "x")


def test_a_checksum_of_other_metadata_is_refused() -> None:
    data = to_bytes(TENSORS, {"config": "aaaa"})
    with pytest.raises(InputError, match="was altered"):
        read(data.replace(b"aaaa", b"aaab"), "x")
    assert CHECKSUM_KEY.encode() in data


@pytest.mark.parametrize("kept", [0, 7, 8, 20, -1])
def test_a_cut_file_is_refused(kept: int) -> None:
    with pytest.raises(InputError, match="cut short or not a safetensors file"):
        read(to_bytes(TENSORS, {})[:kept], "x")


def test_16_bits_become_float32_exactly() -> None:
    values = np.array([0.0, -1.5, 3.140625, 1e-7, 65504.0, np.inf], np.float32)
    for name, kind in (("F16", np.float16), ("BF16", ml_dtypes.bfloat16)):
        half = values.astype(kind)
        found = as_float32(Stored(name, (2, 3), half.tobytes()), "x")
        np.testing.assert_array_equal(found, half.astype(np.float32).reshape(2, 3))
