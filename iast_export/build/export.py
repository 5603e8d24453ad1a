"""PyTorch → ONNX FP32: one file per tier, dynamic height and width, kept where proved equal."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn

from iast_export.build.about import about_of, about_params
from iast_export.build.bisecting import first_differing
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
from iast_export.bundle.about import describe_onnx
from iast_export.errors import InputError, ToolError
from iast_export.formats.dispatch import merge_dispatch
from iast_export.formats.onnx_graph import (
    add_property,
    check_model,
    name_edges,
    pool_initializers,
    prune,
    save_model,
    stable_names,
    strip,
)
from iast_export.forms import REWRITES, Rewrite, note, note_more, noted, rewrite
from iast_export.forms.batch_norms import fold_batch_norms
from iast_export.forms.edit import copy_model
from iast_export.forms.slopes import share_slopes
from iast_export.forms.subpixels import fold_transposed
from iast_export.forms.traced_forms import in_forms
from iast_export.network.adapters import StyleNetwork
from iast_export.network.behavior import size_numbers
from iast_export.network.sizes import smallest_side_px
from iast_export.network.symbolic import sides_of
from iast_export.network.user_code import last_words, place_of
from iast_export.network.watching import watched
from iast_export.pictures.images import center_square, to_tensor
from iast_export.runtimes.onnx import open_onnx
from iast_export.runtimes.parity import PARITY_TOLERANCE, parity_error
from iast_export.runtimes.pytorch import TorchSession
from iast_export.specs import (
    CONTENT,
    SIZE_MULTIPLE_KEY,
    STYLE_IMAGE,
    STYLIZED,
    Tier,
)

# Chosen: ONNX Runtime takes it from 1.14 on (`formats.minimum_runtime`).
OPSET = 18
# Height and width to trace with, in steps: unequal, so that no side is taken for the other, and
# neither 0 nor 1, which torch.export holds for constants.
_TRACED_STEPS = (8, 11)
_PART = "part"  # the output of a part of a network
# The exporter lets an input and a tensor inside share a name; none inside begins like this.
_EDGE = "edge."


def export_tier(
    network: StyleNetwork,
    tier: Tier,
    path: Path,
    probes: Sequence[NDArray[np.float32]] = (),
    rewrites: Sequence[Rewrite] = REWRITES,
) -> float:
    """Writes a tier's FP32 ONNX file.

    Inputs `content` [1, 3, height, width] and the codes by name, output `stylized` of the content's
    size; height and width are any multiples of `network.size_multiple_px` up to the tier's side.
    Two exports of the same network are byte-identical.

    Args:
        network: cut to the tier's depth.
        tier: depth and largest side.
        path: written in one step, after every check.
        probes: photographs [1, 3, H, W] in [0, 1] to compare on, besides generated pictures of the
            smallest, largest and non-square sizes.
        rewrites: to apply; fewer show what one gains. Those that are nearly equal are left out
            where the file differs with them.

    Returns:
        The largest `parity_error` over all probes.

    Raises:
        InputError: a probe that the tier does not take.
        ToolError: the network can't be exported, or the file differs from PyTorch (`parity_error`).
    """
    module = network.cut(tier.depth).eval().requires_grad_(False)
    codes = example_codes(network)
    smallest_px = smallest_side_px(
        module, tuple(codes.values()), network.size_multiple_px, tier.max_side_px
    )
    for probe in probes:
        _check_probe(probe, network.size_multiple_px, smallest_px, tier)
    multiple = network.size_multiple_px
    sides = [
        multiple * min(max(k, smallest_px // multiple), tier.max_side_px // multiple)
        for k in _TRACED_STEPS
    ]
    example = (torch.from_numpy(pseudo_photograph(sides[0], sides[1])), *codes.values())
    axes = _dynamic_axes(multiple, smallest_px, tier.max_side_px)
    shapes = (axes, *({} for _ in codes))
    traced = fold_batch_norms(network.cut(tier.depth).eval().requires_grad_(False), *example)
    fold_transposed(traced)
    share_slopes(traced)
    sides_kept = sides_of(module, example, multiple)
    counts = in_forms(traced)
    with sides_kept:
        raw = _exported(traced, example, (CONTENT, *codes), (STYLIZED,), shapes)
    reference = TorchSession(module, tuple(codes))
    feeds = {name: value.numpy() for name, value in codes.items()}

    def pictures() -> Iterator[Mapping[str, Any]]:
        generated = (
            pseudo_photograph(*size)
            for size in _probe_sizes_px(multiple, smallest_px, tier.max_side_px)
        )
        yield from ({CONTENT: image, **feeds} for image in (*probes, *generated))

    def formed(used: Sequence[Rewrite]) -> onnx.ModelProto:
        model = _formed(raw, (CONTENT, *codes), (STYLIZED,), used)
        note_more(model, counts)
        _annotate_sides(model)
        add_property(model, SIZE_MULTIPLE_KEY, str(multiple))
        return model

    def differs(part: nn.Module, feed: Mapping[str, Any]) -> bool:
        names = (CONTENT, *codes)
        made = _traced(part.eval(), example, names, (_PART,), shapes, rewrites)
        wanted = TorchSession(part, tuple(codes), output_names=(_PART,)).run(feed)
        got = open_onnx(made.SerializeToString()).run(feed)
        return not parity_error(wanted, got) <= PARITY_TOLERANCE

    def hint(feed: Mapping[str, Any]) -> str:
        called = _as_forward_takes(traced, shapes)
        with _quiet(), torch.no_grad(), sides_of(module, example, multiple):
            return first_differing(traced, example, called, lambda part: differs(part, feed))

    model, what = formed(rewrites), f"tier {tier.id}"
    if any(noted(model).get(one.name) for one in rewrites if one.nearly):
        with contextlib.suppress(ToolError):
            return _finish(model, path, reference, pictures(), what)
        model = formed([one for one in rewrites if not one.nearly])
    return _finish(model, path, reference, pictures(), what, hint)


def export_style_encoder(network: StyleNetwork, path: Path) -> float:
    """Writes the FP32 ONNX style encoder: `style` [1, 3, 256, 256] to the codes but strength.

    Uses the network's `style_encoder` module where it has one, else its `encode_style`.

    Returns:
        The largest `parity_error`.

    Raises:
        ToolError: it can't be exported, or differs from PyTorch (`parity_error`).
    """
    module = StyleEncoderModule(network).eval()
    images = [pseudo_artwork(), np.ascontiguousarray(pseudo_artwork()[:, ::-1, ::-1])]
    model = _traced(module, (torch.from_numpy(images[0]),), (STYLE_IMAGE,), module.names, ({},))
    reference = TorchSession(module, (), image_name=STYLE_IMAGE, output_names=module.names)
    return _finish(
        model, path, reference, ({STYLE_IMAGE: image} for image in images), "the style encoder"
    )


def _check_probe(
    probe: NDArray[np.float32], multiple_px: int, smallest_px: int, tier: Tier
) -> None:
    sides = probe.shape[2:] if probe.ndim == 4 and probe.shape[:2] == (1, 3) else ()
    fits = all(
        side % multiple_px == 0 and smallest_px <= side <= tier.max_side_px for side in sides
    )
    if len(sides) != 2 or not fits:
        raise InputError(
            f"a probe of shape {probe.shape} does not suit tier {tier.id}",
            f"give [1, 3, H, W] with sides in multiples of {multiple_px} from {smallest_px} px on",
        )


def _dynamic_axes(multiple_px: int, smallest_px: int, largest_px: int) -> dict[int, Any]:
    limits = {"min": smallest_px // multiple_px, "max": largest_px // multiple_px}
    if limits["min"] >= limits["max"]:
        return {}
    height, width = torch.export.Dim("h", **limits), torch.export.Dim("w", **limits)
    return (
        {2: multiple_px * height, 3: multiple_px * width}
        if multiple_px > 1
        else {2: height, 3: width}
    )


def _probe_sizes_px(multiple_px: int, smallest_px: int, largest_px: int) -> list[tuple[int, int]]:
    """Boundary and non-square sizes, each a multiple."""
    middle = max(smallest_px, largest_px * 5 // 8 // multiple_px * multiple_px)
    sizes = [(smallest_px, smallest_px), (smallest_px, largest_px), (largest_px, middle)]
    return [*sizes, (middle, smallest_px + multiple_px), (largest_px, largest_px)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter from printing, warning and logging."""
    logger = logging.getLogger("torch")
    level = logger.level
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        names = [name for name in logging.root.manager.loggerDict if name.startswith("torch")]
        levels = {name: logging.getLogger(name).level for name in names}
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
            for name, old in levels.items():
                logging.getLogger(name).setLevel(old)


