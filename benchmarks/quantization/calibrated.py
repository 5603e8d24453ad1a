"""A tier calibrated in both runtimes for the ablation: histograms, layers, moments, seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quantization.equalize import factors_by_weights
from iast_export.build.request import Build
from iast_export.bundle.layout import Layout
from iast_export.bundle.styles import feeds_of
from iast_export.errors import InputError
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.formats.onnx_graph import load_model
from iast_export.quantize.calibrate import collect, pairs_at, tier_feeds
from iast_export.quantize.equalize.factors import (
    Equalization,
    learn_equalization,
    write_equalized_onnx,
)
from iast_export.quantize.litert.weights import write_equalized_litert
from iast_export.quantize.observers import Feeds, Observe, observe_litert, observe_onnx
from iast_export.quantize.onnx.qdq import tensors_to_calibrate
from iast_export.quantize.patches import Layer, Moments, integer_layers, observe_patches
from iast_export.quantize.ranges import Histogram, Range, method_of, minmax
from iast_export.specs import Runtime, Tier


@dataclass
class Calibrated:
    """What the calibration pairs of a tier show; `*_s` are seconds.

    Attributes:
        fp32: the FP32 file by runtime; for LiteRT with this tier's signature alone.
        histograms: by runtime and tensor.
        layers, moments: of the ONNX file, from the packaged ranges.
    """

    tier: Tier
    fp32: dict[Runtime, Path]
    histograms: dict[Runtime, dict[str, Histogram]]
    histogram_s: dict[Runtime, float]
    layers: list[Layer]
    moments: dict[str, Moments]
    moments_s: float

    def ranges(self, runtime: Runtime, method: str, share: float) -> dict[str, Range]:
        """Ranges by a method from what was seen."""
        chosen = method_of(method, share)
        return {name: chosen(histogram) for name, histogram in self.histograms[runtime].items()}


class Calibrator:
    """Calibrates tiers of one bundle.

    Attributes:
        folder: where files of its own go.
    """

    def __init__(self, build: Build, bundle: Path, folder: Path) -> None:
        self.build, self.folder = build, folder
        self.layout = Layout(bundle, build.recipe.name)
        styles = [style for style in build.styles if not style.held_out]
        self.codes = [feeds_of(style, build.network.code_shapes) for style in styles]

    def feeds(self, what: str, tier: Tier, runtime: Runtime = "onnxruntime") -> Iterator[Feeds]:
        """The tier's calibration pairs."""
        pairs = pairs_at(tier, self.build.recipe.calibration.max_pairs)
        multiple_px = self.build.network.size_multiple_px if runtime == "onnxruntime" else None
        given = tier_feeds(tier, self.build.calibration_set, self.codes, pairs, multiple_px)
        for i, feed in enumerate(given):
            self.build.progress(f"{what} {tier.id} {runtime}", i + 1, pairs)
            yield feed

    def calibrate(self, tier: Tier, runtimes: tuple[Runtime, ...], factors: str = "") -> Calibrated:
        """All passes over a tier's pairs.

        Args:
            factors: "weights" or "values": layers of the ONNX file are equalized first.

        Raises:
            InputError: the bundle has no FP32 file of the tier, or a picture can't be used.
        """
        equalization = self._equalization(tier, factors)
        onnx = self._onnx(tier, factors, equalization)
        found = Calibrated(tier, {"onnxruntime": onnx}, {}, {}, [], {}, 0.0)
        if "litert" in runtimes:
            found.fp32["litert"] = self._litert(tier, factors, equalization)
        for runtime, path in found.fp32.items():
            started = time.perf_counter()
            found.histograms[runtime] = self._histograms(path, tier, runtime)
            found.histogram_s[runtime] = time.perf_counter() - started
        started = time.perf_counter()
        ranges = found.ranges("onnxruntime", "percentile", self.build.recipe.calibration.percentile)
        found.layers = integer_layers(onnx, ranges)
        found.moments = observe_patches(onnx, found.layers, self.feeds("moments", tier))
        found.moments_s = time.perf_counter() - started
        return found

    def _histograms(self, path: Path, tier: Tier, runtime: Runtime) -> dict[str, Histogram]:
        histograms: dict[str, Histogram] = {}

        def keep(histogram: Histogram) -> Range:
            histograms[histogram.name] = histogram
            return minmax(histogram)

        observe: Observe = (
            observe_onnx(path, tensors_to_calibrate(path))
            if runtime == "onnxruntime"
            else observe_litert(path, tier.signature)
        )
        collect(observe, self.feeds("ranges", tier, runtime), keep)
        return histograms

    def _equalization(self, tier: Tier, factors: str) -> Equalization:
        fp32 = self._fp32(tier)
        if not factors:
            return Equalization()
        if factors == "weights":
            return factors_by_weights(load_model(fp32).graph)
        return learn_equalization([(fp32, self.feeds("channels", tier))])

    def _fp32(self, tier: Tier) -> Path:
        return _existing(self.layout.onnx(tier, "fp32"))

    def _onnx(self, tier: Tier, factors: str, equalization: Equalization) -> Path:
        if not equalization:
            return self._fp32(tier)
        path = self.folder / f"{tier.id}-{factors}.onnx"
        write_equalized_onnx(self._fp32(tier), path, equalization)
        return path

    def _litert(self, tier: Tier, factors: str, equalization: Equalization) -> Path:
        path = self.folder / f"{tier.id}-{factors}.tflite"
        fp32 = _existing(self.layout.tflite("fp32"))
        path.write_bytes(tw.serialize(tf.extract_signature(tf.read_model(fp32), tier.signature)))
        if equalization:
            write_equalized_litert(path, path, equalization)
        return path


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path} is missing", "run `iast-export build` for this bundle first")
    return path
