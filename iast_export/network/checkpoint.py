"""The trained IAST on disk: weights as safetensors, with the network's facts in a card beside them.

`iast.safetensors` holds every tensor and, in its metadata under "config", the network's widths;
`iast.card.toml` holds name, SHA-256, data, licence, value range, metrics and training. A file of
torch.save (a dict of "config" and "state") is read too; what a file is, its content decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, sha256_bytes, sha256_file, write_atomic
from iast_export.files.texts import shown, visible
from iast_export.files.toml_text import format_toml, parse_toml
from iast_export.network.iast import IAST, NetworkConfig
from iast_export.network.safetensors_file import to_bytes
from iast_export.network.weights_file import check_kind, plain_state, read_weights

PACKAGED_CHECKPOINT = Path(__file__).resolve().parents[1] / "data" / "iast.safetensors"
CARD_KEYS = ("name", "sha256", "data", "licence", "value_range", "metrics", "training")
# Chosen: beyond them a damaged number is likelier than a network, and memory gives out.
_LARGEST = {"blocks": 64, "mid_site_after": 64}
_LARGEST_WIDTH = 4096
_ONE_NETWORK = "let config and tensors come from one network, saved as `save_checkpoint` saves it"


def card_path(checkpoint: Path) -> Path:
    """Where a checkpoint's card lies: `iast.safetensors` -> `iast.card.toml`."""
    return checkpoint.with_name(f"{checkpoint.stem}.card.toml")


def save_checkpoint(net: IAST, path: Path, card: Mapping[str, Any]) -> None:
    """Writes the weights to `path` (.safetensors) and the card beside it, each whole or not at all.

    The same weights give the same bytes. `sha256` is put into the card; the other facts of
    `CARD_KEYS` are the caller's.

    Raises:
        InputError: a weight is NaN or infinite, the card lacks a fact, or the folder can't be
            written.
    """
    missing = [key for key in CARD_KEYS if key != "sha256" and key not in card]
    if missing:
        raise InputError(
            f"the card of {path} lacks {', '.join(missing)}", "state every fact of CARD_KEYS"
        )
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    _check_finite(state, str(path))
    config = json.dumps(net.config.to_dict(), sort_keys=True)
    data = to_bytes({name: tensor.numpy() for name, tensor in state.items()}, {"config": config})
    write_atomic(path, data)
    write_atomic(
        card_path(path), format_toml({**card, "sha256": sha256_bytes(data)}).encode("utf-8")
    )


def load_checkpoint(path: Path) -> IAST:
    """The network in a file of safetensors or torch.save, in eval mode, float32, on the CPU.

    A card beside it must name the file's SHA-256; checksums inside the file are tested.

    Raises:
        InputError: missing, cut short, altered (its card names another hash), not an IAST
            checkpoint (the message says what it is), a tensor that the configuration doesn't
            expect, or NaN or infinity in one; names the first.
    """
    data = _bytes(path)
    check_kind(data, str(path))
    if card_path(path).is_file():
        load_card(path, sha256_bytes(data))
    found = read_weights(data, str(path))
    return build_network(found.config, found.state, str(path))


def checkpoint_note(path: Path) -> str:
    """What can't be known of a checkpoint: that it is unaltered, where nothing says so.

    Empty where a card or a checksum does.

    Raises:
        InputError: see `load_checkpoint`.
    """
    if card_path(path).is_file() or read_weights(_bytes(path), str(path)).checked:
        return ""
    return f"{path} carries no checksum and has no card: an alteration of it would not be seen"


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(
            f"{path} is a folder", "give the checkpoint's file; join its shards, if there are any"
        )
    return read_bytes(path)


def build_network(config: object, state: Mapping[str, Any], name: str) -> IAST:
    """The network of a configuration and its tensors, both from an untrusted source called `name`.

    Raises:
        InputError: see `load_checkpoint`.
    """
    checked = _config(config, name)
    with torch.device("meta"):
        expected = IAST(checked).state_dict()
    tensors = plain_state(state, expected, name)
    _check_tensors(expected, tensors, name)
    _check_finite(tensors, name)
    with torch.random.fork_rng(devices=[]):
        net = IAST(checked)
    net.load_state_dict(tensors)
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
        raise InputError(
            f"{path} lacks {', '.join(missing)}", "get the card that came with the checkpoint"
        )
    found = sha256 or sha256_file(checkpoint)
    if card["sha256"] != found:
        raise InputError(
            f"{checkpoint} was altered or cut: its SHA-256 is {found}, its card names "
            f"{card['sha256']}",
            "get checkpoint and card again, together",
        )
    return card


def _config(raw: object, name: str) -> NetworkConfig:
    """A configuration of sane size, or an InputError that names the wrong entry."""
    known = [field.name for field in fields(NetworkConfig)]
    if not isinstance(raw, Mapping) or set(raw) != set(known):
        found = shown(sorted(map(str, raw))) if isinstance(raw, Mapping) else type(raw).__name__
        raise InputError(
            f"{name}: its config holds {found}, {sorted(known)} was needed", _ONE_NETWORK
        )
    values: dict[str, Any] = {}
    for key, value in raw.items():
        values[key] = tuple(value) if isinstance(value, list | tuple) else value
        numbers = values[key] if key == "encoder_widths" else (value,)
        largest = _LARGEST.get(key, _LARGEST_WIDTH)
        whole = isinstance(numbers, tuple) and 0 < len(numbers) <= 8
        if not whole or not all(type(n) is int and 1 <= n <= largest for n in numbers):
            raise InputError(
                f"{name}: config {key} = {shown(value)}, whole numbers in 1..{largest} were needed",
                _ONE_NETWORK,
            )
    return NetworkConfig(**values)


def _check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], name: str) -> None:
    for key, want in expected.items():
        have = found.get(key)
        if have is None:
            raise InputError(f"{name}: the tensor {key} is missing", _ONE_NETWORK)
        if have.shape != want.shape or have.dtype != torch.float32:
            raise InputError(
                f"{name}: the tensor {key} is {list(have.shape)} {have.dtype}, its config needs "
                f"{list(want.shape)} torch.float32",
                "save it as float32 (tensor.float())" if have.shape == want.shape else _ONE_NETWORK,
            )
    unknown = [key for key in found if key not in expected]
    if unknown:
        raise InputError(
            f"{name}: the tensor {visible(unknown[0])} has no place in the network", _ONE_NETWORK
        )


def _check_finite(state: Mapping[str, Tensor], name: str) -> None:
    for key, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"{name}: the tensor {key} holds NaN or infinity",
                "take an earlier checkpoint of the training, or get the file again if it was whole",
            )
