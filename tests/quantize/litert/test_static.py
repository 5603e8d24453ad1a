from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iast_export.decide.policy import LITERT
from iast_export.decide.read_litert import read_operators
from iast_export.errors import InputError, UsageError
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.quantize.learned import of_signatures
from iast_export.quantize.litert.biases import own_biases
from iast_export.quantize.litert.calibration import range_tensors
from iast_export.quantize.litert.delegation import delegation
from iast_export.quantize.litert.static import quantize_litert, write_quantized
from iast_export.runtimes.litert import open_litert
from tests.litert_cases import (
    TIERS,
    Range,
    activation_tensors,
    converted,
    feeds,
    folder,
    foreign,
    measured_ranges,
    operators,
    quantized,
    ranges,
)

FLOORS_DB = {"fp16": 70.0, "dynamic_int8": 40.0, "int8": 35.0}


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2) + 1e-20))


@pytest.mark.parametrize("precision", FLOORS_DB)
def test_every_precision_stays_close_to_fp32_and_keeps_weights_shared(precision: str) -> None:
    network, fp32, _ = converted()
    path, summary = quantized(precision)
    assert summary.file_bytes == path.stat().st_size
    assert summary.shared_weight_bytes > 0.6 * summary.unique_weight_bytes
    for tier in TIERS:
        fed = feeds(network, tier.max_side_px, seed=8)
        wanted = open_litert(fp32, tier.signature).run(fed)["stylized"]
        got = open_litert(path, tier.signature).run(fed)["stylized"]
        assert psnr_db(got, wanted) > FLOORS_DB[precision]


def test_convolutions_and_movements_are_integer_and_normalization_is_float() -> None:
    _, summary = quantized("int8")
    for key, made in summary.quantized_ops.items():
        assert made["CONV_2D"] == operators(converted()[1], key)["CONV_2D"]
        assert {"CONCATENATION", "DEPTH_TO_SPACE", "SLICE"} <= set(made)
        assert {"MEAN", "RSQRT", "LOGISTIC"} <= set(summary.float_ops[key])
        assert "RELU" not in {*made, *summary.float_ops[key]}
    reasons = {name.split("_")[-1]: reason for name, reason in summary.islands.items()}
    assert "statistics" in reasons["MEAN"]
    assert set(summary.islands) <= activation_tensors(
        quantized("int8")[0], "d2_32px"
    ) | activation_tensors(quantized("int8")[0], "d1_48px")


def test_the_delegate_takes_the_int8_graph_in_one_partition() -> None:
    for edges in ("float32", "int8"):
        for found in delegation(quantized("int8", edges)[0]).values():
            assert found.partitions == 1
            assert list(found.not_taken) == []


def test_weights_are_byte_identical_in_all_signatures_and_ranges_are_not() -> None:
    model = tf.read_model(quantized("int8")[0])
    graphs = {s.key: model.subgraphs[s.subgraph] for s in tf.signatures(model)}
    convs = {
        key: [
            [g.tensors[int(t)] for t in op.inputs]
            for op in g.operators
            if tf.op_name(model, op) == "CONV_2D"
        ]
        for key, g in graphs.items()
    }
    shared = {inputs[1].buffer for inputs in convs["d2_32px"]} & {
        i[1].buffer for i in convs["d1_48px"]
    }
    assert len(shared) == len(convs["d1_48px"])
    scales = {key: float(inputs[3][0].quantization.scale[0]) for key, inputs in convs.items()}
    assert scales["d2_32px"] != scales["d1_48px"]
    for inputs in convs["d1_48px"]:
        q = inputs[1].quantization
        assert tf.dtype_name(inputs[1]) == "int8"
        assert len(q.scale) == tf.tensor_shape(inputs[1])[0]
        assert set(q.zeroPoint) == {0}


def biases(model: tf.Model, key: str) -> list[Any]:
    """The biases of a signature's convolutions, in order."""
    graph = model.subgraphs[tf.find_signature(model, key).subgraph]
    layers = [op for op in graph.operators if tf.op_name(model, op) == "CONV_2D"]
    return [graph.tensors[int(op.inputs[2])] for op in layers]


