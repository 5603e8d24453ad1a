"""Checkpoints as people have them: what is meant is loaded, the rest is named with what to do."""

from __future__ import annotations

import io
import json
import pickle
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from iast_export.errors import InputError
from iast_export.network.checkpoint import load_checkpoint
from iast_export.network.file_kinds import kind_of
from iast_export.network.iast import IAST, NetworkConfig

TINY = NetworkConfig(
    width=8, stem_width=4, blocks=2, mid_site_after=1, encoder_widths=(4, 8), encoder_hidden=8
)
CONFIG = TINY.to_dict()
NAME = "fusion.maps.bias"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return dict(IAST(TINY).state_dict())


def saved(obj: object, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(obj, file, **options)
    return file.getvalue()


def loaded(folder: Path, data: bytes, name: str = "x.pt") -> dict[str, torch.Tensor]:
    path = folder / name
    path.write_bytes(data)
    return load_checkpoint(path).state_dict()


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(found[name], value.float()) for name, value in wanted.items())


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.ckpt", "x"])
def test_the_content_says_what_a_file_is_not_its_name(
    state: Any, tmp_path: Path, name: str
) -> None:
    torch_file = saved({"config": CONFIG, "state": state})
    tensors = save({k: v.contiguous() for k, v in state.items()}, {"config": json.dumps(CONFIG)})
    assert same(loaded(tmp_path, torch_file, name), state)
    assert same(loaded(tmp_path, tensors, name), state)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_what_wrappers_put_before_every_name_is_taken_off(
    state: Any, tmp_path: Path, prefix: str
) -> None:
    wrapped = {prefix + name: value for name, value in state.items()}
    assert same(loaded(tmp_path, saved({"config": CONFIG, "state": wrapped})), state)


def test_an_average_of_weights_is_loaded_without_its_counter(state: Any, tmp_path: Path) -> None:
    averaged = {"n_averaged": torch.tensor(3), **{f"module.{k}": v for k, v in state.items()}}
    assert same(loaded(tmp_path, saved({"config": CONFIG, "ema": averaged})), state)


@pytest.mark.parametrize("key", ["state_dict", "model", "params", "model_state_dict", "ema"])
def test_a_state_dict_under_a_usual_key_is_loaded(state: Any, tmp_path: Path, key: str) -> None:
    others = {"optimizer": {"state": {}, "param_groups": []}, "epoch": 3}
    assert same(loaded(tmp_path, saved({"config": CONFIG, key: state, **others})), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_16_bits_become_float32_exactly(
    state: Any, tmp_path: Path, dtype: torch.dtype
) -> None:
    half = {name: value.to(dtype) for name, value in state.items()}
    mixed = {**half, NAME: state[NAME]}
    for weights in (half, mixed):
        assert same(loaded(tmp_path, saved({"config": CONFIG, "state": weights})), weights)
    tensors = save({k: v.contiguous() for k, v in half.items()}, {"config": json.dumps(CONFIG)})
    assert same(loaded(tmp_path, tensors, "x.safetensors"), half)


def test_a_legacy_file_of_torch_is_loaded(state: Any, tmp_path: Path) -> None:
    old = saved({"config": CONFIG, "state": state}, _use_new_zipfile_serialization=False)
    assert same(loaded(tmp_path, old), state)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (torch.zeros(2).to_sparse(), r"is sparse.*\n.*to_dense"),
        (torch.zeros(2, device="meta"), r"on the meta device"),
        (torch.zeros(2, dtype=torch.complex64), "is complex"),
        (torch.zeros(2, dtype=torch.float64), r"torch\.float64.*\n.*save it as float32"),
        (torch.zeros(2, dtype=torch.int64), r"torch\.int64"),
        (torch.zeros(2).to(torch.float8_e5m2), "float8"),
        (torch.full((2,), float("nan")), "NaN or infinity"),
        (torch.zeros(5, 5), r"is \[5, 5\]"),
        (None, "is a NoneType, not a tensor"),
        ([0.0, 0.0], "is a list, not a tensor"),
    ],
)
def test_a_weight_that_is_no_plain_tensor_is_named(
    state: Any, tmp_path: Path, value: Any, says: str
) -> None:
    with pytest.raises(
        InputError, match=rf"the tensor fusion\.maps\.bias {says}|the tensor .*{says}"
    ) as caught:
        loaded(tmp_path, saved({"config": CONFIG, "state": {**state, NAME: value}}))
    assert "train" not in caught.value.remedy.replace("of the training", "")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda state: state, "it holds a state dict, a dict of `config` and `state` was needed"),
        (
            lambda state: {"config": CONFIG, "model": state, "ema": state},
            "several state dicts: model, ema",
        ),
        (lambda state: {"config": CONFIG}, "holds a config, but no state dict"),
        (lambda state: {"config": CONFIG, "state": {1: torch.zeros(1)}}, "no state dict"),
        (
            lambda state: {"config": {1: 2, "a": 3}, "state": state},
            r"its config holds \['1', 'a'\]",
        ),
        (lambda state: torch.zeros(3), "holds a Tensor, no checkpoint"),
        (lambda state: [state], "holds a list, no checkpoint"),
        (lambda state: {1: 2, "x": 3}, r"it holds the keys \['1', 'x'\]"),
    ],
)
def test_what_can_mean_several_things_is_named(
    state: Any, tmp_path: Path, make: Any, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        loaded(tmp_path, saved(make(state)))


def test_a_whole_module_is_never_unpickled_and_its_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"a iast_export\.network\.iast\.IAST\), which is never unpickled"
    ):
        loaded(tmp_path, saved(IAST(TINY)))


