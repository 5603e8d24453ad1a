"""What `render` takes at the largest tier's square beside FP32 of the whole network, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from iast_export.lanes.timing import TimingOptions, ratio_interval, time_in_turn
from iast_export.specs import CONTENT
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.lifted_tier import LiftedTier, whole_moments


def runs_of(engines: list[BundleEngine]) -> dict[str, Callable[[], object]]:
    """A run of the whole network and of `render` in every lane, over one picture."""
    found: dict[str, Callable[[], object]] = {}
    side = engines[0].tiers[-1].max_side_px
    content = np.random.default_rng(1).random((1, 3, side, side), np.float32)
    for engine in engines:
        tier, label = engine.tiers[-1], f"{engine.target.name} {engine.precision(engine.tiers[-1])}"
        feeds = engine.feeds(engine.style_codes(engine.manifest.styles[0].id)[1], 1.0)
        given = {CONTENT: content, **feeds}
        found[f"{label} whole"] = engine.session(tier).bare_run(given)
        opened = engine.lifted(tier)
        lifted = None if opened is None else opened()
        assert isinstance(lifted, LiftedTier), f"{label} can't be lifted"
        moments = whole_moments(lifted, content, feeds)
        lifted.render(content, feeds, moments)
        session = lifted.session(None, side, side)
        needed = {name: (given | dict(moments))[name] for name in session.input_names}
        found[f"{label} render"] = session.bare_run(needed)
    return found


def speed(engines: list[BundleEngine], blocks: int) -> Iterator[str]:
    """A row per run: milliseconds of processor time, and how many times as fast as FP32 whole."""
    options = TimingOptions(warmup=2, blocks=blocks, budget_s=None, clock_ns=time.process_time_ns)
    samples = time_in_turn(runs_of(engines), options)
    for label, found in samples.items():
        base = samples[f"{label.split()[0]} fp32 whole"]
        ratio = ratio_interval(base, found)
        yield (
            f"{label}: {found.median_ms:.1f} ms, {ratio.value:.2f} times "
            f"({ratio.low:.2f} to {ratio.high:.2f}) as fast as FP32 of the whole network"
        )
