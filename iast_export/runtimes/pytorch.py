"""A PyTorch module, behind `Session`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from iast_export.errors import InputError
from iast_export.runtimes.session import Array, check_names
from iast_export.specs import CONTENT, STYLIZED

if TYPE_CHECKING:
    from torch import nn


class TorchSession:
    """A PyTorch module in eval mode behind the same Protocol; gradients are off."""

    def __init__(
        self,
        module: nn.Module,
        code_names: Sequence[str],
        *,
        image_name: str = CONTENT,
        output_names: Sequence[str] = (STYLIZED,),
    ) -> None:
        self._module = module.eval()
        self._inputs = (image_name, *code_names)
        self._outputs = tuple(output_names)

    @property
    def input_names(self) -> tuple[str, ...]:
        return self._inputs

    @property
    def raw(self) -> nn.Module:
        return self._module

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        import torch

        check_names(feeds, self._inputs)
        values = [torch.from_numpy(np.array(feeds[name], np.float32)) for name in self._inputs]
        with torch.inference_mode():
            result = self._module(*values)
        results = result if isinstance(result, (tuple, list)) else (result,)
        if len(results) != len(self._outputs):
            raise InputError(
                f"the module returned {len(results)} results, needed {', '.join(self._outputs)}",
                "return one tensor per output name",
            )
        return {name: value.numpy() for name, value in zip(self._outputs, results, strict=True)}

    def bare_run(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        return lambda: self.run(feeds)
