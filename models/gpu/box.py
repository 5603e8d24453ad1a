"""A box of time: a schedule laid over what is left of it, whatever a step takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from iast_export.errors import UsageError


@dataclass
class TimeBox:
    """Seconds that a run may take in all, from `begun` on; some of them reserved for its ending."""

    seconds: float
    begun: float
    clock: Callable[[], float] = time.monotonic
    reserved_s: float = 0.0
    _first: float = field(default=0.0, init=False)
    _last: float = field(default=0.0, init=False)
    _from: float = field(default=0.0, init=False)
    _length: float = field(default=1.0, init=False)

    @property
    def spent_s(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self.begun

    @property
    def training_s(self) -> float:
        """Seconds left to train in, the reserve taken off."""
        return self.seconds - self.reserved_s - self.spent_s

    def lay(self, first: float, last: float, least_s: float) -> None:
        """Lays the positions `first` to `last` of a schedule over the time left to train.

        Raises:
            UsageError: less than `least_s` is left.
        """
        left = self.training_s
        if left < least_s:
            needed = self.spent_s + self.reserved_s + least_s
            raise UsageError(
                f"a box of {self.seconds:.0f} s leaves {left:.0f} s to train: start and ending "
                "take the rest",
                f"give --minutes {needed / 60.0 + 0.1:.1f} or more",
            )
        self._first, self._last, self._from = first, last, self.clock()
        self._length = left

    def position(self, step: int) -> float:
        """Where the schedule stands by now; `last` once the time is over.

        The step doesn't matter.
        """
        share = (self.clock() - self._from) / self._length
        return self._first + (self._last - self._first) * share if share < 1.0 else self._last
