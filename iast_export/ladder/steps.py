"""How each step of the ladder is opened: three forms of a tier on four sets of kernels, and FP16 on
a GPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.bundle.shaped import load_shapes
from iast_export.errors import IastExportError, InputError, ToolError
from iast_export.files.artifacts import sha256_file
from iast_export.reports.ladder import Step
from iast_export.reports.manifest import Manifest
from iast_export.runtimes.any_shape import Opener, any_shape
from iast_export.runtimes.half_floats import open_simulated
from iast_export.runtimes.litert import LiteRtSession, litert_interpreter, open_litert
from iast_export.runtimes.onnx import onnx_session_options, open_onnx
from iast_export.runtimes.pytorch import TorchSession
from iast_export.runtimes.session import Session
from iast_export.runtimes.target import find_target
from iast_export.specs import USUAL, Accelerator, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

Open = Callable[[], Session]


@dataclass(frozen=True)
class Source:
    """The PyTorch network of a bundle, or why it can't be had."""

    network: StyleNetwork | None
    reason: str = ""


def load_source(
    manifest: Manifest,
    network: str | None = None,
    checkpoint: Path | None = None,
    made_from: str = "",
) -> Source:
    """The PyTorch network that a bundle was made from, if it is the same one.

    Args:
        manifest: of the bundle.
        network: `module:factory`; None: the packaged one. A manifest is data, so that a module it
            names is run only where the user names it too.
        checkpoint: None: the factory's own default.
        made_from: hash of the network that the bundle's build recorded; empty: it is not known.

    Returns:
        The network, or the reason why there is none: a module that nobody asked for, another
        checkpoint or network, a factory that can't be imported, no torch.
    """
    from iast_export.network.adapters import PACKAGED, load_network

    target, named = network or PACKAGED, manifest.source.network
    if network is None and named != PACKAGED:
        return Source(
            None, f"the bundle names the network {named}: give --network {named} to run its code"
        )
    if checkpoint is None and target == PACKAGED:
        from iast_export.network.checkpoint import PACKAGED_CHECKPOINT

        checkpoint = PACKAGED_CHECKPOINT
    wanted = manifest.source.checkpoint_sha256
    try:
        found = sha256_file(checkpoint) if checkpoint is not None else None
        if found != wanted:
            return Source(
                None,
                f"the bundle was made from checkpoint {_short(wanted)}, here is {_short(found)}",
            )
        return _held_to(made_from, load_network(target, checkpoint), manifest, target, checkpoint)
    except IastExportError as error:
        return Source(None, " ".join(error.message.split()))
    except ImportError as error:
        return Source(None, f"{error}")


def _held_to(
    made_from: str,
    network: StyleNetwork,
    manifest: Manifest,
    target: str,
    checkpoint: Path | None,
) -> Source:
    """The network, unless its weights or its code changed since."""
    from iast_export.network.digest import identity_sha256

    depths = [tier.depth for tier in manifest.depth_plan]
    if made_from and identity_sha256(network, depths, target, checkpoint) != made_from:
        return Source(None, "the network's weights or code changed since the bundle was built")
    return Source(network)


def _short(digest: str | None) -> str:
    return "none" if digest is None else digest[:16]


def openers(
    folder: Path,
    manifest: Manifest,
    source: Source,
    tier: Tier,
    threads: int = 1,
    accelerator: Accelerator = "cpu",
) -> dict[Step, Open]:
    """How each step of a tier is opened, in the ladder's order; those of a GPU where asked for."""
    layout, seals = Layout(folder, manifest.name), Seals.of_bundle(folder, manifest)
    onnx32, onnx8 = layout.onnx(tier, "fp32"), layout.onnx(tier, "int8")
    lite32, lite8 = layout.tflite("fp32"), layout.tflite("int8")

    def by_xnnpack(path: Path) -> Opener:
        return lambda data: open_litert(data, tier.signature, threads, path)

    steps: dict[Step, Open] = {
        "pytorch": lambda: _open_torch(source, tier),
        "onnx_fp32": lambda: _open_onnx(seals, onnx32, threads, optimize=True),
        "onnx_int8_plain": lambda: _open_onnx(seals, onnx8, threads, optimize=False),
        "onnx_int8": lambda: _open_onnx(seals, onnx8, threads, optimize=True),
        "litert_fp32": lambda: _open_litert(seals, lite32, tier, by_xnnpack(lite32)),
        "litert_int8_reference": lambda: _open_litert(
            seals, lite8, tier, lambda data: open_reference(data, tier.signature, lite8)
        ),
        "litert_int8": lambda: _open_litert(seals, lite8, tier, by_xnnpack(lite8)),
    }
    lite16, target = layout.tflite("fp16"), find_target(USUAL, accelerator)
    on_gpu: dict[Step, Open] = {
        "litert_fp16_simulated": lambda: _open_litert(
            seals, lite16, tier, lambda data: open_simulated(data, tier.signature, threads, lite16)
        ),
        "litert_fp16_gpu": lambda: _open_litert(
            seals,
            lite16,
            tier,
            lambda data: target.open(data, tier, accelerator=accelerator, where=lite16),
        ),
    }
    return {**steps, **on_gpu} if accelerator == "gpu" else steps


def _open_torch(source: Source, tier: Tier) -> Session:
    if source.network is None:
        raise InputError(
            source.reason, "give the network and the checkpoint that the bundle was made from"
        )
    return TorchSession(source.network.cut(tier.depth), tuple(source.network.code_shapes))


def _open_onnx(seals: Seals, path: Path, threads: int, *, optimize: bool) -> Session:
    import onnxruntime as ort

    options = onnx_session_options(threads)
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.x64quantprecision", "1")
    return open_onnx(seals.read(path), where=path, options=options)


def _open_litert(seals: Seals, path: Path, tier: Tier, opened: Opener) -> Session:
    """The file by what opens it, re-shaped for each picture where it has a table for that."""
    data = seals.read(path)
    return any_shape(data, tier, load_shapes(seals, path, data), opened)


def open_reference(data: bytes, signature: str, where: object = "the model") -> LiteRtSession:
    """A LiteRT session on the plain reference kernels: no delegate, no SIMD; slow.

    Raises:
        ToolError: LiteRT refuses the model.
    """
    from ai_edge_litert.interpreter import OpResolverType

    kernels = {"experimental_op_resolver_type": OpResolverType.BUILTIN_REF}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = litert_interpreter(data, where, **kernels)
    try:
        return LiteRtSession(interpreter, signature)
    except ValueError as error:
        raise ToolError(
            f"LiteRT's reference kernels can't load {where}: {error}", "convert the file again"
        ) from error
