"""The bundle's contract: every file listed with its hash, exact edges, and golden pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iast_export import __version__
from iast_export.bundle.sealed import Seals, read_sealed
from iast_export.bundle.styles import Style, feeds_of, pack
from iast_export.errors import InputError
from iast_export.files.artifacts import (
    Progress,
    no_progress,
    read_bytes,
    sha256_bytes,
    sha256_file,
    write_atomic,
)
from iast_export.formats.minimum_runtime import minimum_runtime
from iast_export.pictures.images import Rgb, center_square, fit_longest_side, save_png
from iast_export.reports.base import CONVERT_PATH, MANIFEST_NAME, QUANTIZE_PATH, REPORT_PATHS
from iast_export.reports.convert import ConvertReport
from iast_export.reports.manifest import (
    FileEntry,
    GoldenEntry,
    IoEntry,
    Manifest,
    NetworkFacts,
    Postprocess,
    Preprocess,
    SourceFacts,
    StyleEntry,
    TierEntry,
)
from iast_export.reports.quantize import QuantizeReport
from iast_export.runtimes.gpu_operators import left_to_cpu
from iast_export.runtimes.litert import litert_interpreter, open_litert
from iast_export.runtimes.onnx import open_onnx, try_foreign_onnx
from iast_export.runtimes.session import stylize_rgb
from iast_export.specs import (
    GOLDEN_LANES,
    GPU_TOLERANCE_LEVELS,
    LANDMARKS,
    LANDMARKS_SIDE_PX,
    ONNX_PRECISIONS,
    PRECISIONS,
    STYLE_ENCODER_SIDE_PX,
    THUMBNAIL_SIDE_PX,
    TOLERANCE_LEVELS,
    Accelerator,
    Precision,
    Runtime,
    Tier,
    dispatch_name,
    edge_layout,
    edge_value_range,
    landmarks_name,
    onnx_name,
    tflite_name,
)

_GOLDEN_STRENGTH = 1.0


@dataclass(frozen=True)
class BundleFacts:
    """What the manifest says beyond the files themselves."""

    name: str
    network: NetworkFacts
    tiers: Sequence[Tier]
    styles: Sequence[Style]
    source: SourceFacts
    landmarks: Path | None = None


def write_styles(
    root: Path, styles: Sequence[Style], code_shapes: Mapping[str, tuple[int, ...]]
) -> list[Path]:
    """Writes every style's codes to DIR/styles/ID.f32; the paths."""
    paths = []
    for style in styles:
        path = root / "styles" / f"{style.id}.f32"
        write_atomic(path, pack(style.codes, code_shapes))
        paths.append(path)
    return paths


def write_thumbnails(
    root: Path, facts: BundleFacts, picture: Rgb, progress: Progress = no_progress
) -> list[Path]:
    """Draws `picture` [H, W, 3] in every style, DIR/styles/ID.png, by the smallest tier in FP32."""
    tier = facts.tiers[0]
    square = center_square(picture, min(THUMBNAIL_SIDE_PX, tier.max_side_px))
    paths = []
    path = root / "models" / onnx_name(facts.name, tier, "fp32")
    session = open_onnx(Seals.of_build(root).read(path), where=path)
    for i, style in enumerate(facts.styles):
        progress("thumbnails", i, len(facts.styles))
        feeds = feeds_of(style, facts.network.code_shapes)
        drawn = stylize_rgb(session, square, feeds, multiple_px=facts.network.size_multiple_px)
        paths.append(root / "styles" / f"{style.id}.png")
        save_png(paths[-1], drawn)
    progress("thumbnails", len(facts.styles), len(facts.styles))
    return paths


def write_landmarks(root: Path, facts: BundleFacts) -> list[Path]:
    """Copies the user's facial landmark model into the bundle, if there is one.

    Raises:
        InputError: it is missing or crashes, or its edges are not those that the app feeds.
        ToolError: ONNX Runtime can't load it.
    """
    if facts.landmarks is None:
        return []
    data = read_bytes(facts.landmarks)
    inputs, outputs = try_foreign_onnx(facts.landmarks, data)
    wanted = [[1, 3, LANDMARKS_SIDE_PX, LANDMARKS_SIDE_PX]], [[1, 2 * LANDMARKS]]
    if (inputs, outputs) != wanted:
        raise InputError(
            f"{facts.landmarks} maps {inputs} to {outputs}, {wanted[0]} to {wanted[1]} is needed",
            "export it with those shapes: RGB in [0, 1], 68 points as x, y in [0, 1] of the crop",
        )
    path = root / "models" / landmarks_name(facts.name)
    write_atomic(path, data)
    return [path]


