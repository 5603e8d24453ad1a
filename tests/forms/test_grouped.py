"""Grouped convolutions: dense in INT8 where that pays, exactly; as they are in FP32."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import helper

from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.tracing import pseudo_photograph
from iast_export.decide.groups import litert_groups, onnx_groups
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import attribute, index_graph, load_model
from iast_export.forms import Rewritten
from iast_export.forms.grouped import dense_weight, form_in_litert, pays_in_onnx
from iast_export.quantize.calibrate import collect
from iast_export.quantize.equalize.channels import Channels, follow
from iast_export.quantize.equalize.factors import Equalization, write_equalized_onnx
from iast_export.quantize.equalize.nodes import nodes_of_onnx
from iast_export.quantize.learned import Learned, of_signatures
from iast_export.quantize.litert import static as litert
from iast_export.quantize.litert.static import quantize_litert
from iast_export.quantize.litert.weights import write_equalized_litert
from iast_export.quantize.observers import observe_onnx
from iast_export.quantize.onnx import qdq as onnx_qdq
from iast_export.quantize.onnx.kernels import UINT16
from iast_export.quantize.onnx.layers import quantize_weight, with_learned
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.patches import integer_layers, observe_patches
from iast_export.quantize.rounding import bias_shifts, learn_filters
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import CONTENT, STYLIZED, Tier
from tests.litert_cases import Range, folder, measured_ranges
from tests.plan_cases import grouped_factory
from tests.rewrite_cases import int8_of, model_of, picture, weight

TIERS = (Tier(1, 32), Tier(1, 48))
FEEDS = {CONTENT: pseudo_photograph(32, 32)}
LEVEL = 1 / 255 + 1e-6


@functools.cache
def onnx_fp32() -> Path:
    path = folder() / "grouped.onnx"
    export_tier(grouped_factory(None), TIERS[0], path)
    return path


@functools.cache
def onnx_ranges() -> dict[str, Range]:
    names = tensors_to_calibrate(onnx_fp32())
    found = collect(observe_onnx(onnx_fp32(), names), [FEEDS])
    return {name: Range(one.low, one.high) for name, one in found.items()}


@functools.cache
def litert_fp32() -> tuple[Path, dict[str, dict[str, Range]]]:
    """Two signatures of the same weights, and their ranges."""
    network, path = grouped_factory(None), folder() / "grouped.tflite"
    convert_fp32(network, TIERS, path)
    return path, {
        t.signature: measured_ranges(network, path, t.signature, t.max_side_px) for t in TIERS
    }


@functools.cache
def learned() -> dict[str, np.ndarray]:
    layers = integer_layers(onnx_fp32(), onnx_ranges())
    return learn_filters([(layers, observe_patches(onnx_fp32(), layers, [FEEDS]))], centered=False)


def convolutions(path: Path, key: str) -> list[tuple[str, int, np.ndarray]]:
    """Operator, buffer and weight [O, I, kH, kW] of each convolution of a signature."""
    model = tf.read_model(path)
    graph = model.subgraphs[tf.find_signature(model, key).subgraph]
    found = []
    for op in graph.operators:
        if "CONV" in (name := tf.op_name(model, op)):
            tensor = graph.tensors[int(op.inputs[1])]
            axes = (0, 3, 1, 2) if name == "CONV_2D" else (3, 0, 1, 2)
            found.append(
                (name, int(tensor.buffer), np.asarray(tf.constant(model, tensor)).transpose(axes))
            )
    return found


@pytest.mark.parametrize(
    ("channels", "groups", "multiplier"), [(8, 2, 1), (6, 3, 1), (6, 6, 2), (4, 2, 3)]
)
def test_a_dense_weight_computes_what_the_groups_did(
    channels: int, groups: int, multiplier: int
) -> None:
    own = weight(channels * multiplier, channels // groups)
    dense = dense_weight(own, groups)
    x = torch.from_numpy(picture(channels))
    wanted = F.conv2d(x, torch.from_numpy(own), groups=groups)
    assert torch.allclose(F.conv2d(x, torch.from_numpy(dense)), wanted, atol=1e-6)
    assert np.count_nonzero(dense) == np.count_nonzero(own)
    zero, one = np.zeros(len(own), np.float32), np.float32(1)
    (levels, scales, _), (own_levels, own_scales, _) = (
        quantize_weight(w, zero, one) for w in (dense, own)
    )
    assert np.array_equal(scales, own_scales) and np.array_equal(
        dense_weight(own_levels, groups), levels
    )


@pytest.mark.parametrize(
    ("outputs", "inputs", "side", "groups", "pays", "form"),
    [
        (32, 32, 3, 1, False, "unchanged"),  # dense already
        (32, 1, 3, 32, False, "joined"),  # depthwise
        (1, 1, 3, 1, False, "unchanged"),
        (128, 16, 3, 8, True, "dense"),
        (128, 4, 3, 32, True, "dense"),
        (256, 64, 3, 4, True, "unchanged"),
        (256, 8, 3, 32, False, "dense"),
        (128, 1, 3, 64, True, "dense"),
        (192, 1, 3, 96, False, "dense"),
        (128, 1, 5, 64, False, "dense"),
        (192, 24, 3, 8, True, "unchanged"),
        (1024, 4, 3, 256, False, "float"),
        (1024, 8, 3, 128, False, "unchanged"),
    ],
)
def test_the_form_follows_the_shape(
    outputs: int, inputs: int, side: int, groups: int, pays: bool, form: str
) -> None:
    shape = (outputs, inputs, side, side)
    assert (pays_in_onnx(shape, groups), form_in_litert(shape, groups)) == (pays, form)


def test_fp32_keeps_its_groups() -> None:
    graph = load_model(onnx_fp32()).graph
    groups = [attribute(node, "group", 1) for node in graph.node if node.op_type == "Conv"]
    assert groups.count(4) == groups.count(16) == 1
    names = [name for name, _, _ in convolutions(litert_fp32()[0], TIERS[0].signature)]
    assert names.count("DEPTHWISE_CONV_2D") == 1


def as_is(model: onnx.ModelProto, kept: object = ()) -> Rewritten:
    return Rewritten(model, ())


def test_onnx_int8_is_that_of_the_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime computes groups in integers too, only slowly."""
    summary = quantize_onnx(onnx_fp32(), Learned(onnx_ranges()), tmp_path / "dense.onnx")
    assert summary.runtime_ops["QLinearConv"] == 6 and not summary.islands
    dense = load_model(tmp_path / "dense.onnx").graph
    assert {attribute(node, "group", 1) for node in dense.node if node.op_type == "Conv"} == {1}
    monkeypatch.setattr(onnx_qdq, "dense_groups", as_is)
    quantize_onnx(onnx_fp32(), Learned(onnx_ranges()), tmp_path / "groups.onnx")
    pictures = [
        open_onnx(tmp_path / f"{name}.onnx").run(FEEDS)[STYLIZED] for name in ("dense", "groups")
    ]
    assert np.abs(pictures[0] - pictures[1]).max() <= LEVEL and np.ptp(pictures[0]) > 10 * LEVEL


