"""safetensors files with a checksum of their own, since the format has none.

`content_sha256` in the metadata is a SHA-256 over the other metadata and every tensor. Where it is
present it is tested; where it is absent (a file of another program), the reader is told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from iast_export.errors import InputError
from iast_export.files.json_text import parse_json

CHECKSUM_KEY = "content_sha256"
# Of the header, as the library pads it.
_ALIGNED_BYTES = 8
_GET_AGAIN = "get the file again from where it came"


@dataclass(frozen=True)
class Stored:
    """A tensor as it lies in the file: `dtype` as in the format ("F32"), little endian `data`."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class TensorFile:
    """What a file holds. `checked`: it carries a checksum, and keeps it."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, Stored]
    checked: bool


def to_bytes(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """A file of these tensors with its checksum; the same bytes for the same tensors."""
    data = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    checksum = _digest(metadata, _tensors(data))
    length = int.from_bytes(data[:8], "little")
    # The library writes metadata in no fixed order, so the header is written here.
    header = {
        "__metadata__": {**metadata, CHECKSUM_KEY: checksum},
        **json.loads(data[8 : 8 + length]),
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED_BYTES)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def read(data: bytes, name: str) -> TensorFile:
    """The tensors of a file called `name`, its checksum tested.

    Raises:
        InputError: cut short, not a safetensors file, or altered since it was written.
    """
    try:
        tensors = _tensors(data)
    except SafetensorError as error:
        raise InputError(
            f"{name} is cut short or not a safetensors file: {error}", _GET_AGAIN
        ) from error
    length = int.from_bytes(data[:8], "little")
    header = parse_json(data[8 : 8 + length], f"the header of {name}", InputError, _GET_AGAIN)
    metadata = {str(key): str(value) for key, value in (header.get("__metadata__") or {}).items()}
    stated = metadata.pop(CHECKSUM_KEY, None)
    if stated is not None and stated != _digest(metadata, tensors):
        raise InputError(
            f"{name} was altered: its content is not what its checksum names", _GET_AGAIN
        )
    return TensorFile(metadata, tensors, stated is not None)


def as_float32(tensor: Stored, name: str) -> NDArray[np.float32]:
    """The values of a tensor of 32 or 16 bits, exactly.

    Raises:
        InputError: of another type; `name` says whose.
    """
    if tensor.dtype == "F32":
        flat = np.frombuffer(tensor.data, "<f4").astype(np.float32)
    elif tensor.dtype == "F16":
        flat = np.frombuffer(tensor.data, "<f2").astype(np.float32)
    elif tensor.dtype == "BF16":  # the upper half of a float32
        flat = (np.frombuffer(tensor.data, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        raise InputError(
            f"{name} is of type {tensor.dtype}, F32, F16 or BF16 is needed", "save it as float32"
        )
    return flat.reshape(tensor.shape)


def _tensors(data: bytes) -> dict[str, Stored]:
    listed: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
    return {
        name: Stored(one["dtype"], tuple(one["shape"]), bytes(one["data"])) for name, one in listed
    }


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Stored]) -> str:
    digest = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, tensor.dtype, list(tensor.shape)]).encode())
        digest.update(tensor.data)
    return digest.hexdigest()