def write_goldens(
    root: Path, facts: BundleFacts, picture: Rgb, progress: Progress = no_progress
) -> tuple[list[GoldenEntry], list[Path]]:
    """Runs a strip of `picture` through every tier, runtime and precision that pictures are
    promised for.

    Args:
        picture: RGB [H, W, 3], which calibrated nothing; a strip a quarter as high as the tier's
            side is cut from its middle, so that the pad is exercised too.

    Returns:
        The manifest's entries and the files written.
    """
    entries, paths = [], []
    style = facts.styles[0]
    for i, tier in enumerate(facts.tiers):
        progress("goldens", i, len(facts.tiers))
        content = _strip(picture, tier.max_side_px)
        content_path = root / "golden" / f"{tier.id}-content.png"
        save_png(content_path, content)
        paths.append(content_path)
        outputs, first = {}, len(paths) - 1
        for runtime, precision in GOLDEN_LANES:
            result = _run(root, facts, tier, runtime, precision, content, style)
            path = root / "golden" / f"{tier.id}-{runtime}-{precision}.png"
            save_png(path, result)
            paths.append(path)
            outputs[f"{runtime}-{precision}"] = path.relative_to(root).as_posix()
        entries.append(
            GoldenEntry(
                tier=tier.id,
                content=content_path.relative_to(root).as_posix(),
                style=style.id,
                strength=_GOLDEN_STRENGTH,
                outputs=outputs,
                tolerance_levels=dict(TOLERANCE_LEVELS),
                gpu_tolerance_levels=dict(GPU_TOLERANCE_LEVELS),
                sha256={p.relative_to(root).as_posix(): sha256_file(p) for p in paths[first:]},
            )
        )
    progress("goldens", len(facts.tiers), len(facts.tiers))
    return entries, paths


def golden_names(tier: Tier) -> list[str]:
    """The golden pictures of a tier, relative to the bundle."""
    kinds = ("content", *(f"{runtime}-{precision}" for runtime, precision in GOLDEN_LANES))
    return [f"golden/{tier.id}-{kind}.png" for kind in kinds]