def _traced(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: tuple[Any, ...],
    rewrites: Sequence[Rewrite] = REWRITES,
) -> onnx.ModelProto:
    """The module as a clean ONNX model."""
    raw = _exported(module, example, inputs, outputs, shapes)
    return _formed(raw, inputs, outputs, rewrites)


def _exported(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: tuple[Any, ...],
) -> onnx.ModelProto:
    """What PyTorch's exporter makes of the module."""
    arguments: dict[str, Any] = {
        "dynamo": True,
        "input_names": [_EDGE + name for name in inputs],
        "output_names": [_EDGE + name for name in outputs],
        "opset_version": OPSET,
        "external_data": False,
        "verbose": False,
        "custom_translation_table": {round: _rounded},
    }
    if any(shapes):
        arguments["dynamic_shapes"] = _as_forward_takes(module, shapes)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(module, example, **arguments)
            model: onnx.ModelProto = program.model_proto  # type: ignore[union-attr]
    except Exception as error:  # the exporter raises classes of many kinds
        place = place_of(error) or _reckoned(module, example, shapes)
        raise ToolError(
            "the network can't be exported with dynamic height and width: "
            f"{last_words(error)}{f' ({place})' if place else ''}",
            "keep Python branches and sizes out of forward(); see torch.export's notes on dynamic "
            "shapes",
        ) from error
    return model


