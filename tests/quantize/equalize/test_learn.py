"""Factors of channels: which become alike, how, in every tier and both runtimes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import load_model
from iast_export.lanes.judge import Scorers
from iast_export.quantize.equalize.channels import Channels
from iast_export.quantize.equalize.factors import (
    Equalization,
    equalize_onnx,
    learn_equalization,
    see_channels,
    write_equalized_onnx,
)
from iast_export.quantize.learned import Learned, of_signatures
from iast_export.quantize.litert.lanes import write_int16x8
from iast_export.quantize.litert.weights import write_equalized_litert
from iast_export.quantize.onnx.kernels import UINT16
from iast_export.quantize.onnx.qdq import quantize_onnx
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.onnx import open_onnx
from iast_export.search import Subject
from iast_export.specs import RUNTIMES, STYLIZED, Runtime
from tests.equalize_cases import FEEDS, Branches, Network, psnr_db, write_files
from tests.rewrite_cases import model_of, picture, run, weight

X = picture(3, 12, 12)


def joined(
    sizes: dict[str, float], more: tuple[onnx.NodeProto, ...] = (), relu: bool = False
) -> onnx.ModelProto:
    """Branches by name, 4 channels each, of so many times the same size, through ReLU and a pad to
    one layer.

    Args:
        more: nodes before the concatenation; what they make can be among the branches, with size 0.
        relu: behind the concatenation, not before it.
    """
    made = {name: size for name, size in sizes.items() if size}
    held = {f"v_{name}": size * weight(4, 3, seed=i) for i, (name, size) in enumerate(made.items())}
    nodes = [
        helper.make_node("Conv", ["x", f"v_{name}"], [name if relu else f"{name}_c"])
        for name in made
    ]
    nodes += [] if relu else [helper.make_node("Relu", [f"{name}_c"], [name]) for name in made]
    nodes += more
    nodes.append(helper.make_node("Concat", list(sizes), ["j"], axis=1))
    nodes += [helper.make_node("Relu", ["j"], ["r"])] if relu else []
    nodes.append(helper.make_node("Pad", ["r" if relu else "j", "pads"], ["p"], mode="reflect"))
    channels = 4 * sum(1 for name in sizes if name != "x") + 3 * ("x" in sizes)
    held |= {"w": weight(6, channels), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)}
    nodes.append(helper.make_node("Conv", ["p", "w"], ["y"]))
    return model_of(nodes, held, {"x": 3})


def equalized(model: onnx.ModelProto, folder: Path) -> tuple[Equalization, onnx.ModelProto]:
    """Factors from one picture, and the model with them, found to be the same network."""
    onnx.save(model, str(folder / "a.onnx"))
    found = learn_equalization([(folder / "a.onnx", [{"x": X}])])
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    equalize_onnx(changed.graph, found)
    wanted = run(model, {"x": X})
    assert np.abs(run(changed, {"x": X}) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    return found, changed


def sizes_of(model: onnx.ModelProto, folder: Path, relu: bool = False) -> np.ndarray:
    """The largest value of each channel that the reading layer reads."""
    onnx.save(model, str(folder / "seen.onnx"))
    seen, _ = see_channels(folder / "seen.onnx", [{"x": X}], Channels())
    return np.asarray(seen.largest["r" if relu else "j"])


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(
    "sizes", [(1.0, 100.0), (100.0, 1.0), (1.0, 100.0, 100.0), (1.0, 1.0, 100.0)]
)
def test_whichever_branch_is_larger_they_become_alike(
    sizes: tuple[float, ...], relu: bool, tmp_path: Path
) -> None:
    model = joined({f"b{i}": size for i, size in enumerate(sizes)}, relu=relu)
    found, changed = equalized(model, tmp_path)
    before, after = sizes_of(model, tmp_path, relu), sizes_of(changed, tmp_path, relu)
    used = before > 0
    assert found.channels
    assert np.ptp(np.log(after[used])) < 0.6 * np.ptp(np.log(before[used]))


def test_branches_that_are_alike_are_left_alone(tmp_path: Path) -> None:
    assert not equalized(joined({"a": 1.0, "b": 1.2}), tmp_path)[0]


@pytest.mark.parametrize("size", [0.01, 1.0, 100.0])
def test_a_branch_of_no_convolution_keeps_its_scale_and_the_other_becomes_like_it(
    size: float, tmp_path: Path
) -> None:
    model = joined({"x": 0.0, "a": size})
    cut = helper.make_node(
        "Slice", ["x", "starts", "ends", "axes"], ["s"]
    )  # sides as the convolution's
    for name, values in (("starts", [1, 1]), ("ends", [11, 11]), ("axes", [2, 3])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    next(node for node in model.graph.node if node.op_type == "Concat").input[0] = "s"
    model.graph.node.insert(0, cut)
    found, changed = equalized(model, tmp_path)
    if size == 1.0:
        assert not found
        return
    sizes = [sizes_of(one, tmp_path) for one in (model, changed)]
    assert np.array_equal(sizes[0][:3], sizes[1][:3])
    before, after = (np.log(one[one > 0]) for one in sizes)
    assert abs(after[:3].mean() - after[3:].mean()) < 0.6 * abs(
        before[:3].mean() - before[3:].mean()
    )


def test_a_result_keeps_its_scale(tmp_path: Path) -> None:
    model = joined({"a": 1.0, "b": 100.0})
    model.graph.output.append(
        helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, [1, 4, 10, 10])
    )
    before, after = (sizes_of(one, tmp_path) for one in (model, equalized(model, tmp_path)[1]))
    assert np.array_equal(before[4:], after[4:]) and not np.array_equal(before[:4], after[:4])


def test_a_branch_that_is_joined_twice_has_the_same_factors_in_both_places(tmp_path: Path) -> None:
    model = joined({"a": 1.0, "b": 100.0})
    again = next(node for node in model.graph.node if node.op_type == "Concat")
    again.input.append("b")
    model.graph.initializer[-2].CopyFrom(numpy_helper.from_array(weight(6, 12), "w"))
    before, after = (sizes_of(one, tmp_path) for one in (model, equalized(model, tmp_path)[1]))
    assert np.array_equal(after[4:8], after[8:]) and not np.array_equal(before[:4], after[:4])


def test_concatenations_within_concatenations_are_followed(tmp_path: Path) -> None:
    inner = helper.make_node("Concat", ["a", "b"], ["i"], axis=1)
    model = joined({"a": 1.0, "b": 100.0, "c": 10.0})
    outer = next(node for node in model.graph.node if node.op_type == "Concat")
    outer.input[:] = ["i", "c"]
    model.graph.node.insert([node.output[0] for node in model.graph.node].index("j"), inner)
    before, after = (sizes_of(one, tmp_path) for one in (model, equalized(model, tmp_path)[1]))
    assert len(before) == 12
    used = before > 0
    assert np.ptp(np.log(after[used])) < 0.6 * np.ptp(np.log(before[used]))


def test_what_one_tier_needs_as_it_is_keeps_its_scale_in_all(tmp_path: Path) -> None:
    files = []
    for number in range(2):
        model = joined({"a": 1.0, "b": 100.0})
        if number:
            for name in ("a", "b"):
                model.graph.output.append(
                    helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4, 10, 10])
                )
        files.append((tmp_path / f"{number}.onnx", [{"x": X}]))
        onnx.save(model, str(files[-1][0]))
    assert learn_equalization(files[:1]) and not learn_equalization(files)


def test_a_normalization_over_all_channels_is_passed_by_no_factor_of_one(tmp_path: Path) -> None:
    held = {
        "v": weight(4, 3) * np.logspace(-1, 1, 4, dtype=np.float32)[:, None, None, None],
        "flat": np.array([1, 1, -1], np.int64),
        "square": np.array([1, 4, 10, 10], np.int64),
        "one": np.ones(1, np.float32),
        "none": np.zeros(1, np.float32),
        "w": weight(6, 4),
    }
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"]),
        helper.make_node("Reshape", ["a", "flat"], ["b"]),
        helper.make_node("InstanceNormalization", ["b", "one", "none"], ["c"]),
        helper.make_node("Reshape", ["c", "square"], ["d"]),
        helper.make_node("Conv", ["d", "w"], ["y"]),
    ]
    model = model_of(nodes, held, {"x": 3})
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert not equalized(model, tmp_path)[0]


@pytest.mark.parametrize("widths", [(8, 24), (24, 8)])
def test_int8_comes_closer_in_both_runtimes(widths: tuple[int, int], tmp_path: Path) -> None:
    network = Network(Branches, widths=widths)
    before = write_files(network, tmp_path, equalize=False).db
    made = write_files(network, tmp_path)
    assert made.factors
    assert all(made.db[runtime] > before[runtime] + 10 for runtime in before), (before, made.db)


def test_tiers_share_the_bytes_of_equalized_weights(tmp_path: Path) -> None:
    made = write_files(Network(Branches, (1, 2)), tmp_path)
    assert made.factors
    equal = tmp_path / "e.tflite"
    write_equalized_litert(made.litert, equal, made.factors)
    for tier, fp32 in made.onnx.items():
        write_equalized_onnx(fp32, tmp_path / "e.onnx", made.factors)
        wanted = open_onnx(fp32).run(FEEDS)[STYLIZED]
        for session in (open_onnx(tmp_path / "e.onnx"), open_litert(equal, tier.signature)):
            assert np.abs(session.run(FEEDS)[STYLIZED] - wanted).max() < 1e-5
    shallow, deep = (int8_weights(path) for path in made.onnx_int8.values())
    assert len(shallow) == 4 and shallow < deep and len(deep) == 5
    model = tf.read_model(made.litert_int8)
    shared = [int8_buffers(model, graph) for graph in model.subgraphs]
    assert len(shared[0]) == 4 and shared[0] < shared[1]
    assert tf.count_bytes(model).shared_weight_bytes > 0


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_group_left_in_float_still_fits_its_equalized_neighbors(
    runtime: Runtime, tmp_path: Path
) -> None:
    made = write_files(Network(Branches), tmp_path)
    ((tier, fp32),) = made.onnx.items()
    files = {
        "onnxruntime": (fp32, made.prepared_onnx[tier]),
        "litert": (made.litert, made.prepared_litert),
    }[runtime]
    learned = Learned(made.ranges[runtime])
    subject = Subject(runtime, tier, *files, fp32, learned, (), Scorers(), 4)
    wide, narrow, both, last = (group.name for group in subject.groups)
    for in_float in ([wide], [narrow], [both], [last], [wide, both], [narrow, both]):
        path = tmp_path / f"mixed{subject.suffix}"
        subject.write(in_float, path)
        session = open_onnx(path) if runtime == "onnxruntime" else open_litert(path)
        got = session.run(FEEDS)[STYLIZED]
        assert psnr_db(made.wanted, got) > made.db[runtime] - 1, in_float


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sixteen_bits_have_the_factors_that_their_ranges_hold_for(
    runtime: Runtime, tmp_path: Path
) -> None:
    made = write_files(Network(Branches), tmp_path)
    ((tier, prepared),) = made.prepared_onnx.items()
    if runtime == "onnxruntime":
        path = tmp_path / "16.onnx"
        quantize_onnx(prepared, Learned(made.ranges[runtime]), path, kernels=UINT16)
        got = open_onnx(path).run(FEEDS)[STYLIZED]
    else:
        path = tmp_path / "16.tflite"
        found = of_signatures({tier.signature: made.ranges[runtime]})
        write_int16x8(made.prepared_litert, found, path)
        got = open_litert(path).run(FEEDS)[STYLIZED]
    assert psnr_db(made.wanted, got) > made.db[runtime]


def int8_weights(path: Path) -> set[bytes]:
    """The bytes of each convolution's weight in an INT8 file."""
    values = [numpy_helper.to_array(item) for item in load_model(path).graph.initializer]
    return {one.tobytes() for one in values if one.dtype == np.int8 and one.ndim == 4}


def int8_buffers(model: tf.Model, graph: tf.Graph) -> set[int]:
    """The buffers of the weights in one signature's graph."""
    convolutions = [op for op in graph.operators if tf.op_name(model, op) == "CONV_2D"]
    tensors = [graph.tensors[int(op.inputs[1])] for op in convolutions]
    assert all(tf.dtype_name(tensor) == "int8" for tensor in tensors)
    return {int(tensor.buffer) for tensor in tensors}