def packed(data: bytes) -> bytes:
    """The archive again, compressed."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return file.getvalue()


def arrays(**found: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **found)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
            "pointer of Git LFS",
        ),
        (b"\n <!DOCTYPE html><html>not found</html>", "a web page"),
        (b"\x08\x08\x12\x07pytorch" + bytes(50), "an ONNX model"),
        (b"\x1c\0\0\0TFL3" + bytes(50), "a TFLite model"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "Keras or HDF5"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "a picture"),
        (b"\x1f\x8b\x08" + bytes(50), "a packed file"),
        (b'{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}', "shards"),
        (b'{"a": 1}', "JSON text"),
        (b"", "cut short: it is empty"),
        (bytes(3000), "nothing but zero bytes"),
        (b"neither this nor that", "of no known kind"),
        (arrays(a=np.zeros(3)), "a file of NumPy arrays"),
        (pickle.dumps({"config": CONFIG, "state": {"a": np.zeros(3)}}), "more than plain tensors"),
        (packed(saved({"config": CONFIG})), "packed by another program than torch"),
    ],
)
def test_another_kind_of_file_is_named_with_what_to_do(
    tmp_path: Path, data: bytes, says: str
) -> None:
    for name in ("x.pt", "x.safetensors"):
        with pytest.raises(InputError, match=rf"{says}[^\n]*\n  → "):
            loaded(tmp_path, data, name)


def test_torchscript_is_named(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member in ("m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"):
            archive.writestr(member, b"x")
    with pytest.raises(InputError, match="a TorchScript archive"):
        loaded(tmp_path, file.getvalue())


def test_no_damage_to_an_archive_of_torch_is_taken_for_weights(state: Any, tmp_path: Path) -> None:
    data, generator = saved({"config": CONFIG, "state": state}), random.Random(8)
    for _ in range(60):
        damaged = bytearray(data)
        at = generator.randrange(len(data))
        if generator.random() < 0.5:
            damaged[at] ^= 1 << generator.randrange(8)
        else:
            damaged[at : at + 64] = bytes(len(damaged[at : at + 64]))
        try:
            found = loaded(tmp_path, bytes(damaged))
        except InputError:
            continue
        assert same(found, state)


@pytest.mark.parametrize("data", [b"\x80", b"PK\x03\x04", b"\x08", bytes(8) + b"{", b"{", b"TFL3"])
def test_the_shortest_beginnings_have_a_kind(data: bytes) -> None:
    assert kind_of(data).words
