"""PyTorch to one FP32 .tflite file: a fixed-shape signature per tier, weights stored once.

Conversion goes through litert-torch; on the way operators take the forms of `litert_forms`. The
edges are NHWC and named as in the ONNX files.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from iast_export.build.about import about_of, about_params
from iast_export.build.request import Build
from iast_export.build.stage import Stage
from iast_export.build.tracing import (
    StyleEncoderModule,
    checked_parity,
    example_codes,
    pseudo_artwork,
    pseudo_photograph,
    traced_params,
)
from iast_export.bundle.about import describe_tflite
from iast_export.errors import IastExportError, ToolError
from iast_export.files.artifacts import Progress, atomic_path, no_progress, sha256_file
from iast_export.formats import tflite_file, tflite_write
from iast_export.forms import tflite_forms
from iast_export.forms.batch_norms import fold_batch_norms
from iast_export.forms.litert_forms import LiteRtForms
from iast_export.forms.subpixels import fold_transposed
from iast_export.network.user_code import told
from iast_export.quantize.litert.delegation import delegation
from iast_export.reports.base import CONVERT_PATH
from iast_export.reports.convert import ConvertReport, ConvertRow
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.pytorch import TorchSession
from iast_export.specs import CONTENT, IMAGE_NAMES, STYLE_IMAGE, STYLIZED, Role, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

STYLE_SIGNATURE = "style_encoder"


@dataclass(frozen=True)
class ConvertSummary:
    """What a conversion made.

    Attributes:
        largest_alone_bytes: of a file with the largest signature alone.
        max_difference: the `parity_error` per signature.
        rewrites: over all signatures, the places that were traced in each of `litert_forms.FORMS`.
    """

    file_bytes: int
    largest_alone_bytes: int
    unique_weight_bytes: int
    shared_weight_bytes: int
    max_difference: Mapping[str, float]
    rewrites: Mapping[str, int]


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


@dataclass(frozen=True)
class _Entry:
    """A signature to be: module, form to trace, inputs (NCHW, in call order), output names."""

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
    codes, entries = example_codes(network), []
    for tier in tiers:
        module = network.cut(tier.depth).eval().requires_grad_(False)
        inputs = {CONTENT: torch.from_numpy(pseudo_photograph(*tier.shape_px)), **codes}
        folded = fold_batch_norms(
            network.cut(tier.depth).eval().requires_grad_(False), *inputs.values()
        )
        fold_transposed(folded)
        entries.append(_Entry(tier.signature, module, folded, inputs, (STYLIZED,)))
    return _convert(entries, path, progress)


def convert_style_encoder(
    network: StyleNetwork, path: Path, progress: Progress = no_progress
) -> ConvertSummary:
    """Writes the style encoder: `style` [1, 256, 256, 3] -> the codes except `strength`, by name.

    Raises:
        ToolError: the converter failed or the result differs from PyTorch (`parity_error`).
    """
    picture = torch.from_numpy(pseudo_artwork())
    encoder = StyleEncoderModule(network).eval()
    entry = _Entry(STYLE_SIGNATURE, encoder, encoder, {STYLE_IMAGE: picture}, encoder.names)
    return _convert([entry], path, progress)


def _convert(entries: Sequence[_Entry], path: Path, progress: Progress) -> ConvertSummary:
    progress("convert to LiteRT", 0, len(entries) + 1)
    data, rewrites = _run_converter(entries)
    raw = tflite_file.parse(data)
    tflite_forms.reform(raw)
    model = deepcopy(raw)
    tflite_write.canonicalize(model)
    data = tflite_write.serialize(model)
    written = tflite_file.parse(data)
    tflite_write.check_constants(raw, written)
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
        file_bytes=len(data),
        largest_alone_bytes=max(alone),
        unique_weight_bytes=count.unique_weight_bytes,
        shared_weight_bytes=count.shared_weight_bytes,
        max_difference=differences,
        rewrites=dict(sorted(rewrites.items())),
    )


def _run_converter(entries: Sequence[_Entry]) -> tuple[bytes, Counter[str]]:
    """The converter's own bytes, untouched, and the places traced in our forms."""
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
            with _told(entry.key):
                converter = add(entry.key, module, sample_kwargs=sample)
        with _told("the file"):
            data = bytes(converter.convert().model_content())
    return data, rewrites


@contextmanager
def _told(what: str) -> Iterator[None]:
    """The converter's errors in one line: it raises classes of many kinds.

    Raises:
        ToolError: it refused the network.
    """
    try:
        yield
    except (MemoryError, IastExportError):
        raise
    except Exception as error:
        raise ToolError(
            f"litert-torch can't convert {what}: {told(error)}",
            "write the operator that is named by others, such as convolutions, means and sums, or "
            "report the network",
        ) from error


def _nhwc(name: str, value: Tensor) -> Tensor:
    """Images change their layout, codes keep theirs."""
    return value.permute(0, 2, 3, 1) if name in IMAGE_NAMES and value.dim() == 4 else value


def _check_parity(path: Path, entry: _Entry) -> float:
    """`checked_parity` of a signature against its own module."""
    image, *codes = entry.inputs
    reference = TorchSession(entry.module, codes, image_name=image, output_names=entry.outputs)
    feeds = {name: value.numpy() for name, value in entry.inputs.items()}
    with tflite_file.quiet_tools():
        got = open_litert(path, entry.key).run(feeds)
    return checked_parity(f"signature {entry.key}", reference, feeds, got)


def _outputs(build: Build) -> list[Path]:
    layout, transfer = build.layout, build.layout.tflite("fp32")
    encoder = [layout.style_encoder("litert")] if build.encodes else []
    return [transfer, *encoder, build.root / CONVERT_PATH]


def _run(build: Build) -> None:
    layout, transfer, about = build.layout, build.layout.tflite("fp32"), about_of(build)
    made = convert_fp32(build.network, build.tiers, transfer, build.progress)
    describe_tflite(transfer, about, "transfer", "fp32")
    rows = [_row(layout.relative(transfer), transfer, "transfer", made)]
    if build.encodes:
        encoder = layout.style_encoder("litert")
        made = convert_style_encoder(build.network, encoder, build.progress)
        describe_tflite(encoder, about, "style_encoder", "fp32")
        rows.append(_row(layout.relative(encoder), encoder, "style_encoder", made))
    ConvertReport(rows=tuple(rows)).save(build.root / CONVERT_PATH)


def _params(build: Build) -> dict[str, Any]:
    return {**traced_params(build), **about_params(build)}


def _row(name: str, path: Path, role: Role, made: ConvertSummary) -> ConvertRow:
    taken = delegation(path)
    return ConvertRow.model_validate(
        {
            "path": name,
            "sha256": sha256_file(path),
            "precision": "fp32",
            "role": role,
            "signatures": tuple(made.max_difference),
            "file_bytes": path.stat().st_size,
            "unique_bytes": made.unique_weight_bytes,
            "shared_bytes": made.shared_weight_bytes,
            "largest_alone_bytes": made.largest_alone_bytes,
            "parity": dict(made.max_difference),
            "delegated": {k: v.operators - len(v.not_taken) for k, v in taken.items()},
            "not_delegated": {k: len(v.not_taken) for k, v in taken.items()},
            "rewrites": dict(made.rewrites),
        }
    )


STAGE = Stage(
    "convert",
    _params,
    lambda build: build.checkpoint_files,
    _outputs,
    _run,
    is_apart=True,
)
