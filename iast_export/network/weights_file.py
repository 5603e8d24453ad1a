"""The configuration and tensors in a checkpoint file, whatever its name and whoever saved it.

Nothing is unpickled but plain tensors. What can be understood in one way alone is loaded: prefixes
that wrappers put before every name, weights of 16 bits, a state dict under one of the usual keys.
The rest is named with what to do.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from iast_export.errors import InputError
from iast_export.files.json_text import parse_json
from iast_export.files.texts import shown, visible
from iast_export.network import file_kinds, safetensors_file
from iast_export.network.architectures import FIRST

_GET_AGAIN = "get the file again from where it came"
_OTHER_NETWORK = "for another network use --network module:factory"
_SAVE_BOTH = (
    f"save a dict of `config` and `state` (tensors only), or use safetensors; {_OTHER_NETWORK}"
)
STATE_KEYS = (
    "state",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "generator",
    "weights",
    "params",
    "params_ema",
    "ema",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
)
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "generator.")
_AVERAGED = "n_averaged"  # the counter of torch.optim.swa_utils.AveragedModel, not a weight
_EXACT = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Weights:
    """What a file holds. `checked`: a checksum in it was tested."""

    architecture: object
    config: object
    state: Mapping[str, Any]
    checked: bool


def check_kind(data: bytes, name: str) -> file_kinds.FileKind:
    """The kind of a checkpoint file.

    Raises:
        InputError: of a kind that is no checkpoint, which is named.
    """
    kind = file_kinds.kind_of(data)
    if kind not in (file_kinds.SAFETENSORS, file_kinds.TORCH_ZIP, file_kinds.PICKLE):
        raise InputError(f"{name} is {kind.words}", kind.remedy)
    return kind


def read_weights(data: bytes, name: str) -> Weights:
    """Configuration and state dict in the bytes of a file called `name`, still unjudged.

    Raises:
        InputError: of another kind (named), cut short, altered, or more than plain tensors.
    """
    kind = check_kind(data, name)
    if kind == file_kinds.SAFETENSORS:
        return _from_safetensors(data, name)
    if kind == file_kinds.TORCH_ZIP:
        _check_zip(data, name)
    return _from_torch(data, name, checked=kind == file_kinds.TORCH_ZIP)


def plain_state(
    state: Mapping[str, Any], expected: Mapping[str, Tensor], name: str
) -> dict[str, Tensor]:
    """The tensors under the names of `expected`; 16 bits become float32, which holds them.

    Raises:
        InputError: something that is no plain tensor of values; names the first.
    """
    renamed = _without_prefixes(state, expected)
    return {
        key: _dense(value, f"{name}: the tensor {visible(key)}") for key, value in renamed.items()
    }


def _without_prefixes(
    state: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> Mapping[str, Any]:
    while state and not any(key in expected for key in state):
        named = {key: value for key, value in state.items() if key != _AVERAGED}
        prefix = next(
            (p for p in _PREFIXES if named and all(key.startswith(p) for key in named)), None
        )
        if prefix is None:
            return state
        state = {key.removeprefix(prefix): value for key, value in named.items()}
    return state


def _dense(value: object, what: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise InputError(f"{what} is a {type(value).__name__}, not a tensor", "save tensors only")
    problem, remedy = _unlike_plain(value)
    if problem:
        raise InputError(f"{what} is {problem}", remedy)
    return value.detach().to(torch.float32) if value.dtype in _EXACT else value.detach()


def _unlike_plain(tensor: Tensor) -> tuple[str, str]:
    if tensor.is_meta:
        return (
            "on the meta device, without values",
            "save the network after its weights were loaded",
        )
    if tensor.is_nested:
        return "a nested tensor", "save plain tensors"
    if tensor.layout != torch.strided:
        return f"sparse ({tensor.layout})", "save it dense: tensor.to_dense()"
    if tensor.is_quantized:
        return f"quantized ({tensor.dtype})", "save the float weights that it was quantized from"
    if tensor.is_complex():
        return f"complex ({tensor.dtype})", "save real weights"
    return "", ""


def _from_safetensors(data: bytes, name: str) -> Weights:
    found = safetensors_file.read(data, name)
    if "config" not in found.metadata:
        raise InputError(
            f"{name} is a safetensors file, but not an IAST checkpoint: no `config` in its "
            "metadata",
            f"{_OTHER_NETWORK}; of a checkpoint in shards, join them first",
        )
    text = found.metadata["config"].encode("utf-8", "surrogatepass")
    config = parse_json(text, f"the config of {name}", InputError, _GET_AGAIN)
    try:
        state = load_safetensors(data)
    except Exception as error:  # a type that this torch has no name for
        raise InputError(f"{name} can't be loaded: {error}", "save it as float32") from error
    return Weights(found.metadata.get("architecture", FIRST), config, state, found.checked)


def _check_zip(data: bytes, name: str) -> None:
    """Tests every checksum in the archive: torch itself reads on over damage.

    Raises:
        InputError: cut short, damaged, or packed by another program than torch.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise InputError(
                    f"{name} was packed by another program than torch", "save it again"
                )
            if sum(member.file_size for member in members) > len(data):
                raise InputError(f"{name} is damaged: its parts overlap", _GET_AGAIN)
            damaged = archive.testzip()
    except InputError:
        raise
    except Exception as error:  # whatever a damaged archive makes the reader raise
        raise InputError(f"{name} is cut short or damaged: {error}", _GET_AGAIN) from error
    if damaged is not None:
        raise InputError(
            f"{name} is damaged: {visible(damaged)} in it does not keep its checksum", _GET_AGAIN
        )


def _from_torch(data: bytes, name: str, *, checked: bool) -> Weights:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile pickle makes the unpickler raise
        kind = re.search(r"GLOBAL ([\w.]+)", str(error))
        more = f" (a {kind[1]})" if kind else ""
        whole = "" if checked else "is cut short, or "
        raise InputError(
            f"{name} {whole}holds more than plain tensors{more}, which is never unpickled",
            _SAVE_BOTH,
        ) from error
    return _config_and_state(loaded, name, checked)


def _config_and_state(loaded: object, name: str, checked: bool) -> Weights:
    if not isinstance(loaded, Mapping):
        raise InputError(f"{name} holds a {type(loaded).__name__}, no checkpoint", _SAVE_BOTH)
    found = [key for key in STATE_KEYS if _is_state(loaded.get(key))]
    if not isinstance(loaded.get("config"), Mapping):
        what = (
            "a state dict"
            if _is_state(loaded)
            else f"the keys {shown([str(key) for key in loaded])}"
        )
        raise InputError(
            f"{name} is not an IAST checkpoint: it holds {what}, a dict of `config` and `state` "
            "was needed",
            _SAVE_BOTH,
        )
    if not found:
        raise InputError(f"{name} holds a config, but no state dict", _SAVE_BOTH)
    if len(found) > 1 and found[0] != "state":
        raise InputError(
            f"{name} holds several state dicts: {', '.join(found)}",
            "save the one that is meant under `state`, with `config`",
        )
    return Weights(loaded.get("architecture", FIRST), loaded["config"], loaded[found[0]], checked)


def _is_state(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and all(isinstance(key, str) for key in value)
        and any(isinstance(one, Tensor) for one in value.values())
    )
