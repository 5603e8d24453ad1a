"""What was judged as tables in Markdown: means, comparisons at equal style, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iast_export.metrics.bootstrap import Interval
from models.evaluation.judges import LABELS
from models.evaluation.run import Judged
from models.evaluation.statistics import Matched, curve, gain_at, relative

# Published for IAST (Gatys, AdaIN, WCT beside it); marks, not results of ours.
PUBLISHED = {"ssim": 0.79, "identity": 0.91}
# The style distance that all are compared at, and per method the score there and the share of the
# curve won.
Match = tuple[Interval, list[tuple[Matched, "float | None"]]]
# Always shown, whoever judged, by the short names of the long table.
_COLUMNS = {
    "style": "style distance",
    "ssim": "SSIM",
    "squeeze": "SqueezeNet",
    "identity": "identity",
    "deformation": "deformation",
}
_COMPARED_AT = (0.35, 0.5, 0.7)  # strengths of the shallowest depth; about where a slider stands


@dataclass(frozen=True)
class Row:
    """A method at one strength."""

    method: str
    strength: float
    pictures: int
    scores: dict[str, float | None]
    fid768: float | None


def given(judged: Sequence[Judged]) -> set[str]:
    """The scores that some jury gave."""
    return {n for j in judged for found in j.scores.values() for s in found.values() for n in s}


def columns_of(judged: Sequence[Judged]) -> list[str]:
    """The scores that a table shows: the usual ones, and those that only some juries give."""
    found = given(judged)
    return [*_COLUMNS, *(n for n in LABELS if n in found and n not in _COLUMNS)]


def table_of_rows(
    rows: Sequence[Row], times: Mapping[str, float], parameters: Mapping[str, int]
) -> str:
    """Preservation and style side by side, a line per method and strength."""
    columns = list(rows[0].scores)
    names = " | ".join(_COLUMNS.get(name, LABELS[name]) for name in columns)
    lines = [
        f"| method | strength | {names} | FID-768 | ms | parameters |",
        f"| --- |{' ---: |' * (len(columns) + 4)}",
    ]
    seen: set[str] = set()
    for row in rows:
        cells = [_number(row.scores[name]) for name in columns]
        fid = "" if row.fid768 is None else f"{row.fid768:.2f}"
        first = row.method not in seen
        seen.add(row.method)
        time = f"{times[row.method]:.0f}" if first and row.method in times else ""
        count = (
            f"{parameters[row.method] / 1e6:.2f} M" if first and parameters.get(row.method) else ""
        )
        lines.append(
            f"| {row.method} | {row.strength:g} | {' | '.join(cells)} | {fid} | {time} | {count} |"
        )
    return "\n".join(lines)


def table_of_matches(found: Match, reference: str, score: str) -> str:
    """What each method keeps where its style distance equals the reference's."""
    target, rows = found
    ours = rows[0][0].name
    label = LABELS[score]
    lines = [
        f"At the style distance of {reference}, {target}, over {rows[0][0].pictures} photographs:",
        "",
        f"| method | {label} | {ours} keeps more by | share of the curve where {ours} wins |",
        "| --- | --- | --- | ---: |",
    ]
    for row, share in rows:
        value = str(row.value) if row.value else "does not reach it"
        value += ", at its weakest setting: a weaker one would keep more" if row.at_weakest else ""
        gain = (
            f"{row.gain.value:+.3f} ({row.gain.low:+.3f} to {row.gain.high:+.3f})"
            if row.gain
            else ""
        )
        lines.append(
            f"| {row.name} | {value} | {gain} | {'' if share is None else f'{share:.0%}'} |"
        )
    own = rows[0][0].value
    if score in PUBLISHED and own:
        away = own.value - PUBLISHED[score]
        lines += ["", f"Published mark: {PUBLISHED[score]:.2f}; {ours} is {away:+.3f} from it."]
    return "\n".join(lines)


def table_of_losses(
    judged: Sequence[Judged], pairs: Sequence[tuple[str, str]], strength: float
) -> str:
    """How much worse the second network of each pair is, per score; positive is worse."""
    by_name, columns = {j.name: j for j in judged}, columns_of(judged)
    lines = [
        f"Relative loss at strength {strength:g}, positive is worse (95 % interval over "
        "photographs):",
        "",
        f"| from | to | {' | '.join(LABELS[name] for name in columns)} |",
        f"| --- | --- | {' | '.join('---:' for _ in columns)} |",
    ]
    for first, second in pairs:
        if first not in by_name or second not in by_name:
            continue
        found = [relative(by_name[first], by_name[second], name, strength) for name in columns]
        cells = [
            "" if f is None else f"{f.value:+.1%} ({f.low:+.1%} to {f.high:+.1%})" for f in found
        ]
        lines.append(f"| {first} | {second} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table_of_depths(depths: Sequence[Judged], groups: Mapping[str, Sequence[str]]) -> str:
    """What each depth keeps more than each shallower one, where both are as far from the style.

    Args:
        depths: of one network, deepest first.
        groups: the photographs that each score is compared on.
    """
    shallowest = depths[-1]
    targets = [
        found
        for strength in _COMPARED_AT
        if strength in shallowest.strengths
        and (found := shallowest.mean(strength, "style")) is not None
    ]
    lines = [
        f"Depths at equal style distance, that of {shallowest.name} at strengths "
        f"{', '.join(f'{s:g}' for s in _COMPARED_AT)}; positive is better (95 % interval over "
        "photographs):",
        "",
        f"| depth | beside | style distance | {' | '.join(LABELS[name] for name in groups)} |",
        f"| --- | --- | ---: | {' | '.join('---:' for _ in groups)} |",
    ]
    for i, deeper in enumerate(depths):
        for other in depths[i + 1 :]:
            for target in targets:
                cells = [_gain(deeper, other, k, names, target) for k, names in groups.items()]
                row = (deeper.name, other.name, f"{target:.3f}", *cells)
                lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _gain(
    deeper: Judged, other: Judged, score: str, photographs: Sequence[str], target: float
) -> str:
    if len(photographs) < 2:
        return ""
    own, beside = curve(deeper, score, photographs), curve(other, score, photographs)
    found = gain_at(own, beside, score, target)
    return "" if found is None else f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
