"""What is in a model file or a bundle: entry points, operators, precision, bytes shared. No torch.

An *entry* is a signature of a .tflite file, or a branch of an ONNX file (an ONNX file without
branches has the one entry `graph`). Operators are counted per entry in four kinds: `integer`,
`hybrid` (integer weights, float activations), `float`, and `conversion` between the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iast_export.bundle.sealed import Seals
from iast_export.errors import InputError
from iast_export.families import FAMILIES
from iast_export.files.apart import read_foreign
from iast_export.files.artifacts import read_bytes, sha256_bytes
from iast_export.formats import tflite_file as tf
from iast_export.formats.damage import DamagedError, refusal
from iast_export.formats.minimum_runtime import minimum_runtime
from iast_export.reports.manifest import load_manifest

if TYPE_CHECKING:
    import onnx

MAIN_ENTRY = "graph"
_KINDS = ("integer", "hybrid", "float", "conversion")
_INTEGER_TYPES = ("int8", "uint8", "int16")
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE", "QuantizeLinear", "DequantizeLinear", "Cast")


def inspect_model(path: Path) -> dict[str, Any]:
    """What a .tflite or .onnx file holds, as plain values.

    Returns:
        path, runtime, file_bytes, sha256, minimum_runtime, unique_weight_bytes (constants as
        stored), shared_weight_bytes (those that more than one entry reads), and entries: per key
        its inputs and outputs (name, dtype, shape, scale, zero_point), operators by name, operator
        kinds, and weight_bytes.

    Raises:
        InputError: missing, foreign or truncated.
    """
    path = Path(path)
    _check_kind(path)
    if not path.is_file():
        raise InputError(f"{path} is missing", "check the path, or build it")
    return _inspect(read_bytes(path), path)


def inspect_apart(path: Path) -> dict[str, Any]:
    """As `inspect_model`, of a file that nothing vouches for: in a process of its own.

    Raises:
        InputError: as there, or the file crashes what reads it, takes too long or too much memory.
    """
    found: dict[str, Any] = read_foreign("iast_export.bundle.inspection:inspect_model", path)
    return found


def _check_kind(path: Path) -> None:
    """Refuses files of other kinds by their name."""
    if path.suffix not in _READERS:
        raise InputError(
            f"{path} is neither .tflite nor .onnx", "give a model file or a bundle's folder"
        )


def _inspect(data: bytes, path: Path) -> dict[str, Any]:
    _check_kind(path)
    found = _READERS[path.suffix](data, path)
    facts = {
        "path": path.name,
        "runtime": next(f.runtime for f in FAMILIES.values() if f.suffix == path.suffix),
        "file_bytes": len(data),
        "sha256": sha256_bytes(data),
    }
    return {**facts, "minimum_runtime": minimum_runtime(data, path), **found}


def inspect_bundle(folder: Path) -> dict[str, Any]:
    """What a bundle holds; every model and style is compared with the manifest first.

    Returns:
        name, tiers, styles, bundle_bytes (files and styles) and files: `inspect_model` of each
        with its precision and role.

    Raises:
        InputError: no manifest, or a file that is missing, altered or unreadable.
    """
    folder = Path(folder)
    manifest = load_manifest(folder)
    seals, total, files = Seals.of_bundle(folder, manifest), 0, []
    for style in manifest.styles:
        total += len(seals.read(folder / style.path))
    for entry in manifest.files:
        data = seals.read(folder / entry.path)
        total += len(data)
        if len(data) != entry.bytes:
            raise InputError(
                f"{folder / entry.path} has {len(data)} bytes, the manifest says {entry.bytes}",
                "copy it again or build the bundle again",
            )
        facts = {"precision": entry.precision, "role": entry.role, "path": entry.path}
        files.append({**_inspect(data, folder / entry.path), **facts})
    return {
        "name": manifest.name,
        "tiers": [tier.id for tier in manifest.tiers],
        "styles": [style.id for style in manifest.styles],
        "bundle_bytes": total,
        "files": files,
    }


def _inspect_tflite(data: bytes, path: Path) -> dict[str, Any]:
    model = tf.parse(data, path)
    count, operators = tf.count_bytes(model), tf.operator_counts(model)
    entries = {}
    for signature in tf.signatures(model):
        graph = model.subgraphs[signature.subgraph]
        entries[signature.key] = {
            "inputs": [_tflite_io(name, graph.tensors[t]) for name, t in signature.inputs.items()],
            "outputs": [
                _tflite_io(name, graph.tensors[t]) for name, t in signature.outputs.items()
            ],
            "operators": operators[signature.key],
            "kinds": _kinds(_tflite_kind(model, graph, op) for op in graph.operators),
            "weight_bytes": count.signature_weight_bytes[signature.key],
        }
    return {
        "unique_weight_bytes": count.unique_weight_bytes,
        "shared_weight_bytes": count.shared_weight_bytes,
        "entries": entries,
    }


def _tflite_io(name: str, tensor: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": name,
        "dtype": tf.dtype_name(tensor),
        "shape": list(tf.tensor_shape(tensor)),
        "scale": None,
        "zero_point": None,
    }
    q = tensor.quantization
    if q is not None and q.scale is not None and len(q.scale) == 1:
        point = 0 if q.zeroPoint is None or not len(q.zeroPoint) else int(q.zeroPoint[0])
        facts |= {"scale": float(q.scale[0]), "zero_point": point}
    return facts


def _tflite_kind(model: tf.Model, graph: tf.Graph, op: Any) -> str:
    if tf.op_name(model, op) in _CONVERSIONS:
        return "conversion"
    if not tf.is_float(graph, op):
        return "integer"
    second = [] if op.inputs is None else op.inputs[1:2]
    weights = [tf.dtype_name(graph.tensors[int(t)]) for t in second if t >= 0]
    return "hybrid" if weights and weights[0] in _INTEGER_TYPES else "float"


def _kinds(kinds: Iterator[str]) -> dict[str, int]:
    count = Counter(kinds)
    return {kind: count[kind] for kind in _KINDS}


def _inspect_onnx(data: bytes, path: Path) -> dict[str, Any]:
    import onnx

    from iast_export.formats.onnx_graph import parse_model

    model = parse_model(data, path)
    try:
        onnx.checker.check_model(model)
    except (
        Exception
    ) as error:  # beside its ValidationError the checker lets through what native code raises
        reason = DamagedError((str(error).strip() or type(error).__name__).splitlines()[0])
        raise refusal(path, reason) from error
    sizes = _constant_bytes(model.graph)
    graphs = dict(_onnx_graphs(model.graph))
    inputs = [_onnx_io(item) for item in model.graph.input]
    outputs = [_onnx_io(item) for item in model.graph.output]
    entries, readers = {}, Counter[str]()
    for key, graph in graphs.items():
        used = {name for node in graph.node for name in node.input if name in sizes}
        used |= {item.name for item in graph.initializer if item.name in sizes}
        if len(graphs) > 1 and key == MAIN_ENTRY:
            used = {name for node in graph.node for name in node.input if name in sizes}
        readers.update(used)
        operators = Counter(node.op_type for node in graph.node)
        entries[key] = {
            "inputs": inputs,
            "outputs": outputs,
            "operators": dict(sorted(operators.items())),
            "kinds": _kinds(_onnx_kinds(graph)),
            "weight_bytes": sum(sizes[name] for name in used),
        }
    return {
        "unique_weight_bytes": sum(sizes.values()),
        "shared_weight_bytes": sum(sizes[name] for name, n in readers.items() if n > 1),
        "entries": entries,
    }


def _onnx_graphs(
    graph: onnx.GraphProto, key: str = MAIN_ENTRY
) -> Iterator[tuple[str, onnx.GraphProto]]:
    """The graph and every branch inside it, keyed by their place: `graph`, `graph/then`, ...

    Where several nodes of a graph have branches, they are numbered: `graph/1/then`, `graph/2/then`,
    ...
    """
    yield key, graph
    nodes = [node for node in graph.node if any(a.HasField("g") for a in node.attribute)]
    for i, node in enumerate(nodes, start=1):
        place = f"{key}/{i}" if len(nodes) > 1 else key
        for attribute in node.attribute:
            if attribute.HasField("g"):
                branch = attribute.name.removesuffix("_branch")
                yield from _onnx_graphs(attribute.g, f"{place}/{branch}")


def _constant_bytes(graph: onnx.GraphProto) -> dict[str, int]:
    """Name -> stored bytes of every initializer and constant, nested graphs included."""
    from iast_export.formats.onnx_check import stored_bytes

    sizes: dict[str, int] = {}
    for _, inner in _onnx_graphs(graph):
        sizes |= {item.name: stored_bytes(item) for item in inner.initializer}
        for node in inner.node:
            for attribute in node.attribute:
                if node.op_type == "Constant" and attribute.HasField("t"):
                    sizes[node.output[0]] = stored_bytes(attribute.t)
    return sizes


def _onnx_kinds(graph: onnx.GraphProto) -> Iterator[str]:
    producers: Mapping[str, str] = {
        name: node.op_type for node in graph.node for name in node.output
    }
    consumers: dict[str, set[str]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, set()).add(node.op_type)
    for node in graph.node:
        if node.op_type in _CONVERSIONS:
            yield "conversion"
        elif node.op_type in ("QLinearConv", "ConvInteger", "MatMulInteger", "QLinearMatMul"):
            yield "integer"
        elif producers.get(node.input[0] if node.input else "") == "DequantizeLinear":
            after = set().union(*(consumers.get(name, set()) for name in node.output))
            yield "integer" if after <= {"QuantizeLinear", "Relu", "Clip"} and after else "float"
        else:
            yield "float"


def _onnx_io(item: onnx.ValueInfoProto) -> dict[str, Any]:
    import onnx

    kind, tensor = item.type.WhichOneof("value"), item.type.tensor_type
    shape = [d.dim_param or int(d.dim_value) for d in tensor.shape.dim]
    dtype = str(kind or "unknown").removesuffix("_type")
    if kind == "tensor_type":
        known = onnx.helper.get_all_tensor_dtypes()
        names = onnx.TensorProto.DataType
        dtype = names.Name(tensor.elem_type).lower()
        if tensor.elem_type in known:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    return {"name": item.name, "dtype": dtype, "shape": shape, "scale": None, "zero_point": None}


_READERS = {".tflite": _inspect_tflite, ".onnx": _inspect_onnx}
