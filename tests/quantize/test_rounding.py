"""Learned rounding and corrected biases: less error on what a layer reads, one rounding for all
tiers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from iast_export.build.tracing import pseudo_photograph
from iast_export.decide.groups import onnx_groups
from iast_export.errors import InputError
from iast_export.formats.onnx_graph import index_graph, load_model
from iast_export.quantize.calibrate import collect
from iast_export.quantize.learned import Learned
from iast_export.quantize.observers import observe_onnx
from iast_export.quantize.onnx.layers import filter_key, quantize_weight, with_learned
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.patches import Geometry, Moments, integer_layers, observe_patches, patches
from iast_export.quantize.ranges import Range
from iast_export.quantize.rounding import (
    bias_shifts,
    learn_filters,
    round_weight,
    turn_over,
)
from tests.rewrite_cases import model_of, picture, weight
from tests.tiny_networks import tiny_codes, tiny_onnx

SIZES = ((32, 32), (24, 32))


def feeds() -> list[dict[str, np.ndarray]]:
    return [{"content": pseudo_photograph(*size), **tiny_codes("iast")} for size in SIZES]


def ranges_of(path: Path) -> dict[str, Range]:
    return collect(observe_onnx(path, tensors_to_calibrate(path)), feeds())


def test_patches_are_what_a_convolution_multiplies() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(1, 3, 7, 9)).astype(np.float32)
    found = patches(values, Geometry((3, 3), (2, 2), (1, 1, 1, 1)), 10_000, rng)
    assert found.shape == (4 * 5, 27)
    padded = np.pad(values[0], ((0, 0), (1, 1), (1, 1)))
    wanted = {
        padded[:, r : r + 3, c : c + 3].tobytes() for r in range(0, 7, 2) for c in range(0, 9, 2)
    }
    assert {row.reshape(3, 3, 3).tobytes() for row in found} == wanted


def test_turning_over_lowers_the_error_by_single_steps_only() -> None:
    rng = np.random.default_rng(2)
    exact = rng.uniform(-100, 100, (6, 24))
    exact[:, 0] = 127.0
    basis = rng.normal(size=(24, 8))
    second = basis @ basis.T  # inputs that depend on each other: errors can cancel
    levels, nearest = turn_over(exact, second), np.rint(exact)

    def cost(found: np.ndarray) -> np.ndarray:
        return np.einsum("ok,kl,ol->o", found - exact, second, found - exact)

    assert np.all(np.abs(levels - exact) < 1) and np.array_equal(levels, np.rint(levels))
    assert np.all(levels[:, 0] == 127)
    assert cost(levels).sum() < 0.3 * cost(nearest).sum()


def test_a_learned_weight_quantizes_to_itself() -> None:
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(5, 4, 3, 3)).astype(np.float32)
    basis = rng.normal(size=(36, 12))
    learned = round_weight(weight, basis @ basis.T)
    zero, one = np.zeros(5, np.float32), np.float32(1)
    int8, scales, _ = quantize_weight(learned, zero, one)
    assert np.allclose(int8 * scales[:, None, None, None], learned, rtol=1e-6, atol=0)
    assert np.allclose(scales, quantize_weight(weight, zero, one)[1], rtol=1e-6)
    assert np.any(int8 != quantize_weight(weight, zero, one)[0])


def test_the_corrected_bias_removes_the_mean_error() -> None:
    path = tiny_onnx("iast", 2, 32)
    layers = integer_layers(path, ranges_of(path))
    moments = observe_patches(path, layers, feeds())
    shifts = bias_shifts(layers, moments, {})
    layer = layers[3]
    seen = moments[layer.output]
    int8, scales, _ = quantize_weight(layer.weight, layer.bias, layer.parameters.scale)
    rounded = (int8 * scales[:, None, None, None]).reshape(len(int8), -1)
    exact = layer.weight.reshape(len(int8), -1) @ (seen.float_sum / seen.count)
    found = rounded @ (seen.int8_sum / seen.count) + shifts[layer.output]
    assert np.abs(found - exact).max() < 1e-5
    assert np.abs(shifts[layer.output]).max() > 1e-5


def test_tiers_share_the_learned_bytes(tmp_path: Path) -> None:
    paths = [tiny_onnx("iast", depth, 32) for depth in (1, 2)]
    layers = [integer_layers(path, ranges_of(path)) for path in paths]
    moments = [observe_patches(p, found, feeds()) for p, found in zip(paths, layers, strict=True)]
    filters = learn_filters(zip(layers, moments, strict=True), centered=True)
    keys = {filter_key(one) for found in layers for layer in found for one in layer.weight}
    assert keys == set(filters)
    stored = []
    for path, found, seen in zip(paths, layers, moments, strict=True):
        learned = Learned(ranges_of(path), filters, bias_shifts(found, seen, filters))
        out = tmp_path / f"{path.stem}-int8.onnx"
        summary = quantize_onnx(path, learned, out)
        assert summary.runtime_ops["QLinearConv"] == len(found)
        graph = onnx.load(out).graph
        stored.append(
            {
                i.raw_data
                for i in graph.initializer
                if i.data_type == onnx.TensorProto.INT8 and len(i.dims) == 4
            }
        )
    assert stored[0] <= stored[1] and len(stored[0]) == len(layers[0])


def test_nothing_observed_is_an_error_with_a_remedy() -> None:
    path = tiny_onnx("iast", 2, 32)
    with pytest.raises(InputError, match="give a calibration set with pictures"):
        observe_patches(path, integer_layers(path, ranges_of(path)), [])


def test_moments_merge_to_the_same_as_one_pass() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(30, 6)).astype(np.float32)
    whole, one, other = Moments(6), Moments(6), Moments(6)
    whole.update(x, np.round(x, 1))
    one.update(x[:10], np.round(x[:10], 1))
    other.update(x[10:], np.round(x[10:], 1))
    one.merge(other)
    assert one.count == 30 and np.allclose(one.second(True), whole.second(True))
    assert np.all(np.linalg.eigvalsh(whole.second(True)) > -1e-9)


def test_a_group_in_float_keeps_the_weights_that_it_was_given(tmp_path: Path) -> None:
    path = tiny_onnx("iast", 2, 32)
    name = onnx_groups(path)[1].name
    given = load_model(path).graph
    weight_name = next(node.input[1] for node in given.node if node.output[0] == name)
    halved = {
        filter_key(one): one / 2
        for one in index_graph(given).constants[weight_name].astype(np.float32)
    }
    ranges = {tensor: Range(-4.0, 4.0) for tensor in tensors_to_calibrate(path)}
    quantize_onnx(path, Learned(ranges, halved), tmp_path / "mixed.onnx", in_float=[name])
    mixed = index_graph(load_model(tmp_path / "mixed.onnx").graph).constants
    assert any(
        np.array_equal(one, index_graph(given).constants[weight_name]) for one in mixed.values()
    )


def strided_first(path: Path) -> Path:
    """A first layer of 7x7 and stride 2, too large over 3 channels for integers, before one of
    3x3."""
    constants = {"first": weight(16, 3, 7), "second": weight(16, 16)}
    nodes = [
        helper.make_node("Conv", ["content", "first"], ["a"], pads=[3] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["y"], pads=[1] * 4),
    ]
    onnx.save(model_of(nodes, constants, {"content": 3}), path)
    return path


def test_a_large_first_kernel_in_float_keeps_its_weights_and_bias(tmp_path: Path) -> None:
    path, given = strided_first(tmp_path / "fp32.onnx"), [{"content": picture(3)}]
    ranges = collect(observe_onnx(path, tensors_to_calibrate(path)), given)
    layers = integer_layers(path, ranges)
    moments = observe_patches(path, layers, given)
    filters = learn_filters([(layers, moments)], centered=True)
    shifts = bias_shifts(layers, moments, filters)
    first, second = (
        index_graph(load_model(path).graph).constants[name] for name in ("first", "second")
    )
    assert np.array_equal(with_learned(first, filters), first) and {*shifts} == {"y"}
    halved = {filter_key(one): one / 2 for one in first}  # as of a tier where it is in integers
    moved = {**shifts, "a": np.ones(16, np.float32)}
    learned = Learned(ranges, {**filters, **halved}, moved)
    summary = quantize_onnx(path, learned, tmp_path / "int8.onnx")
    assert summary.quantized_ops["Conv"] == 1
    made = load_model(tmp_path / "int8.onnx").graph
    (written,) = (node for node in made.node if node.output[0] == "a")
    assert (
        np.array_equal(index_graph(made).constants[written.input[1]], first)
        and len(written.input) == 2
    )
    levels, _, _ = quantize_weight(
        with_learned(second, filters), np.zeros(16, np.float32), np.float32(1)
    )
    assert any(np.array_equal(one, levels) for one in index_graph(made).constants.values())
