"""Seeds: one small valid file of each kind, drawn, written or trained here."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SIDE_PX = 24
MODELS = Path(__file__).with_name("seeds")


def _gradient() -> Any:
    rows, columns = np.mgrid[0:SIDE_PX, 0 : SIDE_PX + 4]
    return np.stack([rows * 9, columns * 8, (rows + columns) * 4], 2).astype(np.uint8)


@cache
def pictures() -> dict[str, bytes]:
    """Encoded pictures by file name: every format and kind of pixel that Pillow writes."""
    from PIL import Image

    rgb = Image.fromarray(_gradient())
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(_gradient()[:, :, 0]))
    deep = Image.fromarray(_gradient()[:, :, 0].astype(np.uint16) * 257)
    turned = Image.Exif()
    turned[0x0112] = 6
    made: dict[str, bytes] = {}
    kinds: list[tuple[str, Any, dict[str, Any]]] = [
        ("rgb.jpg", rgb, {}),
        ("turned.jpg", rgb, {"exif": turned}),
        ("progressive.jpg", rgb, {"progressive": True}),
        ("gray.jpg", rgb.convert("L"), {}),
        ("cmyk.jpg", rgb.convert("CMYK"), {}),
        ("rgb.png", rgb, {}),
        ("alpha.png", alpha, {"exif": turned}),
        ("palette.png", rgb.quantize(16), {}),
        ("deep.png", deep, {}),
        ("rgb.webp", rgb, {}),
        ("alpha.webp", alpha, {"lossless": True}),
        ("rgb.bmp", rgb, {}),
        ("rgb.gif", rgb.quantize(16), {}),
        ("rgb.tif", rgb, {}),
        ("packed.tif", rgb, {"compression": "tiff_lzw"}),
        ("rgb.avif", rgb, {}),
        ("bomb.png", Image.new("1", (20000, 20000)), {}),
        ("bomb.gif", Image.new("P", (9000, 9000)), {}),
        ("wide.bmp", Image.new("1", (1, 60000)), {}),
    ]
    for name, picture, options in kinds:
        held = io.BytesIO()
        picture.save(
            held,
            {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name.rpartition(".")[2].upper()),
            **options,
        )
        made[name] = held.getvalue()
    made["phone.heic"] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
    made["later.jxl"] = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64)
    made["empty.png"] = b""
    return made


@cache
def tensors() -> dict[str, bytes]:
    """A tiny IAST as .safetensors, as .pt in torch's two forms, and with odd tensors."""
    import tempfile

    import torch

    from iast_export.network.checkpoint import CARD_KEYS, save_checkpoint
    from iast_export.network.iast import IAST, NetworkConfig

    config = NetworkConfig(
        width=8,
        stem_width=8,
        encoder_widths=(8, 8, 8, 8),
        encoder_hidden=8,
        blocks=1,
        mid_site_after=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = IAST(config).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        save_checkpoint(
            net, path, {key: {} if key in ("metrics", "training") else "x" for key in CARD_KEYS}
        )
        made = {
            "tiny.safetensors": path.read_bytes(),
            "tiny.card.toml": path.with_name("tiny.card.toml").read_bytes(),
        }
    state = dict(net.state_dict())
    body = {"config": net.config.to_dict(), "state": state}
    for name, legacy in (("zip.pt", False), ("legacy.pt", True)):
        made[name] = _torch_bytes(body, legacy)
    first = next(iter(state))
    odd: dict[str, Any] = {
        "sparse": state[first].to_sparse(),
        "meta": state[first].to("meta"),
        "half": state[first].half(),
        "bfloat": state[first].bfloat16(),
        "whole": state[first].int(),
        "complex": state[first].to(torch.complex64),
        "none": None,
        "text": "x",
        "list": [1.0],
        "dict": {"a": state[first]},
        "empty": state[first][:0],
        "nan": state[first] * float("nan"),
        "expanded": state[first].flatten()[:1].expand(state[first].numel()),
        "parameter": torch.nn.Parameter(state[first]),
    }
    for name, value in odd.items():
        made[f"{name}.pt"] = _torch_bytes(
            {"config": body["config"], "state": {**state, first: value}}, False
        )
    made["only-state.pt"] = _torch_bytes(state, False)
    made["list.pt"] = _torch_bytes([1, 2, 3], False)
    return made


def _torch_bytes(body: Any, legacy: bool) -> bytes:
    import torch

    held = io.BytesIO()
    torch.save(body, held, _use_new_zipfile_serialization=not legacy)
    return held.getvalue()


@cache
def code() -> bytes:
    """A refined style code in a file that names its checkpoint, by the project's own writer."""
    import tempfile

    import torch

    from models.styles.verbs import save_code

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "code.safetensors"
        save_code(path, torch.linspace(-1, 1, 4)[None], "0" * 64)
        return path.read_bytes()


@cache
def onnx_files() -> dict[str, bytes]:
    """Two convolutions, their QDQ form, and a file with two branches."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    held = {"w1": rng.normal(0, 0.2, (8, 3, 3, 3)), "w2": rng.normal(0, 0.2, (3, 8, 3, 3))}
    nodes = [
        helper.make_node("Conv", ["content", "w1"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1] * 4),
        helper.make_node("Sigmoid", ["c"], ["stylized"]),
    ]
    initial = [
        numpy_helper.from_array(value.astype(np.float32), name) for name, value in held.items()
    ]
    edges = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "height", "width"])
        for name in ("content", "stylized")
    ]
    options: dict[str, Any] = {"opset_imports": [helper.make_opsetid("", 18)], "ir_version": 8}
    plain = helper.make_model(
        helper.make_graph(nodes, "x", edges[:1], edges[1:], initial), **options
    )
    branch = [
        helper.make_graph(
            [helper.make_node(kind, ["content"], [kind])],
            kind,
            [],
            [helper.make_tensor_value_info(kind, TensorProto.FLOAT, [1, 3, "height", "width"])],
        )
        for kind in ("Relu", "Sigmoid")
    ]
    two = [
        helper.make_node("Size", ["content"], ["n"]),
        helper.make_node("Less", ["n", "limit"], ["small"]),
        helper.make_node(
            "If", ["small"], ["stylized"], then_branch=branch[0], else_branch=branch[1]
        ),
    ]
    limit = [numpy_helper.from_array(np.array(999, np.int64), "limit")]
    forked = helper.make_model(helper.make_graph(two, "x", edges[:1], edges[1:], limit), **options)
    for model in (plain, forked):
        onnx.checker.check_model(model)
    return {
        "plain.onnx": plain.SerializeToString(),
        "branches.onnx": forked.SerializeToString(),
    } | {path.name: path.read_bytes() for path in sorted(MODELS.glob("*.onnx"))}


@cache
def tflite_files() -> dict[str, bytes]:
    """Conversions of a tiny network, FP32 and INT8, that lie beside this module (`make_seeds`)."""
    return {path.name: path.read_bytes() for path in sorted(MODELS.glob("*.tflite"))}


def json_bytes(value: Any) -> bytes:
    """Plain values as JSON."""
    return json.dumps(value).encode()
