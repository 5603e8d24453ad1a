"""The trained IAST on disk: weights as safetensors, with the network's facts in a card beside them.

`iast.safetensors` holds every tensor and, in its metadata under "config", the network's widths;
`iast.card.toml` holds name, SHA-256, data, licence, value range, metrics and training. A state dict
of torch (`.pt`, `.pth`: a dict of "config" and "state") is read with `weights_only=True`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from iast_export.artifacts import read_bytes, sha256_bytes, sha256_file, write_atomic
from iast_export.errors import InputError
from iast_export.network import IAST, NetworkConfig
from iast_export.toml_text import format_toml, parse_toml

PACKAGED_CHECKPOINT = Path(__file__).resolve().parent / "data" / "iast.safetensors"
CARD_KEYS = ("name", "sha256", "data", "licence", "value_range", "metrics", "training")
_LARGEST = {"blocks": 64, "mid_site_after": 64}
_LARGEST_WIDTH = 4096
_AGAIN = "train or download the checkpoint again"


def card_path(checkpoint: Path) -> Path:
    """Where a checkpoint's card lies: `iast.safetensors` -> `iast.card.toml`."""
    return checkpoint.with_name(f"{checkpoint.stem}.card.toml")


def save_checkpoint(net: IAST, path: Path, card: Mapping[str, Any]) -> None:
    """Writes the weights to `path` (.safetensors) and the card beside it, each whole or not at all.

    The same weights give the same bytes. `sha256` is put into the card; the other facts of
    `CARD_KEYS` are the caller's.

    Raises:
        InputError: a weight is NaN or infinite, the card lacks a fact, or the folder can't be written.
    """
    missing = [key for key in CARD_KEYS if key != "sha256" and key not in card]
    if missing:
        raise InputError(f"the card of {path} lacks {', '.join(missing)}", "state every fact of CARD_KEYS")
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    _check_finite(state, str(path))
    data = save_safetensors(state, metadata={"config": json.dumps(net.config.to_dict(), sort_keys=True)})
    write_atomic(path, data)
    write_atomic(card_path(path), format_toml({**card, "sha256": sha256_bytes(data)}).encode("utf-8"))


def load_checkpoint(path: Path) -> IAST:
    """The network in a `.safetensors`, `.pt` or `.pth` file, in eval mode, float32, on the CPU.

    A card beside it must name the file's SHA-256.

    Raises:
        InputError: missing, cut short, altered (its card names another hash), not an IAST checkpoint,
            a tensor that the configuration doesn't expect, or NaN or infinity in one; names the first.
    """
    data = read_bytes(path)
    if card_path(path).is_file():
        load_card(path, sha256_bytes(data))
    config, state = (
        _from_torch(data, path) if path.suffix in (".pt", ".pth") else _from_safetensors(data, path)
    )
    return build_network(config, state, str(path))


def build_network(config: Mapping[str, Any], state: Mapping[str, Tensor], name: str) -> IAST:
    """The network of a configuration and its tensors, both from an untrusted source called `name`.

    Raises:
        InputError: see `load_checkpoint`.
    """
    checked = _config(config, name)
    with torch.device("meta"):
        expected = IAST(checked).state_dict()
    _check_tensors(expected, state, name)
    _check_finite(state, name)
    with torch.random.fork_rng(devices=[]):
        net = IAST(checked)
    net.load_state_dict(state)
    return net.eval()


def packaged_network(path: Path | None = None) -> IAST:
    """The factory of the IAST: from `path`, or from the checkpoint in the package.

    Raises:
        InputError: see `load_checkpoint`; or the package has no checkpoint.
    """
    if path is not None:
        return load_checkpoint(path)
    if not PACKAGED_CHECKPOINT.is_file():
        raise InputError(
            f"the packaged checkpoint {PACKAGED_CHECKPOINT.name} is missing from this installation",
            "install iast-export again, or pass a CHECKPOINT of your own",
        )
    return load_checkpoint(PACKAGED_CHECKPOINT)


def load_card(checkpoint: Path, sha256: str | None = None) -> dict[str, Any]:
    """The facts beside a checkpoint, checked against its hash (`sha256` when known already).

    Raises:
        InputError: no card, not TOML, a fact is missing, or it names another hash than the file's.
    """
    path = card_path(checkpoint)
    card = parse_toml(read_bytes(path), str(path), InputError, "get the card that came with it")
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}", "get the card that came with the checkpoint")
    found = sha256 or sha256_file(checkpoint)
    if card["sha256"] != found:
        raise InputError(
            f"{checkpoint} was altered or cut: its SHA-256 is {found}, its card names {card['sha256']}",
            "get checkpoint and card again, together",
        )
    return card


def _from_safetensors(data: bytes, path: Path) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    try:
        state = load_safetensors(data)
        length = int.from_bytes(data[:8], "little")
        config = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["config"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is a safetensors file, but not an IAST checkpoint: no `config` in its metadata",
            "for another network use --network module:factory",
        ) from error
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{path} is cut short or not a safetensors file: {error}", _AGAIN) from error
    return config, state


def _from_torch(data: bytes, path: Path) -> tuple[Mapping[str, Any], Mapping[str, Tensor]]:
    try:
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile pickle makes the unpickler raise
        raise InputError(
            f"{path} is cut short, or holds more than plain tensors (which is never unpickled)",
            "save a dict of `config` and `state` (tensors only), or use safetensors",
        ) from error
    if not isinstance(loaded, dict) or not all(isinstance(loaded.get(k), dict) for k in ("config", "state")):
        raise InputError(
            f"{path} is not an IAST checkpoint: a dict of `config` and `state` was needed",
            "for another network use --network module:factory",
        )
    return loaded["config"], loaded["state"]


def _config(raw: object, name: str) -> NetworkConfig:
    """A configuration of sane size, or an InputError that names the wrong entry."""
    known = [field.name for field in fields(NetworkConfig)]
    if not isinstance(raw, Mapping) or set(raw) != set(known):
        found = sorted(raw) if isinstance(raw, Mapping) else type(raw).__name__
        raise InputError(f"{name}: its config holds {found}, {sorted(known)} was needed", _AGAIN)
    values: dict[str, Any] = {}
    for key, value in raw.items():
        values[key] = tuple(value) if isinstance(value, list | tuple) else value
        numbers = values[key] if key == "encoder_widths" else (value,)
        largest = _LARGEST.get(key, _LARGEST_WIDTH)
        whole = isinstance(numbers, tuple) and 0 < len(numbers) <= 8
        if not whole or not all(type(n) is int and 1 <= n <= largest for n in numbers):
            raise InputError(
                f"{name}: config {key} = {value!r}, whole numbers in 1..{largest} were needed", _AGAIN
            )
    return NetworkConfig(**values)


def _check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], name: str) -> None:
    for key, want in expected.items():
        have = found.get(key)
        if not isinstance(have, Tensor):
            raise InputError(f"{name}: the tensor {key} is missing", _AGAIN)
        if have.shape != want.shape or have.dtype != torch.float32:
            raise InputError(
                f"{name}: the tensor {key} is {list(have.shape)} {have.dtype}, its config needs "
                f"{list(want.shape)} torch.float32",
                _AGAIN,
            )
    unknown = [key for key in found if key not in expected]
    if unknown:
        raise InputError(f"{name}: the tensor {unknown[0]} has no place in the network", _AGAIN)


def _check_finite(state: Mapping[str, Tensor], name: str) -> None:
    for key, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"{name}: the tensor {key} holds NaN or infinity", _AGAIN)
