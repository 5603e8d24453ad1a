"""A tier of a bundle with its statistics lifted out, in either runtime (see `lifted.Lifted`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from iast_export.errors import InputError
from iast_export.forms.lift import Kept, Lift, levels
from iast_export.runtimes.session import Session
from iast_export.specs import CONTENT, PIXEL_WEIGHT, STYLIZED
from iast_export.stylize.lifted import Moments, Plane

# Of noise that the reach is found with; any will do.
_SEED = 20261126


# Sessions that a worker keeps, chosen: networks of eight normalizations and fewer open each once.
# Each has weights and activations of its own, and a network of 30 passes held 2 GB in two workers.
_MOST_SESSIONS = 8

LiftAt = Callable[[int, int], Lift]
Open = Callable[[bytes], Session]


@dataclass(frozen=True)
class Reach:
    """What tiles of a tier must be (see `lifted.Lifted`); `fault`: why there can be none, or ""."""

    multiple_px: int
    halo_px: int
    fault: str = ""


class LiftedTier:
    """See above; sessions are opened when first needed, per shape of a tile where that is fixed.

    Beyond `_MOST_SESSIONS` the oldest makes room.

    Args:
        lift_at: the lift of the tier's model for tiles of a height and a width.
        open_one: a session over a lifted model's bytes.
        passes: that exact moments need, by the lift's own sites.
        multiple_px, halo_px: see `Reach`.
    """

    def __init__(
        self,
        lift_at: LiftAt,
        open_one: Open,
        passes: int,
        multiple_px: int,
        halo_px: int,
    ) -> None:
        self._lift_at, self._open_one = lift_at, open_one
        self.levels, self.multiple_px, self.halo_px = passes, multiple_px, halo_px
        self._shape = (0, 0)
        self._lift: Lift | None = None
        self._sessions: dict[int | None, Session] = {}

    def measure(
        self, content: Plane, weight: Plane, codes: Moments, moments: Moments, level: int
    ) -> Moments:
        height, width = content.shape[2:]
        scaled = (weight * np.float32(height * width)).reshape(1, 1, height, width)
        feeds = {CONTENT: content, PIXEL_WEIGHT: scaled, **codes, **moments}
        return self._run(level, feeds)

    def render(self, content: Plane, codes: Moments, moments: Moments) -> Plane:
        made: Plane = self._run(None, {CONTENT: content, **codes, **moments})[STYLIZED]
        return made

    def _run(self, what: int | None, feeds: Moments) -> Moments:
        session = self.session(what, *feeds[CONTENT].shape[2:])
        return session.run({name: feeds[name] for name in session.input_names})

    def session(self, what: int | None, height: int, width: int) -> Session:
        """Of the measuring of a level, or of the rendering (None), for tiles of a shape."""
        if self._lift is None or self._shape != (height, width):
            lift = self._lift_at(height, width)
            if lift is not self._lift:
                self._sessions = {}
            self._lift, self._shape = lift, (height, width)
        if what not in self._sessions:
            data = self._lift.render() if what is None else self._lift.measure(what)
            if len(self._sessions) == _MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[what] = self._open_one(data)
        return self._sessions[what]


def find_reach(
    lift_at: LiftAt,
    open_one: Open,
    codes: Moments,
    multiple_px: int,
    shape_px: tuple[int, int],
) -> Reach:
    """What tiles of a tier must be, or why there can be none.

    Args:
        lift_at, open_one: see `LiftedTier`; of the tier's FP32 model, since integers hide small
            changes.
        codes: of a style, with the strength.
        multiple_px: of the network's sides.
        shape_px: height and width of the pictures of noise that are tried.
    """
    lift = lift_at(*shape_px)
    if lift.kept:
        return Reach(0, 0, _reduces(lift.kept))
    multiple = math.lcm(multiple_px, lift.step_px)
    tier = LiftedTier(lift_at, open_one, levels(lift.sites), multiple, 0)
    halo = reach_px(tier, codes, *shape_px)
    if halo is None:
        side = min(shape_px)
        return Reach(0, 0, f"a pixel of its result depends on all others within {side} px")
    return Reach(multiple, halo)


def _reduces(kept: Sequence[Kept]) -> str:
    """What stands against tiles of a network that keeps reductions."""
    return "; ".join(f"it keeps {one}: {one.reason}" for one in kept)


def whole_moments(tier: LiftedTier, content: Plane, codes: Moments) -> Moments:
    """The moments of a picture [1, 3, H, W] that is one tile."""
    height, width = content.shape[2:]
    weight = np.full((height, width), 1 / (height * width), np.float32)
    found: dict[str, Plane] = {}
    for level in range(tier.levels):
        found |= tier.measure(content, weight, codes, found, level)
    return found


def reach_px(tier: LiftedTier, codes: Moments, height: int, width: int) -> int | None:
    """How far from a pixel of the result the rendering looks, a multiple, with one to spare.

    Found by change: half of a picture of noise is drawn anew, and the result is the same from
    somewhere on. None: nowhere, so that the network is not local, or looks too far for this size.

    Args:
        tier: of FP32, since integers hide small changes.
        height, width: of the pictures to try, in px.
    """
    noise = np.random.default_rng(_SEED)
    picture = noise.random((1, 3, height, width), np.float32)
    moments = whole_moments(tier, picture, codes)
    drawn, found = tier.render(picture, codes, moments), 0
    for axis, side in ((2, height), (3, width)):
        half = side // 2 // tier.multiple_px * tier.multiple_px
        for is_later in (True, False):
            index = [slice(None)] * 4
            index[axis] = slice(half, side) if is_later else slice(0, half)
            changed = picture.copy()
            changed[tuple(index)] = noise.random(changed[tuple(index)].shape, np.float32)
            other = tier.render(changed, codes, moments)
            rest = tuple(a for a in range(4) if a != axis)
            places = np.flatnonzero((other != drawn).any(axis=rest))
            if not places.size:
                raise InputError(
                    "the network's result does not change with the photograph",
                    "check the checkpoint",
                )
            far = half - int(places[0]) if is_later else int(places[-1]) + 1 - half
            found = max(found, far)
            if found >= min(half, side - half):
                return None
    return (found // tier.multiple_px + 1) * tier.multiple_px
