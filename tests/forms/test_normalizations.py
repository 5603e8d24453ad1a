"""Every way of writing an instance normalization is one operator; what is none stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from iast_export.build.export import export_tier
from iast_export.build.tracing import pseudo_photograph
from iast_export.formats.onnx_graph import load_model
from iast_export.forms.registry import noted
from iast_export.runtimes.onnx import open_onnx
from iast_export.runtimes.parity import PARITY_TOLERANCE
from iast_export.specs import CONTENT, STYLIZED, Tier
from tests.equalize_cases import Network

EPSILON = 1e-5
Norm = Callable[[Tensor], Tensor]


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    mean = x.mean((2, 3), keepdim=True)
    return mean, ((x - mean) ** 2).mean((2, 3), keepdim=True)


def by_root(x: Tensor) -> Tensor:
    mean, variance = moments(x)
    return (x - mean) / torch.sqrt(variance + EPSILON)


def by_inverse_root(x: Tensor) -> Tensor:
    mean, variance = moments(x)
    return (x - mean) * torch.rsqrt(EPSILON + variance)


def by_powers(x: Tensor) -> Tensor:
    mean, variance = moments(x)
    return (x - mean) * (variance + EPSILON) ** -0.5


def by_two_means(x: Tensor) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    variance = (x * x).mean((2, 3), keepdim=True) - mean * mean
    return (x - mean) / (variance.clamp(min=0.0) + EPSILON).sqrt()


def by_rows(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    flat = x.view(n, c, -1)
    variance = flat.var(dim=2, unbiased=False) + EPSILON
    mean = flat.mean(dim=2).view(n, c, 1, 1).expand(n, c, h, w)
    return (x - mean) / variance.sqrt().view(n, c, 1, 1).expand(n, c, h, w)


def by_var(x: Tensor) -> Tensor:
    variance = x.var(dim=(2, 3), keepdim=True, unbiased=False)
    return (x - x.mean(dim=(2, 3), keepdim=True)) / (variance + EPSILON).sqrt()


def by_gain(x: Tensor) -> Tensor:
    mean, variance = moments(x)
    gain = torch.linspace(0.5, 2.0, x.shape[1])[:, None, None] * torch.rsqrt(variance + EPSILON)
    return (x - mean) * gain


def by_largest(x: Tensor) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    return (x - mean) / (x - mean).abs().amax((2, 3), keepdim=True)


def by_columns(x: Tensor) -> Tensor:
    mean = x.mean(2, keepdim=True)
    return (x - mean) / (((x - mean) ** 2).mean(2, keepdim=True) + EPSILON).sqrt()


def around_another(x: Tensor) -> Tensor:
    mean, variance = moments(x * x)
    return (x - mean) / (variance + EPSILON).sqrt()


def in_rows(x: Tensor) -> Tensor:
    flat = x.view(*x.shape[:2], -1)
    deviation = (flat.var(2, keepdim=True, unbiased=False) + EPSILON).sqrt()
    return ((flat - flat.mean(2, keepdim=True)) / deviation).view(x.shape)


class Chain(nn.Module):
    """A convolution, then each normalization with a gain, an offset and a ReLU behind it."""

    def __init__(self, norms: Sequence[Norm]) -> None:
        super().__init__()
        self.norms, self.first, self.last = norms, nn.Conv2d(3, 6, 1), nn.Conv2d(6, 3, 1)
        self.gain = nn.Parameter(torch.rand(6, 1, 1) + 0.5)
        self.offset = nn.Parameter(torch.randn(1, 6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for norm in self.norms:
            x = torch.relu(norm(x) * self.gain + self.offset)
        return torch.sigmoid(self.last(x))


def exported(norms: Sequence[Norm], folder: Path) -> onnx.ModelProto:
    """The network, whose export compares it with PyTorch."""
    export_tier(Network(Chain, norms=norms), Tier(1, 32), folder / "net.onnx")
    return load_model(folder / "net.onnx")


def by_unbiased_rows(x: Tensor) -> Tensor:
    n, c = x.shape[:2]
    deviation = (x.view(n, c, -1).var(dim=2) + EPSILON).sqrt().view(n, c, 1, 1)
    mean = x.view(n, c, -1).mean(dim=2).view(n, c, 1, 1)
    return (x - mean.expand(x.size())) / deviation.expand(x.size())


def by_unbiased_var(x: Tensor) -> Tensor:
    variance = x.var((2, 3), keepdim=True) + EPSILON
    return (x - x.mean((2, 3), keepdim=True)) * torch.rsqrt(variance)


def nearly_flat(x: Tensor) -> Tensor:
    return by_unbiased_var(x * 1e-3)


WAYS = (by_root, by_inverse_root, by_powers, by_two_means, by_rows, by_var, by_gain)


def test_a_written_out_normalization_is_one_operator_with_its_gain_and_offset(
    tmp_path: Path,
) -> None:
    model = exported(WAYS, tmp_path)
    assert noted(model)["normalization"] == len(WAYS)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("InstanceNormalization") == len(WAYS)
    own = {"ReduceMean": 0, "Sqrt": 0, "Mul": 1, "Add": 1}
    assert {kind: kinds.count(kind) for kind in own} == own, "it has one gain and one offset"
    norms = [one for one in model.graph.node if one.op_type == "InstanceNormalization"]
    assert all(one.attribute[0].f == pytest.approx(EPSILON) for one in norms)


def test_what_only_looks_like_one_stays_as_it_is(tmp_path: Path) -> None:
    model = exported((by_largest, by_columns, around_another, in_rows), tmp_path)
    assert "normalization" not in noted(model)
    assert "InstanceNormalization" not in [node.op_type for node in model.graph.node]


def test_a_variance_of_one_less_is_the_operator_with_a_gain_of_the_pictures_size(
    tmp_path: Path,
) -> None:
    model = exported((by_unbiased_rows, by_unbiased_var), tmp_path)
    assert noted(model)["unbiased-normalization"] == 2 and "normalization" not in noted(model)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("InstanceNormalization") == 2 and "ReduceMean" not in kinds
    session, shapes = open_onnx(tmp_path / "net.onnx"), [(8, 8), (32, 24)]
    network = Network(Chain, norms=(by_unbiased_rows, by_unbiased_var)).cut(1)
    for height, width in shapes:
        picture = torch.from_numpy(pseudo_photograph(height, width))
        with torch.no_grad():
            wanted = network(picture).numpy()
        found = session.run({CONTENT: picture.numpy()})[STYLIZED]
        assert found == pytest.approx(wanted, abs=PARITY_TOLERANCE)


def test_channels_so_flat_that_the_size_shows_keep_their_own_arithmetic(tmp_path: Path) -> None:
    model = exported((nearly_flat,), tmp_path)
    assert "unbiased-normalization" not in noted(model)
    assert "ReduceMean" in [node.op_type for node in model.graph.node]


class Trunk(nn.Module):
    """A sum of two convolutions, normalized, as before an adaptive normalization in a trunk."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.norm, self.one, self.two = norm, nn.Conv2d(3, 6, 1), nn.Conv2d(3, 6, 3, padding=1)
        self.last = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.last(self.norm(torch.relu(self.one(x) + self.two(x)))))


@pytest.mark.parametrize("norm", [by_root, by_unbiased_rows])
def test_what_is_a_sum_stays_arithmetic_through_which_factors_pass(
    norm: Norm, tmp_path: Path
) -> None:
    export_tier(Network(Trunk, norm=norm), Tier(1, 32), tmp_path / "net.onnx")
    made = load_model(tmp_path / "net.onnx")
    assert "InstanceNormalization" not in {node.op_type for node in made.graph.node}
