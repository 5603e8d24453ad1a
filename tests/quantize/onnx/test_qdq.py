"""INT8 for ONNX Runtime: what becomes integers, what stays, shared bytes, fidelity, refusals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from iast_export.build.tracing import pseudo_photograph
from iast_export.errors import InputError
from iast_export.formats.dispatch import merge_dispatch
from iast_export.formats.onnx_graph import pool_initializers
from iast_export.formats.onnx_weights import own_weights, with_weights_in_branches
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.layers import activation_parameters, quantize_weight
from iast_export.quantize.onnx.qdq import quantize_onnx, runtime_operators, tensors_to_calibrate
from iast_export.runtimes.onnx import onnx_session_options, open_onnx
from iast_export.specs import Tier
from tests.tiny_networks import tiny_codes, tiny_onnx

EDGES = ("content", "stylized")


@dataclass(frozen=True)
class Span:
    low: float
    high: float


def measured(path: Path, kind: str) -> dict[str, Span]:
    """Ranges of the needed tensors over a few pictures."""
    model = onnx.load(str(path))
    names = tensors_to_calibrate(path)
    for name in names:
        if name not in [item.name for item in model.graph.output]:
            model.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = open_onnx(model.SerializeToString(), outputs=names)
    sizes = [(32, 32), (24, 32), (16, 24)]
    runs = [
        session.run({"content": pseudo_photograph(*size), **tiny_codes(kind)}) for size in sizes
    ]
    return {
        name: Span(float(min(r[name].min() for r in runs)), float(max(r[name].max() for r in runs)))
        for name in names
    }


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2) + 1e-12))


@pytest.mark.parametrize(
    ("kind", "depth", "side", "floor_db"),
    [("iast", 2, 32, 40), ("iast2", 4, 32, 40), ("adain", 1, 32, 30)],
)
def test_int8_is_close_and_runs_in_integers(
    kind: str, depth: int, side: int, floor_db: float, tmp_path: Path
) -> None:
    source = tiny_onnx(kind, depth, side)
    summary = quantize_onnx(source, Learned(measured(source, kind)), tmp_path / "int8.onnx")
    assert summary.runtime_ops["QLinearConv"] == summary.quantized_ops["Conv"]
    assert summary.runtime_ops == runtime_operators(tmp_path / "int8.onnx")
    feeds = {"content": pseudo_photograph(24, 32), **tiny_codes(kind)}
    expected = open_onnx(source).run(feeds)["stylized"]
    got = open_onnx(tmp_path / "int8.onnx").run(feeds)["stylized"]
    assert psnr_db(got, expected) > floor_db


def test_only_the_head_of_two_channels_stays_in_float(tmp_path: Path) -> None:
    source = tiny_onnx("iast", 2, 32)
    summary = quantize_onnx(source, Learned(measured(source, "iast")), tmp_path / "int8.onnx")
    floats = summary.runtime_ops.get("Conv", 0) + summary.runtime_ops.get("FusedConv", 0)
    assert (floats, summary.quantized_ops["Conv"]) == (0, 10)
    assert summary.runtime_ops["MatMul"] == 4
    assert summary.quantized_ops["DepthToSpace"] == 2 and summary.quantized_ops["Add"] == 1
    assert len(summary.islands) == 1
    assert (
        "normalization statistics" in summary.islands[0]
        and "head of few channels" in summary.islands[0]
    )


def test_of_the_second_networks_convolutions_only_the_head_stays_in_float(
    tmp_path: Path,
) -> None:
    source = tiny_onnx("iast2", 4, 32)
    summary = quantize_onnx(source, Learned(measured(source, "iast2")), tmp_path / "int8.onnx")
    floats = summary.runtime_ops.get("Conv", 0) + summary.runtime_ops.get("FusedConv", 0)
    # stem, down, up, in and out of the coarse scale, 3 + 2 blocks, the skip, refine, last layer.
    assert (floats, summary.quantized_ops["Conv"]) == (0, 5 + 2 * 5 + 2 + 2)
    assert summary.runtime_ops["MatMul"] == 4


def test_a_tensor_that_several_float_operators_read_is_dequantized_once(tmp_path: Path) -> None:
    source = tiny_onnx("iast", 2, 32)
    summary = quantize_onnx(source, Learned(measured(source, "iast")), tmp_path / "int8.onnx")
    graph = onnx.load(str(tmp_path / "int8.onnx")).graph
    readers = {name: node.op_type for node in graph.node for name in node.input}
    constants = {item.name for item in graph.initializer}
    dequantized = [
        n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] not in constants
    ]
    to_floats = [n for n in dequantized if readers.get(n.output[0]) not in ("Conv",)]
    integer_sums = summary.quantized_ops["Add"]
    assert summary.runtime_ops["DequantizeLinear"] <= len(to_floats) - 2 * integer_sums + 1


def test_depthwise_convolutions_between_integers_are_integer_and_statistics_are_islands(
    tmp_path: Path,
) -> None:
    source = tiny_onnx("adain", 1, 32)
    summary = quantize_onnx(source, Learned(measured(source, "adain")), tmp_path / "int8.onnx")
    text = "\n".join(summary.islands)
    assert "normalization statistics" in text and "smooth" in text and "depthwise" not in text
    assert summary.quantized_ops["Conv"] == 7 and summary.quantized_ops["Pad"] >= 2


def test_integers_are_resized_channels_first(tmp_path: Path) -> None:
    """Channels last, as ONNX Runtime would move them, a resize takes ten times as long."""
    source = tiny_onnx("adain", 1, 32)
    quantize_onnx(source, Learned(measured(source, "adain")), tmp_path / "int8.onnx")
    graph = onnx.load(str(tmp_path / "int8.onnx")).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    assert [makers[node.input[0]] for node in graph.node if node.op_type == "Resize"] == ["Reshape"]


def exact_session(model: onnx.ModelProto) -> ort.InferenceSession:
    """A session whose 8-bit products don't saturate, as machines without VNNI open every INT8
    file."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.x64quantprecision", "1")
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def test_weights_that_share_a_zero_point_get_one_each_and_load_without_saturation(
    tmp_path: Path,
) -> None:
    source = tiny_onnx("iast", 2, 32)
    quantize_onnx(source, Learned(measured(source, "iast")), tmp_path / "int8.onnx")
    model = onnx.load(tmp_path / "int8.onnx")
    exact_session(model)
    pool_initializers(model.graph)
    with pytest.raises(Exception, match="replace the existing tensor"):
        exact_session(model)
    own_weights(model.graph)
    exact_session(model)
    kinds = {item.name: item.data_type for item in model.graph.initializer}
    used = [
        node.input[2]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and kinds.get(node.input[0]) == TensorProto.INT8
    ]
    assert len(used) == len(set(used)) > 1
    before = model.SerializeToString(deterministic=True)
    own_weights(model.graph)
    assert model.SerializeToString(deterministic=True) == before


