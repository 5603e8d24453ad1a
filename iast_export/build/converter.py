"""litert-torch's converter, behind NHWC edges: modules to the bytes of one file."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iast_export.build.bisecting import first_differing
from iast_export.build.tracing import checked_parity
from iast_export.errors import IastExportError, ToolError
from iast_export.formats import tflite_file, tflite_write
from iast_export.forms import tflite_forms
from iast_export.forms.litert_forms import LiteRtForms, share_of
from iast_export.network.user_code import told
from iast_export.network.watching import watched
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.parity import PARITY_TOLERANCE, parity_error
from iast_export.runtimes.pytorch import TorchSession
from iast_export.specs import IMAGE_NAMES

_REMEDY = (
    "write the operator that is named by others, such as convolutions, means and sums, or report "
    "the network"
)
_PART = "part"  # the output of a part of a network
_WITH_BODIES = frozenset(
    ["IF", "WHILE", *(f"STABLEHLO_{one}" for one in ("REDUCE_WINDOW", "SCATTER", "SORT", "WHILE"))]
)
_OPERATOR = re.compile(r"\baten\.(\w+)")


class _Nhwc(nn.Module):
    """A module behind NHWC images and named inputs; returns named outputs."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.inner, self._share = entry.traced, entry.share
        self._image, *self._codes = entry.inputs
        self._outputs = entry.outputs
        self.rewrites: Counter[str] = Counter()

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        with LiteRtForms(self._share) as forms:
            image = inputs[self._image].permute(0, 3, 1, 2)
            result = self.inner(image, *[inputs[name] for name in self._codes])
        self.rewrites = forms.counts
        results = (result,) if isinstance(result, Tensor) else tuple(result)
        named = zip(self._outputs, results, strict=True)
        return {name: _nhwc(name, value) for name, value in named}


class _Formed(nn.Module):
    """A signature's module in our forms."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.inner, self._share = entry.traced, entry.share

    def forward(self, *inputs: Tensor) -> Any:
        with LiteRtForms(self._share):
            return self.inner(*inputs)


@dataclass(frozen=True)
class Entry:
    """A signature to be.

    Attributes:
        key: of the signature.
        module: what it shall compute.
        traced: the form of it to trace.
        inputs: NCHW, in the order of the call; the picture first.
        outputs: their names.
        multiple_px: sides of pictures that it shall draw are multiples of this; None: it takes
            pictures of one shape alone.
    """

    key: str
    module: nn.Module
    traced: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    multiple_px: int | None = None

    @property
    def share(self) -> tuple[float, float]:
        """See `LiteRtForms`."""
        height, width = next(iter(self.inputs.values())).shape[2:]
        return (1.0, 1.0) if self.multiple_px is None else share_of(self.multiple_px, height, width)


def _nhwc(name: str, value: Tensor) -> Tensor:
    """Images change their layout, codes keep theirs."""
    return value.permute(0, 2, 3, 1) if name in IMAGE_NAMES and value.dim() == 4 else value


def file_of(entries: Sequence[Entry]) -> tuple[bytes, Counter[str]]:
    """A file with its operators in our forms, its constants proved, and the places of each form."""
    data, rewrites = _run_converter(entries)
    raw = tflite_file.parse(data)
    _check_bodies(raw, entries)
    tflite_forms.reform(raw)
    model = deepcopy(raw)
    tflite_write.canonicalize(model)
    data = tflite_write.serialize(model)
    tflite_write.check_constants(raw, tflite_file.parse(data))
    return data, rewrites


def _check_bodies(model: tflite_file.Model, entries: Sequence[Entry]) -> None:
    """Checks that no operator computes by a graph of its own: it is slow, and has no range.

    Raises:
        ToolError: one does.
    """
    if len(model.subgraphs) == len(entries):
        return
    names = {tflite_file.code_name(code) for code in model.operatorCodes}
    found = " and ".join(sorted(names & _WITH_BODIES)) or "an operator with a graph inside"
    raise ToolError(
        f"litert-torch has no operator for a part of the network and writes {found}",
        "write it by others: a maximum of windows without dilation, an average over channels "
        "(local response normalization) as a 1x1 convolution of the squares, a maximum's places "
        "(unpooling) as a mask times what was enlarged",
    )


def _run_converter(entries: Sequence[Entry]) -> tuple[bytes, Counter[str]]:
    """The converter's own bytes, untouched, and the places traced in our forms."""
    os.environ["LITERT_TORCH_SHOW_PROGRESS"] = "n"
    with tflite_file.quiet_tools(), torch.no_grad():
        import litert_torch

        converter: Any = None
        rewrites: Counter[str] = Counter()
        for entry in entries:
            module = _Nhwc(entry).eval()
            sample = {name: _nhwc(name, value).contiguous() for name, value in entry.inputs.items()}
            add = litert_torch.signature if converter is None else converter.signature
            module(**sample)  # once as it is, since what tracing notes in a module is lost
            rewrites.update(module.rewrites)
            with _told(entry.key, [entry]):
                converter = add(entry.key, module, sample_kwargs=sample)
        with _told("the file", entries):
            data = bytes(converter.convert().model_content())
    return data, rewrites


@contextmanager
def _told(what: str, entries: Sequence[Entry]) -> Iterator[None]:
    """The converter's errors in one line, with the author's: it raises classes of many kinds.

    Raises:
        ToolError: it refused the network.
    """
    try:
        yield
    except (MemoryError, IastExportError):
        raise
    except Exception as error:
        words = told(error)
        place = _line_of(words, entries)
        raise ToolError(
            f"litert-torch can't convert {what}: {words}{f' ({place})' if place else ''}",
            _REMEDY,
        ) from error


def _line_of(words: str, entries: Sequence[Entry]) -> str:
    """The author's line that calls the operator which the converter names; empty: it names none."""
    named = _OPERATOR.search(words)
    for entry in entries if named else ():
        _, seen = watched(entry.module, list(entry.inputs.values()))
        for name, _, line in seen.operators:
            if named is not None and name == named.group(1) and line:
                return line
    return ""


def check_parity(path: Path, entry: Entry) -> float:
    """`checked_parity` of a signature against its own module.

    Raises:
        ToolError: LiteRT can't run it, or it differs.
    """
    image, *codes = entry.inputs
    reference = TorchSession(entry.module, codes, image_name=image, output_names=entry.outputs)
    feeds = {name: value.numpy() for name, value in entry.inputs.items()}
    try:
        with tflite_file.quiet_tools():
            got = open_litert(path, entry.key).run(feeds)
    except ToolError as error:
        raise ToolError(f"LiteRT can't run what was converted: {error.message}", _REMEDY) from error
    return checked_parity(
        f"signature {entry.key}", reference, feeds, got, partial(_beginning, entry)
    )


def _beginning(entry: Entry) -> str:
    """Where a signature first differs from PyTorch, as `first_differing` names it."""
    image, *codes = entry.inputs
    feeds = {name: value.numpy() for name, value in entry.inputs.items()}

    def differs(part: nn.Module) -> bool:
        data, _ = file_of([Entry("part", part, part, entry.inputs, (_PART,), entry.multiple_px)])
        wanted = TorchSession(part, codes, image_name=image, output_names=(_PART,)).run(feeds)
        with tempfile.TemporaryDirectory() as folder, tflite_file.quiet_tools():
            path = Path(folder) / "part.tflite"
            path.write_bytes(data)
            got = open_litert(path, "part").run(feeds)
        return not parity_error(wanted, got) <= PARITY_TOLERANCE

    with torch.no_grad():
        return first_differing(_Formed(entry), tuple(entry.inputs.values()), None, differs)
