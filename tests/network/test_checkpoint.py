"""Checkpoints: what is saved comes back, what is damaged or foreign is refused by name."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from iast_export.errors import InputError
from iast_export.network import checkpoint
from iast_export.network.checkpoint import (
    card_path,
    checkpoint_note,
    load_card,
    load_checkpoint,
    packaged_network,
    save_checkpoint,
)
from iast_export.network.iast import IAST, NetworkConfig
from iast_export.network.iast2 import IAST2, IAST2Config

SECOND = IAST2Config(
    width=8,
    stem_width=4,
    coarse_width=8,
    blocks=(1, 2),
    coarse_blocks=(0, 1),
    skip_rank=2,
    encoder_widths=(4, 8),
    encoder_hidden=8,
)
TINY = NetworkConfig(
    width=8, stem_width=4, blocks=2, mid_site_after=1, encoder_widths=(4, 8), encoder_hidden=8
)
CARD: dict[str, Any] = {
    "name": "tiny",
    "data": ["drawn at random"],
    "licence": "Apache-2.0",
    "value_range": [0.0, 1.0],
    "metrics": {"ssim_content": 0.5},
    "training": {"steps": 0, "note": 'none "yet"'},
}


@pytest.fixture
def net() -> IAST:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return IAST(TINY)


@pytest.fixture
def saved(net: IAST, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(net, path, CARD)
    return path


def _write(path: Path, net: IAST, config: dict[str, Any] | None = None, **changed: Any) -> Path:
    """A checkpoint with some tensors replaced (None: left out) and no card."""
    state = {
        **net.state_dict(),
        **{name.replace("__", "."): value for name, value in changed.items()},
    }
    tensors = {name: value.contiguous() for name, value in state.items() if value is not None}
    text = json.dumps(TINY.to_dict() if config is None else config)
    path.write_bytes(save(tensors, metadata={"config": text}))
    return path


def test_weights_config_and_card_come_back(net: IAST, saved: Path) -> None:
    loaded = load_checkpoint(saved)
    assert loaded.config == TINY and not loaded.training
    assert all(
        torch.equal(a, b) for a, b in zip(net.parameters(), loaded.parameters(), strict=True)
    )
    card = load_card(saved)
    assert card.pop("sha256") and card == CARD


def test_the_same_weights_give_the_same_bytes(net: IAST, saved: Path, tmp_path: Path) -> None:
    save_checkpoint(net, tmp_path / "again.safetensors", CARD)
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_loading_leaves_the_random_numbers_alone(saved: Path) -> None:
    before = torch.random.get_rng_state()
    load_checkpoint(saved)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_file_that_its_card_does_not_name_was_altered(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"altered or cut.*\n.*checkpoint and card again"):
        load_checkpoint(saved)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(saved: Path, kept: float) -> None:
    card_path(saved).unlink()
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match="cut short"):
        load_checkpoint(saved)


def test_a_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        load_checkpoint(tmp_path / "x.safetensors")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite_is_named(net: IAST, tmp_path: Path, bad: float) -> None:
    bias = torch.tensor([0.0, bad])
    path = _write(tmp_path / "x.safetensors", net, fusion__maps__bias=bias)
    with pytest.raises(InputError, match=r"fusion\.maps\.bias holds NaN or infinity"):
        load_checkpoint(path)
    with torch.no_grad():
        net.fusion.maps.weight.fill_(bad)
    with pytest.raises(InputError, match=r"fusion\.maps\.weight holds NaN"):
        save_checkpoint(net, tmp_path / "y.safetensors", CARD)
    assert not (tmp_path / "y.safetensors").exists()


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (None, r"fusion\.maps\.bias is missing"),
        (torch.zeros(3), r"fusion\.maps\.bias is \[3\].*needs \[2\]"),
        (torch.zeros(2, dtype=torch.float64), r"fusion\.maps\.bias is \[2\] torch\.float64"),
    ],
)
def test_the_first_tensor_that_does_not_match_the_config_is_named(
    net: IAST, tmp_path: Path, value: Any, match: str
) -> None:
    path = _write(tmp_path / "x.safetensors", net, fusion__maps__bias=value)
    with pytest.raises(InputError, match=match):
        load_checkpoint(path)


def test_a_tensor_too_many_is_named(net: IAST, tmp_path: Path) -> None:
    path = _write(tmp_path / "x.safetensors", net, extra__weight=torch.zeros(1))
    with pytest.raises(InputError, match=r"extra\.weight has no place"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"width": 16}, "its config needs"),
        ({"width": 10**9}, r"config width = 1000000000.*in 1\.\.4096"),
        ({"blocks": 10**6}, "config blocks"),
        ({"blocks": 0}, "config blocks"),
        ({"width": 8.0}, "config width"),
        ({"width": True}, "config width"),
        ({"encoder_widths": []}, "config encoder_widths"),
        ({"encoder_widths": 4}, "config encoder_widths"),
        ({"unknown": 4}, "its config holds"),
    ],
)
def test_a_config_that_cannot_be_is_refused_before_anything_is_built(
    net: IAST, tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    path = _write(tmp_path / "x.safetensors", net, {**TINY.to_dict(), **change})
    with pytest.raises(InputError, match=match):
        load_checkpoint(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_foreign_safetensors_file_is_refused(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(save({"w": torch.zeros(3)}, metadata=metadata))
    with pytest.raises(InputError, match=r"not an IAST checkpoint.*\n.*--network module:factory"):
        load_checkpoint(path)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_state_dict_of_torch_is_read(net: IAST, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    torch.save({"config": TINY.to_dict(), "state": net.state_dict()}, path)
    assert torch.equal(load_checkpoint(path).fusion.maps.weight, net.fusion.maps.weight)


class _Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def test_a_pickle_that_runs_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"config": {}, "state": _Bomb(str(mark))}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(_Bomb(str(mark))))
    for name in ("a.pt", "b.pt"):
        with pytest.raises(InputError, match=r"never unpickled.*\n.*safetensors"):
            load_checkpoint(tmp_path / name)
    assert not mark.exists()


def test_a_damaged_or_foreign_torch_file_is_refused(net: IAST, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"config": TINY.to_dict(), "state": net.state_dict()}, path)
    data = path.read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 3):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match="cut short"):
            load_checkpoint(path)
    torch.save(net.state_dict(), path)
    with pytest.raises(InputError, match="a dict of `config` and `state` was needed"):
        load_checkpoint(path)


def test_a_card_that_lacks_a_fact_is_not_written(net: IAST, tmp_path: Path) -> None:
    card = {key: value for key, value in CARD.items() if key != "licence"}
    with pytest.raises(InputError, match="lacks licence"):
        save_checkpoint(net, tmp_path / "x.safetensors", card)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "match"), [("name = ", "not valid TOML"), ("name = 'x'", "lacks sha256")]
)
def test_a_damaged_card_is_refused(saved: Path, text: str, match: str) -> None:
    card_path(saved).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=match):
        load_checkpoint(saved)


def test_the_factory_takes_a_path(saved: Path) -> None:
    assert packaged_network(saved).config == TINY


def test_a_package_without_its_checkpoint_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "PACKAGED_CHECKPOINT", tmp_path / "iast.safetensors")
    with pytest.raises(InputError, match=r"packaged checkpoint iast\.safetensors is missing"):
        packaged_network()


def test_the_packaged_checkpoint_loads_and_keeps_its_promises() -> None:
    net = packaged_network()
    assert len(net.depths) >= 4
    assert sum(p.numel() for p in net.parameters()) <= 1_500_000
    assert checkpoint.PACKAGED_CHECKPOINT.stat().st_size <= 8_000_000
    assert load_card(checkpoint.PACKAGED_CHECKPOINT)["licence"]


def test_a_checkpoint_without_card_and_checksum_is_said_to_be_so(saved: Path, net: IAST) -> None:
    assert checkpoint_note(saved) == ""
    card_path(saved).unlink()
    assert checkpoint_note(saved) == ""
    assert "carries no checksum" in checkpoint_note(
        _write(saved.with_name("bare.safetensors"), net)
    )


def test_an_altered_weight_is_seen_without_a_card(saved: Path) -> None:
    card_path(saved).unlink()
    data = bytearray(saved.read_bytes())
    data[-3] ^= 1
    saved.write_bytes(bytes(data))
    with pytest.raises(InputError, match="was altered: its content is not what its checksum names"):
        load_checkpoint(saved)


def test_the_packaged_weights_are_bound_by_their_card(tmp_path: Path) -> None:
    copy = tmp_path / "iast.safetensors"
    data = bytearray(checkpoint.PACKAGED_CHECKPOINT.read_bytes())
    data[-3] ^= 1
    copy.write_bytes(bytes(data))
    card_path(copy).write_bytes(card_path(checkpoint.PACKAGED_CHECKPOINT).read_bytes())
    with pytest.raises(InputError, match="altered or cut"):
        load_checkpoint(copy)


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder\n.*join its shards"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_names_its_architecture_and_comes_back_as_it(tmp_path: Path) -> None:
    net = IAST2(SECOND)
    path = tmp_path / "second.safetensors"
    save_checkpoint(net, path, CARD)
    loaded = load_checkpoint(path)
    assert isinstance(loaded, IAST2) and loaded.config == SECOND
    assert all(
        torch.equal(a, b) for a, b in zip(net.parameters(), loaded.parameters(), strict=True)
    )
    torch.save(
        {"architecture": "iast2", "config": SECOND.to_dict(), "state": net.state_dict()},
        tmp_path / "x.pt",
    )
    assert isinstance(load_checkpoint(tmp_path / "x.pt"), IAST2)


def test_a_checkpoint_that_names_no_architecture_is_of_the_first(net: IAST, tmp_path: Path) -> None:
    assert type(load_checkpoint(_write(tmp_path / "x.safetensors", net))) is IAST
    assert b'"architecture"' not in (tmp_path / "x.safetensors").read_bytes()


@pytest.mark.parametrize("architecture", ["iast3", 2, None])
def test_an_architecture_that_is_not_known_is_refused(
    net: IAST, tmp_path: Path, architecture: object
) -> None:
    path = tmp_path / "x.pt"
    torch.save(
        {"architecture": architecture, "config": TINY.to_dict(), "state": net.state_dict()}, path
    )
    with pytest.raises(InputError, match=r"architecture is .*'iast', 'iast2'.*\n.*update"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"blocks": [1, 2, 3]}, "blocks has 3 entries, coarse_blocks 2"),
        ({"blocks": 2}, "config blocks = 2"),
        ({"coarse_blocks": [0, -1]}, r"coarse_blocks.*in 0\.\.64"),
        ({"strided_kernel": 7}, r"strided_kernel = 7.*in 3\.\.5"),
        ({"palette": 2}, "palette"),
        ({"mid_site_after": 2}, "its config holds"),
    ],
)
def test_a_second_config_that_cannot_be_is_refused_too(
    tmp_path: Path, change: dict[str, Any], match: str
) -> None:
    config = {**SECOND.to_dict(), **change}
    path = tmp_path / "x.pt"
    state = IAST2(SECOND).state_dict()
    torch.save({"architecture": "iast2", "config": config, "state": state}, path)
    with pytest.raises(InputError, match=match):
        load_checkpoint(path)
