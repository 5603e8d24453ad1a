"""The bundle's contract: every file listed with its hash, and the exact edges of every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from iast_export import __version__
from iast_export.bundle.facts import BundleFacts
from iast_export.bundle.layout import Layout, ModelFile
from iast_export.bundle.notice import entry_of, notice_of
from iast_export.bundle.sealed import Seals
from iast_export.bundle.shaped import load_shapes
from iast_export.bundle.styles import Style
from iast_export.errors import InputError
from iast_export.families import FAMILIES
from iast_export.files.artifacts import read_bytes, sha256_bytes, sha256_file, write_atomic
from iast_export.formats.minimum_runtime import minimum_runtime
from iast_export.reports.base import CONVERT_PATH, QUANTIZE_PATH, REPORT_PATHS
from iast_export.reports.convert import ConvertReport
from iast_export.reports.manifest import (
    FileEntry,
    GoldenEntry,
    IoEntry,
    Manifest,
    PadTo,
    Postprocess,
    Preprocess,
    StyleEntry,
    TierEntry,
)
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.statistics import TierStatistics
from iast_export.runtimes.edges import ModelEdge, model_edges
from iast_export.runtimes.gpu_operators import left_to_cpu
from iast_export.specs import (
    STYLE_ENCODER_SIDE_PX,
    Accelerator,
    Tier,
    edge_layout,
    edge_value_range,
)


def write_manifest(
    layout: Layout,
    facts: BundleFacts,
    golden: Sequence[GoldenEntry],
    statistics: Mapping[Tier, TierStatistics],
) -> None:
    """Writes the notice, and the manifest over all files; the same inputs give the same bytes.

    Raises:
        InputError: a file that the bundle must hold is missing.
    """
    files, reshaped = _model_files(layout, facts), _reshaped(layout, facts)
    styles = tuple(_style_entry(layout, style) for style in facts.styles)
    notice = notice_of(layout.name, facts.source, styles, facts.checkpoint_licence)
    write_atomic(layout.notice, notice)
    Manifest(
        name=layout.name,
        created_by=f"iast-export {__version__}",
        network=facts.network,
        tiers=tuple(
            TierEntry(
                id=t.id,
                depth=t.depth,
                max_side_px=t.max_side_px,
                shape_px=t.shape_px,
                any_shape=t in reshaped,
                statistics=statistics[t],
            )
            for t in facts.tiers
        ),
        files=tuple(file for file, _ in files),
        io=tuple(_io(file.path, edge) for file, edges in files for edge in edges),
        preprocess=Preprocess(
            size_multiple_px=facts.network.size_multiple_px,
            style_side_px=STYLE_ENCODER_SIDE_PX,
            pad_to=PadTo(litert=PadTo().onnxruntime) if reshaped else PadTo(),
        ),
        postprocess=Postprocess(),
        styles=styles,
        golden=tuple(golden),
        source=facts.source,
        reports=REPORT_PATHS,
        notice=entry_of(notice, facts.checkpoint_licence),
    ).save(layout.manifest)


def _model_files(layout: Layout, facts: BundleFacts) -> list[tuple[FileEntry, list[ModelEdge]]]:
    left = _left_by_xnnpack(layout.root)
    seals = Seals.of_build(layout.root)
    return [
        _file_entry(layout, one, seals, left)
        for one in layout.model_files(facts.tiers, facts.landmarks is not None, facts.encodes)
    ]


def _file_entry(
    layout: Layout,
    file: ModelFile,
    seals: Seals,
    left: Mapping[str, Mapping[str, int]],
) -> tuple[FileEntry, list[ModelEdge]]:
    """A file as the manifest lists it, and its edges."""
    path, name = file.path, layout.relative(file.path)
    if not path.is_file():
        raise InputError(
            f"{path} is missing", "run `iast-export build` again; it makes what is missing"
        )
    shapes = layout.shapes(path)
    has_shapes = layout.relative(shapes) in seals.sha256
    statistics = layout.statistics(path)
    has_statistics = layout.relative(statistics) in seals.sha256
    data = read_bytes(path) if file.role == "landmarks" else seals.read(path)
    edges = model_edges(FAMILIES[file.runtime], data, path)
    keys = dict.fromkeys(edge.signature for edge in edges if edge.signature is not None)
    entry = FileEntry.model_validate(
        {
            "path": name,
            "bytes": len(data),
            "sha256": sha256_bytes(data),
            "runtime": file.runtime,
            "precision": file.precision,
            "role": file.role,
            "signatures": tuple(keys),
            "tier": file.tier.id if file.tier else None,
            "minimum_runtime": minimum_runtime(data, path),
            "accelerators": _accelerators(data, path, left.get(name, {})),
            "shapes": layout.relative(shapes) if has_shapes else None,
            "shapes_sha256": sha256_bytes(seals.read(shapes)) if has_shapes else None,
            "statistics": layout.relative(statistics) if has_statistics else None,
            "statistics_sha256": sha256_bytes(seals.read(statistics)) if has_statistics else None,
        }
    )
    return entry, edges


def _reshaped(layout: Layout, facts: BundleFacts) -> list[Tier]:
    """The tiers of which LiteRT's files take pictures of any shape, each file or none."""
    seals, model = Seals.of_build(layout.root), layout.tflite("fp32")
    table = load_shapes(seals, model, seals.read(model))
    return [tier for tier in facts.tiers if table is not None and table.find(tier.signature)]


def _accelerators(
    data: bytes, path: Path, left: Mapping[str, int]
) -> dict[str, tuple[Accelerator, ...]]:
    """The accelerators that run all of each signature, by how many operators XNNPACK leaves."""
    if path.suffix != ".tflite":
        return {}
    on_cpu = {key: () if left.get(key, 1) else ("cpu",) for key in left}
    return {
        key: (*on_cpu.get(key, ()), *(() if off else ("gpu",)))
        for key, off in left_to_cpu(data, path).items()
    }


def _left_by_xnnpack(root: Path) -> dict[str, dict[str, int]]:
    """Path of a TFLite file -> signature -> how many operators XNNPACK leaves, by the reports."""
    converted = ConvertReport.load(root / CONVERT_PATH).rows
    quantized = QuantizeReport.load(root / QUANTIZE_PATH).rows
    found = {row.path: dict(row.not_delegated) for row in converted}
    return found | {
        row.path: {key: len(names) for key, names in row.not_delegated.items()} for row in quantized
    }


def _style_entry(layout: Layout, style: Style) -> StyleEntry:
    codes, thumbnail = layout.codes(style.id), layout.thumbnail(style.id)
    return StyleEntry(
        id=style.id,
        category=style.category,
        path=layout.relative(codes),
        sha256=sha256_file(codes),
        title=style.title,
        licence=style.licence,
        source=style.source,
        captions=style.captions,
        thumbnail=layout.relative(thumbnail),
        thumbnail_sha256=sha256_file(thumbnail),
    )


def _io(path: str, edge: ModelEdge) -> IoEntry:
    kept = edge.quantization if edge.dtype != "float32" else None
    return IoEntry.model_validate(
        {
            "path": path,
            "signature": edge.signature,
            "direction": edge.direction,
            "name": edge.name,
            "dtype": edge.dtype,
            "layout": edge_layout(edge.name, len(edge.shape), edge.signature is not None),
            "shape": edge.shape,
            "scale": float(kept[0]) if kept else None,
            "zero_point": int(kept[1]) if kept else None,
            "value_range": edge_value_range(edge.name),
        }
    )