def test_litert_int8_is_that_of_the_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, ranges = litert_fp32()
    summary = quantize_litert(path, "int8", of_signatures(ranges), tmp_path / "dense.tflite")
    assert {ops["CONV_2D"] for ops in summary.quantized_ops.values()} == {6} and not summary.islands
    monkeypatch.setattr(litert, "densify_litert", lambda model, mark: None)
    grouped = quantize_litert(path, "int8", of_signatures(ranges), tmp_path / "groups.tflite")
    assert grouped.quantized_ops[TIERS[0].signature]["DEPTHWISE_CONV_2D"] == 1
    pictures = [
        open_litert(tmp_path / f"{name}.tflite", TIERS[0].signature).run(FEEDS)[STYLIZED]
        for name in ("dense", "groups")
    ]
    assert np.abs(pictures[0] - pictures[1]).max() <= LEVEL and np.ptp(pictures[0]) > 10 * LEVEL


def test_dense_weights_are_stored_once_for_all_signatures(tmp_path: Path) -> None:
    path, ranges = litert_fp32()
    quantize_litert(path, "int8", of_signatures(ranges), tmp_path / "shared.tflite")
    stored = [
        [b for _, b, _ in convolutions(tmp_path / "shared.tflite", t.signature)] for t in TIERS
    ]
    assert stored[0] == stored[1] and len(set(stored[0])) == 6


def test_learned_levels_of_every_group_reach_both_runtimes(tmp_path: Path) -> None:
    layers, filters = integer_layers(onnx_fp32(), onnx_ranges()), learned()
    assert [len(layer.weight) for layer in layers].count(2) == 16  # of a depthwise layer's channels
    path, ranges = litert_fp32()
    quantize_litert(path, "int8", of_signatures(ranges, filters), tmp_path / "learned.tflite")
    quantize_onnx(onnx_fp32(), Learned(onnx_ranges(), filters), tmp_path / "learned.onnx")
    constants = index_graph(load_model(tmp_path / "learned.onnx").graph).constants.values()
    in_onnx = {one.tobytes() for weight in constants if weight.ndim == 4 for one in weight}
    held = convolutions(tmp_path / "learned.tflite", TIERS[0].signature)
    in_litert = {one.tobytes() for _, _, weight in held for one in weight}
    for node in load_model(onnx_fp32()).graph.node:
        groups = attribute(node, "group", 1)
        if node.op_type == "Conv" and groups > 1:
            own = index_graph(load_model(onnx_fp32()).graph).constants[node.input[1]]
            changed = with_learned(own, filters)
            assert not np.array_equal(changed, own)
            levels, _, _ = quantize_weight(changed, np.zeros(len(own), np.float32), np.float32(1))
            wanted = {one.tobytes() for one in dense_weight(levels, groups)}
            assert wanted <= in_onnx and wanted <= in_litert


