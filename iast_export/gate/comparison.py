"""Checks of HEAD against BASE: what `compare` measured, decided again from its raw values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.gate.common import check_of
from iast_export.gate.rules import ComparisonRules
from iast_export.metrics.paired import Answer, Question, decide
from iast_export.metrics.summaries import SCORE_FLOOR
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.comparison import ComparedLane, ComparedPair, ComparisonReport, Drawn
from iast_export.reports.verdict import Check, CheckKind, Outcome
from iast_export.specs import REFERENCE

# Rounding to 8 bits alone is that far from the exact picture (a uniform error of 1/255 has a
# variance of 1/12): who is nearer loses nothing that a picture can show.
_ROUNDING_DB = 20.0 * math.log10(255.0) + 10.0 * math.log10(12.0)
# Of the rounds at either end: a process that shared its core with another's work.
_TRIMMED = 0.2
SPEED, FIDELITY, PICTURE = "speed", "psnr", "psnr to BASE"
CONTENT, STYLE = "ssim to the photograph", "style distance"
Key = tuple[str, str]
Effect = Callable[[Drawn, Drawn], float | None]


def load_comparison(path: Path, head: Path) -> ComparisonReport:
    """The comparison in a file, if its HEAD is the bundle in `head`.

    Raises:
        InputError: missing, not valid, or of another bundle.
    """
    report = ComparisonReport.load(path)
    if report.head.manifest_sha256 != sha256_file(head / MANIFEST_NAME):
        raise InputError(
            f"{path} compares another bundle than {head}",
            f"run `iast-export compare BASE {head} --out {path}`",
        )
    return report


def answers(
    report: ComparisonReport, rules: ComparisonRules, *, ended: bool = True
) -> dict[Key, Answer]:
    """What is known of every lane and style, by what is asked and of which; see `paired.decide`.

    Speed is how much longer HEAD takes, PSNR what it loses in decibels, a score what it loses
    relative to BASE's; positive is worse.
    """
    return decide(_questions(report, rules), rules.confidence, ended=ended)


def check_comparison(report: ComparisonReport, rules: ComparisonRules) -> list[Check]:
    """A check per question: nothing is worse, and nothing was left open or out."""
    checks = [_covered(report)]
    for (what, of), answer in answers(report, rules).items():
        checks.append(_check(what, of, answer, rules))
    for lane in report.lanes:
        name = f"compare same file: {lane.label}"
        if lane.same_file and not lane.rounds:
            checks.append(check_of(name, "speed", "pass", "the same bytes", "no slower", ""))
        if lane.same_pictures:
            name = f"compare same pictures: {lane.label}"
            checks.append(check_of(name, "accuracy", "pass", "the same bytes", "no worse", ""))
    return [*checks, *_sizes(report, rules)]


def shown(what: str, value: float) -> str:
    """An effect as people read it: a share in percent, or decibels."""
    if what in (FIDELITY, PICTURE):
        return f"{value:+.2f} dB"
    return f"{100 * (math.expm1(value) if what == SPEED else value):+.2f} %"


def told(what: str, answer: Answer) -> str:
    """An answer in words: the decision, the effect with its interval and from how many units."""
    if answer.value is None or answer.low is None or answer.high is None:
        return f"{answer.decision}: too little was measured"
    value, low, high = (shown(what, one) for one in (answer.value, answer.low, answer.high))
    unit = "rounds" if what == SPEED else "photographs"
    return f"{answer.decision}: {value} ({low} to {high}), {answer.units} {unit}"


# --- questions ---


def _questions(report: ComparisonReport, rules: ComparisonRules) -> dict[Key, Question]:
    found: dict[Key, Question] = {}
    for lane in report.lanes:
        if lane.rounds or not lane.same_file:
            size = math.log1p(rules.max_slowdown)
            found[SPEED, lane.label] = Question(size, speed_effects(lane), _TRIMMED)
        if not lane.same_pictures:
            found |= _of_pictures(lane, report.same_checkpoint, rules)
            found |= _of_styles(lane, report, rules)
    return found


def _of_pictures(
    lane: ComparedLane, same_checkpoint: bool, rules: ComparisonRules
) -> dict[Key, Question]:
    asked: dict[str, tuple[float, Effect]] = {
        CONTENT: (rules.max_score_drop, _content_drop),
        STYLE: (rules.max_score_drop, _style_drop),
    }
    if _is_reference(lane):
        asked |= {PICTURE: (rules.max_psnr_fall_db, _picture_fall)} if same_checkpoint else {}
    else:
        asked[FIDELITY] = rules.max_psnr_fall_db, _fidelity_fall
        if same_checkpoint:
            asked[PICTURE] = rules.max_psnr_fall_db, _picture_fall
    return {
        (what, lane.label): Question(size, effects)
        for what, (size, effect) in asked.items()
        if (effects := _effects(lane.pairs, effect)) or not lane.pairs
    }


def _of_styles(
    lane: ComparedLane, report: ComparisonReport, rules: ComparisonRules
) -> dict[Key, Question]:
    """Each style by itself, at the first tier alone: every photograph was drawn in all of them.

    What rounding does to it shows in INT8, what became of its code in FP32.
    """
    if lane.tier != report.lanes[0].tier:
        return {}
    asked: dict[str, tuple[float, Effect]] = {}
    if lane.precision == "int8":
        asked[FIDELITY] = rules.max_psnr_fall_db, _fidelity_fall
    elif _is_reference(lane):
        asked[STYLE] = rules.max_score_drop, _style_drop
        asked |= (
            {PICTURE: (rules.max_psnr_fall_db, _picture_fall)} if report.same_checkpoint else {}
        )
    return {
        (what, f"{lane.label} in {style}"): Question(size, effects)
        for what, (size, effect) in asked.items()
        for style in report.styles
        if (effects := _effects([one for one in lane.pairs if one.style == style], effect))
        or not lane.pairs
    }


def speed_effects(lane: ComparedLane) -> list[float]:
    """Of each round the logarithm of HEAD's time over BASE's: the median of its blocks'."""
    return [
        statistics.median(math.log(sum(head) / sum(base)) for base, head in blocks)
        for blocks in lane.rounds
    ]


