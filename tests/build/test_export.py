"""Exported files: the contract at the edges, parity, determinism, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.build import tracing
from iast_export.build.export import (
    export_style_encoder,
    export_tier,
)
from iast_export.build.tracing import pseudo_photograph
from iast_export.errors import InputError, ToolError
from iast_export.forms import noted
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import Tier
from tests.tiny_networks import tiny_adain_factory, tiny_codes, tiny_iast, tiny_iast2, tiny_onnx


def edges(path: Path) -> list[tuple[str, list[int | str]]]:
    graph = onnx.load(str(path)).graph
    dims = [(item.name, item.type.tensor_type.shape.dim) for item in (*graph.input, *graph.output)]
    return [(name, [dim.dim_param or dim.dim_value for dim in shape]) for name, shape in dims]


def test_inputs_and_output_have_the_names_and_shapes_of_the_contract() -> None:
    picture = [1, 3, "height", "width"]
    size = tiny_iast().config.code_size
    found = edges(tiny_onnx("iast", 2, 32))
    assert found == [
        ("content", picture),
        ("style_code", [1, size]),
        ("strength", [1, 1]),
        ("stylized", picture),
    ]


def test_the_graph_is_clean() -> None:
    model = onnx.load(str(tiny_onnx("iast", 2, 32)))
    types = [node.op_type for node in model.graph.node]
    assert types.count("Pad") == types.count("Conv") - 1  # the 1x1 skip needs none
    assert types.count("InstanceNormalization") == 2
    assert (
        types.count("MatMul") == 4 and types.count("Shape") == 2
    )  # both maps, of both that they read
    assert not {"Gather", "ReduceMean", "Cast"} & set(types)
    assert not model.graph.value_info and not model.graph.doc_string
    noted_facts = {item.key: item.value for item in model.metadata_props}
    assert (
        set(noted_facts) == {"rewrites", "size_multiple_px"}
        and noted_facts["size_multiple_px"] == "4"
    )
    assert noted(model) == {"edge-pads": 9, "adaptive-normalization": 2, "narrow-heads": 2}
    assert all(not node.metadata_props and not node.doc_string for node in model.graph.node)


@pytest.mark.parametrize("depth", [1, 4])
def test_the_second_network_has_no_pad_by_hand_and_no_reduction_but_of_normalizations(
    depth: int,
) -> None:
    path = tiny_onnx("iast2", depth, 32)
    model = onnx.load(str(path))
    types = [node.op_type for node in model.graph.node]
    sites = 2 if depth == 1 else 4  # fusion and exit; middle and the coarse scale
    assert types.count("InstanceNormalization") == sites
    assert types.count("Pad") == types.count("Conv") - 2  # the skip's two 1x1 need none
    assert not {"Gather", "ReduceMean", "Cast"} & set(types)
    assert noted(model)["adaptive-normalization"] == sites
    feeds = {"content": pseudo_photograph(24, 32), **tiny_codes("iast2")}
    wanted = tiny_iast2().cut(depth)(*(torch.from_numpy(value) for value in feeds.values()))
    np.testing.assert_allclose(open_onnx(path).run(feeds)["stylized"], wanted.numpy(), atol=1e-4)


def test_two_exports_are_byte_identical(tmp_path: Path) -> None:
    again = tmp_path / "again.onnx"
    difference = export_tier(tiny_iast(), Tier(2, 32), again, [pseudo_photograph(16, 28)])
    assert again.read_bytes() == tiny_onnx("iast", 2, 32).read_bytes()
    assert difference <= 1e-4


def test_a_foreign_network_is_exported_with_its_own_codes() -> None:
    path = tiny_onnx("adain", 1, 32)
    assert [name for name, _ in edges(path)] == ["content", "mean", "std", "stylized"]
    feeds = {"content": pseudo_photograph(30, 16), **tiny_codes("adain")}
    assert open_onnx(path).run(feeds)["stylized"].shape == (1, 3, 30, 16)


class _TakingCodes(nn.Module):
    """`forward(content, *codes)`, as the protocol writes it."""

    def forward(self, content: Tensor, *codes: Tensor) -> Tensor:
        return torch.sigmoid(content + sum(code.mean() for code in codes))


@pytest.mark.parametrize("names", [(), ("one",), ("one", "two")])
def test_codes_may_be_taken_as_varargs(names: tuple[str, ...], tmp_path: Path) -> None:
    network = _Wrapped(_TakingCodes())
    network.code_shapes = dict.fromkeys(names, (1, 2))
    network.encode_style = lambda style: tuple(style.mean((2, 3))[:, :2] for _ in names)
    assert export_tier(network, Tier(1, 32), tmp_path / "x.onnx") <= 1e-4
    found = [name for name, _ in edges(tmp_path / "x.onnx")]
    assert found == ["content", *names, "stylized"]


@pytest.mark.parametrize("kind", ["iast", "adain"])
def test_the_style_encoder_gives_the_codes_without_strength(kind: str, tmp_path: Path) -> None:
    network = tiny_iast() if kind == "iast" else tiny_adain_factory(None)
    assert export_style_encoder(network, tmp_path / "encoder.onnx") <= 1e-4
    session = open_onnx(tmp_path / "encoder.onnx")
    codes = session.run({"style": pseudo_photograph(256, 256)})
    assert list(codes) == [name for name in network.code_shapes if name != "strength"]
    for name, value in tiny_codes(kind).items():
        if name in codes:
            np.testing.assert_allclose(codes[name], value, atol=1e-4)


@pytest.mark.parametrize(
    "shape", [(1, 3, 30, 32), (1, 3, 36, 36), (3, 32, 32), (1, 1, 32, 32), (1, 3, 4, 32)]
)
def test_probes_that_do_not_suit_the_tier_are_refused(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="probe"):
        export_tier(tiny_iast(), Tier(1, 32), tmp_path / "x.onnx", [np.zeros(shape, np.float32)])


class _Wrapped:
    """A network whose one module is given."""

    depths = (1,)
    size_multiple_px = 2
    code_shapes = {"gain": (1, 1)}  # noqa: RUF012

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def cut(self, depth: int) -> nn.Module:
        return self._module

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return (torch.ones(1, 1),)


class _Namesake(nn.Module):
    """Its parameter has the name of an input, its buffer that of the output."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((1, 3, 1, 1), 0.25))
        self.register_buffer("stylized", torch.full((1, 3, 1, 1), 0.125))

    def forward(self, content: Tensor, gain: Tensor) -> Tensor:
        return content * self.gain * gain + self.stylized