def depthwise_between(function: str, path: Path, **given: object) -> Path:
    """A depthwise convolution, a function of its values, and dense ones around both."""
    rng = np.random.default_rng(0)
    shapes = {"a": (8, 3, 3, 3), "b": (8, 1, 3, 3), "c": (3, 8, 3, 3)}
    weights = [
        numpy_helper.from_array((rng.normal(size=shape) / 9).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["content", "a"], ["wide"], pads=[1] * 4),
        helper.make_node("Conv", ["wide", "b"], ["deep"], pads=[1] * 4, group=8),
        helper.make_node(function, ["deep"], ["seen"], **given),
        helper.make_node("Conv", ["seen", "c"], ["stylized"], pads=[1] * 4),
    ]
    edges = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, "h", "w"]) for n in EDGES]
    graph = helper.make_graph(nodes, "g", edges[:1], edges[1:], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path
    )
    return path


@pytest.mark.parametrize("in_float", [[], ["deep"]])
def test_a_depthwise_convolution_between_integers_is_integer_unless_asked_otherwise(
    in_float: list[str], tmp_path: Path
) -> None:
    """Asked to stay float it does, though ONNX Runtime would quantize its weights by itself."""
    source = depthwise_between("Relu", tmp_path / "depthwise.onnx")
    ranges = dict.fromkeys(tensors_to_calibrate(source), Span(-1.0, 1.0))
    summary = quantize_onnx(source, Learned(ranges), tmp_path / "int8.onnx", in_float=in_float)
    assert summary.quantized_ops["Conv"] == summary.runtime_ops["QLinearConv"] == 3 - len(in_float)
    assert summary.runtime_ops.get("Conv", 0) + summary.runtime_ops.get("FusedConv", 0) == len(
        in_float
    )


