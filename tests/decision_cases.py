"""Networks whose INT8 decisions are pinned, and those decisions in words, in both runtimes.

`python -m tests.decision_cases` writes tests/testdata/decisions/ again: read its diff as a change
of what is shipped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.fixtures.adain import factory as adain_factory
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.request import Build, Request
from iast_export.decide.decide import Decisions, decide_litert, decide_onnx
from iast_export.decide.groups import (
    OperatorGroup,
    describe_islands,
    litert_groups,
    onnx_groups,
)
from iast_export.decide.roots import Root
from iast_export.files.artifacts import write_json
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import load_model, size_multiple_px
from iast_export.forms.grouped import dense_groups
from iast_export.forms.large_kernels import unfold_shallow_kernels
from iast_export.quantize.litert.calibration import range_tensors
from iast_export.quantize.litert.final_clamp import decide_unclamped
from iast_export.quantize.onnx.qdq import file_names, tensors_to_calibrate
from iast_export.specs import Runtime, Tier
from tests.equalize_cases import Mixed, Nested, Network, Skips
from tests.plan_cases import grouped_factory, mobile_factory, recipe, swish_factory
from tests.tiny_networks import depthwise_factory, tiny_adain_factory

FOLDER = Path(__file__).parent / "testdata" / "decisions"
Decided = dict[str, Any]

CASES: Mapping[str, tuple[Callable[[], Any], Tier]] = {
    "packaged": (lambda: Build(Request(Path("nowhere"), recipe())).network, Tier(4, 64)),
    "adain": (lambda: adain_factory(None), Tier(1, 64)),
    "tiny_adain": (lambda: tiny_adain_factory(None), Tier(1, 32)),
    "depthwise": (lambda: depthwise_factory(None), Tier(1, 32)),
    "mobile": (lambda: mobile_factory(None), Tier(1, 32)),
    "grouped": (lambda: grouped_factory(None), Tier(1, 32)),
    "swish": (lambda: swish_factory(None), Tier(1, 32)),
    "skips": (lambda: Network(Skips), Tier(1, 32)),
    "nested": (lambda: Network(Nested), Tier(1, 32)),
    "mixed": (lambda: Network(Mixed), Tier(1, 32)),
}


def decisions_of(name: str) -> dict[Runtime, Decided]:
    """What is decided of a case's freshly exported files."""
    make, tier = CASES[name]
    network = make()
    with tempfile.TemporaryDirectory() as folder:
        in_onnx, in_litert = Path(folder) / "fp32.onnx", Path(folder) / "fp32.tflite"
        export_tier(network, tier, in_onnx)
        convert_fp32(network, (tier,), in_litert)
        return decided(in_onnx, in_litert, tier)


def decided(in_onnx: Path, in_litert: Path, tier: Tier) -> dict[Runtime, Decided]:
    """What is decided of a tier's files."""
    found = onnx_decisions(in_onnx), litert_decisions(in_litert, tier)
    return dict(zip(("onnxruntime", "litert"), found, strict=True))


def _some(groups: Sequence[OperatorGroup]) -> list[str]:
    """Three names of groups, spread over all."""
    return [one.name for one in groups[:: max(1, len(groups) // 3)]]


def _in_onnx(path: Path, in_float: Collection[str] = ()) -> Decisions:
    """What `quantize_onnx` decides over the graph that it writes."""
    dense = dense_groups(load_model(path), in_float).model
    unfolded = unfold_shallow_kernels(dense, size_multiple_px(dense), in_float)
    return decide_onnx(unfolded.model, in_float, file_names(unfolded))


def _bounded(root: Root) -> str:
    """Where a range comes from, and what bounds it."""
    bounds = f" in [{root.low}, {root.high}]" if (root.low, root.high) != (None, None) else ""
    return f"{root.range_name}{bounds}{' exactly' if root.exact else ''}"


def onnx_decisions(path: Path) -> Decided:
    """Those of an ONNX file."""
    decisions, groups = _in_onnx(path), onnx_groups(path)
    return {
        **_of_both(decisions, groups),
        "ranges": {name: _bounded(root) for name, root in decisions.roots.items()},
        "calibrated": tensors_to_calibrate(path),
        "left in float": {
            name: sorted(decisions.integers - _in_onnx(path, [name]).integers)
            for name in _some(groups)
        },
        "islands": describe_islands(decisions),
    }


def litert_decisions(path: Path, tier: Tier) -> Decided:
    """Those of a signature of a TFLite file."""
    model = tf.read_model(path)
    signature = tf.find_signature(model, tier.signature)
    groups, whole = litert_groups(path, tier.signature), decide_litert(model, signature)
    left = {
        name: sorted(
            whole.network.file_name(one)
            for one in whole.integers - decide_litert(model, signature, [name]).integers
        )
        for name in _some(groups)
    }
    decisions = decide_unclamped(model, signature)
    roots = set(decisions.root_of.values())
    return {
        **_of_both(decisions, groups),
        "ranges": sorted(decisions.network.file_name(root) for root in roots),
        "calibrated": range_tensors(path, tier.signature),
        "left in float": left,
    }


def _of_both(decisions: Decisions, groups: Sequence[OperatorGroup]) -> Decided:
    network = decisions.network
    name = network.file_name if network.runtime == "litert" else str
    return {
        "operators": {
            name(op.name): f"{op.native} "
            + ("int8" if decisions.is_integer(op) else f"fp32: {decisions.reason(op)}")
            for op in network.ops
        },
        "shared": {name(one): name(root) for one, root in decisions.root_of.items() if one != root},
        "rectified sums": sorted((name(a), name(b)) for a, b in decisions.rectified),
        "groups": {one.name: " ".join(one.operators) for one in groups},
    }


def main() -> None:
    """Writes all cases."""
    FOLDER.mkdir(exist_ok=True)
    for name in CASES:
        write_json(FOLDER / f"{name}.json", decisions_of(name))


if __name__ == "__main__":
    main()
