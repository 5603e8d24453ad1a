"""A file is what its bytes say, whatever its name; what is no checkpoint says what to do."""

from __future__ import annotations

import io
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save

from iast_export.network.file_kinds import PICKLE, SAFETENSORS, TORCH_ZIP, kind_of
from tests.gate_models import onnx_file, tflite_file


def zipped(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return held.getvalue()


def torch_file(legacy: bool) -> bytes:
    held = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, held, _use_new_zipfile_serialization=not legacy)
    return held.getvalue()


def test_checkpoints_are_known_by_what_wrote_them() -> None:
    assert kind_of(save({"a": torch.zeros(2)})) is SAFETENSORS
    assert kind_of(torch_file(legacy=False)) is TORCH_ZIP
    assert kind_of(torch_file(legacy=True)) is PICKLE
    assert kind_of(pickle.dumps({"a": 1})) is PICKLE


@pytest.mark.parametrize(
    ("data", "words", "remedy"),
    [
        (b"", "cut short: it is empty", "get the file again"),
        (bytes(700), "nothing but zero bytes", "get the file again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS", "git lfs pull"),
        (b"<!DOCTYPE html><p>sign in", "a web page", "its raw link"),
        (b"\xef\xbb\xbf  <html>", "a web page", "its raw link"),
        (b'{"weight_map": {}}', "the list of a checkpoint's shards", "load all its shards"),
        (b'{"name": 1}', "JSON text", "give the checkpoint"),
        (b"[1, 2]", "JSON text", "give the checkpoint"),
        (b"\x89PNG\r\n\x1a\n", "a picture", "give the checkpoint"),
        (b"\xff\xd8\xff\xe0", "a picture", "give the checkpoint"),
        (b"\x93NUMPY\x01\x00", "a file of NumPy arrays", "--network"),
        (b"\x89HDF\r\n\x1a\n", "a Keras or HDF5 file", "--network"),
        (b"GGUF\x03\0\0\0", "a GGUF file", "--network"),
        (b"\x1f\x8b\x08", "a packed file", "unpack it"),
        (bytes(range(1, 255)) + b"xxx" + b"ustar", "a packed file", "unpack it"),
        (onnx_file(integers=False), "an ONNX model", "that it was made from"),
        (tflite_file("fp32", {"d1-8px": 8}), "a TFLite model", "that it was made from"),
        (b"plain words", "of no known kind", "give the checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_named_with_what_to_do(
    data: bytes, words: str, remedy: str
) -> None:
    found = kind_of(data)
    assert words in found.words and remedy in found.remedy


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("net/data.pkl", "net/constants.pkl"), "a TorchScript archive"),
        (("net/code/__torch__.py",), "a TorchScript archive"),
        (("serialized_exported_program.json",), "an exported program"),
        (("model.weights.h5",), "a Keras or HDF5 file"),
        (("a.npy", "b.npy"), "a file of NumPy arrays"),
        (("photo.jpg",), "a packed file"),
        ((), "of no known kind"),
    ],
)
def test_archives_are_told_apart_by_their_members(names: tuple[str, ...], words: str) -> None:
    assert words in kind_of(zipped(*names)).words


def test_a_damaged_archive_is_left_to_who_loads_it() -> None:
    assert kind_of(torch_file(legacy=False)[:60]) is TORCH_ZIP


@pytest.mark.parametrize("length", [0, 1, 100_000_001])
def test_a_header_of_an_impossible_length_is_no_safetensors_file(length: int) -> None:
    assert kind_of(length.to_bytes(8, "little") + b"{}") is not SAFETENSORS
