"""Networks whose INT8 decisions are pinned, and those decisions in words, in both runtimes.

`python -m tests.decision_cases` writes tests/testdata/decisions/ again: read its diff as a change
of what is shipped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from benchmarks.fixtures.adain import factory as adain_factory
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.request import Build, Request
from iast_export.files.artifacts import write_json
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import index_graph, load_model
from iast_export.forms.grouped import dense_groups
from iast_export.quantize.litert.groups import litert_groups
from iast_export.quantize.litert.plan import (
    form_of,
    integer_operators,
    range_tensors,
    result_name,
    value_roots,
)
from iast_export.quantize.litert.static import drop_final_clamp
from iast_export.quantize.litert.static import reason_in_float as litert_reason
from iast_export.quantize.onnx.groups import OperatorGroup, describe_islands, reason_in_float
from iast_export.quantize.onnx.plan import Plan, Root, make_plan
from iast_export.quantize.onnx.qdq import (
    _unfolded,
    operator_groups,
    tensors_to_calibrate,
)
from iast_export.quantize.rectified_sums import litert_sums, onnx_sums
from iast_export.specs import Runtime, Tier
from tests.equalize_cases import Branches, Mixed, Nested, Network, Skips
from tests.plan_cases import grouped_factory, mobile_factory, recipe, swish_factory
from tests.tiny_networks import depthwise_factory, tiny_adain_factory, tiny_iast

FOLDER = Path(__file__).parent / "testdata" / "decisions"
Decided = dict[str, Any]

CASES: Mapping[str, tuple[Callable[[], Any], Tier]] = {
    "packaged": (lambda: Build(Request(Path("nowhere"), recipe())).network, Tier(4, 64)),
    "adain": (lambda: adain_factory(None), Tier(1, 64)),
    "tiny_iast": (tiny_iast, Tier(2, 32)),
    "tiny_adain": (lambda: tiny_adain_factory(None), Tier(1, 32)),
    "depthwise": (lambda: depthwise_factory(None), Tier(1, 32)),
    "mobile": (lambda: mobile_factory(None), Tier(1, 32)),
    "grouped": (lambda: grouped_factory(None), Tier(1, 32)),
    "swish": (lambda: swish_factory(None), Tier(1, 32)),
    "branches": (lambda: Network(Branches), Tier(1, 32)),
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


def _planned(path: Path, in_float: Collection[str] = ()) -> tuple[Plan, onnx.GraphProto]:
    model = dense_groups(load_model(path), in_float).model
    model, kept, _ = _unfolded(model, in_float, {})
    return make_plan(model.graph, kept), model.graph


def _bounded(root: Root) -> str:
    """Where a range comes from, and what bounds it."""
    bounds = f" in [{root.low}, {root.high}]" if (root.low, root.high) != (None, None) else ""
    return f"{root.range_name}{bounds}{' exactly' if root.exact else ''}"


def onnx_decisions(path: Path) -> Decided:
    """Those of an ONNX file."""
    plan, graph = _planned(path)
    index, groups = index_graph(graph), operator_groups(path)
    return {
        "operators": {
            node.output[0]: f"{node.op_type} "
            + ("int8" if plan.is_integer(node) else f"fp32: {reason_in_float(node, index)}")
            for node in graph.node
        },
        "ranges": {name: _bounded(root) for name, root in plan.roots.items()},
        "shared": _shared(plan.root_of.items()),
        "rectified sums": onnx_sums([node.output[0] for node in graph.node], plan),
        "calibrated": tensors_to_calibrate(path),
        "groups": {one.name: " ".join(one.operators) for one in groups},
        "left in float": {
            name: sorted(plan.integers - _planned(path, [name])[0].integers)
            for name in _some(groups)
        },
        "islands": describe_islands(graph, plan),
    }


def litert_decisions(path: Path, tier: Tier) -> Decided:
    """Those of a signature of a TFLite file."""
    model = tf.read_model(path)
    signature = tf.find_signature(model, tier.signature)
    graph = model.subgraphs[signature.subgraph]
    groups, whole = litert_groups(path, tier.signature), integer_operators(model, graph)
    left = {
        name: sorted(
            result_name(graph, graph.operators[n])
            for n in whole - integer_operators(model, graph, in_float=[name])
        )
        for name in _some(groups)
    }
    chosen = drop_final_clamp(model, graph, signature, whole)
    root = value_roots(model, graph, chosen)
    names = {t: tf.text(tensor.name) for t, tensor in enumerate(graph.tensors)}
    operators = {}
    for n, op in enumerate(graph.operators):
        name = tf.op_name(model, op)
        reason = f"fp32: {litert_reason(name, form_of(model, graph, op))}"
        operators[result_name(graph, op)] = f"{name} {'int8' if n in chosen else reason}"
    return {
        "operators": operators,
        "ranges": sorted(names[t] for t in set(root.values())),
        "shared": _shared((names[t], names[one]) for t, one in root.items()),
        "rectified sums": sorted(
            (names[a], names[b]) for a, b in litert_sums(model, graph, chosen, root)
        ),
        "calibrated": range_tensors(path, tier.signature),
        "groups": {one.name: " ".join(one.operators) for one in groups},
        "left in float": left,
    }


def _shared(roots: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The tensors that have another's scale, and whose."""
    return {name: root for name, root in sorted(roots) if name != root}


def main() -> None:
    """Writes all cases."""
    FOLDER.mkdir(exist_ok=True)
    for name in CASES:
        write_json(FOLDER / f"{name}.json", decisions_of(name))


if __name__ == "__main__":
    main()
