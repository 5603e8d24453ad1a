"""What INT8 cuts off: in one square picture, and in tiles that are told a large picture's means.

A contrasty tile leaves the ranges that its own statistics would have set; by how much is counted
at every tensor that ONNX Runtime's INT8 file quantizes. What a rectifier cuts is no loss, so of
tensors that begin at zero the upper end alone counts, and a sum's lower end where a rectifier reads
that sum (`quantize/rectified_sums.py`) counts though it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
import onnx
from onnx import helper, numpy_helper

from benchmarks.large.photographs import whole
from iast_export.forms.lift_onnx import OnnxLift
from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import Rgb, fit_longest_side, pad_to_multiple, to_tensor
from iast_export.runtimes.onnx import open_onnx
from iast_export.runtimes.session import Array
from iast_export.specs import CONTENT
from iast_export.stylize.crew import crew
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.statistics import Covered, exact_moments

Feeds = Mapping[str, Array]


def quantized(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The ends that count of each tensor that is quantized."""
    values = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            zero = values[node.input[2]]
            low, high = np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max
            found[node.output[0]] = (high,) if int(zero) == low else (low, high)
    return found


def shares(data: bytes, pictures: Sequence[Feeds]) -> dict[str, float]:
    """The share of values at an end, by tensor."""
    model = onnx.load_from_string(data)
    ends = quantized(model)
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in ends)
    session = open_onnx(model.SerializeToString(), outputs=list(ends))
    counts = {name: np.zeros(2) for name in ends}
    for feeds in pictures:
        made = session.run({name: feeds[name] for name in session.input_names})
        for name, own in ends.items():
            counts[name] += np.isin(made[name], own).sum(), made[name].size
    return {name: float(hit / of) for name, (hit, of) in counts.items()}


def saturation(
    bundle: BundleEngine, reference: BundleEngine, rgb: Rgb, style: str
) -> Iterator[str]:
    """A row per tensor: percent in the picture at the tier's size, and in tiles of the large one.

    Args:
        bundle: ONNX Runtime in INT8; reference: in FP32.
        rgb: the large picture.
        style: id.
    """
    tier, codes = bundle.tiers[-1], bundle.style_codes(style)[1]
    data = (bundle.folder / bundle.entry(tier).path).read_bytes()
    feeds = bundle.feeds(codes, 1.0)
    small = pad_to_multiple(fit_longest_side(rgb, tier.max_side_px), bundle.size_multiple_px)
    near = psnr_db(whole(bundle, small, style), whole(reference, small, style))
    yield f"{style}: INT8 is {near:.1f} dB from FP32 at {tier.max_side_px} px"
    opens = bundle.lifted(tier)
    assert opens is not None, "the tier can't be lifted"
    with crew(opens, 1) as workers:
        covered = Covered.of(rgb, tier.max_side_px, workers.facts)
        moments = exact_moments(workers, [covered], feeds)
    tiles = [
        {CONTENT: covered.tile(*tile), **feeds, **moments}
        for tile in chain.from_iterable(covered.cover.rows())
    ]
    one = shares(data, [{CONTENT: to_tensor(small), **feeds}])
    many = shares(OnnxLift(data).render(), tiles)
    for name, share in many.items():
        yield f"{style} {name}: {100 * one.get(name, 0):.3f} %, in tiles {100 * share:.3f} %"
