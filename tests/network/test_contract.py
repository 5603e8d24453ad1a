"""The contract of a network: one sentence for each mistake, and none for what is right."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from iast_export.errors import InputError
from iast_export.network.adapters import StyleNetwork, load_network
from iast_export.network.brought import Brought
from iast_export.network.contract import check_contract
from iast_export.network.facts import file_names, read_facts
from tests.network_mistakes import MISTAKES, WRONG_FACTS, Net, good, with_facts, with_forward
from tests.tiny_networks import tiny_iast


def _check(make: Callable[[], Any], largest_px: int = 384) -> None:
    def load(seed: int = 0) -> StyleNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Brought(make())

    network = load()
    check_contract(network, network.depths, largest_px, load)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_a_line_that_mends_it(name: str) -> None:
    make, message, remedy = MISTAKES[name]
    with pytest.raises(InputError, match=message) as caught:
        _check(make)
    assert remedy.replace("\\", "") in caught.value.remedy
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", WRONG_FACTS)
def test_facts_that_no_bundle_follows_from_are_named(name: str) -> None:
    facts, message, remedy = WRONG_FACTS[name]
    with pytest.raises(InputError, match=message) as caught:
        read_facts(with_facts(**facts))
    assert remedy.replace("\\", "") in caught.value.remedy


def test_a_network_that_keeps_the_contract_passes() -> None:
    _check(good)


@pytest.mark.parametrize(
    "rows",
    [
        lambda x: torch.linspace(-1, 1, x.shape[2]).view(1, 1, -1, 1),
        lambda x: F.interpolate(x, size=(int(x.shape[2] / 2), round(x.shape[3] / 2))).mean(
            (2, 3), True
        ),
        lambda x: F.avg_pool2d(x, x.shape[2:]),
    ],
)
def test_what_an_export_follows_along_the_picture_is_taken(
    rows: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    def forward(self: Any, x: torch.Tensor, *codes: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.core(x, *codes) + rows(x))

    _check(lambda: with_forward(forward))


def test_the_packaged_architecture_keeps_the_contract() -> None:
    network = tiny_iast()
    check_contract(network, network.depths, 256, lambda seed: network)


def test_a_decoder_that_overshoots_a_little_is_told_and_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def overshoots(self: Any, x: torch.Tensor, *codes: torch.Tensor) -> torch.Tensor:
        return 1.02 * torch.sigmoid(60 * self.core(x, *codes)) - 0.01

    with caplog.at_level(logging.WARNING):
        _check(lambda: with_forward(overshoots))
    assert "on photographs, [0, 1] was needed" in caplog.text


def test_a_factory_that_draws_its_weights_makes_the_same_each_time_and_is_told() -> None:
    one, two = (load_network("tests.network_mistakes:good", None) for _ in range(2))
    pairs = zip(one.cut(1).parameters(), two.cut(1).parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_layers_in_a_plain_list_are_put_into_eval_mode_too() -> None:
    class Listed(Net):
        def __init__(self) -> None:
            super().__init__()
            self.t.hidden = [torch.nn.Dropout(0.5).train()]

    module = Brought(Listed()).cut(1)
    assert not module.hidden[0].training  # type: ignore[index,union-attr]


@pytest.mark.parametrize("ends", [(-1.0, 1.0), (0.0, 255.0)])
def test_a_declared_range_is_converted_on_the_way_in_and_out(ends: tuple[float, float]) -> None:
    low, span = ends[0], ends[1] - ends[0]

    def ranged(self: Any, x: torch.Tensor, *codes: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.core((x - low) / span, *codes)) * span + low

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        plain = Brought(Net())
        torch.manual_seed(3)
        declared = Brought(with_forward(ranged, value_range=ends))
    picture = torch.rand(1, 3, 16, 16)
    codes = plain.encode_style(picture)
    got, wanted = declared.cut(1)(picture, *codes), plain.cut(1)(picture, *codes)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


def test_names_that_files_cannot_have_are_replaced_and_no_two_become_one() -> None:
    names = [
        "mean",
        "style mean",
        "style-mean",
        "style",
        "content",
        "class",
        "1st",
        "é",
        "strength",
    ]
    cleaned = file_names(names)
    assert cleaned[0] == "mean" and cleaned[-1] == "strength"
    assert len(set(cleaned)) == len(names) and all(name.isidentifier() for name in cleaned)
    assert not {"style", "content", "class"} & set(cleaned)