def steps_off(fp32: tf.Model, int8: tf.Model) -> float:
    """How far the worst bias in integers lies from the float one, in steps of its own."""
    worst = []
    for key in ("d2_32px", "d1_48px"):
        for given, made in zip(biases(fp32, key), biases(int8, key), strict=True):
            if tf.dtype_name(made) == "int32":
                steps = tf.constant(fp32, given) / np.asarray(made.quantization.scale)
                worst.append(np.abs(steps - tf.constant(int8, made)).max())
    assert len(worst) > 10
    return float(max(worst))


def with_biases(fp32: tf.Model) -> tf.Model:
    """The same with other biases than zeros, of which signatures share those of shared filters."""
    changed, of_filter = tf.parse(tw.serialize(fp32)), dict[int, int]()
    for signature in tf.signatures(changed):
        graph = changed.subgraphs[signature.subgraph]
        for op in (op for op in graph.operators if tf.op_name(changed, op) == "CONV_2D"):
            weight, bias = (graph.tensors[int(t)] for t in op.inputs[1:3])
            if int(weight.buffer) not in of_filter:
                values = np.random.default_rng(len(of_filter)).normal(size=tf.tensor_shape(bias))
                buffer = tf.schema().BufferT()
                buffer.data = values.astype(np.float32).view(np.uint8)
                of_filter[int(weight.buffer)] = len(changed.buffers)
                changed.buffers.append(buffer)
            bias.buffer = of_filter[int(weight.buffer)]
    return tf.parse(tw.serialize(changed))


def test_biases_of_signatures_that_share_them_count_steps_of_their_own_layers(
    tmp_path: Path,
) -> None:
    fp32 = with_biases(tf.read_model(converted()[1]))
    (tmp_path / "fp32.tflite").write_bytes(tw.serialize(fp32))
    quantize_litert(tmp_path / "fp32.tflite", "int8", of_signatures(ranges()), tmp_path / "int8")
    assert steps_off(fp32, tf.read_model(tmp_path / "int8")) < 1.1


def test_a_bias_in_other_steps_is_counted_anew_before_it_is_written(tmp_path: Path) -> None:
    fp32 = with_biases(tf.read_model(converted()[1]))
    int8 = tf.read_model(quantized("int8")[0])
    assert steps_off(fp32, int8) > 100, "the file's own are zeros"
    written = write_quantized(fp32, int8, tmp_path / "int8")
    assert steps_off(fp32, written) < 1.1
    assert own_biases(fp32, written) == 0


def test_injected_ranges_set_the_scales() -> None:
    given = ranges()
    model = tf.read_model(quantized("int8")[0])
    found = tf.find_signature(model, "d2_32px")
    graph = model.subgraphs[found.subgraph]
    fp32 = tf.read_model(converted()[1])
    stem = next(op for op in fp32.subgraphs[0].operators if tf.op_name(fp32, op) == "CONV_2D")
    name = tf.text(fp32.subgraphs[0].tensors[int(stem.outputs[0])].name)
    quant = next(op for op in graph.operators if tf.op_name(model, op) == "CONV_2D")
    scale = float(graph.tensors[int(quant.outputs[0])].quantization.scale[0])
    high, low = max(0.0, given["d2_32px"][name].high), min(0.0, given["d2_32px"][name].low)
    assert scale == pytest.approx((high - low) / 255, rel=1e-6)


def test_moving_operators_keep_one_scale() -> None:
    model = tf.read_model(quantized("int8")[0])
    for graph in model.subgraphs:
        for one, op in zip(read_operators(model, graph), graph.operators, strict=True):
            if LITERT.moves(one.type, one.mode) and not tf.is_float(graph, op):
                tensors = [graph.tensors[int(t)] for t in [*op.inputs, *op.outputs]]
                scales = {
                    float(t.quantization.scale[0]) for t in tensors if tf.dtype_name(t) == "int8"
                }
                assert len(scales) == 1


