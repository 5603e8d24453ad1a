"""The forms of both runtimes: each is counted, and its values are those of the plain one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.forms.traced_forms import TRACED, TracedForms, in_forms
from tests.forms.test_litert_forms import picture

LINEAR = nn.Linear(6, 4)
SMALL = picture(6, 1, 1)


def _last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def _block(x: Tensor) -> Tensor:
    """Channels last, linear, a function, a gain per channel and a sum, and back."""
    y = _last(x)
    return (y + torch.ones(4).sum() * F.gelu(nn.functional.linear(y, torch.eye(6)))).permute(
        0, 3, 1, 2
    )


CASES: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "expanded as": ("broadcasts", lambda x: x - SMALL.expand_as(x)),
    "expanded": ("broadcasts", lambda x: SMALL.expand(x.size()) * x),
    "expanded without keeping axes": ("broadcasts", lambda x: x / SMALL[0].expand(x.shape)),
    "repeated": ("broadcasts", lambda x: x + SMALL.repeat(1, 1, 8, 12)),
    "vectors of one length": ("broadcasts", lambda x: F.normalize(x, dim=1)),
    "rows of one length": ("broadcasts", lambda x: F.normalize(x, 1.0, dim=(1, 3), eps=1e-3)),
    "broadcast": ("broadcasts", lambda x: torch.maximum(torch.broadcast_to(SMALL, x.shape), x)),
    "linear over pixels": ("positions", lambda x: LINEAR(_last(x)).permute(0, 3, 1, 2)),
    "linear over made pixels": ("positions", lambda x: LINEAR(F.layer_norm(_last(x), (6,)))),
    "linear over tokens": ("positions", lambda x: LINEAR(_tokens(x)).transpose(1, 2)),
    "tokens by reshaping": ("positions", lambda x: LINEAR(_last(x).reshape(1, -1, 6))),
    "a whole block": ("positions", _block),
    "a matrix and rows": (
        "positions",
        lambda x: (LINEAR.weight @ x.view(1, 6, -1)).view(1, 4, 8, 12),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_form_is_counted_and_equals_what_it_stands_for(case: str) -> None:
    name, compute = CASES[case]
    x = picture(6)
    with torch.no_grad():
        wanted = compute(x)
        with TracedForms() as forms:
            found = compute(x)
    assert forms.counts == {name: 1}
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x.flatten(2) + picture(6, 12, 8).flatten(2),
        lambda x: LINEAR(x.mean((2, 3))),
        lambda x: SMALL.expand(1, 6, 2, 1) + SMALL,
        lambda x: torch.cat([x, SMALL.expand_as(x)], 1),
        lambda x: 1 - x / 2,
        lambda x: _last(x).reshape(1, 12, 8, 6) * 2,
        lambda x: x.reshape(1, 3, 2, 8, 12).transpose(1, 2),
    ],
)
def test_what_only_looks_alike_is_traced_as_it_is(compute: Callable[[Tensor], Tensor]) -> None:
    x = picture(6)
    with torch.no_grad(), TracedForms() as forms:
        found = compute(x)
    assert not forms.counts and torch.equal(found, compute(x))


def test_what_is_changed_in_place_is_not_taken_for_what_it_was() -> None:
    def compute(x: Tensor) -> Tensor:
        tokens = _last(x).reshape(1, -1, 6)
        F.relu(tokens, inplace=True)
        rows = SMALL.clone().repeat(1, 1, 8, 12)
        rows += 1
        rows[:, 0] = 5
        return LINEAR(tokens).sum() + (x + rows)

    x = picture(6)
    with torch.no_grad(), TracedForms():
        found = compute(x)
    with torch.no_grad():
        assert torch.allclose(found, compute(x))


def test_a_pad_of_nothing_is_nothing() -> None:
    x = picture(3)
    with TracedForms():
        assert F.pad(x, (0, 0, 0, 0), mode="reflect") is x


def test_a_module_in_forms_keeps_its_parameters_and_counts_its_last_pass() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(_last(x)).permute(0, 3, 1, 2)

    module, x = Net().eval(), picture(6)
    wanted = module(x)
    counts = in_forms(module)
    assert [name for name, _ in module.named_parameters()] == ["linear.weight", "linear.bias"]
    for _ in range(2):
        assert torch.allclose(module(x), wanted, atol=1e-6)
    assert counts == {"positions": 1}


def test_forms_have_names_of_their_own_and_say_what_they_gain() -> None:
    assert len({form.name for form in TRACED}) == len(TRACED)
    assert all(form.reason.endswith(".") for form in TRACED)


@pytest.mark.parametrize("side", [lambda x: x.shape[2:], lambda x: (x.shape[2], x.shape[3])])
def test_an_average_over_the_whole_picture_is_a_mean_of_any_size(
    side: Callable[[Tensor], Any],
) -> None:
    class Pooled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with TracedForms():
                return F.avg_pool2d(x, side(x))

    rows, columns = torch.export.Dim("h", min=2), torch.export.Dim("w", min=2)
    program = torch.export.export(
        Pooled(), (torch.rand(1, 3, 4, 6),), dynamic_shapes=({2: rows, 3: columns},)
    )
    larger = torch.rand(1, 3, 9, 7)
    torch.testing.assert_close(program.module()(larger), F.avg_pool2d(larger, (9, 7)))


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel_size": 2},
        {"kernel_size": 4, "padding": 1},
        {"kernel_size": 4, "divisor_override": 3},
        {"kernel_size": (1, 4)},
    ],
)
def test_other_averages_stay_pools(settings: dict[str, Any]) -> None:
    x = torch.rand(1, 3, 4, 4)
    with TracedForms():
        found = F.avg_pool2d(x, **settings)
        by_module = nn.AvgPool2d(**settings)(x)
    assert torch.equal(found, F.avg_pool2d(x, **settings)) and torch.equal(by_module, found)
