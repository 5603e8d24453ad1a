"""Statistics lifted out of both runtimes' files: measured and given, the network is the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.forms.lift import Lift, Site, kept, levels, levels_of
from iast_export.forms.lift_litert import through_reshape
from iast_export.forms.lifts import LIFTS
from iast_export.runtimes.target import TARGETS
from iast_export.specs import CONTENT, PIXEL_WEIGHT, RUNTIMES, STYLIZED, Runtime, Tier
from tests.litert_cases import folder, picture
from tests.tiny_networks import OneTier

TIER = Tier(1, 32)
Normalize = Callable[[Tensor], Tensor]


class Normalizing(nn.Module):
    """Two convolutions of stride 2 and 1, a normalization after each, and back to the size."""

    def __init__(self, normalize: Normalize) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.second = nn.Conv2d(8, 12, 3, padding=1)
        self.normalize = normalize

    def forward(self, content: Tensor) -> Tensor:
        x = self.normalize(torch.relu(self.first(content)))
        x = self.normalize(x + 0.5 * torch.tanh(x))
        return torch.sigmoid(F.pixel_shuffle(self.second(x), 2))


def by_mean_of_squares(x: Tensor) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    variance = torch.relu((x * x).mean((2, 3), keepdim=True) - mean * mean)
    return (x - mean) * torch.rsqrt(variance + 1e-3)


def by_flat_deviation(x: Tensor) -> Tensor:
    flat = x.view(1, 8, -1)
    mean, deviation = flat.mean(2).view(1, 8, 1, 1), flat.std(2, unbiased=False).view(1, 8, 1, 1)
    return (x - mean) / (deviation + 1e-3)


def by_variance(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(variance + 1e-3)


def squeezed(x: Tensor) -> Tensor:
    return x * torch.sigmoid(F.adaptive_avg_pool2d(x, 1))


FORMS: dict[str, Normalize] = {
    "instance normalization": lambda x: F.instance_norm(x, eps=1e-3),
    "mean of squares": by_mean_of_squares,
    "flat deviation": by_flat_deviation,
    "variance": by_variance,
    "group normalization": lambda x: F.group_norm(x, 4, eps=1e-3),
    "squeeze and excite": squeezed,
}


@functools.cache
def made(runtime: Runtime, form: str) -> bytes:
    network = OneTier(Normalizing(FORMS[form]))
    path = folder() / f"{form.replace(' ', '-')}-{runtime}"
    if runtime == "litert":
        convert_fp32(network, [TIER], path)
    else:
        export_tier(network, TIER, path)
    return path.read_bytes()


def run(runtime: Runtime, data: bytes, **feeds: np.ndarray) -> dict[str, np.ndarray]:
    session = TARGETS[runtime].open(data, TIER)
    return session.run({name: feeds[name] for name in session.input_names})


def measured(runtime: Runtime, lift: Lift, tiles: list[tuple[np.ndarray, np.ndarray]]):
    """The moments of a picture, summed over (content, share of the picture per pixel)."""
    found: dict[str, np.ndarray] = {}
    for level in range(levels(lift.sites)):
        sums: dict[str, np.ndarray] = {}
        for content, share in tiles:
            weight = (share * share.size).reshape(1, 1, *share.shape).astype(np.float32)
            feeds = {CONTENT: content, PIXEL_WEIGHT: weight, **found}
            for name, value in run(runtime, lift.measure(level), **feeds).items():
                sums[name] = sums.get(name, 0) + value
        found |= sums
    return found


def quarters(content: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Tiles of 32 px over a picture of 48 px, of which each owns a quarter."""
    for top in (0, 16):
        for left in (0, 16):
            share = np.zeros((32, 32))
            rows = slice(0, 24) if top == 0 else slice(8, 32)
            share[rows, slice(0, 24) if left == 0 else slice(8, 32)] = 1 / 48**2
            yield np.ascontiguousarray(content[:, :, top : top + 32, left : left + 32]), share


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_told_its_own_means_is_itself(runtime: Runtime, form: str) -> None:
    data = made(runtime, form)
    lift = LIFTS[runtime](data, TIER)
    content = picture(32, 32, 5).numpy()
    moments = measured(runtime, lift, [(content, np.full((32, 32), 1 / 32**2))])
    found = run(runtime, lift.render(), **{CONTENT: content}, **moments)[STYLIZED]
    wanted = run(runtime, data, **{CONTENT: content})[STYLIZED]
    assert not lift.kept
    assert np.abs(found - wanted).max() < 1e-5


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_tiles_draw_what_the_whole_picture_is(runtime: Runtime, form: str) -> None:
    lift = LIFTS[runtime](made(runtime, form), TIER)
    content = picture(48, 48, 6).numpy()
    tiles = list(quarters(content))
    moments = measured(runtime, lift, tiles)
    with torch.no_grad():
        wanted = Normalizing(FORMS[form])(torch.from_numpy(content)).numpy()
    drawn = np.zeros_like(wanted)
    for (tile, share), (top, left) in zip(tiles, [(0, 0), (0, 16), (16, 0), (16, 16)], strict=True):
        part = run(runtime, lift.render(), **{CONTENT: tile}, **moments)[STYLIZED]
        rows, columns = np.nonzero(share)
        drawn[:, :, rows + top, columns + left] = part[:, :, rows, columns]
    assert np.abs(drawn - wanted).max() < 1e-4


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_reduction_that_is_no_mean_is_named(runtime: Runtime, tmp_path: Path) -> None:
    network = OneTier(Normalizing(lambda x: x - x.amax((2, 3), keepdim=True)))
    if runtime == "litert":
        convert_fp32(network, [TIER], tmp_path / "model")
    else:
        export_tier(network, TIER, tmp_path / "model")
    lift = LIFTS[runtime]((tmp_path / "model").read_bytes(), TIER)
    assert len(lift.kept) == 2
    assert all("MAX" in one.operator.upper() for one in lift.kept)
    assert {one.reason for one in lift.kept} == {"an extreme over pixels is no sum over them"}