def test_pixels_are_lossless_at_int8_edges() -> None:
    path, _ = quantized("int8", "int8")
    session = open_litert(path, "d2_32px")
    runner = session.raw.get_signature_runner("d2_32px")
    for details in (runner.get_input_details()["content"], runner.get_output_details()["stylized"]):
        assert details["dtype"] is np.int8
        assert np.float32(details["quantization"][0]) == np.float32(1 / 255)
        assert details["quantization"][1] == -128
    assert runner.get_input_details()["style_code"]["dtype"] is np.float32
    network, _, _ = converted()
    fed = feeds(network, 32, seed=6)
    fed["content"] = np.round(fed["content"] * 255).astype(np.float32) / np.float32(255)
    in_float = open_litert(quantized("int8")[0], "d2_32px").run(fed)["stylized"]
    assert np.abs(session.run(fed)["stylized"] - in_float).max() < 1e-6


@pytest.mark.parametrize("edges", ["float32", "int8"])
def test_a_foreign_network_is_quantized_with_depthwise_among_integers_and_normalization_in_float(
    edges: str,
) -> None:
    network, fp32, _ = foreign()
    key, out = "d1_32px", folder() / f"foreign-{edges}.tflite"
    given = {key: measured_ranges(network, fp32, key, 32)}
    summary = quantize_litert(fp32, "int8", of_signatures(given), out, edges)  # type: ignore[arg-type]
    assert summary.quantized_ops[key]["DEPTHWISE_CONV_2D"] == 2
    assert summary.quantized_ops[key]["CONV_2D"] == 5
    assert {"DIV", "SQRT"} <= set(summary.float_ops[key])
    assert not any("depthwise" in reason for reason in summary.islands.values())
    fed = feeds(network, 32, seed=8)
    wanted = open_litert(fp32, key).run(fed)["stylized"]
    assert psnr_db(open_litert(out, key).run(fed)["stylized"], wanted) > 30
    assert all("DEPTHWISE" not in name for name in delegation(out)[key].integer_not_taken)


def test_a_large_first_layer_in_blocks_keeps_its_bias_and_rectifier_in_the_convolution() -> None:
    """A bias that the converter can't fold would be added in float, between two conversions."""
    _, fp32, _ = foreign()
    model = tf.read_model(fp32)
    graph = model.subgraphs[0]
    names = [tf.op_name(model, op) for op in graph.operators]
    first = graph.operators[names.index("CONV_2D")]
    rectified = tf.schema().ActivationFunctionType.RELU
    assert "BROADCAST_TO" not in names and first.builtinOptions.fusedActivationFunction == rectified


def test_quantizing_twice_gives_the_same_bytes() -> None:
    path, _ = quantized("int8")
    again = folder() / "again-int8.tflite"
    quantize_litert(converted()[1], "int8", of_signatures(ranges()), again)
    assert again.read_bytes() == path.read_bytes()


def test_sums_along_the_trunk_stay_in_float() -> None:
    assert quantized("int8")[1].quantized_ops["d2_32px"]["ADD"] == 2  # of two convolutions each


def test_the_calibration_model_gives_every_range_that_is_needed() -> None:
    _, path, _ = converted()
    needed = set(range_tensors(path, "d2_32px"))
    assert needed <= set(ranges()["d2_32px"]) <= activation_tensors(path, "d2_32px")
    assert len(needed) < len(activation_tensors(path, "d2_32px")) / 3


def test_missing_or_broken_ranges_are_refused_by_name() -> None:
    _, path, _ = converted()
    out = folder() / "never.tflite"
    with pytest.raises(UsageError, match="without ranges"):
        quantize_litert(path, "int8", None, out)
    with pytest.raises(InputError, match="no ranges for signature d2_32px"):
        quantize_litert(path, "int8", of_signatures({}), out)
    some = {key: dict(found) for key, found in ranges().items()}
    name = next(n for n in some["d2_32px"] if "CONV_2D" in n)
    some["d2_32px"][name] = Range(0.0, float("nan"))
    with pytest.raises(InputError, match=f"range of tensor {name}"):
        quantize_litert(path, "int8", of_signatures(some), out)
    del some["d2_32px"][name]
    with pytest.raises(InputError, match=f"no range for tensor {name}"):
        quantize_litert(path, "int8", of_signatures(some), out)
    assert not out.exists()


def test_impossible_options_are_refused() -> None:
    _, path, _ = converted()
    with pytest.raises(UsageError, match="int8 edges"):
        quantize_litert(path, "fp16", None, folder() / "no.tflite", "int8")
    with pytest.raises(UsageError, match="fp32"):
        quantize_litert(path, "fp32", None, folder() / "no.tflite")
