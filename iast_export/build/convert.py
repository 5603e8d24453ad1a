"""PyTorch to one FP32 .tflite file: a fixed-shape signature per tier, weights stored once.

Conversion goes through litert-torch; on the way operators take the forms of `litert_forms`. The
edges are NHWC and named as in the ONNX files.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.errors import ToolError
from iast_export.files.artifacts import Progress, atomic_path, no_progress
from iast_export.formats import tflite_file, tflite_write
from iast_export.forms import tflite_forms
from iast_export.forms.batch_norms import fold_batch_norms
from iast_export.forms.litert_forms import LiteRtForms
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.parity import PARITY_TOLERANCE, parity_error
from iast_export.runtimes.session import IMAGE_NAMES
from iast_export.specs import CONTENT, STRENGTH, STYLE_ENCODER_SIDE_PX, STYLE_IMAGE, STYLIZED, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

STYLE_SIGNATURE = "style_encoder"


@dataclass(frozen=True)
class ConvertSummary:
    """What a conversion made; `size_ratio` is file bytes over the largest signature alone.

    `max_difference` is the `parity_error` per signature.
    `rewrites` counts, over all signatures, the places that were traced in each of
    `litert_forms.FORMS`.
    """

    path: str
    file_bytes: int
    largest_alone_bytes: int
    size_ratio: float
    unique_weight_bytes: int
    shared_weight_bytes: int
    signature_weight_bytes: Mapping[str, int]
    max_difference: Mapping[str, float]
    operators: Mapping[str, Mapping[str, int]]
    rewrites: Mapping[str, int]
    convert_s: float
    check_s: float


class _Nhwc(nn.Module):
    """A module behind NHWC images and named inputs; returns named outputs."""

    def __init__(
        self, call: Callable[..., Any], image: str, codes: Sequence[str], outputs: Sequence[str]
    ):
        super().__init__()
        if isinstance(call, nn.Module):
            self.inner = call
        self._call = call
        self._image, self._codes, self._outputs = image, tuple(codes), tuple(outputs)
        self.rewrites: Counter[str] = Counter()

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        with LiteRtForms() as forms:
            image = inputs[self._image].permute(0, 3, 1, 2)
            result = self._call(image, *[inputs[name] for name in self._codes])
        self.rewrites = forms.counts
        results = (result,) if isinstance(result, Tensor) else tuple(result)
        named = zip(self._outputs, results, strict=True)
        return {name: _nhwc(name, value) for name, value in named}


class _Encoder(nn.Module):
    """A network's style encoder as a module: [1, 3, H, W] -> the codes except `strength`."""

    def __init__(self, network: StyleNetwork) -> None:
        super().__init__()
        if isinstance(network, nn.Module):
            self.network = network
        self._encode, self._names = network.encode_style, tuple(network.code_shapes)

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        codes = self._encode(style)
        return tuple(c for name, c in zip(self._names, codes, strict=True) if name != STRENGTH)


@dataclass(frozen=True)
class _Entry:
    """A signature to be: its module, the form to trace, inputs (NCHW, in call order) and output
    names."""

    key: str
    module: nn.Module
    traced: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]


def convert_fp32(
    network: StyleNetwork, tiers: Sequence[Tier], path: Path, progress: Progress = no_progress
) -> ConvertSummary:
    """Writes one FP32 .tflite with one fixed-shape signature per tier, keyed `tier.signature`.

    Every signature is compared with its own PyTorch tier, and sharing is proved on the bytes
    (`tflite_write.check_constants`) before the file takes its name. Two conversions of the same
    network are byte-identical.

    Raises:
        ToolError: the converter failed, a signature differs from PyTorch (`parity_error`), or a
            constant changed.
    """
    codes = network.encode_style(_picture(STYLE_ENCODER_SIDE_PX, STYLE_ENCODER_SIDE_PX, seed=1))
    named = {name: c.detach() for name, c in zip(network.code_shapes, codes, strict=True)}
    entries = []
    for n, tier in enumerate(tiers):
        module = network.cut(tier.depth).eval().requires_grad_(False)
        inputs = {CONTENT: _picture(*tier.shape_px, seed=2 + n), **named}
        folded = fold_batch_norms(
            network.cut(tier.depth).eval().requires_grad_(False), *inputs.values()
        )
        entries.append(_Entry(tier.signature, module, folded, inputs, (STYLIZED,)))
    return _convert(entries, path, progress)


