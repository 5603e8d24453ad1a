"""One tool quantizes one file, in a process and, for some, an environment of its own.

    python worker.py JOB.json ANSWER.json

At the top it imports numpy alone, so that it runs wherever a tool lives. The tools are called as
their own documentation shows and with their own defaults. JOB: tool, fp32, reference (the FP32 ONNX
file), out, calibration (a folder of .npz, NCHW), signature. ANSWER: seconds (the tool's imports and
reading of pictures included), peak_bytes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

CHANNEL_PAIRS = 8  # as in the stage `calibrate`

Job = dict[str, str]
Feed = dict[str, np.ndarray]


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    started = time.perf_counter()
    TOOLS[job["tool"]](job)
    seconds = time.perf_counter() - started
    Path(sys.argv[2]).write_text(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes()}))


def peak_bytes() -> int:
    """The kernel's high-water mark of this process image; `ru_maxrss` would hold the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM: measure on Linux")


def feeds(job: Job, *, channels_last: bool = False) -> Iterator[Feed]:
    """The calibration pairs; pictures in NHWC where asked."""
    for path in sorted(Path(job["calibration"]).glob("*.npz")):
        with np.load(path) as arrays:
            feed = {name: arrays[name] for name in arrays.files}
        if channels_last:
            feed["content"] = np.ascontiguousarray(feed["content"].transpose(0, 2, 3, 1))
        yield feed


