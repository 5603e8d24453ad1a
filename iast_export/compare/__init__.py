"""Two bundles side by side, in one run on one machine: which is better, and how sure that is.

Pictures come first, since they don't depend on the machine; then times, round by round, of the
lanes that are still open. Both go on until every question is decided or the time is over. Whatever
was measured lies in the report in raw values; `gate.comparison` decides, here and in the gate.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from iast_export.compare.pictures import Judging, TierPictures, photographs
from iast_export.compare.rounds import time_round, write_inputs
from iast_export.compare.sides import Sides, check_judged_apart, open_sides
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import InputError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.gate.comparison import SPEED, answers
from iast_export.gate.rules import ComparisonRules
from iast_export.metrics.paired import FIRST_LOOK
from iast_export.pictures.images import Rgb
from iast_export.pictures.imagesets import ImageSet, load_set, spread
from iast_export.reports.base import SetFacts
from iast_export.reports.comparison import Block, ComparedLane, ComparedPair, ComparisonReport
from iast_export.reports.manifest import LaneKey

# Share of the time that pictures may take; chosen, as times need the rest.
_PICTURES_SHARE = 0.5
Clock = Callable[[], float]


@dataclass(frozen=True)
class CompareOptions:
    """How two bundles are compared.

    Attributes:
        pictures: set, set file or folder of the photographs.
        most_images: to draw at most.
        most_styles: to draw at most.
        tiers: ids; none: all.
        threads: of each session.
        budget_s: the time box.
        time_same_files: whether equal bytes are timed too, to learn what the machine can tell.
        clock_s: a clock that never goes back.
    """

    pictures: str = "evaluation"
    most_images: int = 32
    most_styles: int = 12
    tiers: Sequence[str] = ()
    threads: int = 1
    budget_s: float = 600.0
    time_same_files: bool = False
    clock_s: Clock = time.monotonic


def compare(
    base: Path,
    head: Path,
    rules: ComparisonRules | None = None,
    options: CompareOptions | None = None,
    progress: Progress = no_progress,
) -> ComparisonReport:
    """What both bundles draw and take, measured until decided or the time is over.

    Args:
        base: the bundle that is held to.
        head: the one that is judged.
        rules: which sizes are asked, and how sure; None: the defaults.
        options: how.
        progress: told of photographs and rounds.

    Raises:
        InputError: a bundle or a picture is missing, unreadable or altered, or nothing is shared.
        UsageError: no such tier, or the photographs calibrated a bundle.
        ToolError: a runtime failed.
    """
    used = options or CompareOptions()
    sides = open_sides(base, head, used.tiers, used.most_styles)
    found = load_set(used.pictures, used.most_images)
    check_judged_apart(sides, found.sha256, found.name)
    if not len(found):
        raise InputError(f"the set {found.name} holds no picture", "choose another --pictures")
    run = _Run(sides, found, rules or ComparisonRules(), used, progress)
    run.draw()
    run.time()
    return run.report()


class _Run:
    """One comparison under way."""

    def __init__(
        self,
        sides: Sides,
        found: ImageSet,
        rules: ComparisonRules,
        options: CompareOptions,
        progress: Progress,
    ) -> None:
        self._sides, self._set, self._rules = sides, found, rules
        self._options, self._progress = options, progress
        self._places = spread(len(found), options.most_images)
        self._pairs: dict[LaneKey, list[ComparedPair]] = {key: [] for key in sides.keys}
        self._rounds: dict[LaneKey, list[tuple[Block, ...]]] = {key: [] for key in sides.keys}
        self._start_s = options.clock_s()

    def draw(self) -> None:
        """Photographs, look by look, at the tiers with an open question."""
        names = [self._set.entries[place].id for place in self._places]
        judging, done = Judging(self._sides), 0
        try:
            while done < len(names) and (tiers := self._open_tiers()):
                end = min(max(FIRST_LOOK, 2 * done), len(names))
                for tier, keys in tiers.items():
                    opened = TierPictures(self._sides, tier, keys, self._options.threads)
                    for one in photographs(names, self._load, range(done, end)):
                        if self._over(_PICTURES_SHARE):
                            return
                        self._progress(f"draw {tier}", one.place, end)
                        for key, pairs in opened.draw(one, judging).items():
                            self._pairs[key] += pairs
                    self._progress(f"draw {tier}", end, end)
                done = end
        finally:
            judging.close()

    def time(self) -> None:
        """Rounds of the lanes that are open, until none is or the next would not end in time."""
        with tempfile.TemporaryDirectory() as folder:
            inputs, number, longest_s = Path(folder) / "inputs.npz", 0, 0.0
            write_inputs(inputs, self._sides, self._load(0))
            while keys := self._untimed():
                start_s = self._options.clock_s()
                if number and self._over(1.0, longest_s):
                    break
                self._progress(f"time {len(keys)} lanes, round", number, number + 1)
                timed = time_round(self._sides, keys, inputs, number, self._options.threads)
                for key, blocks in timed.items():
                    self._rounds[key].append(blocks)
                longest_s = max(longest_s, self._options.clock_s() - start_s)
                self._progress(f"time {len(keys)} lanes, round", number + 1, number + 1)
                number += 1

    def report(self) -> ComparisonReport:
        """All that was measured so far."""
        sides, found = self._sides, self._set
        return ComparisonReport(
            base=sides.base.side,
            head=sides.head.side,
            machine=machine_fingerprint(),
            versions=versions(),
            threads=self._options.threads,
            same_checkpoint=sides.same_checkpoint,
            set=SetFacts(name=found.name, sha256=found.sha256, images=len(self._places)),
            styles=sides.styles,
            lacks=sides.lacks(),
            adds=sides.adds(),
            lanes=tuple(self._lane(key) for key in sides.keys),
        )

    def _lane(self, key: LaneKey) -> ComparedLane:
        runtime, precision, tier = key
        base, head = (side.manifest.lanes()[key].bytes for side in self._sides.both)
        return ComparedLane(
            runtime=runtime,
            precision=precision,
            tier=tier,
            base_bytes=base,
            head_bytes=head,
            same_file=self._sides.same_file(key),
            same_pictures=self._sides.same_pictures(key),
            pairs=tuple(self._pairs[key]),
            rounds=tuple(self._rounds[key]),
        )

    def _open_tiers(self) -> dict[str, list[LaneKey]]:
        """Tiers with a question of pictures that is not decided, and the lanes that draw anew."""
        undecided = self._undecided()
        found: dict[str, list[LaneKey]] = {}
        for key in self._sides.keys:
            if not self._sides.same_pictures(key):
                found.setdefault(key[2], []).append(key)
        return {
            tier: keys
            for tier, keys in found.items()
            if any(what != SPEED and f" {tier}" in of for what, of in undecided)
        }

    def _untimed(self) -> list[LaneKey]:
        """Lanes whose speed is not decided."""
        undecided = self._undecided()
        return [
            key
            for key in self._sides.keys
            if (not self._rounds[key] and self._is_timed(key))
            or (SPEED, " ".join(key)) in undecided
        ]

    def _is_timed(self, key: LaneKey) -> bool:
        return self._options.time_same_files or not self._sides.same_file(key)

    def _undecided(self) -> set[tuple[str, str]]:
        found = answers(self.report(), self._rules, ended=False)
        return {key for key, answer in found.items() if answer.decision == "cannot judge"}

    def _load(self, place: int) -> Rgb:
        return self._set[self._places[place]]

    def _over(self, share: float, needed_s: float = 0.0) -> bool:
        spent_s = self._options.clock_s() - self._start_s
        return spent_s + needed_s > share * self._options.budget_s