@pytest.mark.parametrize(
    "operator, adds_up, words",
    [
        ("ReduceMean", True, "no map of the picture's own shape"),
        ("REDUCE_MIN", False, "an extreme"),
        ("BATCH_MATMUL", False, "attention and Gram matrices"),
        ("TopK", False, "no sum over pixels"),
    ],
)
def test_what_is_not_lifted_says_why(operator: str, adds_up: bool, words: str) -> None:
    assert words in kept(operator, "here", adds_up=adds_up).reason


def test_levels_follow_what_reads_what() -> None:
    made_from = {"a": ["x"], "b": ["x"], "y": ["x", "a"], "c": ["y", "b"], "z": ["y", "c"]}
    found = levels_of(["a", "b", "c"], lambda name: made_from.get(name, []))
    assert found == {"a": 0, "b": 0, "c": 1}
    assert levels([Site(name, (1,), level) for name, level in found.items()]) == 2
    assert levels([]) == 0


@pytest.mark.parametrize(
    "source, target, axes, wanted",
    [
        ((1, 8, 6, 4), (1, 8, 24), {2, 3}, {2}),
        ((1, 8, 6, 4), (1, 2, 96), {2, 3}, {2}),
        ((1, 8, 24), (1, 8, 6, 4), {2}, {2, 3}),
        ((1, 1, 8), (1, 8, 1, 1), set(), set()),
        ((1, 6, 4, 8), (6, 4, 8), {1, 2}, {0, 1}),
        ((6, 4, 8), (1, 6, 4, 2, 4), {0, 1}, {1, 2}),
        ((1, 6, 4, 8), (24, 8), {1, 2}, {0}),
    ],
)
def test_a_reshape_takes_the_places_of_the_picture_along(
    source: tuple[int, ...], target: tuple[int, ...], axes: set[int], wanted: set[int]
) -> None:
    assert through_reshape(source, target, axes) == wanted
