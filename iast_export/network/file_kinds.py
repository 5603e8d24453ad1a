"""What a file is by its content, whatever its name says."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

# Looked at for zeros and text; the marks of all kinds lie within 262.
_HEAD_BYTES = 512
_PICKLE_PROTOCOLS = range(2, 6)


@dataclass(frozen=True)
class FileKind:
    """A kind of file: its words in a message, and what to do where a checkpoint was needed."""

    words: str
    remedy: str = "give the checkpoint: a safetensors file, or one of torch.save"


SAFETENSORS = FileKind("a safetensors file")
TORCH_ZIP = FileKind("a file of torch.save")
PICKLE = FileKind("a pickle")
_OWN_NETWORK = "for another network use --network module:factory, which may read such a file itself"
_UNPACK = FileKind("a packed file", "unpack it, and give the checkpoint inside")
_EMPTY = FileKind("cut short: it is empty", "get the file again; the disk may have been full")
_ZEROS = FileKind(
    "nothing but zero bytes", "get the file again: writing or downloading it ended early"
)
_LFS = FileKind("a pointer of Git LFS, not the file itself", "fetch the file with `git lfs pull`")
_PAGE = FileKind(
    "a web page", "download the file itself (its raw link), signed in where that is asked for"
)
_SHARDS = FileKind(
    "the list of a checkpoint's shards, not the checkpoint",
    "load all its shards into one state dict, and save that as one file",
)
_JSON = FileKind("JSON text")
_ONNX = FileKind("an ONNX model", "give the checkpoint that it was made from")
_TFLITE = FileKind("a TFLite model", "give the checkpoint that it was made from")
_KERAS = FileKind("a Keras or HDF5 file", _OWN_NETWORK)
_NUMPY = FileKind("a file of NumPy arrays", _OWN_NETWORK)
_PICTURE = FileKind("a picture")
TORCHSCRIPT = FileKind(
    "a TorchScript archive, which holds code",
    "save torch.jit.load(FILE).state_dict() with the config, or use --network module:factory",
)
EXPORTED = FileKind(
    "an exported program of torch.export", "save the state dict that it was exported from"
)
_UNKNOWN = FileKind("of no known kind, or damaged at its start")

_BEGINNINGS: tuple[tuple[bytes, FileKind], ...] = (
    (b"version https://git-lfs", _LFS),
    (b"\x89HDF\r\n\x1a\n", _KERAS),
    (b"\x93NUMPY", _NUMPY),
    (b"\x89PNG", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"\x1f\x8b", _UNPACK),
    (b"BZh", _UNPACK),
    (b"\xfd7zXZ", _UNPACK),
    (b"7z\xbc\xaf", _UNPACK),
    (b"Rar!", _UNPACK),
    (b"\x28\xb5\x2f\xfd", _UNPACK),
    (b"GGUF", FileKind("a GGUF file", _OWN_NETWORK)),
)


def kind_of(data: bytes) -> FileKind:
    """The kind of a file from its bytes."""
    if not data:
        return _EMPTY
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if not data[:_HEAD_BYTES].strip(b"\x00"):
        return _ZEROS
    if data.startswith(b"PK\x03\x04"):
        return _of_zip(data)
    if data[4:8] == b"TFL3":
        return _TFLITE
    if data[257:262] == b"ustar":
        return _UNPACK
    if data[0] == 0x80 and data[1:2] and data[1] in _PICKLE_PROTOCOLS:
        return PICKLE
    if data[8:9] == b"{" and 2 <= int.from_bytes(data[:8], "little") <= 100_000_000:
        return SAFETENSORS
    return _of_text(data) or (_ONNX if _is_onnx(data) else _UNKNOWN)


def _of_text(data: bytes) -> FileKind | None:
    head = data[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return _PAGE
    if head.startswith((b"{", b"[")):
        return _SHARDS if b'"weight_map"' in data else _JSON
    return None


def _is_onnx(data: bytes) -> bool:
    """A protobuf as exporters begin it: the IR version, then another field of a model."""
    return (
        len(data) > 2
        and data[0] == 0x08
        and data[1] < 0x20
        and data[2] in b"\x12\x1a\x22\x2a\x32\x3a\x42"
    )


def _of_zip(data: bytes) -> FileKind:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except Exception:  # whatever damage makes the reader raise; the one who loads it will say so
        return TORCH_ZIP
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        return TORCHSCRIPT
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return TORCH_ZIP
    if any("exported_program" in name or name.endswith("archive_format") for name in names):
        return EXPORTED
    if any(name.endswith(".weights.h5") for name in names):
        return _KERAS
    return _NUMPY if names and all(name.endswith(".npy") for name in names) else _UNPACK
