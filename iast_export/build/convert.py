"""PyTorch to one FP32 .tflite file: a fixed-shape signature per tier, weights stored once.

Conversion goes through litert-torch; on the way operators take the forms of `litert_forms`. The
edges are NHWC and named as in the ONNX files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from iast_export.build.about import about_of, about_params
from iast_export.build.converter import Entry, check_parity, file_of
from iast_export.build.request import Build
from iast_export.build.stage import Stage
from iast_export.build.tracing import (
    StyleEncoderModule,
    example_codes,
    pseudo_artwork,
    pseudo_photograph,
    traced_params,
)
from iast_export.bundle.about import describe_tflite
from iast_export.files.artifacts import Progress, atomic_path, no_progress, sha256_file
from iast_export.formats import tflite_file, tflite_write
from iast_export.forms.batch_norms import fold_batch_norms
from iast_export.forms.slopes import share_slopes
from iast_export.forms.subpixels import fold_transposed
from iast_export.quantize.litert.delegation import delegation
from iast_export.reports.base import CONVERT_PATH
from iast_export.reports.convert import ConvertReport, ConvertRow
from iast_export.specs import CONTENT, STYLE_IMAGE, STYLIZED, Role, Tier

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
        share_slopes(folded)
        multiple_px = network.size_multiple_px
        entries.append(Entry(tier.signature, module, folded, inputs, (STYLIZED,), multiple_px))
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
    entry = Entry(STYLE_SIGNATURE, encoder, encoder, {STYLE_IMAGE: picture}, encoder.names)
    return _convert([entry], path, progress)


def _convert(entries: Sequence[Entry], path: Path, progress: Progress) -> ConvertSummary:
    progress("convert to LiteRT", 0, len(entries) + 1)
    data, rewrites = file_of(entries)
    written = tflite_file.parse(data)
    differences: dict[str, float] = {}
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        for n, entry in enumerate(entries, start=1):
            progress(f"compare {entry.key} with PyTorch", n, len(entries) + 1)
            differences[entry.key] = check_parity(temporary, entry)
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
