"""Networks that a file tells enough of: TorchScript, and exported programs of torch.export.

One picture in and one of the same size out is a network of one style. Codes need to be made of an
artwork, which no such file says; what is missing is said then.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, write_atomic
from iast_export.files.notes import note
from iast_export.files.texts import visible
from iast_export.network.file_kinds import EXPORTED, TORCHSCRIPT, FileKind, kind_of
from iast_export.network.photographs import photographs
from iast_export.network.script_graph import ScriptGraph
from iast_export.network.user_code import calling

# What `--network FILE` stands for.
PROGRAM = "iast_export.network.programs:network_of_file"
PROGRAM_SUFFIXES = (".pt", ".pt2", ".pth", ".ts", ".torchscript")
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_SIZE_PX = 128
# Of the picture that a module is exported with; chosen: unlike, as equal sides would be one.
_EXAMPLE_PX = (64, 96)
_FULL_LEVELS = 8.0
_SIGNED = 1.01
_ADAPTER = (
    "write an adapter: a class with depths = (1,), size_multiple_px, code_shapes, cut(depth) that "
    "returns the module, and encode_style(style); see the page on networks"
)


class Program:
    """A `StyleNetwork` around one module that a file holds."""

    depths = (1,)
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def __init__(self, transfer: nn.Module, name: str) -> None:
        """Finds the multiple of its sides and the range of its pictures by running it.

        Raises:
            InputError: it takes no picture of any usual size, or raised.
        """
        self.transfer = transfer
        self.size_multiple_px = _multiple_of(transfer, name)
        self.value_range = _range_of(transfer, name)

    def cut(self, depth: int) -> nn.Module:
        """A copy of the one module."""
        return copy.deepcopy(self.transfer)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """No code: the style is trained in."""
        return ()


def is_program(path: Path) -> bool:
    """Whether a file holds a program, by its content.

    Raises:
        InputError: it can't be read.
    """
    return _kind(path) in (TORCHSCRIPT, EXPORTED)


def network_of_file(checkpoint: Path | None) -> Program:
    """The network in a file of torch.jit.save or torch.export.save.

    Raises:
        InputError: another kind of file, or one that does not tell enough; says what is missing.
    """
    assert checkpoint is not None
    name, kind = visible(str(checkpoint)), _kind(checkpoint)
    if kind not in (TORCHSCRIPT, EXPORTED):
        raise InputError(
            f"{name} is {kind.words}, a TorchScript file or an exported program was needed",
            "give --network module:factory; its factory may read such a file as CHECKPOINT",
        )
    module = _of_script(checkpoint, name) if kind is TORCHSCRIPT else _of_export(checkpoint, name)
    return Program(module, name)


def save_program(module: nn.Module, path: Path) -> None:
    """Writes a module of one picture as an exported program, whose sides are free but for a step.

    Args:
        module: forward([1, 3, H, W]) to the same shape; copied, and set to evaluate.
        path: `.pt2`, from where `network_of_file` takes it in whatever process.

    Raises:
        InputError: it takes no picture, or torch.export can't follow its code.
    """
    name, frozen = type(module).__name__, copy.deepcopy(module).eval().requires_grad_(False)
    step = Program(frozen, name).size_multiple_px
    height, width = (step * max(2, -(-side // step)) for side in _EXAMPLE_PX)
    free = (torch.export.Dim(side) for side in ("height", "width"))
    sides = {
        axis: side if step == 1 else step * side for axis, side in zip((2, 3), free, strict=True)
    }
    stream = io.BytesIO()
    with calling(f"exporting {name}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.full((1, 3, height, width), 0.5)
        torch.export.save(torch.export.export(frozen, (example,), dynamic_shapes=(sides,)), stream)
    write_atomic(path, stream.getvalue())


def _kind(path: Path) -> FileKind:
    return kind_of(read_bytes(path))


def _of_script(path: Path, name: str) -> nn.Module:
    with calling(f"loading {name}"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        graph = ScriptGraph(script)
    if len(graph.names) != 1:
        raise InputError(
            f"{name} takes {len(graph.names)} tensors ({', '.join(graph.names)}), and TorchScript "
            "tells neither the sizes of codes nor how an artwork becomes one",
            _ADAPTER,
        )
    return graph


def _of_export(path: Path, name: str) -> nn.Module:
    with calling(f"loading {name}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.load(str(path))
        module = program.module()
    shapes = _shapes(program)
    if len(shapes) != 1:
        told = ", ".join(f"{one} {list(shape)}" for one, shape in shapes.items())
        raise InputError(
            f"{name} takes {len(shapes)} tensors ({told}), and does not hold how an artwork "
            "becomes a code",
            _ADAPTER,
        )
    (shape,) = shapes.values()
    if len(shape) != 4 or all(isinstance(side, int) for side in shape[2:]):
        raise InputError(
            f"{name} takes {list(shape)} alone, [1, 3, height, width] of any size was needed",
            "export it with dynamic sides: `torch.export.export(net, (torch.rand(1, 3, 64, 96),), "
            'dynamic_shapes=({2: Dim("h"), 3: Dim("w")},))`',
        )
    return _Callable(module)


class _Callable(nn.Module):
    """An exported program's module, which refuses to be put into eval mode."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def train(self, mode: bool = True) -> _Callable:
        """Stays as it was exported."""
        return self

    def forward(self, content: Tensor) -> Any:
        return self.inner(content)


def _shapes(program: torch.export.ExportedProgram) -> dict[str, Sequence[Any]]:
    names = program.graph_signature.user_inputs
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    return {
        str(name): [
            side if isinstance(side, int) else str(side)
            for side in nodes[str(name)].meta["val"].shape
        ]
        for name in names
    }


def _multiple_of(module: nn.Module, name: str) -> int:
    """The smallest usual multiple whose odd and unequal sides come back in their size."""
    error: Exception | None = None
    for multiple in _MULTIPLES:
        odd = (_SIZE_PX // multiple) | 1
        sizes = [(multiple * odd, multiple * (odd + 1)), (multiple * (odd + 2), multiple * odd)]
        try:
            results = [_run(module, size) for size in sizes]
        except Exception as caught:  # whatever a size that is not taken makes of it
            error = caught
            continue
        if all(tuple(r.shape) == (1, 3, *size) for r, size in zip(results, sizes, strict=True)):
            return multiple
    with calling(f"{name} on a picture of {_SIZE_PX} x {_SIZE_PX} px"):
        if error is not None:
            raise error
    raise InputError(
        f"{name} gives no picture [1, 3, H, W] of the content's size",
        "give a program whose result is the picture, in the size of its input",
    )


def _range_of(module: nn.Module, name: str) -> tuple[float, float]:
    """The usual range that its result on a photograph lies in; one that isn't [0, 1] is said."""
    result = _run(module, (_SIZE_PX, _SIZE_PX))
    low, high = float(result.min()), float(result.max())
    found = (0.0, 1.0)
    if high > _FULL_LEVELS:
        found = (0.0, 255.0)
    elif -_SIGNED <= low < -0.25 and high <= _SIGNED:
        found = (-1.0, 1.0)
    if found != (0.0, 1.0):
        note(
            "program",
            f"{name} gives values in [{low:.3g}, {high:.3g}]: its pictures are taken to be in "
            f"[{found[0]:g}, {found[1]:g}]; an adapter may say otherwise (value_range)",
        )
    return found


def _run(module: nn.Module, size: tuple[int, int]) -> Tensor:
    with torch.no_grad():
        result: Tensor = module(photographs(*size)["a photograph"])
    return result