def _effects(pairs: Sequence[ComparedPair], effect: Effect) -> list[float]:
    """Of each photograph the mean over its styles; photographs without a figure are left out."""
    found = []
    for _, of_one in groupby(pairs, lambda pair: pair.content):
        values = [v for pair in of_one if (v := effect(pair.base, pair.head)) is not None]
        found += [statistics.fmean(values)] if values else []
    return found


def _fidelity_fall(base: Drawn, head: Drawn) -> float | None:
    if base.psnr_db is None or head.psnr_db is None:
        return None
    return min(base.psnr_db, _ROUNDING_DB) - min(head.psnr_db, _ROUNDING_DB)


def _picture_fall(base: Drawn, head: Drawn) -> float:
    return min(base.base_psnr_db, _ROUNDING_DB) - min(head.base_psnr_db, _ROUNDING_DB)


def _content_drop(base: Drawn, head: Drawn) -> float:
    return (base.ssim_content - head.ssim_content) / max(abs(base.ssim_content), SCORE_FLOOR)


def _style_drop(base: Drawn, head: Drawn) -> float | None:
    if base.style_distance is None or head.style_distance is None:
        return None
    return (head.style_distance - base.style_distance) / max(base.style_distance, SCORE_FLOOR)


def _is_reference(lane: ComparedLane) -> bool:
    return (lane.runtime, lane.precision) == REFERENCE


# --- checks ---


def _check(what: str, of: str, answer: Answer, rules: ComparisonRules) -> Check:
    kind: CheckKind = "speed" if what == SPEED else "accuracy"
    outcomes: Mapping[str, Outcome] = {"worse": "fail", "cannot judge": "cannot judge"}
    outcome = outcomes.get(answer.decision, "pass")
    limit = {
        SPEED: f"{100 * rules.max_slowdown:g} % of time",
        FIDELITY: f"{rules.max_psnr_fall_db:g} dB",
        PICTURE: f"{rules.max_psnr_fall_db:g} dB",
    }.get(what, f"{100 * rules.max_score_drop:g} % of the score")
    more = "--minutes" if what == SPEED else "more photographs (--pictures)"
    remedy = {
        "fail": "find what changed in this lane between BASE and HEAD",
        "cannot judge": f"compare again with {more}, or ask for a larger size in [comparison]",
    }.get(outcome, "")
    rule = f"no loss of {limit} at {100 * rules.confidence:g} %"
    return check_of(f"compare {what}: {of}", kind, outcome, told(what, answer), rule, remedy)


def _covered(report: ComparisonReport) -> Check:
    outcome: Outcome = "cannot judge" if report.lacks or not report.lanes else "pass"
    found = f"HEAD lacks {', '.join(report.lacks)}" if report.lacks else "all of them"
    remedy = "build HEAD with the tiers, lanes and styles of BASE, or accept it with a new baseline"
    rule = "what BASE has"
    return check_of("compare: lanes and styles", "coverage", outcome, found, rule, remedy)


def _sizes(report: ComparisonReport, rules: ComparisonRules) -> Iterator[Check]:
    for lane in report.lanes:
        limit = lane.base_bytes * (1.0 + rules.max_file_rise)
        outcome: Outcome = "pass" if lane.head_bytes <= limit else "fail"
        rule = f"at most {int(limit):,} bytes (BASE {lane.base_bytes:,})"
        name, found = f"compare bytes: {lane.label}", f"{lane.head_bytes:,} bytes"
        remedy = "find what grew, or accept it with a larger max_file_rise"
        yield check_of(name, "size", outcome, found, rule, remedy)
