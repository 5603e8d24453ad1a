"""Whether depth shows: told apart, without being told, by a judge that trained nothing.

    python -m models.evaluation.blind --data DIR --judged benchmarks/quality/quality.json --out DIR

Two depths draw the same photograph in the same artwork, each at the strength at which its style
distance is the shallowest's at `--strength`, by the means of the judged run. The judge is
SqueezeNet, frozen: means and deviations of its features. A linear rule on their difference, fitted
on all other photographs, says which of the two is the deeper one. Half of its answers are right by
chance; what chance and fitting give on these very pictures is found by turning each pair around at
random, many times. Beside the depths stands the deepest at a strength 0.05 higher, to show how fine
such a judge is. Writes blind.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.files.artifacts import read_json, write_atomic
from iast_export.metrics.bootstrap import Interval, central_interval
from iast_export.metrics.perceptual import open_moments
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT, load_checkpoint
from models.evaluation.methods import Network
from models.evaluation.sample import Pair, draw_sample
from models.evaluation.statistics import RESAMPLING
from models.faces.measuring import FaceDetector

Array = NDArray[np.float64]
# Of the ridge, as a share of the mean square that is fitted. Chosen, before any answer was counted.
_RIDGE = 1.0
_TURNS = 2000  # of the pairs at random: as many as a bootstrap draws elsewhere here
_SEED = 20261126
_STEP = 0.05  # of strength: a change that is no depth's, as a measure of how fine the judge is


def rule(differences: Array, photographs: Sequence[str]) -> Array:
    """What each pair is told by the others [N, N]: the rule's value is this, times their signs.

    A ridge without intercept from differences [N, D] to 1: a pair the other way round says the
    same. In its dual form everything is a product of pairs. A photograph's own pairs weigh 0.

    Args:
        differences: features of the one less those of the other.
        photographs: of each pair; those of one photograph are judged by the others together.
    """
    names, products = np.asarray(photographs), differences @ differences.T
    weights = np.zeros_like(products)
    for name in np.unique(names):
        own, others = names == name, names != name
        gram = products[np.ix_(others, others)]
        ridge = _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        weights[np.ix_(own, others)] = np.linalg.solve(
            gram + ridge, products[np.ix_(others, own)]
        ).T
    return weights


def answers(weights: Array, signs: Array) -> Array:
    """Whether a `rule` is right on each pair [N]: 1, or 0; a sign of -1 turns a pair around."""
    return np.asarray(signs * (weights @ signs) > 0, np.float64)


def over_photographs(values: Array, photographs: Sequence[str]) -> Interval:
    """The mean of values per pair, with its interval over photographs drawn anew."""
    names = np.asarray(photographs)
    means = np.array([values[names == name].mean() for name in np.unique(names)])
    return central_interval(means[RESAMPLING.draws(len(means))].mean(1), float(means.mean()))


@dataclass(frozen=True)
class Told:
    """What the judge says of two depths.

    Attributes:
        right: share of right answers.
        by_chance: mean share, and what 95 % of the turns stay below.
        nearer: share of pairs in which the first one's features are nearer to the artwork's.
    """

    first: str
    other: str
    strengths: tuple[float, float]
    right: Interval
    by_chance: tuple[float, float]
    nearer: Interval


def told(
    depths: tuple[str, str],
    strengths: tuple[float, float],
    features: tuple[Array, Array],
    artworks: Array,
    photographs: Sequence[str],
) -> Told:
    """Of features [N, D] of both depths on the same pairs, and of each pair's artwork."""
    scale = np.concatenate(features).std(0) + 1e-9
    one, other, aim = ((x / scale) for x in (*features, artworks))
    rng, weights = np.random.default_rng(_SEED), rule(one - other, photographs)
    chance = [answers(weights, rng.choice([-1.0, 1.0], len(one))).mean() for _ in range(_TURNS)]
    nearer = np.linalg.norm(one - aim, axis=1) < np.linalg.norm(other - aim, axis=1)
    return Told(
        *depths,
        strengths,
        over_photographs(answers(weights, np.ones(len(one))), photographs),
        (float(np.mean(chance)), float(np.quantile(chance, 0.95))),
        over_photographs(nearer.astype(np.float64), photographs),
    )