def test_a_depthwise_convolution_that_float_operators_read_is_an_island_with_a_reason(
    tmp_path: Path,
) -> None:
    source = depthwise_between("Sigmoid", tmp_path / "depthwise.onnx")
    ranges = dict.fromkeys(tensors_to_calibrate(source), Span(-1.0, 1.0))
    summary = quantize_onnx(source, Learned(ranges), tmp_path / "int8.onnx")
    assert summary.quantized_ops["Conv"] == 2
    assert "a depthwise convolution that float operators read" in "\n".join(summary.islands)


def test_an_average_between_integers_is_an_integer_kernel_and_no_island(tmp_path: Path) -> None:
    given = {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}
    source = depthwise_between("AveragePool", tmp_path / "pooled.onnx", **given)
    ranges = dict.fromkeys(tensors_to_calibrate(source), Span(-1.0, 1.0))
    summary = quantize_onnx(source, Learned(ranges), tmp_path / "int8.onnx", ["deep"])
    assert summary.runtime_ops.get("QLinearAveragePool", 0) == 0
    assert "averages are sums" in "\n".join(summary.islands), "floats make what it reads"
    dense = onnx.load(source)
    del dense.graph.node[1]
    dense.graph.node[1].input[0] = "wide"
    onnx.save(dense, source)
    ranges = dict.fromkeys(tensors_to_calibrate(source), Span(-1.0, 1.0))
    summary = quantize_onnx(source, Learned(ranges), tmp_path / "int8.onnx")
    assert summary.runtime_ops["QLinearAveragePool"] == 1 and not summary.islands


def test_a_convolution_that_is_applied_twice_loads_where_products_do_not_saturate(
    tmp_path: Path,
) -> None:
    shapes, rng = (
        {"a": (8, 3, 3, 3), "b": (8, 8, 3, 3), "c": (4, 8, 3, 3)},
        np.random.default_rng(0),
    )
    weights = [
        numpy_helper.from_array((rng.normal(size=shape) / 9).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    steps = [("content", "a", "x"), ("x", "b", "y"), ("y", "b", "z"), ("z", "c", "stylized")]
    nodes = [helper.make_node("Conv", list(step[:2]), [step[2]], pads=[1] * 4) for step in steps]
    edges = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, "h", "w"])
        for n, c in zip(EDGES, (3, 4), strict=True)
    ]
    graph = helper.make_graph(nodes, "g", edges[:1], edges[1:], weights)
    source = tmp_path / "twice.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), source
    )
    ranges = dict.fromkeys(tensors_to_calibrate(source), Span(-2.0, 2.0))
    assert (
        quantize_onnx(source, Learned(ranges), tmp_path / "int8.onnx").runtime_ops["QLinearConv"]
        == 4
    )
    feeds = {"content": pseudo_photograph(16, 16)}
    (exact,) = exact_session(onnx.load(tmp_path / "int8.onnx")).run(None, feeds)
    assert psnr_db(exact, open_onnx(source).run(feeds)["stylized"]) > 30


