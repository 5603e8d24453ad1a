"""Moments over tiles are those of the whole picture; tiles with them are the whole picture."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.errors import InputError
from iast_export.pictures.images import Rgb, load_image, to_levels, to_tensor
from iast_export.pictures.imagesets import picture_path
from iast_export.stylize.bands import tile_bands
from iast_export.stylize.crew import Crew, crew
from iast_export.stylize.lifted import Moments
from iast_export.stylize.statistics import Covered, exact_moments, quick_moments
from tests.lifted_cases import TorchLifted
from tests.tiny_networks import tiny_iast, tiny_iast2

# A tier of each supernet, with a halo that holds its receptive field.
NETWORKS = {"first": (tiny_iast(), 1, 24), "deep": (tiny_iast2(), 4, 80)}


def lifted(name: str) -> TorchLifted:
    return TorchLifted(*NETWORKS[name])


def codes(name: str, seed: int = 3) -> Moments:
    shape = NETWORKS[name][0].code_shapes["style_code"]
    code = np.random.default_rng(seed).normal(1, 0.4, shape).astype(np.float32)
    return {"style_code": code, "strength": np.full((1, 1), 0.8, np.float32)}


def photograph(height: int, width: int) -> Rgb:
    rgb = load_image(picture_path("skimage:astronaut.png"))
    return np.ascontiguousarray(rgb[: height * 2 : 2, : width * 2 : 2])


@pytest.mark.parametrize(("name", "side"), [("first", 96), ("deep", 200)])
def test_tiles_with_exact_statistics_are_the_whole_picture(name: str, side: int) -> None:
    one, feeds, rgb = lifted(name), codes(name), photograph(232, 256)
    picture = Covered.of(rgb, side, one)
    with crew(lambda: lifted(name), 2) as workers:
        moments = exact_moments(workers, [picture], feeds)
        made = np.concatenate(list(tile_bands(workers, picture, feeds, moments)))
    whole = one.whole(to_tensor(rgb), feeds)
    again = one.render(to_tensor(rgb), feeds, moments)
    assert picture.cover.count > 3
    np.testing.assert_allclose(again, whole, atol=1e-4)
    assert np.abs(made.astype(int) - to_levels(whole)).max() <= 1
    assert (made != to_levels(whole)).mean() < 1e-3


def test_a_halo_that_is_too_small_shows() -> None:
    """The comparison above can fail."""
    one, feeds, rgb = TorchLifted(tiny_iast(), 1, 4), codes("first"), photograph(232, 256)
    picture = Covered.of(rgb, 96, one)
    with crew(lambda: one, 1) as workers:
        moments = exact_moments(workers, [picture], feeds)
        made = np.concatenate(list(tile_bands(workers, picture, feeds, moments)))
    assert np.abs(made.astype(int) - to_levels(one.whole(to_tensor(rgb), feeds))).max() > 1


def test_a_side_that_is_no_multiple_is_padded_but_does_not_vote() -> None:
    one, feeds = lifted("first"), codes("first")
    rgb = photograph(101, 130)
    rgb[-1:] = rgb[-2:-1]
    with crew(lambda: one, 1) as workers:
        picture = Covered.of(rgb, 96, one)
        moments = exact_moments(workers, [picture], feeds)
        assert np.concatenate(list(tile_bands(workers, picture, feeds, moments))).shape == rgb.shape
        weights = sum(
            picture.weight(*tile, 1 / (101 * 130)).sum()
            for row in picture.cover.rows()
            for tile in row
        )
    assert weights == pytest.approx(1.0, abs=1e-5)


def test_the_number_of_workers_changes_no_bit() -> None:
    picture = Covered.of(photograph(200, 230), 96, lifted("first"))
    found = []
    for count in (1, 3):
        with crew(lambda: lifted("first"), count) as workers:
            found.append(exact_moments(workers, [picture], codes("first")))
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_quick_statistics_see_one_small_picture() -> None:
    one, feeds, rgb = lifted("first"), codes("first"), photograph(232, 256)
    with crew(lambda: one, 1) as workers:
        quick = quick_moments(workers, [rgb], feeds, 64)
        assert one.tiles == one.levels
        exact = exact_moments(workers, [Covered.of(rgb, 64, one)], feeds)
        same = quick_moments(workers, [rgb[:64, :48]], feeds, 64)
        alone = exact_moments(workers, [Covered.of(rgb[:64, :48], 64, one)], feeds)
    assert all(not np.array_equal(quick[name], exact[name]) for name in quick)
    assert all(np.array_equal(same[name], alone[name]) for name in same)


def test_pictures_of_a_scene_count_alike_whatever_their_size() -> None:
    one, feeds = lifted("first"), codes("first")
    small, large = photograph(64, 64), photograph(128, 96)[:, ::-1].copy()
    with crew(lambda: one, 1) as workers:
        first = [exact_moments(workers, [Covered.of(p, 128, one)], feeds) for p in (small, large)]
        both = exact_moments(workers, [Covered.of(p, 128, one) for p in (small, large)], feeds)
    name = "site0.mean"
    np.testing.assert_allclose(both[name], (first[0][name] + first[1][name]) / 2, atol=1e-6)


def test_statistics_that_are_not_finite_are_refused() -> None:
    class Broken(TorchLifted):
        def measure(self, *given: object) -> Moments:
            return {"site0.mean": np.full((1, 1, 1, 1), np.nan, np.float32)}

    with (
        crew(lambda: Broken(*NETWORKS["first"]), 1) as workers,
        pytest.raises(InputError, match=r"statistics of site0.mean hold NaN"),
    ):
        exact_moments(
            workers, [Covered.of(photograph(64, 64), 64, lifted("first"))], codes("first")
        )


def test_a_failing_tile_ends_the_others_by_its_own_error() -> None:
    def job(engine: object, n: int) -> int:
        if n == 2:
            raise InputError("tile 2", "look")
        return n

    def run(workers: Crew) -> list[int]:
        return list(workers.run(lambda e, n=n: job(e, n) for n in range(50)))  # type: ignore[misc]

    with crew(lambda: lifted("first"), 2) as workers:
        with pytest.raises(InputError, match="tile 2"):
            run(workers)
        assert list(workers.run([lambda e: 7])) == [7]
