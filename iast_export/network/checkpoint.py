"""The trained IAST on disk: weights as safetensors, with the network's facts in a card beside them.

`iast.safetensors` holds every tensor and, in its metadata, the network's "architecture" and, under
"config", its widths; a file without an architecture is of the first. `iast.card.toml` holds name,
SHA-256, data, licence, value range, metrics and training. A file of torch.save (a dict of "config"
and "state", perhaps "architecture") is read too; what a file is, its content decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, sha256_bytes, sha256_file, write_atomic
from iast_export.files.texts import visible
from iast_export.files.toml_text import format_toml, parse_toml
from iast_export.network.architectures import (
    ONE_NETWORK,
    Network,
    architecture_of,
    config_from,
    made,
)
from iast_export.network.safetensors_file import to_bytes
from iast_export.network.weights_file import check_kind, plain_state, read_weights

PACKAGED_CHECKPOINT = Path(__file__).resolve().parents[1] / "data" / "iast.safetensors"
CARD_KEYS = ("name", "sha256", "data", "licence", "value_range", "metrics", "training")


def card_path(checkpoint: Path) -> Path:
    """Where a checkpoint's card lies: `iast.safetensors` -> `iast.card.toml`."""
    return checkpoint.with_name(f"{checkpoint.stem}.card.toml")


def save_checkpoint(net: Network, path: Path, card: Mapping[str, Any]) -> None:
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
    facts = {
        "architecture": architecture_of(net),
        "config": json.dumps(net.config.to_dict(), sort_keys=True),
    }
    data = to_bytes({name: tensor.numpy() for name, tensor in state.items()}, facts)
    write_atomic(path, data)
    write_atomic(
        card_path(path), format_toml({**card, "sha256": sha256_bytes(data)}).encode("utf-8")
    )


def load_checkpoint(path: Path) -> Network:
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
    return build_network(found.architecture, found.config, found.state, str(path))


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


def build_network(
    architecture: object, config: object, state: Mapping[str, Any], name: str
) -> Network:
    """The network of a configuration and its tensors, all from an untrusted source called `name`.

    Raises:
        InputError: see `load_checkpoint`.
    """
    checked = config_from(architecture, config, name)
    with torch.device("meta"):
        expected = made(checked).state_dict()
    tensors = plain_state(state, expected, name)
    _check_tensors(expected, tensors, name)
    _check_finite(tensors, name)
    with torch.random.fork_rng(devices=[]):
        net = made(checked)
    net.load_state_dict(tensors)
    return net.eval()


def packaged_network(path: Path | None = None) -> Network:
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
    card, path = _read_card(checkpoint, sha256), card_path(checkpoint)
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)}", "get the card that came with the checkpoint"
        )
    return card


def told_by_card(checkpoint: Path | None) -> dict[str, str]:
    """The texts in the card beside any checkpoint, ours or not; nothing where there is no card.

    Raises:
        InputError: the card is not TOML, or names another hash than the file's.
    """
    if checkpoint is None or not card_path(checkpoint).is_file():
        return {}
    return {k: v for k, v in _read_card(checkpoint).items() if isinstance(v, str)}


def _read_card(checkpoint: Path, sha256: str | None = None) -> dict[str, Any]:
    path = card_path(checkpoint)
    card = parse_toml(read_bytes(path), str(path), InputError, "get the card that came with it")
    found = sha256 or sha256_file(checkpoint)
    if card.get("sha256", found) != found:
        raise InputError(
            f"{checkpoint} was altered or cut: its SHA-256 is {found}, its card names "
            f"{card['sha256']}",
            "get checkpoint and card again, together",
        )
    return card


def _check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], name: str) -> None:
    for key, want in expected.items():
        have = found.get(key)
        if have is None:
            raise InputError(f"{name}: the tensor {key} is missing", ONE_NETWORK)
        if have.shape != want.shape or have.dtype != torch.float32:
            raise InputError(
                f"{name}: the tensor {key} is {list(have.shape)} {have.dtype}, its config needs "
                f"{list(want.shape)} torch.float32",
                "save it as float32 (tensor.float())" if have.shape == want.shape else ONE_NETWORK,
            )
    unknown = [key for key in found if key not in expected]
    if unknown:
        raise InputError(
            f"{name}: the tensor {visible(unknown[0])} has no place in the network", ONE_NETWORK
        )


def _check_finite(state: Mapping[str, Tensor], name: str) -> None:
    for key, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"{name}: the tensor {key} holds NaN or infinity",
                "take an earlier checkpoint of the training, or get the file again if it was whole",
            )
