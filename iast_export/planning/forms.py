"""Which forms a network itself is written in, counted by running it on shapes alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from iast_export.specs import CONTENT, Tier

if TYPE_CHECKING:
    from iast_export.adapters import StyleNetwork


class _Counter(TorchFunctionMode):
    """Counts calls that an export writes in another form."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        mode = given.get("mode", args[2] if len(args) > 2 else "constant") if func is F.pad else ""
        if mode in ("reflect", "replicate"):
            self.counts["mirror pad"] += 1
        elif func is F.pixel_shuffle:
            self.counts["pixel shuffle"] += 1
        elif func is Tensor.mean:
            self.counts["mean"] += 1
        return func(*args, **given)


def count_forms(network: StyleNetwork, tier: Tier) -> Counter[str]:
    """How often a tier's network pads by mirroring, shuffles pixels and takes means, by these words."""
    module = network.cut(tier.depth).to("meta")
    shapes = {CONTENT: (1, 3, *tier.shape_px), **network.code_shapes}
    with _Counter() as counter, torch.no_grad():
        module(*[torch.empty(shape, device="meta") for shape in shapes.values()])
    return Counter(counter.counts)
