"""Where a tier, as the exporter writes it, goes from floats to integers or back; the cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, helper

from iast_export.decide.decide import Decisions
from iast_export.decide.graph import Shape
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.lanes.timing import Samples
from iast_export.plan import cache, litert_micro, onnx_micro
from iast_export.plan.measure import MeasureOptions, key_of, measured_alone
from iast_export.reports.plan import ConversionMeasurement, Direction, PlanConversion
from iast_export.specs import Runtime

# As `build.export.OPSET`.
_OPSET = 18
_SCALE, _ZERO_POINT = 0.05, 128


@dataclass(frozen=True)
class Conversion:
    """One tensor that is quantized or dequantized.

    Attributes:
        direction: from floats to integers, or back.
        shape: [N, C, H, W].
        channels_last: how integers lie there in ONNX Runtime; LiteRT's always do.
    """

    direction: Direction
    shape: Shape
    channels_last: bool


def find_conversions(decisions: Decisions) -> Counter[Conversion]:
    """The tensors between float and integer operators, by what converting one costs."""
    network, is_integer = decisions.network, decisions.is_integer
    found: Counter[Conversion] = Counter()
    for name in dict.fromkeys(
        [*network.inputs, *(name for op in network.ops for name in op.outputs)]
    ):
        maker, readers = network.producers.get(name), network.readers.get(name, [])
        made = maker is not None and is_integer(maker)
        if not made and any(is_integer(reader) for reader in readers):
            last = onnx_micro.read_by_integers(decisions, name)
            found[Conversion("quantize", network.shapes[name], last)] += 1
        if made and (name in network.outputs or not all(is_integer(reader) for reader in readers)):
            last = onnx_micro.made_by_integers(decisions, name)
            found[Conversion("dequantize", network.shapes[name], last)] += 1
    return found


def conversion_rows(decisions: Decisions, options: MeasureOptions) -> list[PlanConversion]:
    """Every conversion of a tier with its time, None where the mode is "no".

    Raises:
        InputError: the cache can't be written.
    """
    rows = []
    for conversion, count in find_conversions(decisions).items():
        _, channels, height, width = (*conversion.shape, 1, 1, 1, 1)[:4]
        rows.append(
            PlanConversion(
                direction=conversion.direction,
                shape=f"{channels}, {height}×{width}",
                count=count,
                ms=_time_ms(decisions.network.runtime, conversion, options),
            )
        )
    return rows


def _time_ms(runtime: Runtime, conversion: Conversion, options: MeasureOptions) -> float | None:
    if options.mode == "no":
        return None
    key = key_of(runtime, options.threads, f"conversion {conversion}")
    found = cache.load(key, ConversionMeasurement) if options.mode == "cached" else None
    if found is None:
        run = (
            _onnx(conversion, options) if runtime == "onnxruntime" else _litert(conversion, options)
        )
        found = ConversionMeasurement(key=key, blocks_ms=measured_alone(run, options).blocks_ms)
        cache.save(found)
    return Samples((), found.blocks_ms).median_ms


def _onnx(conversion: Conversion, options: MeasureOptions) -> Callable[[], object]:
    """QuantizeLinear or DequantizeLinear, and a transposition if integers lie channels last."""
    shape, names = list(conversion.shape), ("floats", "integers_q")
    quantizes = conversion.direction == "quantize"
    source, target = names if quantizes else names[::-1]
    types = (TensorProto.FLOAT, TensorProto.UINT8)
    kinds = types if quantizes else types[::-1]
    graph = helper.make_graph(
        [
            helper.make_node(
                "QuantizeLinear" if quantizes else "DequantizeLinear",
                [source, "scale", "zero"],
                [target],
            )
        ],
        "conversion",
        [helper.make_tensor_value_info(source, kinds[0], shape)],
        [helper.make_tensor_value_info(target, kinds[1], shape)],
        [
            helper.make_tensor("scale", TensorProto.FLOAT, [], [_SCALE]),
            helper.make_tensor("zero", TensorProto.UINT8, [], [_ZERO_POINT]),
        ],
    )
    model: onnx.ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10
    )
    written = onnx_micro.channels_last(model, {"integers": conversion.channels_last})
    return onnx_micro.timed(written, options.threads)


def _litert(conversion: Conversion, options: MeasureOptions) -> Callable[[], object]:
    """One QUANTIZE or DEQUANTIZE."""
    schema = tf.schema()
    floats, integers = schema.TensorT(), schema.TensorT()
    integers.quantization = schema.QuantizationParametersT()
    integers.quantization.scale, integers.quantization.zeroPoint = [_SCALE], [_ZERO_POINT - 128]
    for tensor, kind in ((floats, schema.TensorType.FLOAT32), (integers, schema.TensorType.INT8)):
        tensor.shape, tensor.type, tensor.buffer = _pixels(conversion.shape), kind, 0
    quantizes = conversion.direction == "quantize"
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, "QUANTIZE" if quantizes else "DEQUANTIZE")
    code.deprecatedBuiltinCode, code.version = code.builtinCode, 2
    op, graph, model = schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    op.opcodeIndex, op.inputs, op.outputs = 0, [0], [1]
    graph.tensors = [floats, integers] if quantizes else [integers, floats]
    graph.operators, graph.inputs, graph.outputs = [op], [0], [1]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    return litert_micro.timed(tw.serialize(model), options.threads)


def _pixels(shape: Shape) -> Sequence[int]:
    """[N, H, W, C]."""
    return [shape[0], shape[2], shape[3], shape[1]] if len(shape) == 4 else list(shape)


def total_ms(rows: Sequence[PlanConversion]) -> float | None:
    """All conversions together; None where one has no time."""
    times: list[Any] = [row.ms for row in rows]
    return (
        None
        if None in times
        else sum(row.count * time for row, time in zip(rows, times, strict=True))
    )
