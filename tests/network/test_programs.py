"""Networks that a TorchScript file or an exported program tells enough of."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.build.export import export_tier
from iast_export.build.request import Request
from iast_export.errors import InputError, UsageError
from iast_export.library import quantize_network
from iast_export.network.adapters import load_network
from iast_export.network.programs import PROGRAM, network_of_file, save_program
from iast_export.specs import Tier
from tests.network_mistakes import Transfer
from tests.tiny_networks import OneStyleTransfer, one_style_factory


class Padded(nn.Module):
    """Sizes in forward: pads to the next even side, branches on it, and cuts again."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = one_style_factory(None).module

    def forward(self, content: Tensor) -> Tensor:
        height, width = content.shape[2], content.shape[3]
        x = F.pad(content, [0, 2, 0, 2])
        for _ in range(2):
            x = x * 0.9
        y: Tensor = self.inner(x)
        return y[:, :, : height + 0, :width]


def _script(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), str(path))  # type: ignore[no-untyped-call]
    return path


def _trace(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module, torch.rand(1, 3, 32, 48))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(path))  # type: ignore[no-untyped-call]
    return path


def _exported(module: nn.Module, path: Path) -> Path:
    sides = {2: 2 * torch.export.Dim("h"), 3: 2 * torch.export.Dim("w")}
    program = torch.export.export(module, (torch.rand(1, 3, 32, 48),), dynamic_shapes=(sides,))
    torch.export.save(program, path)
    return path


@pytest.mark.parametrize("save", [_script, _trace, _exported], ids=["script", "trace", "export"])
def test_a_program_of_one_picture_is_a_network_of_one_style(
    tmp_path: Path, save: Callable[[nn.Module, Path], Path]
) -> None:
    module = one_style_factory(None).module.eval().requires_grad_(False)
    path = save(module, tmp_path / "net.pt2")
    network = load_network(PROGRAM, path)
    assert (network.depths, network.size_multiple_px) == ((1,), 2)
    assert not network.code_shapes
    picture = torch.rand(1, 3, 30, 34)
    with torch.no_grad():
        torch.testing.assert_close(network.cut(1)(picture), module(picture))
    assert export_tier(network, Tier(1, 48), tmp_path / "tier.onnx") < 1e-4


def test_sizes_loops_and_slices_of_a_script_are_followed(tmp_path: Path) -> None:
    module = Padded().eval()
    network = load_network(PROGRAM, _script(module, tmp_path / "net.pt"))
    picture = torch.rand(1, 3, 30, 34)
    with torch.no_grad():
        torch.testing.assert_close(network.cut(1)(picture), module(picture))


class Levels(OneStyleTransfer):
    def forward(self, content: Tensor) -> Tensor:
        return torch.sigmoid(self.up(torch.relu(self.down(content / 255)))) * 255


def test_a_program_of_255_levels_is_told_and_converted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        network = load_network(PROGRAM, _script(Levels().eval(), tmp_path / "net.pt"))
    assert "[0, 255]" in caplog.text
    with torch.no_grad():
        assert float(network.cut(1)(torch.rand(1, 3, 32, 32)).max()) <= 1.0


def test_what_a_program_does_not_tell_is_asked_for(tmp_path: Path) -> None:
    codes = (torch.rand(1, 8, 1, 1), torch.rand(1, 8, 1, 1))
    given = (torch.rand(1, 3, 32, 48), *codes)
    program = torch.export.export(Transfer().eval(), given)
    torch.export.save(program, tmp_path / "codes.pt2")
    with pytest.raises(InputError, match=r"takes 3 tensors .*mean \[1, 8, 1, 1\].*artwork"):
        load_network(PROGRAM, tmp_path / "codes.pt2")
    with pytest.raises(InputError, match=r"takes 3 tensors \(content, mean, std\)"):
        load_network(PROGRAM, _script(_Typed().eval(), tmp_path / "codes.pt"))
    fixed = torch.export.export(OneStyleTransfer().eval(), (torch.rand(1, 3, 32, 48),))
    torch.export.save(fixed, tmp_path / "fixed.pt2")
    with pytest.raises(InputError, match=r"takes \[1, 3, 32, 48\] alone") as caught:
        load_network(PROGRAM, tmp_path / "fixed.pt2")
    assert "dynamic_shapes" in caught.value.remedy


class _Typed(nn.Module):
    def forward(self, content: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        return torch.sigmoid(content * std + mean)


def test_a_program_is_asked_for_as_network_or_as_checkpoint(tmp_path: Path) -> None:
    path = _script(one_style_factory(None).module, tmp_path / "net.pt")
    for network, checkpoint in ((str(path), None), (None, path)):
        request = Request.of_options(tmp_path / "out", None, network, checkpoint, None, None)
        assert (request.network, request.checkpoint) == (PROGRAM, path)
    with pytest.raises(UsageError, match="holds its weights"):
        Request.of_options(tmp_path / "out", None, str(path), tmp_path / "other.pt", None, None)
    plain = tmp_path / "weights.pt"
    torch.save({}, plain)
    with pytest.raises(InputError, match=r"is a file of torch\.save, a TorchScript file"):
        load_network(PROGRAM, plain)


@pytest.mark.parametrize("module", [one_style_factory(None).module, nn.Conv2d(3, 3, 3, padding=1)])
def test_a_module_in_memory_becomes_a_program_of_any_size(
    module: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.pt2"
    save_program(module.train(), path)
    assert module.training
    found = network_of_file(path)
    picture = torch.rand(1, 3, 48, 72)
    with torch.no_grad():
        assert torch.allclose(found.cut(1)(picture), module.eval()(picture), atol=1e-6)


def test_a_module_that_takes_no_picture_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        save_program(nn.Bilinear(3, 3, 3), tmp_path / "net.pt2")
    with pytest.raises(UsageError, match="no module of one picture alone"):
        quantize_network(object(), out=tmp_path / "made")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