def style_at(rows: Sequence[dict[str, Any]], method: str, strength: float) -> float:
    """The mean style distance of a judged method at one of its strengths.

    Raises:
        InputError: it was not judged there.
    """
    for row in rows:
        if (row["method"], row["strength"]) == (method, strength):
            return float(row["scores"]["style"])
    raise InputError(
        f"{method} was not judged at strength {strength:g}", "give a --strength that was judged"
    )


def strength_at(rows: Sequence[dict[str, Any]], method: str, target: float) -> float:
    """The strength at which a judged method has a mean style distance, between those judged.

    Raises:
        InputError: it was not judged, or does not come to it.
    """
    curve = [(r["strength"], r["scores"]["style"]) for r in rows if r["method"] == method]
    for (low, before), (high, after) in zip(curve, curve[1:], strict=False):
        if before >= target >= after:
            return float(low + (high - low) * (before - target) / (before - after))
    raise InputError(
        f"{method} has no style distance of {target:.3f} in what was judged",
        "give another --strength, or judge it by python -m models.evaluate",
    )


def table(found: Sequence[Told], pictures: int) -> str:
    """A row per two depths."""
    lines = [
        f"{pictures} pairs of pictures of 256 px at equal style distance; a linear rule on "
        "SqueezeNet's features, fitted on the other photographs, says which is the deeper one "
        "(95 % interval over photographs). By chance: the same with each pair turned at random.",
        "",
        "| depths | strengths | told apart | by chance | first one nearer to the artwork |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for one in found:
        mean, most = one.by_chance
        lines.append(
            f"| {one.first}, {one.other} | {one.strengths[0]:.2f}, {one.strengths[1]:.2f} | "
            f"{_share(one.right)} | {mean:.0%}, 95 % of them below {most:.0%} | "
            f"{_share(one.nearer)} |"
        )
    return "\n".join(lines) + "\n"


def _share(value: Interval) -> str:
    return f"{value.value:.0%} ({value.low:.0%} to {value.high:.0%})"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and weights/")
    parser.add_argument(
        "--judged", type=Path, required=True, help="quality.json of models.evaluate"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--student", type=Path, default=PACKAGED_CHECKPOINT)
    parser.add_argument("--strength", type=float, default=0.7, help="of the shallowest depth")
    parser.add_argument("--depths", type=int, nargs="+", default=[4, 3, 1], help="of its tiers")
    parser.add_argument("--photographs", type=int, default=24)
    parser.add_argument("--faces", type=int, default=24)
    args: Any = parser.parse_args(argv)
    torch.set_num_threads(1)
    weights, rows = args.data / "weights", read_json(args.judged)["rows"]
    detector = FaceDetector(weights / "face" / "retinaface_mnet025_FaceDetector.onnx")
    pairs = draw_sample(
        args.data / "images", 256, args.photographs, args.faces, 12, detector
    ).pairs()
    net, look = (
        load_checkpoint(args.student),
        open_moments(weights / "squeezenet1_1_caffe_fp32.pt", "caffe"),
    )
    depths = sorted(args.depths, reverse=True)
    target = style_at(rows, f"student-d{depths[-1]}", args.strength)
    drawn = [(d, strength_at(rows, f"student-d{d}", target)) for d in depths]
    drawn.append((depths[0], drawn[0][1] + _STEP))
    features = [_seen(Network(f"d{d}", net, d, ""), s, pairs, look) for d, s in drawn]
    artworks = np.stack([look(pair.style.rgb) for pair in pairs])
    names = [pair.content.name for pair in pairs]
    last = len(depths)  # the deepest again, compared with itself alone
    found = [
        told(
            (f"d{drawn[i][0]}", f"d{drawn[k][0]}"),
            (drawn[i][1], drawn[k][1]),
            (features[i], features[k]),
            artworks,
            names,
        )
        for i, k in [*combinations(range(last), 2), (0, last)]
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    text = table(found, len(pairs))
    write_atomic(args.out / "blind.md", text.encode())
    print(text)


def _seen(method: Network, strength: float, pairs: Sequence[Pair], look: Any) -> Array:
    made = (dict(method.pictures(p.content.rgb, p.style.rgb, [strength])) for p in pairs)
    return np.stack([look(pictures[strength]) for pictures in made])


if __name__ == "__main__":
    main()
