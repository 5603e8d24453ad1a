"""Large pictures, pictures together and live frames: the Android engine paints what Python paints.

The engine's own classes run on a desktop JVM behind the bridge (see test_engines).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import numpy as np

from iast_export.bundle.sealed import Seals
from iast_export.pictures.images import Rgb
from iast_export.reports.manifest import load_manifest
from iast_export.shapes.lifted import read_lifted
from iast_export.specs import Statistics, Tier, Way
from iast_export.stylize.bands import tile_bands
from iast_export.stylize.crew import crew
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.large import Large, LargeRun
from iast_export.stylize.moving import MovingMoments
from iast_export.stylize.statistics import Covered, exact_moments
from tests import android_tools as tools
from tests.android.test_engines import photograph
from tests.android_bridge import bridge
from tests.android_core import core_jar, read_ppm, write_ppm

LANE = "litert-int8"
# As much as many phones give an app.
HEAP_MB = 256


def engine_of(bundle: Path) -> BundleEngine:
    return BundleEngine(bundle, "litert", "int8")


def levels_between(a: Rgb, b: Rgb) -> int:
    return int(np.abs(a.astype(int) - b).max())


def test_every_way_paints_a_large_picture_as_in_python(small_bundle: Path, tmp_path: Path) -> None:
    engine, rgb = engine_of(small_bundle), photograph(150, 118)
    name, codes = engine.style_codes(engine.manifest.styles[1].id)
    picture = write_ppm(tmp_path / "in.ppm", rgb)
    runs = [(way, statistics) for way in get_args(Way) for statistics in get_args(Statistics)]
    commands = [
        ("large", small_bundle, LANE, name, 0.5, way.upper(), statistics.upper(), picture)
        for way, statistics in runs
    ]
    said, _ = bridge(tmp_path, [(*one, tmp_path / f"{i}.ppm") for i, one in enumerate(commands)])
    for i, (way, statistics) in enumerate(runs):
        with LargeRun(Large(way, statistics, workers=1)) as run:
            wanted = np.concatenate(list(run.bands(engine, rgb, codes, 0.5)))
        made = read_ppm(tmp_path / f"{i}.ppm")
        assert levels_between(made, wanted) <= (0 if way == "tiles" else 1), (way, statistics)
        assert said[i].startswith(f"done {engine.tiers[-1].id}") and said[i].endswith("true")
    assert levels_between(read_ppm(tmp_path / "0.ppm"), rgb) > 20


def test_pictures_together_get_the_tone_that_python_gives_them(
    small_bundle: Path, tmp_path: Path
) -> None:
    engine, pictures = engine_of(small_bundle), [photograph(60, 40), photograph(130, 70)]
    name, codes = engine.style_codes(engine.manifest.styles[0].id)
    tier, feeds = engine.tiers[-1], engine.feeds(codes, 1.0)
    paths = [write_ppm(tmp_path / f"in{i}.ppm", rgb) for i, rgb in enumerate(pictures)]
    said, _ = bridge(tmp_path, [("together", small_bundle, LANE, name, tier.id, tmp_path, *paths)])
    assert said[0] == "done 2"
    opens = engine.lifted(tier)
    assert opens is not None
    with crew(opens, 1) as workers:
        covered = [Covered.of(rgb, tier.max_side_px, workers.facts) for rgb in pictures]
        moments = exact_moments(workers, covered, feeds)
        for i, one in enumerate(covered):
            wanted = np.concatenate(list(tile_bands(workers, one, feeds, moments)))
            assert np.array_equal(read_ppm(tmp_path / f"{i}.ppm"), wanted)


def test_live_frames_have_the_moving_statistics_of_a_clip(
    small_bundle: Path, tmp_path: Path
) -> None:
    engine = engine_of(small_bundle)
    whole = photograph(60, 40)
    frames = [np.ascontiguousarray(whole[4 * i : 4 * i + 24, 5 * i : 5 * i + 32]) for i in range(3)]
    name, codes = engine.style_codes(engine.manifest.styles[2].id)
    paths = [write_ppm(tmp_path / f"in{i}.ppm", rgb) for i, rgb in enumerate(frames)]
    said, _ = bridge(tmp_path, [("live", small_bundle, LANE, name, tmp_path, *paths)])
    tier, feeds = engine.tiers[0], engine.feeds(codes, 1.0)
    assert said[:3] == [f"frame {tier.id} true"] * 3
    opens, moving = engine.lifted(tier), MovingMoments()
    assert opens is not None
    with crew(opens, 1) as workers:
        for i, rgb in enumerate(frames):
            covered = Covered.of(rgb, tier.max_side_px, workers.facts)
            moments = moving.add(rgb, exact_moments(workers, [covered], feeds))
            wanted = np.concatenate(list(tile_bands(workers, covered, feeds, moments)))
            assert np.array_equal(read_ppm(tmp_path / f"{i}.ppm"), wanted)


def test_the_tables_of_statistics_are_small_and_of_their_models(small_bundle: Path) -> None:
    manifest, seals = load_manifest(small_bundle), Seals.of_bundle(small_bundle)
    tiers = {Tier(t.depth, t.max_side_px).signature for t in manifest.tiers}
    found = [entry for entry in manifest.files if entry.statistics is not None]
    assert {entry.precision for entry in found} == {"fp32", "fp16", "dynamic_int8", "int8"}
    for entry in found:
        data = seals.read(small_bundle / str(entry.statistics))
        table = read_lifted(data, entry.sha256, entry.bytes, entry.statistics)
        assert {one.signature for one in table.tiers} == tiers and not table.left_out
        assert len(table.before) < 30_000


def test_a_photograph_of_12_megapixels_is_painted_again_and_again_in_the_heap_of_a_phone(
    tmp_path: Path,
) -> None:
    classpath = [core_jar(), *tools.libraries()]
    data = f"-Dtestdata={tools.ROOT / 'tests' / 'testdata'}"
    probe = "org.iastexport.core.HeapProbe"
    done = tools.java(classpath, f"-Xmx{HEAP_MB}m", data, probe, str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout, end="")
    told = re.findall(r"(\w+): peak (\d+) MB, alive (\d+) MB of \d+\n", done.stdout)
    assert [way for way, *_ in told] == ["tiles", "preview", "guided"], done.stdout
    for _, peak, alive in told:
        # The photograph and the painting, and from the second way on the painting before.
        assert 90 < int(alive) <= int(peak) <= HEAP_MB, done.stdout
    assert int(told[-1][2]) > 140, done.stdout