def test_quantizing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = tiny_onnx("iast", 2, 32)
    for name in ("a.onnx", "b.onnx"):
        quantize_onnx(source, Learned(measured(source, "iast")), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_tiers_share_weight_bytes_and_dispatch_equals_them(tmp_path: Path) -> None:
    pairs, weights = [], []
    for tier in (Tier(2, 32), Tier(1, 64)):
        source, target = (
            tiny_onnx("iast", tier.depth, tier.max_side_px),
            tmp_path / f"{tier.id}.onnx",
        )
        ranges = {
            k: replace(v, high=v.high * tier.depth) for k, v in measured(source, "iast").items()
        }
        quantize_onnx(source, Learned(ranges), target)
        pairs.append((tier, target))
        graph = onnx.load(str(target)).graph
        items = [item for item in graph.initializer if item.data_type == TensorProto.INT8]
        weights.append(
            {numpy_helper.to_array(item).tobytes() for item in items if len(item.dims) == 4}
        )
    assert weights[1] and weights[1] < weights[0]
    merge_dispatch(pairs, tmp_path / "dispatch.onnx")
    session = open_onnx(tmp_path / "dispatch.onnx")
    for tier, path in pairs:
        feeds = {"content": pseudo_photograph(tier.max_side_px, 16), **tiny_codes("iast")}
        np.testing.assert_array_equal(
            session.run(feeds)["stylized"], open_onnx(path).run(feeds)["stylized"]
        )
    counts = [runtime_operators(path)["QLinearConv"] for _, path in pairs]
    assert runtime_operators(tmp_path / "dispatch.onnx")["QLinearConv"] == sum(counts)


def dispatching(folder: Path) -> tuple[Path, list[tuple[Tier, Path]]]:
    """Two INT8 tiers of a tiny network, and the file that dispatches between them."""
    pairs = []
    for tier in (Tier(2, 32), Tier(1, 64)):
        source, target = tiny_onnx("iast", tier.depth, tier.max_side_px), folder / f"{tier.id}.onnx"
        quantize_onnx(source, Learned(measured(source, "iast")), target)
        pairs.append((tier, target))
    merge_dispatch(pairs, folder / "dispatch.onnx")
    return folder / "dispatch.onnx", pairs


def unsigned_weights(data: bytes, folder: Path) -> list[bool]:
    """Of each integer kernel, whether ONNX Runtime takes its weights as unsigned where products
    would saturate."""
    options = onnx_session_options(1, exact_products=True)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return _unsigned(onnx.load(folder / "optimized.onnx").graph, {})


def _unsigned(graph: onnx.GraphProto, outside: dict[str, int]) -> list[bool]:
    kinds, found = {**outside, **{i.name: i.data_type for i in graph.initializer}}, []
    for node in graph.node:
        for item in node.attribute:
            found += _unsigned(item.g, kinds) if item.type == onnx.AttributeProto.GRAPH else []
        if node.op_type == "QLinearConv":
            found.append(kinds[node.input[3]] == TensorProto.UINT8)
    return found


def test_branches_with_weights_inside_do_not_saturate_and_draw_what_the_tiers_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on processors without VNNI, whichever this one is."""
    path, pairs = dispatching(tmp_path)
    data = path.read_bytes()
    assert not any(unsigned_weights(data, tmp_path)), "the outer graph's are not looked at"
    inside = with_weights_in_branches(data)
    assert len(inside) > len(data) and all(unsigned_weights(inside, tmp_path))
    assert with_weights_in_branches(pairs[0][1].read_bytes()) == pairs[0][1].read_bytes()
    monkeypatch.setattr("iast_export.runtimes.onnx.has_vnni", lambda: False)
    session = open_onnx(path)
    for tier, own in pairs:
        feeds = {"content": pseudo_photograph(tier.max_side_px, 16), **tiny_codes("iast")}
        drawn, wanted = (one.run(feeds)["stylized"] for one in (session, open_onnx(own)))
        np.testing.assert_array_equal(drawn, wanted)


def test_content_and_result_have_the_scale_of_levels(tmp_path: Path) -> None:
    source = tiny_onnx("iast", 2, 32)
    assert not {"content", "stylized"} & set(tensors_to_calibrate(source))
    quantize_onnx(source, Learned(measured(source, "iast")), tmp_path / "int8.onnx")
    graph = onnx.load(str(tmp_path / "int8.onnx")).graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
    last = next(node for node in graph.node if list(node.output) == ["stylized"])
    assert first.input[0] == "content" and last.op_type == "DequantizeLinear"
    for node in (first, last):
        assert constants[node.input[1]] == np.float32(1 / 255) and constants[node.input[2]] == 0


@pytest.mark.parametrize(
    "bad", [Span(float("nan"), 1.0), Span(0.0, float("inf")), Span(2.0, 1.0), None]
)
def test_a_missing_or_senseless_range_is_named(bad: Span | None, tmp_path: Path) -> None:
    source = tiny_onnx("iast", 2, 32)
    ranges = measured(source, "iast")
    name = sorted(ranges)[3]
    ranges.pop(name)
    if bad is not None:
        ranges[name] = bad
    with pytest.raises(InputError, match=rf"tensor {name}\b.*\n.*calibrate"):
        quantize_onnx(source, Learned(ranges), tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_ranges_of_no_width_do_not_break_the_model(tmp_path: Path) -> None:
    source = tiny_onnx("iast", 2, 32)
    ranges = dict.fromkeys(tensors_to_calibrate(source), Span(0.0, 0.0))
    quantize_onnx(source, Learned(ranges), tmp_path / "flat.onnx")
    feeds = {"content": pseudo_photograph(16, 16), **tiny_codes("iast")}
    assert np.isfinite(open_onnx(tmp_path / "flat.onnx").run(feeds)["stylized"]).all()


def test_a_network_that_gains_nothing_in_integers_stays_as_it_is_and_says_so(
    tmp_path: Path,
) -> None:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "h", "w"]) for name in "xy"
    ]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(tmp_path / "relu.onnx"))
    assert tensors_to_calibrate(tmp_path / "relu.onnx") == ["x"]
    summary = quantize_onnx(tmp_path / "relu.onnx", Learned({}), tmp_path / "x.onnx")
    assert summary.quantized_ops == {} and summary.islands
    assert [node.op_type for node in onnx.load(tmp_path / "x.onnx").graph.node] == ["Relu"]


def test_an_unreadable_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match="build it again"):
        tensors_to_calibrate(tmp_path / "broken.onnx")


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_zero_is_exact_and_the_range_is_covered(a: float, b: float) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    found = activation_parameters(low, high)
    assert 0 <= found.zero_point <= 255 and found.scale > 0
    step = float(found.scale)
    assert -found.zero_point * step <= low + step and (255 - found.zero_point) * step >= high - step


def test_empty_channels_keep_their_bias() -> None:
    weight = np.zeros((2, 4, 3, 3), np.float32)
    weight[1] = 0.5
    bias = np.array([0.25, -3.0], np.float32)
    int8, scales, int32 = quantize_weight(weight, bias, np.float32(0.02))
    assert not int8[0].any() and (int8[1] == 127).all()
    np.testing.assert_allclose(int32 * scales * 0.02, bias, rtol=1e-3)


def test_a_huge_bias_does_not_overflow() -> None:
    weight = np.full((1, 4, 1, 1), 1e-12, np.float32)
    _, scales, int32 = quantize_weight(weight, np.array([5.0], np.float32), np.float32(1e-3))
    assert int32[0] * float(scales[0]) * 1e-3 == pytest.approx(5.0, rel=1e-3)
