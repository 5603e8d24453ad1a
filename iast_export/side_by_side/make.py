"""The files of lanes: those of the bundle, searched ones, and what is made beside them, once per
input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from iast_export.build.request import Build
from iast_export.bundle.claims import claim
from iast_export.bundle.sealed import Seals
from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import is_fresh, record, sha256_file, stage_key
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import Array
from iast_export.lanes.lane import Lane, find_lanes, measure_peak_rss_bytes
from iast_export.quantize.calibrate import load_ranges
from iast_export.quantize.learned import Learned, of_signatures
from iast_export.quantize.litert import lanes as litert_lanes
from iast_export.quantize.onnx import lanes as onnx_lanes
from iast_export.quantize.onnx.qdq import quantize_onnx
from iast_export.reports.lanes import LANE_KINDS, LaneKind
from iast_export.reports.search import SearchReport, search_name
from iast_export.specs import RUNTIMES, Runtime, Tier

_NEVER_REFUSED = ("CONV_2D", "ADD", "CONCATENATION", "SLICE", "RESHAPE", "TRANSPOSE")
Write = Callable[[Path], None]


@dataclass(frozen=True)
class Entrant:
    """A lane that runs, or the reason why it does not.

    Attributes:
        kind: its precision, one of `lane_reports.LANE_KINDS`.
        lane: its file; where a kind is none of the bundle's precisions, `lane.precision` says
            "int8".
        shipped: whether the bundle lists it.
        computes: what the runtime really does with its convolutions.
        not_run: empty where it runs.
    """

    kind: LaneKind
    lane: Lane
    shipped: bool
    computes: str = ""
    not_run: str = ""

    @property
    def key(self) -> str:
        """Its name in a timing run."""
        return f"{self.lane.runtime} {self.kind}"


@dataclass(frozen=True)
class Recipe:
    """How a lane's file is made: `params` and `inputs` decide its bytes."""

    kind: LaneKind
    runtime: Runtime
    path: Path
    write: Write
    inputs: Sequence[Path]
    params: Mapping[str, Any] = field(default_factory=dict)


def enter_lanes(
    build: Build, tier: Tier, seals: Seals, feeds: Mapping[str, Array]
) -> list[Entrant]:
    """Every lane of a tier, runtime by runtime, FP32 first.

    Args:
        build: finished up to `quantize`.
        tier: one of its tiers.
        seals: what its files must hash to.
        feeds: one run's inputs, `content` [1, 3, side, side] and the codes.

    Raises:
        InputError: a file of the build is missing.
    """
    shipped = [
        Entrant(lane.precision, lane, True, _work(lane))
        for lane in find_lanes(build.layout, [tier], seals)
    ]
    entrants = []
    for runtime in RUNTIMES:
        here = [one for one in shipped if one.lane.runtime == runtime]
        here += [
            _made(build, tier, recipe, feeds) for recipe in _recipes(build, tier, runtime, feeds)
        ]
        here.append(_searched(build, tier, runtime))
        entrants += sorted(here, key=lambda one: LANE_KINDS.index(one.kind))
    return entrants


def _recipes(
    build: Build, tier: Tier, runtime: Runtime, feeds: Mapping[str, Array]
) -> list[Recipe]:
    return (
        _onnx_recipes(build, tier, feeds)
        if runtime == "onnxruntime"
        else _litert_recipes(build, feeds)
    )


def _onnx_recipes(build: Build, tier: Tier, feeds: Mapping[str, Array]) -> list[Recipe]:
    layout, trim_sums = build.layout, build.recipe.quantize.trim_sums
    fp32, ranges = layout.onnx(tier, "fp32"), layout.ranges("onnxruntime", tier)
    prepared = layout.prepared("onnxruntime", tier)

    def recipe(kind: LaneKind, write: Write, *more: Path, **params: Any) -> Recipe:
        path = layout.lane("onnxruntime", kind, tier)
        return Recipe(kind, "onnxruntime", path, write, [fp32, *more], params)

    def int16x8(path: Path) -> None:
        learned = Learned(load_ranges(ranges), trim_sums=trim_sums)
        quantize_onnx(prepared, learned, path, activations="uint16")

    return [
        recipe("fp16", partial(onnx_lanes.write_fp16, fp32)),
        recipe("weight_only_int8", partial(onnx_lanes.write_weight_only_int8, fp32)),
        recipe("dynamic_int8", partial(onnx_lanes.write_dynamic_int8, fp32)),
        recipe("int16x8", int16x8, prepared, ranges, trim_sums=trim_sums),
        recipe("ceiling", partial(onnx_lanes.write_ceiling, fp32, feeds)),
    ]


