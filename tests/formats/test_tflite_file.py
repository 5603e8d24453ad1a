from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from iast_export.errors import InputError, ToolError
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from tests.litert_cases import TIERS, converted


def model() -> tf.Model:
    return tf.read_model(converted()[1])


def weight_tensors(found: tf.Model, graph: tf.Graph) -> list[int]:
    return [int(op.inputs[1]) for op in graph.operators if tf.op_name(found, op) == "CONV_2D"]


def test_reading_and_writing_again_gives_the_same_bytes() -> None:
    assert tw.serialize(model()) == converted()[1].read_bytes()


def test_names_are_unique_in_the_whole_file_and_constants_have_none() -> None:
    found = model()
    names = [
        tf.text(t.name) for g in found.subgraphs for t in g.tensors if not tf.buffer_bytes(found, t)
    ]
    assert len(names) == len(set(names))
    constants = [t.name for g in found.subgraphs for t in g.tensors if tf.buffer_bytes(found, t)]
    assert set(constants) == {None}
    assert all(names)


def test_equal_constants_are_stored_once_and_every_signature_reads_its_own_values() -> None:
    unshared = model()
    for graph in unshared.subgraphs:  # store every constant apart
        for tensor in graph.tensors:
            if tf.buffer_bytes(unshared, tensor):
                unshared.buffers.append(deepcopy(unshared.buffers[tensor.buffer]))
                tensor.buffer = len(unshared.buffers) - 1
    shared = deepcopy(unshared)
    tw.share_buffers(shared)
    tw.check_constants(unshared, shared)
    assert len(shared.buffers) == len(model().buffers) < len(unshared.buffers) / 2
    with pytest.raises(ToolError, match="stored more than once"):
        tw.check_constants(unshared, unshared)


def test_constants_that_differ_in_one_bit_stay_apart() -> None:
    before = model()
    first, second = (before.subgraphs[i] for i in range(2))
    a, b = weight_tensors(before, first)[0], weight_tensors(before, second)[0]
    assert first.tensors[a].buffer == second.tensors[b].buffer
    data = np.array(before.buffers[first.tensors[a].buffer].data, copy=True)
    data[0] ^= 1
    other = tf.schema().BufferT()
    other.data = data
    before.buffers.append(other)
    second.tensors[b].buffer = len(before.buffers) - 1
    after = tf.parse(tw.serialize(deepcopy(before)))
    tw.check_constants(before, after)
    shapes = [
        after.subgraphs[i].tensors[weight_tensors(after, after.subgraphs[i])[0]].buffer
        for i in range(2)
    ]
    assert shapes[0] != shapes[1]


def test_a_wrong_merge_is_noticed() -> None:
    before, wrong = model(), model()
    graph = wrong.subgraphs[1]
    blocks = [
        t for t in weight_tensors(wrong, graph) if tf.tensor_shape(graph.tensors[t]) == (8, 3, 3, 8)
    ]
    graph.tensors[blocks[0]].buffer = graph.tensors[blocks[1]].buffer
    with pytest.raises(ToolError, match="changed its values"):
        tw.check_constants(before, wrong)


def test_buffers_are_aligned_for_the_kernels() -> None:
    data = converted()[1].read_bytes()
    raw = model().buffers
    for buffer in raw[1:]:
        content = bytes(buffer.data)
        if len(content) >= 256:
            assert data.index(content) % 16 == 0


def test_one_signature_alone_is_a_model_that_runs() -> None:
    from ai_edge_litert.interpreter import Interpreter

    for tier in TIERS:
        data = tw.serialize(tf.extract_signature(model(), tier.signature))
        interpreter = Interpreter(model_content=data, num_threads=1)
        assert list(interpreter.get_signature_list()) == [tier.signature]
        interpreter.allocate_tensors()


def test_an_unknown_signature_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="d2_32px"):
        tf.find_signature(model(), "d9_9px")


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    data = converted()[1].read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(data[: int(kept if kept > 1 else kept * len(data))])
    with pytest.raises(InputError, match=r"not a TFLite model|truncated"):
        tf.read_model(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        tf.read_model(tmp_path / "none.tflite")


def test_a_failing_tool_is_quoted() -> None:
    with pytest.raises(ToolError, match="no such thing"), tf.quiet_tools():
        raise RuntimeError("no such thing")
