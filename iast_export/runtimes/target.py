"""A runtime as an object: what users call it, whose files it runs, and how it opens them.

Everything above asks a `Target`, or its `Family`, and never for a runtime's name. A further runtime
is one class in one file, and its place in `TARGETS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from iast_export.errors import UsageError
from iast_export.families import Family
from iast_export.pictures.images import Rgb
from iast_export.runtimes.any_shape import takes_any_shape
from iast_export.runtimes.compiled import CompiledTarget
from iast_export.runtimes.litert_target import LiteRtTarget
from iast_export.runtimes.onnx_target import OnnxRuntimeTarget
from iast_export.runtimes.session import Array, Session, stylize_rgb
from iast_export.shapes.table import ShapeTable
from iast_export.specs import Accelerator, Tier


class Target(Protocol):
    """A runtime."""

    @property
    def name(self) -> str:
        """What users call it, such as `litert`; a family's own runtime has the family's name."""
        ...

    @property
    def label(self) -> str:
        """What its makers call it, such as `LiteRT`."""
        ...

    @property
    def family(self) -> Family:
        """Whose files it runs."""
        ...

    @property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """That it computes on."""
        ...

    def open(
        self,
        data: bytes,
        tier: Tier | None = None,
        *,
        threads: int = 1,
        accelerator: Accelerator = "cpu",
        where: object = "the model",
        shapes: ShapeTable | None = None,
    ) -> Session:
        """A session over a tier of a file's bytes; None where it holds one model without tiers.

        `shapes` is the table that belongs to a TFLite file: pictures then come in any shape.

        Raises:
            InputError: the file has no such tier, or can't be read.
            ToolError: the runtime refuses the file, or has no such accelerator here.
        """
        ...


TARGETS: Mapping[str, Target] = {
    target.name: target for target in (OnnxRuntimeTarget(), LiteRtTarget(), CompiledTarget())
}


def find_target(name: str, accelerator: Accelerator = "cpu") -> Target:
    """The runtime of a name that a user gave, which computes on `accelerator`.

    Raises:
        UsageError: there is none, or it does not.
    """
    if name not in TARGETS:
        raise UsageError(f"there is no runtime {name!r}", f"choose of {', '.join(TARGETS)}")
    if accelerator not in TARGETS[name].accelerators:
        able = [one.name for one in TARGETS.values() if accelerator in one.accelerators]
        raise UsageError(
            f"no {accelerator.upper()} computes for {name} here",
            f"use --runtime {' or '.join(able)}, or the CPU",
        )
    return TARGETS[name]


def stylize_tier(
    family: Family,
    session: Session,
    rgb: Rgb,
    codes: Mapping[str, Array],
    tier: Tier,
    multiple_px: int | None,
) -> Rgb:
    """The stylized picture, as `stylize_rgb`, padded as the family's files need it.

    Args:
        family: of the file.
        session: over its tier.
        rgb: [H, W, 3] uint8, within the tier.
        codes: every style input by name.
        tier: that the session holds.
        multiple_px: the network's size multiple, to which pictures are padded where the session
            takes any shape; else, or with None, they are padded to the tier's square.

    Raises:
        InputError, ToolError: see `stylize_rgb`.
    """
    if multiple_px is None or (family.fixed_shape and not takes_any_shape(session)):
        return stylize_rgb(session, rgb, codes, fixed_shape_px=tier.shape_px)
    return stylize_rgb(session, rgb, codes, multiple_px=multiple_px)
