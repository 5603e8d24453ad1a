"""The lanes of a tier and their files: the bundle's, searched ones, and those made beside.

What is made is made once per input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from iast_export.bundle.claims import claim
from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.errors import InputError, ToolError
from iast_export.families import FAMILIES
from iast_export.files.artifacts import (
    Progress,
    is_fresh,
    no_progress,
    record,
    sha256_file,
    stage_key,
)
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import Array
from iast_export.lanes.lane import Lane, find_lanes, run_apart
from iast_export.quantize.calibrate import load_ranges
from iast_export.quantize.learned import Learned, of_signatures
from iast_export.quantize.litert import lanes as litert_lanes
from iast_export.quantize.onnx import lanes as onnx_lanes
from iast_export.quantize.onnx.kernels import UINT16
from iast_export.quantize.onnx.qdq import quantize_onnx
from iast_export.quantize.quantizer import QUANTIZERS
from iast_export.reports.search import SearchReport, search_name
from iast_export.specs import ANY_PRECISIONS, RUNTIMES, AnyPrecision, Runtime, Tier

_NEVER_REFUSED = ("CONV_2D", "ADD", "CONCATENATION", "SLICE", "RESHAPE", "TRANSPOSE")
Write = Callable[[Path], None]


@dataclass(frozen=True)
class Source:
    """A bundle, or a build that is finished up to `quantize`, whose lanes are compared.

    Attributes:
        layout: where its files lie.
        tiers: all that it has.
        seals: what its files must hash to.
        trim_sums: as its INT8 was made.
        progress: told of every file.
        multiple_px: the network's size multiple, by which files that are made can be re-shaped;
            None: they keep their shapes.
    """

    layout: Layout
    tiers: Sequence[Tier]
    seals: Seals
    trim_sums: bool = True
    progress: Progress = no_progress
    multiple_px: int | None = None

    def reshaped(self, lane: Lane) -> Lane:
        """A lane beside the bundle, re-shaped where that can be."""
        return lane if self.multiple_px is None else lane.reshaped(self.multiple_px)


@dataclass(frozen=True)
class Entrant:
    """A lane that runs, or the reason why it does not.

    Attributes:
        lane: its file.
        shipped: whether the bundle lists it.
        computes: what the runtime really does with its convolutions.
        not_run: empty where it runs.
    """

    lane: Lane
    shipped: bool
    computes: str = ""
    not_run: str = ""


@dataclass(frozen=True)
class LaneMaker:
    """How a lane's file is made: `params` and `inputs` decide its bytes."""

    precision: AnyPrecision
    runtime: Runtime
    path: Path
    write: Write
    inputs: Sequence[Path]
    params: Mapping[str, Any] = field(default_factory=dict)


def enter_lanes(source: Source, tier: Tier, feeds: Mapping[str, Array]) -> list[Entrant]:
    """Every lane of a tier, runtime by runtime, FP32 first.

    Args:
        source: whose lanes.
        tier: one of its tiers.
        feeds: one run's inputs, `content` [1, 3, side, side] and the codes.

    Raises:
        InputError: a file of the source is missing.
    """
    makers = {"onnxruntime": _onnx_makers, "litert": _litert_makers}
    shipped = find_lanes(source.layout, [tier], source.seals)
    entrants = []
    for runtime in RUNTIMES:
        here = [Entrant(one, True, _work(one)) for one in shipped if one.runtime == runtime]
        here += [_made(source, tier, one, feeds) for one in makers[runtime](source, tier, feeds)]
        searched = searched_lane(source.layout, tier, runtime)
        lane = searched.lane if searched.not_run else source.reshaped(searched.lane)
        here.append(replace(searched, lane=lane))
        entrants += sorted(here, key=lambda one: ANY_PRECISIONS.index(one.lane.precision))
    return entrants


def _onnx_makers(source: Source, tier: Tier, feeds: Mapping[str, Array]) -> list[LaneMaker]:
    layout, trim_sums = source.layout, source.trim_sums
    fp32, ranges = layout.onnx(tier, "fp32"), layout.ranges("onnxruntime", tier)
    prepared = layout.prepared("onnxruntime", tier)

    def maker(precision: AnyPrecision, write: Write, *more: Path, **params: Any) -> LaneMaker:
        path = layout.lane("onnxruntime", precision, tier)
        return LaneMaker(precision, "onnxruntime", path, write, [fp32, *more], params)

    def int16x8(path: Path) -> None:
        learned = Learned(load_ranges(ranges), trim_sums=trim_sums)
        quantize_onnx(prepared, learned, path, kernels=UINT16)

    return [
        maker("fp16", partial(onnx_lanes.write_fp16, fp32)),
        maker("weight_only_int8", partial(onnx_lanes.write_weight_only_int8, fp32)),
        maker("dynamic_int8", partial(onnx_lanes.write_dynamic_int8, fp32)),
        maker("int16x8", int16x8, prepared, ranges, trim_sums=trim_sums),
        maker("ceiling", partial(onnx_lanes.write_ceiling, fp32, feeds)),
    ]