def test_channels_of_groups_are_made_alike_before_they_are_dense(tmp_path: Path) -> None:
    channels = Channels()
    layers = follow(nodes_of_onnx(load_model(onnx_fp32()).graph), channels).layers
    free = [key for key, root in channels.known.items() if root]
    factors = Equalization({key: 4.0 for key in free if channels.known[key] % 3 == 0})
    factor_of, (path, ranges) = factors.of(channels), litert_fp32()
    prepared, equal = tmp_path / "prepared.tflite", tmp_path / "prepared.onnx"
    write_equalized_litert(path, prepared, factors)
    quantize_litert(prepared, "int8", of_signatures(ranges), tmp_path / "alike.tflite")
    write_equalized_onnx(onnx_fp32(), equal, factors)
    quantize_onnx(equal, Learned(onnx_ranges()), tmp_path / "alike.onnx")
    held = convolutions(tmp_path / "alike.tflite", TIERS[0].signature)
    in_litert = {one.tobytes() for _, _, weight in held for one in weight}
    constants = index_graph(load_model(tmp_path / "alike.onnx").graph).constants.values()
    in_onnx = {one.tobytes() for weight in constants if weight.ndim == 4 for one in weight}
    index = index_graph(load_model(onnx_fp32()).graph)
    changed = [(one, factors.changed(one, factor_of)) for one in layers]
    assert sum(made is not None for _, made in changed) > 2
    for layer, made in changed:
        node = index.producers[layer.node.outputs[0]]
        groups = int(attribute(node, "group", 1))
        if made is None or groups == 1:
            continue
        levels, _, _ = quantize_weight(made[0], np.zeros(len(made[0]), np.float32), np.float32(1))
        assert {one.tobytes() for one in dense_weight(levels, groups)} <= in_onnx & in_litert


def test_sixteen_bits_keep_the_groups_that_float_is_fast_at(tmp_path: Path) -> None:
    quantize_onnx(onnx_fp32(), Learned(onnx_ranges()), tmp_path / "uint16.onnx", kernels=UINT16)
    graph = load_model(tmp_path / "uint16.onnx").graph
    groups = [attribute(node, "group", 1) for node in graph.node if node.op_type == "Conv"]
    assert groups.count(4) == groups.count(16) == 1
    pictures = [
        open_onnx(one).run(FEEDS)[STYLIZED] for one in (onnx_fp32(), tmp_path / "uint16.onnx")
    ]
    assert np.abs(pictures[0] - pictures[1]).max() < 10 * LEVEL


def test_the_corrected_biases_of_all_groups_stand_in_order() -> None:
    layers = integer_layers(onnx_fp32(), onnx_ranges())
    moments = observe_patches(onnx_fp32(), layers, [FEEDS])
    shifts = bias_shifts(layers, moments, {})
    last = next(layer for layer in layers if layer.group == 15)
    alone = bias_shifts([last], moments, {})[last.output]
    assert shifts[last.output].shape == (32,) and np.array_equal(shifts[last.output][30:], alone)


@pytest.mark.parametrize("position", [1, 3])
def test_groups_can_be_asked_to_stay_in_float(position: int, tmp_path: Path) -> None:
    path, ranges = litert_fp32()
    asked = onnx_groups(onnx_fp32())[position].name
    made = quantize_onnx(
        onnx_fp32(), Learned(onnx_ranges()), tmp_path / "mixed.onnx", in_float=[asked]
    )
    assert made.runtime_ops["QLinearConv"] == 5 and "asked to stay in float" in "\n".join(
        made.islands
    )
    key = TIERS[0].signature
    name = litert_groups(path, key)[position].name
    mixed = quantize_litert(
        path, "int8", of_signatures(ranges), tmp_path / "mixed.tflite", in_float=[name]
    )
    assert "asked to stay in float" in mixed.islands.values()
    assert [one.dtype.name for _, _, one in convolutions(tmp_path / "mixed.tflite", key)].count(
        "float32"
    ) == 1
    other = convolutions(tmp_path / "mixed.tflite", TIERS[1].signature)
    assert {(name, one.dtype.name) for name, _, one in other} == {("CONV_2D", "int8")}


@pytest.mark.parametrize(("channels", "integers"), [(64, 3), (66, 2)])
def test_too_many_groups_stay_in_float_with_a_reason(
    channels: int, integers: int, tmp_path: Path
) -> None:
    constants = {
        "a": weight(channels, 3),
        "b": weight(2 * channels, 1),
        "c": weight(4, 2 * channels, 1),
    }
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["wide"], pads=[1] * 4),
        helper.make_node("Conv", ["wide", "b"], ["deep"], pads=[1] * 4, group=channels),
        helper.make_node("Conv", ["deep", "c"], ["y"]),
    ]
    _, summary, psnr_db = int8_of(
        model_of(nodes, constants, {"x": 3}), {"x": picture(3, 16, 16)}, tmp_path
    )
    assert summary.runtime_ops["QLinearConv"] == integers and psnr_db > 30
    assert ("so many groups" in "\n".join(summary.islands)) == (integers == 2)