class _FixedSize(nn.Module):
    def forward(self, content: Tensor, gain: Tensor) -> Tensor:
        return content * gain + torch.zeros(1, 3, 32, 32)


class _Branching(nn.Module):
    def forward(self, content: Tensor, gain: Tensor) -> Tensor:
        return content * gain if content.shape[2] > 17 else content * 0.5 + gain


class _Deciding(nn.Module):
    def forward(self, content: Tensor, gain: Tensor) -> Tensor:
        return content * gain if content.mean() > 0.5 else content + gain


class _Shrinking(nn.Module):
    def forward(self, content: Tensor, gain: Tensor) -> Tensor:
        return content[:, :, ::2] * gain


def test_a_tensor_inside_never_has_the_name_of_an_input_or_output(tmp_path: Path) -> None:
    export_tier(
        _Wrapped(_Namesake().eval().requires_grad_(False)), Tier(1, 32), tmp_path / "x.onnx"
    )
    graph = onnx.load(str(tmp_path / "x.onnx")).graph
    assert [item.name for item in (*graph.input, *graph.output)] == ["content", "gain", "stylized"]
    assert not {"content", "gain", "stylized"} & {item.name for item in graph.initializer}
    content = pseudo_photograph(16, 16)
    feeds = {"content": content, "gain": np.full((1, 1), 2.0, np.float32)}
    found = open_onnx(tmp_path / "x.onnx").run(feeds)["stylized"]
    np.testing.assert_allclose(found, content * 0.5 + 0.125, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (_FixedSize(), "fixes its size"),
        (_Branching(), "differs from PyTorch by"),
        (_Deciding(), "can't be exported"),
    ],
)
def test_a_network_that_depends_on_its_size_is_a_tool_error(
    module: nn.Module, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ToolError, match=reason):
        export_tier(_Wrapped(module), Tier(1, 32), tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


class _Reckoning(nn.Module):
    def forward(self, content: Tensor, gain: Tensor) -> Tensor:
        h, w = content.shape[2:]
        small = F.interpolate(content, size=(int(h / 2), round(w * 0.5)), mode="bilinear")
        rows = torch.linspace(0, 1, h).view(1, 1, h, 1)
        gate = F.avg_pool2d(content, (h, w))
        result: Tensor = F.interpolate(small, size=(round(h), w)) * rows + gate * gain
        return result


def test_numbers_reckoned_from_the_sides_follow_them(tmp_path: Path) -> None:
    assert export_tier(_Wrapped(_Reckoning()), Tier(1, 32), tmp_path / "x.onnx") < 1e-5
    types = [node.op_type for node in onnx.load(str(tmp_path / "x.onnx")).graph.node]
    assert "AveragePool" not in types and "Round" in types


def test_a_network_that_loses_the_size_is_a_tool_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="content's size"):
        export_tier(_Wrapped(_Shrinking()), Tier(1, 32), tmp_path / "x.onnx")


def test_codes_that_disagree_with_their_shapes_are_refused(tmp_path: Path) -> None:
    network = _Wrapped(_Shrinking())
    network.code_shapes = {"gain": (1, 2)}
    with pytest.raises(InputError, match="code_shapes"):
        export_tier(network, Tier(1, 32), tmp_path / "x.onnx")


def test_a_difference_above_the_tolerance_is_a_tool_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "PARITY_TOLERANCE", -1.0)
    with pytest.raises(ToolError, match="differs from PyTorch by"):
        export_style_encoder(tiny_adain_factory(None), tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