def onnxruntime_static(job: Job) -> None:
    """ONNX Runtime: pre-processing as its documentation asks, then `quantize_static`."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._feeds = feeds(job)

        def get_next(self) -> Feed | None:
            return next(self._feeds, None)

    prepared = job["out"] + ".prepared.onnx"
    quant_pre_process(job["fp32"], prepared, skip_symbolic_shape=True)
    quantize_static(prepared, job["out"], Reader())


def olive_static(job: Job) -> None:
    """Olive: the pass OnnxStaticQuantization."""
    from olive.data.config import DataConfig
    from olive.data.registry import Registry
    from olive.hardware import DEFAULT_CPU_ACCELERATOR
    from olive.model import ONNXModelHandler
    from olive.passes.olive_pass import create_pass_from_dict
    from olive.passes.onnx.quantization import OnnxStaticQuantization

    class Pairs:
        def __init__(self) -> None:
            self._feeds = [{name: value[0] for name, value in feed.items()} for feed in feeds(job)]

        def __len__(self) -> int:
            return len(self._feeds)

        def __getitem__(self, index: int) -> tuple[Feed, int]:
            return self._feeds[index], 0

    Registry.register_dataset("compare_pairs")(lambda **_: Pairs())
    data = DataConfig(name="compare", load_dataset_config={"type": "compare_pairs"})
    step = create_pass_from_dict(
        OnnxStaticQuantization,
        {"data_config": data},
        disable_search=True,
        accelerator_spec=DEFAULT_CPU_ACCELERATOR,
    )
    made = step.run(ONNXModelHandler(model_path=job["fp32"]), job["out"] + ".olive")
    Path(made.model_path).replace(job["out"])


def nncf_static(job: Job) -> None:
    """NNCF: `quantize` of an ONNX model."""
    import nncf
    import onnx

    quantized = nncf.quantize(onnx.load(job["fp32"]), nncf.Dataset(list(feeds(job))))
    onnx.save(quantized, job["out"])


def ai_edge_static(job: Job) -> None:
    """ai-edge-quantizer: the recipe static_wi8_ai8."""
    from ai_edge_quantizer import quantizer, recipe

    tool = quantizer.Quantizer(_named(job))
    tool.load_quantization_recipe(recipe.static_wi8_ai8())
    found = tool.calibrate({job["signature"]: list(feeds(job, channels_last=True))})
    tool.quantize(found).export_model(job["out"])


def ai_edge_dynamic(job: Job) -> None:
    """ai-edge-quantizer: the recipe dynamic_wi8_afp32, which needs no picture."""
    from ai_edge_quantizer import quantizer, recipe

    tool = quantizer.Quantizer(_named(job))
    tool.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    tool.quantize().export_model(job["out"])


def _named(job: Job) -> bytearray:
    """The FP32 file with a name for every constant, which the tool needs; ours have none."""
    from iast_export.formats.tflite_file import read_model
    from iast_export.formats.tflite_write import serialize

    return bytearray(serialize(read_model(Path(job["fp32"])), named_constants=True))


def ours_onnx(job: Job) -> None:
    """iast-export for ONNX Runtime: what its stages from `prepare` to `quantize` do."""
    from iast_export.quantize.learned import Learned
    from iast_export.quantize.onnx.qdq import quantize_onnx

    prepared, ranges, _, filters = _learned(job)
    quantize_onnx(prepared, Learned(ranges, filters), Path(job["out"]))


def ours_litert(job: Job) -> None:
    """iast-export for LiteRT: what its stages from `prepare` to `quantize` do."""
    from iast_export.quantize.learned import of_signatures
    from iast_export.quantize.litert.static import quantize_litert
    from iast_export.quantize.litert.weights import write_equalized_litert
    from iast_export.quantize.observers import observe_litert

    _, _, factors, filters = _learned(job)
    fp32, signature, out = Path(job["fp32"]), job["signature"], Path(job["out"])
    equalized = out.with_suffix(".equalized.tflite")
    write_equalized_litert(fp32, equalized, factors)
    ranges = _ranges(observe_litert(equalized, signature), job)
    quantize_litert(equalized, "int8", of_signatures({signature: ranges}, filters), out)


def _learned(job: Job) -> tuple[Path, Any, Any, Any]:
    """The prepared ONNX file and its ranges, and what is learned for both runtimes."""
    from itertools import islice

    from iast_export.quantize.equalize import factors as equalize
    from iast_export.quantize.observers import observe_onnx
    from iast_export.quantize.onnx.qdq import tensors_to_calibrate
    from iast_export.quantize.patches import integer_layers, observe_patches
    from iast_export.quantize.rounding import learn_filters

    fp32, equalized = Path(job["reference"]), Path(job["out"]).with_suffix(".equalized.onnx")
    factors = equalize.learn_equalization([(fp32, islice(feeds(job), CHANNEL_PAIRS))])
    equalize.write_equalized_onnx(fp32, equalized, factors)
    ranges = _ranges(observe_onnx(equalized, tensors_to_calibrate(equalized)), job)
    layers = integer_layers(equalized, ranges)
    filters = learn_filters([(layers, observe_patches(equalized, layers, feeds(job), 1))], False)
    return equalized, ranges, factors, filters


def _ranges(observe: Any, job: Job) -> Any:
    from iast_export.quantize.calibrate import collect

    return collect(observe, feeds(job), _method())


def ours_litert_dynamic(job: Job) -> None:
    """iast-export's lane of dynamic INT8, which needs no picture."""
    from iast_export.quantize.litert.static import quantize_litert

    quantize_litert(Path(job["fp32"]), "dynamic_int8", None, Path(job["out"]))


def _method() -> Any:
    from iast_export.quantize.ranges import method_of
    from iast_export.recipe import load_recipe

    chosen = load_recipe(None).calibration
    return method_of(chosen.method, chosen.percentile)


TOOLS: dict[str, Callable[[Job], None]] = {
    tool.__name__: tool
    for tool in (
        onnxruntime_static,
        olive_static,
        nncf_static,
        ai_edge_static,
        ai_edge_dynamic,
        ours_onnx,
        ours_litert,
        ours_litert_dynamic,
    )
}

if __name__ == "__main__":
    main()
    # Some tools leave threads that keep a process alive.
    sys.stdout.flush()
    os._exit(0)