def _litert_recipes(build: Build, feeds: Mapping[str, Array]) -> list[Recipe]:
    """Files with every tier as a signature, as in the bundle, so that bytes compare."""
    layout, trim_sums = build.layout, build.recipe.quantize.trim_sums
    fp32, prepared = layout.tflite("fp32"), layout.prepared("litert", build.tiers[0])
    ranges = {tier: layout.ranges("litert", tier) for tier in build.tiers}

    def recipe(kind: LaneKind, write: Write, *more: Path, **params: Any) -> Recipe:
        path = layout.lane("litert", kind, build.tiers[0])
        return Recipe(kind, "litert", path, write, [fp32, *more], params)

    def int16x8(path: Path) -> None:
        found = {tier.signature: load_ranges(one) for tier, one in ranges.items()}
        litert_lanes.write_int16x8(prepared, of_signatures(found, trim_sums=trim_sums), path)

    codes = {key: value.shape for key, value in feeds.items() if key != "content"}
    return [
        recipe("weight_only_int8", partial(litert_lanes.write_weight_only_int8, fp32)),
        recipe("int16x8", int16x8, prepared, *ranges.values(), trim_sums=trim_sums),
        recipe("ceiling", partial(write_litert_ceiling, fp32, build.tiers[0], codes)),
    ]


def write_litert_ceiling(
    fp32: Path, smallest: Tier, code_shapes: Mapping[str, Sequence[int]], path: Path
) -> None:
    """Everything in INT8 that runs: kinds of operators that LiteRT refuses or dies of stay in
    float.

    Raises:
        ToolError: not even convolutions run.
    """

    def runs(without: Sequence[str]) -> bool:
        try:
            litert_lanes.write_ceiling(fp32, path, without)
            measure_peak_rss_bytes(Lane("litert", "int8", smallest, path), code_shapes)
        except ToolError:
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


def _made(build: Build, tier: Tier, recipe: Recipe, feeds: Mapping[str, Array]) -> Entrant:
    """A lane beside the bundle: its file written unless fresh, and tried in a process of its own.

    Some forms end the whole process that runs them.
    """
    lane = Lane(recipe.runtime, "int8", tier, recipe.path)
    build.progress(f"make {recipe.path.name}", 0, 1)
    try:
        write_if_stale(build.layout.lanes, recipe)
        shapes = {name: value.shape for name, value in feeds.items() if name != "content"}
        lane = replace(lane, sha256=sha256_file(lane.path))
        measure_peak_rss_bytes(lane, shapes)
        return Entrant(recipe.kind, lane, False, _work(lane))
    except (InputError, ToolError) as error:
        return Entrant(
            recipe.kind, lane, False, not_run=f"does not run: {' '.join(error.message.split())}"
        )
    finally:
        build.progress(f"make {recipe.path.name}", 1, 1)


def write_if_stale(folder: Path, recipe: Recipe) -> bool:
    """Whether the file had to be written.

    Raises:
        IastExportError: it can't be.
    """
    key = stage_key(f"lane {recipe.kind}", recipe.params, recipe.inputs)
    if is_fresh(folder, recipe.path.name, key):
        return False
    claim(folder, [recipe.path])
    recipe.path.unlink(missing_ok=True)
    recipe.write(recipe.path)
    record(folder, recipe.path.name, key, [recipe.path])
    return True


def _searched(build: Build, tier: Tier, runtime: Runtime) -> Entrant:
    """What `search` chose, where it was of the FP32 file that the build holds now."""
    folder = build.layout.search(tier)
    lane = Lane(runtime, "int8", tier, build.layout.mixed(runtime, tier))
    if not (folder / search_name(runtime)).is_file() or not lane.path.is_file():
        asked = f"iast-export search DIR --tier {tier.id} --runtime {runtime} --budget ..."
        return Entrant("mixed", lane, False, not_run=f"not searched yet: {asked}")
    report = SearchReport.load(folder / search_name(runtime))
    fp32 = build.layout.transfer(runtime, "fp32", tier)
    if report.fp32_sha256 != sha256_file(fp32) or report.sha256 != sha256_file(lane.path):
        return Entrant("mixed", lane, False, not_run="searched over other files: search again")
    lane = replace(lane, sha256=report.sha256)
    in_float = sum(row.precision == "fp32" for row in report.groups)
    alone = "; this tier alone" if runtime == "litert" else ""
    groups = f"{in_float} of {len(report.groups)} groups in FP32"
    return Entrant("mixed", lane, False, f"{_work(lane)}; {groups}{alone}")


def _work(lane: Lane) -> str:
    if lane.runtime == "onnxruntime":
        return onnx_lanes.describe_work(lane.path)
    return litert_lanes.describe_work(lane.path, lane.tier.signature)