def convert_style_encoder(
    network: StyleNetwork, path: Path, progress: Progress = no_progress
) -> ConvertSummary:
    """Writes the style encoder: `style` [1, 256, 256, 3] -> the codes except `strength`, by name.

    Raises:
        ToolError: the converter failed or the result differs from PyTorch (`parity_error`).
    """
    names = tuple(name for name in network.code_shapes if name != STRENGTH)
    picture = _picture(STYLE_ENCODER_SIDE_PX, STYLE_ENCODER_SIDE_PX, seed=1)
    encoder = _Encoder(network).eval()
    entry = _Entry(STYLE_SIGNATURE, encoder, encoder, {STYLE_IMAGE: picture}, names)
    return _convert([entry], path, progress)


def _convert(entries: Sequence[_Entry], path: Path, progress: Progress) -> ConvertSummary:
    started = time.perf_counter()
    progress("convert to LiteRT", 0, len(entries) + 1)
    data, rewrites = _run_converter(entries)
    raw = tflite_file.parse(data)
    tflite_forms.reform(raw)
    model = deepcopy(raw)
    tflite_write.canonicalize(model)
    data = tflite_write.serialize(model)
    written = tflite_file.parse(data)
    tflite_write.check_constants(raw, written)
    converted = time.perf_counter()
    differences: dict[str, float] = {}
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        for n, entry in enumerate(entries, start=1):
            progress(f"compare {entry.key} with PyTorch", n, len(entries) + 1)
            differences[entry.key] = _check_parity(temporary, entry)
    progress("convert to LiteRT", len(entries) + 1, len(entries) + 1)
    alone = [
        len(tflite_write.serialize(tflite_file.extract_signature(written, e.key))) for e in entries
    ]
    count = tflite_file.count_bytes(written)
    return ConvertSummary(
        path=path.name,
        file_bytes=len(data),
        largest_alone_bytes=max(alone),
        size_ratio=len(data) / max(alone),
        unique_weight_bytes=count.unique_weight_bytes,
        shared_weight_bytes=count.shared_weight_bytes,
        signature_weight_bytes=count.signature_weight_bytes,
        max_difference=differences,
        operators=tflite_file.operator_counts(written),
        rewrites=dict(sorted(rewrites.items())),
        convert_s=converted - started,
        check_s=time.perf_counter() - converted,
    )


def _run_converter(entries: Sequence[_Entry]) -> tuple[bytes, Counter[str]]:
    """The converter's own bytes, before anything of ours on them, and the places traced in our
    forms."""
    os.environ["LITERT_TORCH_SHOW_PROGRESS"] = "n"
    with tflite_file.quiet_tools(), torch.no_grad():
        import litert_torch

        converter: Any = None
        rewrites: Counter[str] = Counter()
        for entry in entries:
            image, *codes = entry.inputs
            module = _Nhwc(entry.traced, image, codes, entry.outputs).eval()
            sample = {name: _nhwc(name, value).contiguous() for name, value in entry.inputs.items()}
            add = litert_torch.signature if converter is None else converter.signature
            module(**sample)  # once as it is, since what tracing notes in a module is lost
            rewrites.update(module.rewrites)
            converter = add(entry.key, module, sample_kwargs=sample)
        data = bytes(converter.convert().model_content())
    return data, rewrites


def _nhwc(name: str, value: Tensor) -> Tensor:
    """Images change their layout, codes keep theirs."""
    return value.permute(0, 2, 3, 1) if name in IMAGE_NAMES and value.dim() == 4 else value


def _check_parity(path: Path, entry: _Entry) -> float:
    """`parity_error` of a signature against its own module.

    Raises:
        ToolError: it is above the tolerance or not a number.
    """
    with tflite_file.quiet_tools():
        session = open_litert(path, entry.key)
        feeds = {name: value.numpy() for name, value in entry.inputs.items()}
        got = session.run(feeds)
    with torch.inference_mode():
        result = entry.module(*entry.inputs.values())
    wanted = (result,) if isinstance(result, Tensor) else tuple(result)
    named = zip(entry.outputs, wanted, strict=True)
    worst = parity_error({name: value.numpy() for name, value in named}, got)
    if not worst <= PARITY_TOLERANCE:
        raise ToolError(
            f"signature {entry.key} differs from PyTorch by {worst:.2e} of an output's scale, "
            f"allowed {PARITY_TOLERANCE:.0e}",
            "check the network's values for overflow and its operators for unsupported modes",
        )
    return worst


def _picture(height_px: int, width_px: int, seed: int) -> Tensor:
    """A smooth random picture with some noise [1, 3, H, W] in [0, 1], the same for the same
    seed."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 8, 8, generator=generator)
    smooth = F.interpolate(coarse, (height_px, width_px), mode="bilinear", align_corners=False)
    noise = torch.rand(1, 3, height_px, width_px, generator=generator)
    return (0.85 * smooth + 0.15 * noise).clamp(0.0, 1.0)