def _formed(
    raw: onnx.ModelProto,
    inputs: Sequence[str],
    outputs: Sequence[str],
    rewrites: Sequence[Rewrite],
) -> onnx.ModelProto:
    """A copy of an exported model, rewritten, with the edges' own names."""
    model = _clean(copy_model(raw), rewrites)
    name_edges(model.graph, {_EDGE + name: name for name in (*inputs, *outputs)})
    _check_edges(model, inputs, outputs)
    return model


def _rounded(side: Any, ndigits: None = None) -> Any:
    """Python's `round` of a fraction of a side: half to even, as ONNX's."""
    from onnxscript import opset18

    return opset18.Cast(opset18.Round(side), to=onnx.TensorProto.INT64)


def _reckoned(module: nn.Module, example: Sequence[Tensor], shapes: tuple[Any, ...]) -> str:
    """Where forward reckons with the picture's size, which may be what the exporter means."""
    if not any(shapes):
        return ""
    picture, *codes = example
    larger = torch.from_numpy(pseudo_photograph(2 * picture.shape[2], 2 * picture.shape[3]))
    seen = [watched(module, (one, *codes))[1] for one in (picture, larger)]
    return size_numbers(*seen)


def _as_forward_takes(module: nn.Module, shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """Shapes in the order of the inputs; those that `*codes` takes are one entry, as torch asks."""
    kinds = [parameter.kind for parameter in signature(module.forward).parameters.values()]
    if Parameter.VAR_POSITIONAL not in kinds:
        return shapes
    named = kinds.index(Parameter.VAR_POSITIONAL)
    return (*shapes[:named], shapes[named:]) if shapes[named:] else shapes


def _clean(model: onnx.ModelProto, rewrites: Sequence[Rewrite]) -> onnx.ModelProto:
    """Exact rewrites, and only what is computation: the same network gives the same bytes."""
    strip(model)
    model, fired = rewrite(model, rewrites)
    note(model, fired)
    pool_initializers(model.graph)
    prune(model.graph)
    stable_names(model.graph)
    model.graph.name = "iast_export"
    model.producer_name, model.producer_version = "iast-export", ""
    kept = [item for item in model.opset_import if item.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def _check_edges(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    found = [item.name for item in model.graph.input], [item.name for item in model.graph.output]
    if found != (list(inputs), list(outputs)):
        raise ToolError(
            f"the exported model has inputs {found[0]} and outputs {found[1]}, "
            f"needed {list(inputs)} and {list(outputs)}",
            "let forward(content, *codes) use every code and return one picture",
        )


def _annotate_sides(model: onnx.ModelProto) -> None:
    """Says that the picture keeps its size: `height` and `width` at the input and the output."""
    for item in (model.graph.input[0], model.graph.output[0]):
        dims = item.type.tensor_type.shape.dim
        sizes = [dim.dim_value for dim in dims] if len(dims) == 4 else []
        is_picture = sizes[:2] == [1, 3]
        if not is_picture or (item.name == CONTENT and any(sizes[2:])):
            raise ToolError(
                f"{item.name} was exported with shape "
                f"{[dim.dim_param or dim.dim_value for dim in dims]}",
                "the network fixes its size or batch: let it take [1, 3, H, W] of any height and "
                "width",
            )
        shape: list[int | str] = [1, 3, "height", "width"]
        item.CopyFrom(helper.make_tensor_value_info(item.name, onnx.TensorProto.FLOAT, shape))


def _finish(
    model: onnx.ModelProto,
    path: Path,
    reference: TorchSession,
    feeds: Any,
    what: str,
    hint: Callable[[Mapping[str, Any]], str] = lambda feed: "",
) -> float:
    """Checks the model, compares it with PyTorch on every feed and writes it.

    Args:
        hint: where a file that differs on a feed first does so, for the message.
    """
    check_model(model)
    session = open_onnx(model.SerializeToString())
    differences = [
        checked_parity(what, reference, feed, session.run(feed), partial(hint, feed))
        for feed in feeds
    ]
    save_model(model, path)
    return max(differences)


def _outputs(build: Build) -> list[Path]:
    layout = build.layout
    encoder = [layout.style_encoder("onnxruntime")] if build.encodes else []
    return [*build.onnx_fp32, layout.dispatch("fp32"), *encoder]


def _run(build: Build) -> None:
    probes, tiers, paths = _probes(build), build.tiers, build.onnx_fp32
    for i, (tier, path) in enumerate(zip(tiers, paths, strict=True)):
        build.progress("export ONNX", i, len(paths))
        export_tier(build.network, tier, path, probes)
    build.progress("export ONNX", len(paths), len(paths))
    dispatch, about = build.layout.dispatch("fp32"), about_of(build)
    merge_dispatch(list(zip(tiers, paths, strict=True)), dispatch)
    for path in paths:
        describe_onnx(path, about, "transfer", "fp32")
    describe_onnx(dispatch, about, "dispatch", "fp32")
    if build.encodes:
        encoder = build.layout.style_encoder("onnxruntime")
        export_style_encoder(build.network, encoder)
        describe_onnx(encoder, about, "style_encoder", "fp32")


def _probes(build: Build) -> list[NDArray[np.float32]]:
    """Two photographs, one upright and one wide, in sizes that every tier takes."""
    smallest, multiple = build.tiers[0].max_side_px, build.network.size_multiple_px
    upright, wide = (center_square(rgb, smallest) for _, rgb in build.evaluation_pictures()[:2])
    narrow, low = (max(multiple, smallest * n // 4 // multiple * multiple) for n in (3, 2))
    parts = (upright[:, :narrow], wide[:low])
    return [to_tensor(np.ascontiguousarray(part)) for part in parts]


def _params(build: Build) -> dict[str, Any]:
    return {**traced_params(build), **about_params(build)}


STAGE = Stage("export", _params, lambda build: build.checkpoint_files, _outputs, _run)