def _strip(picture: Rgb, side_px: int) -> Rgb:
    fitted = fit_longest_side(picture, side_px)
    height = min(fitted.shape[0], max(side_px // 4, 8))
    top = (fitted.shape[0] - height) // 2
    return fitted[top : top + height, :side_px].copy()


def _run(
    root: Path,
    facts: BundleFacts,
    tier: Tier,
    runtime: str,
    precision: str,
    content: Rgb,
    style: Style,
) -> Rgb:
    feeds = feeds_of(style, facts.network.code_shapes, _GOLDEN_STRENGTH)
    models, seals = root / "models", Seals.of_build(root)
    if runtime == "litert":
        path = models / tflite_name(facts.name, _precision(precision))
        litert = open_litert(seals.read(path), tier.signature, where=path)
        return stylize_rgb(litert, content, feeds, fixed_shape_px=tier.shape_px)
    path = models / onnx_name(facts.name, tier, _precision(precision))
    session = open_onnx(seals.read(path), where=path)
    return stylize_rgb(session, content, feeds, multiple_px=facts.network.size_multiple_px)


def _precision(name: str) -> Precision:
    return next(p for p in PRECISIONS if p == name)


def write_manifest(root: Path, facts: BundleFacts, golden: Sequence[GoldenEntry]) -> Path:
    """Writes DIR/manifest.json over the files that are there; the same inputs give the same bytes.

    Raises:
        InputError: a file that the bundle must hold is missing.
    """
    files = _model_files(root, facts)
    manifest = Manifest(
        name=facts.name,
        created_by=f"iast-export {__version__}",
        network=facts.network,
        tiers=tuple(
            TierEntry(id=t.id, depth=t.depth, max_side_px=t.max_side_px, shape_px=t.shape_px)
            for t in facts.tiers
        ),
        files=tuple(files),
        io=tuple(entry for file in files for entry in _edges(root, file)),
        preprocess=Preprocess(
            size_multiple_px=facts.network.size_multiple_px, style_side_px=STYLE_ENCODER_SIDE_PX
        ),
        postprocess=Postprocess(),
        styles=tuple(_style_entry(root, style) for style in facts.styles),
        golden=tuple(golden),
        source=facts.source,
        reports=REPORT_PATHS,
    )
    path = root / MANIFEST_NAME
    manifest.save(path)
    return path


def model_paths(
    name: str, tiers: Sequence[Tier], landmarks: bool = False
) -> list[tuple[str, Runtime, Precision, str, str | None]]:
    """Every model file of a bundle: file name, runtime, precision, role, tier id."""
    rows: list[tuple[str, Runtime, Precision, str, str | None]] = []
    for precision in ONNX_PRECISIONS:
        rows += [
            (onnx_name(name, t, precision), "onnxruntime", precision, "transfer", t.id)
            for t in tiers
        ]
        rows.append((dispatch_name(name, precision), "onnxruntime", precision, "dispatch", None))
    rows += [
        (tflite_name(name, precision), "litert", precision, "transfer", None)
        for precision in PRECISIONS
    ]
    rows.append((f"{name}-style-encoder-fp32.onnx", "onnxruntime", "fp32", "style_encoder", None))
    rows.append((f"{name}-style-encoder-fp32.tflite", "litert", "fp32", "style_encoder", None))
    if landmarks:
        rows.append((landmarks_name(name), "onnxruntime", "fp32", "landmarks", None))
    return rows


def _model_files(root: Path, facts: BundleFacts) -> list[FileEntry]:
    entries, seals, left = [], Seals.of_build(root), _left_by_xnnpack(root)
    for file_name, runtime, precision, role, tier in model_paths(
        facts.name, facts.tiers, facts.landmarks is not None
    ):
        path = root / "models" / file_name
        if not path.is_file():
            raise InputError(
                f"{path} is missing", "run `iast-export build` again; it makes what is missing"
            )
        data = read_bytes(path) if role == "landmarks" else seals.read(path)
        signatures: tuple[str, ...] = ()
        if runtime == "litert":
            signatures = (
                tuple(t.signature for t in facts.tiers) if role == "transfer" else _signatures(data)
            )
        entries.append(
            FileEntry.model_validate(
                {
                    "path": f"models/{file_name}",
                    "bytes": len(data),
                    "sha256": sha256_bytes(data),
                    "runtime": runtime,
                    "precision": precision,
                    "role": role,
                    "signatures": signatures,
                    "tier": tier,
                    "minimum_runtime": minimum_runtime(data, path),
                    "accelerators": _accelerators(data, path, left.get(f"models/{file_name}", {})),
                }
            )
        )
    return entries


def _accelerators(
    data: bytes, path: Path, left: Mapping[str, int]
) -> dict[str, tuple[Accelerator, ...]]:
    """Per signature the accelerators that run all of it, given how many operators XNNPACK
    leaves."""
    if path.suffix != ".tflite":
        return {}
    on_cpu = {key: () if left.get(key, 1) else ("cpu",) for key in left}
    return {
        key: (*on_cpu.get(key, ()), *(() if off else ("gpu",)))
        for key, off in left_to_cpu(data, path).items()
    }


def _left_by_xnnpack(root: Path) -> dict[str, dict[str, int]]:
    """Path of a TFLite file -> signature -> how many operators XNNPACK leaves, as the reports
    say."""
    converted = ConvertReport.load(root / CONVERT_PATH).rows
    quantized = QuantizeReport.load(root / QUANTIZE_PATH).rows
    found = {row.path: dict(row.not_delegated) for row in converted}
    return found | {
        row.path: {key: len(names) for key, names in row.not_delegated.items()}
        for row in quantized
        if row.runtime == "litert"
    }


def _signatures(data: bytes) -> tuple[str, ...]:
    return tuple(litert_interpreter(data).get_signature_list())


def _style_entry(root: Path, style: Style) -> StyleEntry:
    path, thumbnail = f"styles/{style.id}.f32", f"styles/{style.id}.png"
    return StyleEntry(
        id=style.id,
        category=style.category,
        path=path,
        sha256=sha256_file(root / path),
        title=style.title,
        licence=style.licence,
        source=style.source,
        thumbnail=thumbnail,
        thumbnail_sha256=sha256_file(root / thumbnail),
    )


def _edges(root: Path, file: FileEntry) -> list[IoEntry]:
    data = read_sealed(root / file.path, file.sha256)
    if file.runtime == "onnxruntime":
        raw = open_onnx(data, where=root / file.path).raw
        both = (("input", raw.get_inputs()), ("output", raw.get_outputs()))
        return [
            _io(file.path, None, direction, item.name, "float32", list(item.shape), None)
            for direction, items in both
            for item in items
        ]
    entries = []
    for signature in file.signatures:
        runner = open_litert(data, signature).raw.get_signature_runner(signature)
        for direction, details in (
            ("input", runner.get_input_details()),
            ("output", runner.get_output_details()),
        ):
            for name, detail in sorted(details.items()):
                dtype = detail["dtype"].__name__
                shape = [int(side) for side in detail["shape"]]
                entries.append(
                    _io(file.path, signature, direction, name, dtype, shape, detail["quantization"])
                )
    return entries


def _io(
    path: str,
    signature: str | None,
    direction: str,
    name: str,
    dtype: str,
    shape: list[Any],
    quantization: Any,
) -> IoEntry:
    integer = dtype != "float32"
    return IoEntry.model_validate(
        {
            "path": path,
            "signature": signature,
            "direction": direction,
            "name": name,
            "dtype": dtype,
            "layout": edge_layout(name, len(shape), signature is not None),
            "shape": tuple(shape),
            "scale": float(quantization[0]) if integer else None,
            "zero_point": int(quantization[1]) if integer else None,
            "value_range": edge_value_range(name),
        }
    )
