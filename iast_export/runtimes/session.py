"""A loaded model of any runtime behind one Protocol: named float32 NCHW arrays in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import read_bytes
from iast_export.pictures.images import pad_to, padded_side_px, to_levels, to_tensor
from iast_export.specs import CONTENT, IMAGE_NAMES, STYLIZED

Array = NDArray[Any]


class Session(Protocol):
    """A loaded model, ready to run on the CPU."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names that `run` needs, in the model's order."""
        ...

    @property
    def raw(self) -> Any:
        """The runtime's own object, for what this Protocol doesn't offer."""
        ...

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name; images are NCHW float32 in [0, 1] whichever the runtime's layout.

        Raises:
            InputError: a feed is missing, unknown, or of a shape that the model doesn't take.
            ToolError: the runtime failed.
        """
        ...

    def bare_run(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        """A call that runs the bare model once on feeds laid out beforehand, to be timed.

        Raises:
            InputError: see `run`.
        """
        ...


def check_names(feeds: Mapping[str, Array], needed: Sequence[str]) -> None:
    """Refuses feeds that are not exactly those that a model takes.

    Raises:
        InputError: names the missing and the unknown ones.
    """
    if set(feeds) != set(needed):
        missing = ", ".join(sorted(set(needed) - set(feeds))) or "none"
        unknown = ", ".join(sorted(set(feeds) - set(needed))) or "none"
        raise InputError(
            f"the model takes {', '.join(needed)}; missing: {missing}, unknown: {unknown}",
            "feed every input by its name, and nothing else",
        )


def bytes_of(path: Path, verb: str) -> bytes:
    """A model file's bytes; `verb` is what makes it, for the message.

    Raises:
        InputError: it is not there.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is not there", f"{verb} the model first, or check the path")
    return read_bytes(Path(path))


def is_image(name: str, shape: Sequence[int]) -> bool:
    """Whether an input or output is a picture, whose layout differs by runtime."""
    return name in IMAGE_NAMES and len(shape) == 4


def _target_shape_px(
    height: int, width: int, multiple_px: int | None, fixed_shape_px: tuple[int, int] | None
) -> tuple[int, int]:
    if (multiple_px is None) == (fixed_shape_px is None):
        raise UsageError("multiple_px and fixed_shape_px exclude each other", "give exactly one")
    if multiple_px is not None:
        return padded_side_px(height, multiple_px), padded_side_px(width, multiple_px)
    assert fixed_shape_px is not None
    if height > fixed_shape_px[0] or width > fixed_shape_px[1]:
        raise InputError(
            f"the picture is {width}x{height} px, the model takes "
            f"{fixed_shape_px[1]}x{fixed_shape_px[0]} px",
            "choose the tier by the picture's size, or scale the picture down",
        )
    return fixed_shape_px


def stylize_rgb(
    session: Session,
    rgb: NDArray[np.uint8],
    codes: Mapping[str, Array],
    *,
    multiple_px: int | None = None,
    fixed_shape_px: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """The stylized picture [H, W, 3], uint8: padded by reflection, run, cropped, rounded.

    Args:
        session: takes `content` and `codes`, returns `stylized`.
        rgb: [H, W, 3] uint8.
        codes: every style input by name.
        multiple_px: the model takes any sides that are multiples of this, or
        fixed_shape_px: the model takes this height and width only.

    Raises:
        InputError: the picture is larger than the fixed shape, or the result holds NaN.
        ToolError: the runtime failed.
    """
    height, width = rgb.shape[:2]
    padded = pad_to(rgb, *_target_shape_px(height, width, multiple_px, fixed_shape_px))
    result = session.run({CONTENT: to_tensor(padded), **codes})[STYLIZED]
    return to_levels(result[:, :, :height, :width])
