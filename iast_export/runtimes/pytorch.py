"""A PyTorch module, behind `Session`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
        return self._run(self._module, feeds, np.float32)

    def run_exactly(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """As `run`, computed in float64; NaN where the module can't be."""
        import torch

        kept = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return self._run(copy.deepcopy(self._module).double(), feeds, np.float64)
        except RuntimeError:  # it makes float32 tensors of its own, and mixes them
            return {name: np.full(1, np.nan) for name in self._outputs}
        finally:
            torch.set_default_dtype(kept)

    def _run(self, module: nn.Module, feeds: Mapping[str, Array], kind: Any) -> dict[str, Array]:
        import torch

        check_names(feeds, self._inputs)
        values = [torch.from_numpy(np.array(feeds[name], kind)) for name in self._inputs]
        with torch.inference_mode():
            result = module(*values)
        results = result if isinstance(result, (tuple, list)) else (result,)
        if len(results) != len(self._outputs):
            raise InputError(
                f"the module returned {len(results)} results, needed {', '.join(self._outputs)}",
                "return one tensor per output name",
            )
        return {name: value.numpy() for name, value in zip(self._outputs, results, strict=True)}

    def bare_run(self, feeds: Mapping[str, Array]) -> Callable[[], object]:
        return lambda: self.run(feeds)
