"""Readers of binary files: pictures, checkpoints, style codes and models."""

from __future__ import annotations

import math
import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np

from benchmarks.trust.fuzz import seeds
from benchmarks.trust.fuzz.bundle_readers import small_bundle
from benchmarks.trust.fuzz.mutate_bytes import Mutator, mutate_bytes
from benchmarks.trust.fuzz.mutate_formats import mutate_picture, mutate_safetensors, mutate_zip
from benchmarks.trust.fuzz.mutate_models import mutate_onnx, mutate_tflite
from benchmarks.trust.fuzz.mutate_text import mutate_toml
from benchmarks.trust.fuzz.reader import Reader, Seeds, SilentAcceptanceError, always, require

CHECKSUM = b"content_sha256"  # in the metadata of files that carry one
_LARGEST_VALUES = 1 << 26  # of a tensor that is still run


def _picture(data: bytes, folder: Path, name: str) -> None:
    from iast_export.pictures.images import load_image

    (folder / name).write_bytes(data)
    rgb = load_image(folder / name)
    if data != seeds.pictures()[name] and name.endswith(".png") and _wrong_chunks(data):
        raise SilentAcceptanceError(f"a PNG whose {_wrong_chunks(data)[0]} is not that of its CRC")
    require(
        rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.size > 0,
        f"{rgb.shape}",
    )


def _wrong_chunks(data: bytes) -> list[str]:
    """Critical chunks of a PNG whose CRC is not theirs."""
    found, at = [], 8
    while len(data) >= at + 12 and data[at + 4 : at + 8] != b"IEND":
        size = int.from_bytes(data[at : at + 4], "big")
        body, crc = data[at + 4 : at + 8 + size], data[at + 8 + size : at + 12 + size]
        if body[:1].isupper() and crc != zlib.crc32(body).to_bytes(4, "big"):
            found.append(body[:4].decode("latin-1"))
        at += 12 + size
    return found


def _checkpoint_seeds() -> Seeds:
    return {name: data for name, data in seeds.tensors().items() if not name.endswith(".toml")}


def _checkpoint(data: bytes, folder: Path, name: str) -> None:
    import torch

    from iast_export.network.checkpoint import load_checkpoint

    (folder / name).write_bytes(data)
    net = load_checkpoint(folder / name)
    if zipfile.is_zipfile(folder / name):
        with zipfile.ZipFile(folder / name) as held:
            if (wrong := held.testzip()) is not None:
                raise SilentAcceptanceError(
                    f"a .pt file whose {Path(wrong).parts[1]} is not that of its CRC"
                )
    require(
        all(bool(torch.isfinite(t).all()) for t in net.state_dict().values()),
        "weights that are not finite",
    )


def _checked_checkpoint(data: bytes, folder: Path, name: str) -> None:
    """The card beside a checkpoint holds its hash."""
    from iast_export.network.checkpoint import load_card

    given = seeds.tensors()
    is_card = name.endswith(".toml")
    weights, card = (
        (given["tiny.safetensors"], data) if is_card else (data, given["tiny.card.toml"])
    )
    (folder / "tiny.safetensors").write_bytes(weights)
    (folder / "tiny.card.toml").write_bytes(card)
    load_card(folder / "tiny.safetensors")
    if weights != given["tiny.safetensors"]:
        raise SilentAcceptanceError("an altered checkpoint beside its card")


def _checked_seeds() -> Seeds:
    return {name: seeds.tensors()[name] for name in ("tiny.safetensors", "tiny.card.toml")}


def _code(data: bytes, folder: Path, name: str) -> None:
    from iast_export.reports.manifest import Manifest
    from iast_export.stylize.style_add import read_code

    manifest = Manifest.load(small_bundle() / "bundle" / "manifest.json")
    source = manifest.source.model_copy(update={"checkpoint_sha256": "0" * 64})
    (folder / name).write_bytes(data)
    codes, _ = read_code(folder / name, manifest.model_copy(update={"source": source}))
    require(
        all(bool(np.isfinite(one).all()) for one in codes.values()), "a code that is not finite"
    )
    if CHECKSUM in data and codes["style_code"].tobytes() != seeds.code()[-16:]:
        raise SilentAcceptanceError("a style code that is not that of its checksum")


