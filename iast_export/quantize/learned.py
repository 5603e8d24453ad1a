"""What calibration pictures say of a network, as files, and of that what holds for one tier.

Ranges have a file each, which people read. Rounded filters and shifted biases lie in one
safetensors file: a filter is named by the weights that it takes the place of, since tiers and
runtimes share them, a shift by its tier and tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, write_atomic
from iast_export.formats.onnx_graph import Array
from iast_export.network.safetensors_file import as_float32, read, to_bytes
from iast_export.quantize.ranges import RangeLike
from iast_export.specs import RUNTIMES, Runtime

_SCHEMA_VERSION = "1"


@dataclass(frozen=True)
class Learned:
    """All that calibration found for one tier in one runtime.

    Attributes:
        ranges: by tensor name.
        filters: float32 [I, kH, kW] on the grid of their levels, by `filter_key` of the prepared
            FP32 ones.
        shifts: float32 [O], added to a convolution's bias, by the convolution's output.
        trim_sums: whether sums take only what can outlast them; see `rectified_sums`.
    """

    ranges: Mapping[str, RangeLike]
    filters: Mapping[str, Array] = field(default_factory=dict)
    shifts: Mapping[str, Array] = field(default_factory=dict)
    trim_sums: bool = True


def of_signatures(
    ranges: Mapping[str, Mapping[str, RangeLike]],
    filters: Mapping[str, Array] | None = None,
    trim_sums: bool = True,
) -> dict[str, Learned]:
    """What LiteRT's signatures share, with the ranges of each, by signature key."""
    return {key: Learned(one, filters or {}, trim_sums=trim_sums) for key, one in ranges.items()}


@dataclass(frozen=True)
class Adjustments:
    """What is learned beside the ranges, of all tiers and runtimes.

    Attributes:
        filters: by runtime; LiteRT's biases are not shifted, so its weights are rounded without
            counting on that.
        shifts: by runtime and tier id.
    """

    filters: Mapping[Runtime, Mapping[str, Array]] = field(default_factory=dict)
    shifts: Mapping[Runtime, Mapping[str, Mapping[str, Array]]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Writes them as one file; the same bytes for the same values."""
        tensors = {
            f"{runtime}/{key}": value
            for runtime, filters in self.filters.items()
            for key, value in filters.items()
        }
        tensors |= {
            f"shift/{runtime}/{tier}/{name}": value
            for runtime, tiers in self.shifts.items()
            for tier, shifts in tiers.items()
            for name, value in shifts.items()
        }
        write_atomic(path, to_bytes(tensors, {"schema_version": _SCHEMA_VERSION}))

    @staticmethod
    def load(path: Path) -> Adjustments:
        """Those from `save`.

        Raises:
            InputError: missing, altered, or of another version.
        """
        file = read(read_bytes(path), str(path))
        if file.metadata.get("schema_version") != _SCHEMA_VERSION or not file.checked:
            raise InputError(f"{path} holds nothing learned", "run `iast-export learn` again")
        held: dict[str, dict[str, Array]] = {}
        shifts: dict[str, dict[str, dict[str, Array]]] = {}
        for name, tensor in file.tensors.items():
            kind, _, rest = name.partition("/")
            value = np.asarray(as_float32(tensor, f"{path}: {name}"))
            if kind == "shift":
                runtime, tier, output = rest.split("/", 2)
                shifts.setdefault(runtime, {}).setdefault(tier, {})[output] = value
            else:
                held.setdefault(kind, {})[rest] = value
        return Adjustments(
            {runtime: held.get(runtime, {}) for runtime in RUNTIMES},
            {runtime: shifts.get(runtime, {}) for runtime in RUNTIMES},
        )