def _litert_makers(source: Source, tier: Tier, feeds: Mapping[str, Array]) -> list[LaneMaker]:
    """Files with every tier as a signature, as in the bundle, so that bytes compare."""
    layout, trim_sums = source.layout, source.trim_sums
    fp32, prepared = layout.tflite("fp32"), layout.prepared("litert", tier)
    ranges = {one: layout.ranges("litert", one) for one in source.tiers}

    def maker(precision: AnyPrecision, write: Write, *more: Path, **params: Any) -> LaneMaker:
        path = layout.lane("litert", precision, tier)
        return LaneMaker(precision, "litert", path, write, [fp32, *more], params)

    def int16x8(path: Path) -> None:
        found = {one.signature: load_ranges(kept) for one, kept in ranges.items()}
        litert_lanes.write_int16x8(prepared, of_signatures(found, trim_sums=trim_sums), path)

    codes = {key: value.shape for key, value in feeds.items() if key != "content"}
    return [
        maker("weight_only_int8", partial(litert_lanes.write_weight_only_int8, fp32)),
        maker("int16x8", int16x8, prepared, *ranges.values(), trim_sums=trim_sums),
        maker("ceiling", partial(write_litert_ceiling, fp32, source.tiers[0], codes)),
    ]


def write_litert_ceiling(
    fp32: Path, smallest: Tier, code_shapes: Mapping[str, Sequence[int]], path: Path
) -> None:
    """Everything in INT8 that runs; what LiteRT refuses or dies of stays in float, by kind.

    Raises:
        ToolError: not even convolutions run.
    """

    def runs(without: Sequence[str]) -> bool:
        try:
            litert_lanes.write_ceiling(fp32, path, without)
            run_apart(Lane("litert", "ceiling", smallest, path), code_shapes)
        except (InputError, ToolError):
            return False
        return True

    if runs([]):
        return
    without = [
        one for one in litert_lanes.operator_kinds(tf.read_model(fp32)) if one not in _NEVER_REFUSED
    ]
    for kind in list(without):
        rest = [one for one in without if one != kind]
        without = rest if runs(rest) else without
    if not runs(without):
        raise ToolError("LiteRT runs no INT8 form of this network", "leave the ceiling out")


def _made(source: Source, tier: Tier, maker: LaneMaker, feeds: Mapping[str, Array]) -> Entrant:
    """A lane beside the bundle: its file, fresh or written, tried in a process of its own."""
    lane = Lane(maker.runtime, maker.precision, tier, maker.path)
    source.progress(f"make {maker.path.name}", 0, 1)
    try:
        write_if_stale(source.layout.lanes, maker)
        shapes = {name: value.shape for name, value in feeds.items() if name != "content"}
        lane = replace(lane, sha256=sha256_file(lane.path))
        run_apart(lane, shapes)
        return Entrant(source.reshaped(lane), False, _work(lane))
    except (InputError, ToolError) as error:
        return Entrant(lane, False, not_run=f"does not run: {' '.join(error.message.split())}")
    finally:
        source.progress(f"make {maker.path.name}", 1, 1)


def write_if_stale(folder: Path, maker: LaneMaker) -> bool:
    """Whether the file had to be written.

    Raises:
        IastExportError: it can't be.
    """
    key = stage_key(f"lane {maker.precision}", maker.params, maker.inputs)
    if is_fresh(folder, maker.path.name, key):
        return False
    claim(folder, [maker.path])
    maker.path.unlink(missing_ok=True)
    maker.write(maker.path)
    record(folder, maker.path.name, key, [maker.path])
    return True


def searched_lane(layout: Layout, tier: Tier, runtime: Runtime) -> Entrant:
    """What `search` chose, where it was of the FP32 file that is there now."""
    folder = layout.search(tier)
    lane = Lane(runtime, "mixed", tier, layout.mixed(runtime, tier))
    if not (folder / search_name(runtime)).is_file() or not lane.path.is_file():
        asked = f"iast-export search DIR --tier {tier.id} --runtime {runtime} --budget ..."
        return Entrant(lane, False, not_run=f"not searched yet: {asked}")
    report = SearchReport.load(folder / search_name(runtime))
    fp32 = layout.transfer(runtime, "fp32", tier)
    if report.fp32_sha256 != sha256_file(fp32) or report.sha256 != sha256_file(lane.path):
        return Entrant(lane, False, not_run="searched over other files: search again")
    lane = replace(lane, sha256=report.sha256)
    in_float = sum(row.precision == "fp32" for row in report.groups)
    alone = "; this tier alone" if FAMILIES[runtime].fixed_shape else ""
    groups = f"{in_float} of {len(report.groups)} groups in FP32"
    return Entrant(lane, False, f"{_work(lane)}; {groups}{alone}")


def _work(lane: Lane) -> str:
    return QUANTIZERS[lane.runtime].describe_work(lane.path, lane.tier)