def _packed_code(data: bytes, folder: Path, name: str) -> None:
    """A bundle's style file that readers can't use, though the manifest has its hash."""
    from iast_export.files.artifacts import read_json, sha256_bytes, write_json
    from iast_export.stylize.engine import BundleEngine

    bundle = folder / "bundle"
    shutil.copytree(small_bundle() / "bundle", bundle)
    (bundle / "styles" / name).write_bytes(data)
    manifest = read_json(bundle / "manifest.json")
    manifest["styles"][0]["sha256"] = sha256_bytes(data)
    write_json(bundle / "manifest.json", manifest)
    _, codes = BundleEngine(bundle, "onnxruntime", "fp32").style_codes("ink")
    require(
        all(bool(np.isfinite(one).all()) for one in codes.values()), "a code that is not finite"
    )


def _onnx(data: bytes, folder: Path, name: str) -> None:
    from iast_export.bundle.inspection import inspect_model
    from iast_export.decide.groups import onnx_groups
    from iast_export.quantize.onnx.qdq import tensors_to_calibrate
    from iast_export.runtimes.onnx import open_onnx

    path = folder / "x.onnx"
    path.write_bytes(data)
    inspect_model(path)
    tensors_to_calibrate(path)
    onnx_groups(path)
    session = open_onnx(path)
    feeds = {
        "content": np.full((1, 3, 16, 16), 0.5, np.float32),
        "gain": np.ones((1, 8), np.float32),
    }
    session.run({key: feeds[key] for key in session.input_names if key in feeds})


def _tflite(data: bytes, folder: Path, name: str) -> None:
    from iast_export.bundle.inspection import inspect_model
    from iast_export.formats.tflite_file import read_model, tensor_shape
    from iast_export.runtimes.litert import open_litert

    path = folder / "x.tflite"
    path.write_bytes(data)
    found = inspect_model(path)
    tensors = [tensor for graph in read_model(path).subgraphs for tensor in graph.tensors]
    if max(math.prod(tensor_shape(tensor)) for tensor in tensors) > _LARGEST_VALUES:
        # True of a network for large pictures too; no verb runs what no manifest vouches for.
        return
    session = open_litert(path, next(iter(found["entries"]), None))
    feeds = {
        "content": np.full((1, 3, 16, 16), 0.5, np.float32),
        "gain": np.ones((1, 8), np.float32),
    }
    session.run({key: feeds[key] for key in session.input_names if key in feeds})


def _of_checkpoint(name: str) -> Mutator:
    return (
        mutate_safetensors
        if name.endswith(".safetensors")
        else mutate_zip
        if "legacy" not in name
        else mutate_bytes
    )


def _of_checked(name: str) -> Mutator:
    return mutate_toml if name.endswith(".toml") else mutate_safetensors


READERS = (
    Reader("picture", seeds.pictures, always(mutate_picture), _picture, 8, all_valid=False),
    Reader("checkpoint", _checkpoint_seeds, _of_checkpoint, _checkpoint, 8, all_valid=False),
    Reader("card", _checked_seeds, _of_checked, _checked_checkpoint, 3),
    Reader(
        "code", lambda: {"code.safetensors": seeds.code()}, always(mutate_safetensors), _code, 4
    ),
    Reader("packed-code", lambda: {"ink.f32": bytes(16)}, always(mutate_bytes), _packed_code, 1),
    Reader("onnx", seeds.onnx_files, always(mutate_onnx), _onnx, 10),
    Reader("tflite", seeds.tflite_files, always(mutate_tflite), _tflite, 10),
)
