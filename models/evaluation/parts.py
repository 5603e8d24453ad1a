r"""What each part of the second network is worth: trainings on the same budget, some seeds a row.

    python -m models.evaluation.parts --data DIR --runs runs/parts --out benchmarks/quality
    python -m models.evaluation.parts --data DIR --network first=A.safetensors --out DIR

DIR holds images/ and weights/. What was trained is not trained again, what was judged is not judged
again; stopped and started again, it goes on, and the tables hold what is there so far. The rows
stand in parts.toml beside this file. With --network nothing is trained: released networks are
judged by the same measures, into released.md. Judged are Kodak-24 and artworks that trained
nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iast_export.errors import IastExportError, InputError, RecipeError
from iast_export.files.artifacts import json_bytes, read_bytes, sha256_file, write_atomic
from iast_export.files.toml_text import parse_toml
from iast_export.pictures.images import Rgb
from models.batch import Batch
from models.data import CropStore, training_files
from models.evaluation import artifacts
from models.evaluation.judges import Judges
from models.evaluation.methods import Network
from models.evaluation.sample import Pair, draw_sample
from models.objective import Helpers
from models.perceptual import DistilledVgg
from models.recipe import TrainingRecipe
from models.sheet import load_weights
from models.telling import aloud, tell
from models.train import train
from models.trainer import Trainer
from models.unlabelled import trained_on

ROWS = Path(__file__).with_name("parts.toml")
_CPU = torch.device("cpu")
_SIDE_PX = 256
_STRENGTHS = (0.3, 0.7, 1.0)
_VERSION = 1  # of the scores that are kept
_MEASURES = (
    "{pairs} pairs of 256 px at full strength. Lower is better but for SSIM; gradient is of the "
    "picture over the photograph's, shift and noise what a movement by pixels and sensor noise "
    "change, 0.7 to 1 how many percent nearer the style the end of the strength scale comes."
)


@dataclass(frozen=True)
class Part:
    """A row: its name, what it changes in words, and how it is trained, once per seed."""

    name: str
    says: str
    recipes: tuple[TrainingRecipe, ...]


def read_parts(path: Path = ROWS) -> list[Part]:
    """The rows, each the common recipe with its own changes, and as many of it as there are seeds.

    Raises:
        InputError: the file is missing.
        RecipeError: not TOML, or a key that no recipe knows.
    """
    raw = parse_toml(read_bytes(path), str(path), RecipeError)
    return [
        Part(
            row["name"],
            row["says"],
            tuple(_recipe(raw["recipe"], row, seed, path) for seed in raw["seeds"]),
        )
        for row in raw["rows"]
    ]


def _recipe(
    common: Mapping[str, Any], row: Mapping[str, Any], seed: int, path: Path
) -> TrainingRecipe:
    merged = {**copy.deepcopy(dict(common)), "seed": seed}
    if "kind" in row:  # another network has other keys
        merged["network"] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            merged[key] = {**merged.get(key, {}), **value}
        elif key not in ("name", "says"):
            merged[key] = value
    return TrainingRecipe.of(merged, f"{path} {row['name']}")


def trained(
    recipe: TrainingRecipe, run: Path, draw: Callable[..., Batch], helpers: Helpers
) -> Path:
    """The weights of a run, trained to the end of its budget."""
    trainer = Trainer(recipe, helpers, _CPU)
    trainer.resume(run)
    if trainer.position < recipe.steps:
        for row in train(trainer, lambda rng: draw(rng, recipe), run, float("inf")):
            tell(" ".join([str(run), *(f"{k} {v:.3g}" for k, v in row.items())]))
    return run / "weights.pt"


def judged(
    weights: Path, pairs: Sequence[Pair], judges: Judges, depths: Sequence[int] = ()
) -> dict[str, Any]:
    """Scores of depths, none given: of the shallowest and the deepest; means over the pairs."""
    net = load_weights(weights)
    return {
        f"d{depth}": _of_depth(Network("row", net, depth, sha256_file(weights)), pairs, judges)
        for depth in depths or (net.depths[0], net.depths[-1])
    }


def _of_depth(method: Network, pairs: Sequence[Pair], judges: Judges) -> dict[str, Any]:
    rows = []
    for pair in pairs:
        render = _render(method, pair.style.rgb)
        pictures = dict(method.pictures(pair.content.rgb, pair.style.rgb, _STRENGTHS))
        full = pictures[1.0]
        found = judges.scores(pair, full) | _seen(pair, full, render)
        for strength, picture in pictures.items():
            scores = judges.scores(pair, picture)
            found |= {f"{k}_{strength:g}": scores[k] for k in ("style", "ssim")}
        rows.append(found)
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def _seen(pair: Pair, full: Rgb, render: Callable[[Rgb], Rgb]) -> dict[str, float]:
    return {
        "color": artifacts.color_distance(full, pair.style.rgb),
        "gradient": artifacts.gradient_energy(full, pair.content.rgb),
        "shift": artifacts.shift_error(render, pair.content.rgb),
        "noise": artifacts.noise_gain(render, pair.content.rgb),
    }


def _render(method: Network, style: Rgb) -> Callable[[Rgb], Rgb]:
    return lambda content: next(iter(method.pictures(content, style, (1.0,))))[1]


_COLUMNS = (
    ("style", "style distance", 4),
    ("ssim", "SSIM", 3),
    ("squeeze", "content", 3),
    ("color", "color", 2),
    ("gradient", "gradient", 2),
    ("shift", "shift, levels", 2),
    ("noise", "noise", 2),
    ("end", "0.7 to 1", 1),
)


_SPREAD = ("style", "ssim")  # shown with the deviation over the seeds


def markdown(parts: Sequence[Part], found: Mapping[str, Any], facts: str) -> str:
    """A line per row and depth: means over the seeds that were judged, from lists of scores."""
    lines = [
        facts,
        "",
        "| network | depth | seeds | " + " | ".join(label for _, label, _ in _COLUMNS) + " |",
        "| --- | --- |" + " ---: |" * (1 + len(_COLUMNS)),
    ]
    for part in parts:
        judged_seeds = found.get(part.name, [])
        for depth in judged_seeds[0] if judged_seeds else ():
            own = [scores[depth] for scores in judged_seeds]
            cells = [_cell(own, key, digits) for key, _, digits in _COLUMNS]
            lines.append(f"| {part.says} | {depth} | {len(own)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(seeds: Sequence[Mapping[str, float]], key: str, digits: int) -> str:
    values = [_end(scores) if key == "end" else scores[key] for scores in seeds]
    shown = f"{np.mean(values):.{digits}f}"
    if key in _SPREAD and len(values) > 1:
        shown += f" ± {np.std(values, ddof=1):.{digits}f}"
    return shown


def _end(scores: Mapping[str, float]) -> float:
    """Percent by which the style distance falls from strength 0.7 to 1."""
    return 100.0 * (1.0 - scores["style_1"] / scores["style_0.7"])


def _facts(parts: Sequence[Part], pairs: int) -> str:
    recipe = parts[0].recipes[0]
    return (
        f"{recipe.steps} steps of {recipe.batch} crops of {recipe.crop_px} px a run; "
        f"{_MEASURES.format(pairs=pairs)} "
        "Behind ±: the deviation over seeds, which is what chance alone changes."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and weights/")
    parser.add_argument("--runs", type=Path, default=Path("runs/parts"), help="a run per row")
    parser.add_argument(
        "--network", action="append", default=[], metavar="NAME=FILE", help="a released one"
    )
    parser.add_argument(
        "--depths", type=int, nargs="+", default=[], metavar="N", help="of released ones"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--photographs", type=int, default=8)
    parser.add_argument("--artworks", type=int, default=12)
    return parser


def main(argv: list[str] | None = None) -> None:
    args: Any = _parser().parse_args(argv)
    torch.set_num_threads(1)
    try:
        with aloud():
            made = _released(args) if args.network else _tables(args, read_parts(args.rows))
            print(made)
    except IastExportError as error:
        raise SystemExit(f"{error}") from error


def _sample(args: Any) -> tuple[list[Pair], Judges]:
    pairs = draw_sample(args.data / "images", _SIDE_PX, args.photographs, 0, args.artworks, None)
    return pairs.pairs(), Judges(args.data / "weights" / "squeezenet1_1_caffe_fp32.pt")


def _released(args: Any) -> str:
    """Judges released networks and writes their table."""
    pairs, judges = _sample(args)
    named = [entry.partition("=") for entry in args.network]
    if not all(path for _, _, path in named):
        raise InputError(f"--network {args.network}", "give NAME=FILE")
    found = {name: [judged(Path(path), pairs, judges, args.depths)] for name, _, path in named}
    parts = [Part(name, name, ()) for name in found]
    text = markdown(parts, found, _MEASURES.format(pairs=len(pairs)))
    write_atomic(args.out / "released.md", text.encode())
    write_atomic(args.out / "released.json", json_bytes(found))
    return text


def _tables(args: Any, parts: Sequence[Part]) -> str:
    """Trains and judges every run, and writes the tables after each; the last one."""
    images, weights = args.data / "images", args.data / "weights"
    pairs, judges = _sample(args)
    draw = _source(images, parts[0].recipes[0])
    vgg = DistilledVgg.load(weights / "vgg19_16x_distilled" / "5SE.pt")
    found: dict[str, list[Any]] = {part.name: [] for part in parts}
    text = ""
    for number, part in product(range(len(parts[0].recipes)), parts):
        recipe = part.recipes[number]
        run = args.runs / part.name / str(recipe.seed)
        path = trained(recipe, run, draw, _helpers(vgg, recipe, args))
        found[part.name].append(_kept(run, path, partial(judged, path, pairs, judges)))
        text = markdown(parts, found, _facts(parts, len(pairs)))
        write_atomic(args.out / "parts.md", text.encode())
        write_atomic(args.out / "parts.json", json_bytes(found))
    return text


def _helpers(vgg: DistilledVgg, recipe: TrainingRecipe, args: Any) -> Helpers:
    """What a row looks through; an encoder without labels is trained before its first."""
    if recipe.loss.content_unlabelled == 0.0:
        return Helpers(vgg)
    encoder = trained_on(args.data / "images", args.runs / "encoder.pt")
    return Helpers(vgg, unlabelled=encoder)


def _source(images: Path, recipe: TrainingRecipe) -> Callable[..., Batch]:
    contents, styles = (CropStore(f, recipe.crop_px, _CPU) for f in training_files(images))
    return lambda rng, own: Batch.draw(contents, styles, own, rng)


def _kept(run: Path, weights: Path, score: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The scores of these very weights, from the run's folder if they were taken before."""
    path, key = run / "scores.json", f"{_VERSION}-{sha256_file(weights)}"
    if path.is_file():
        before: dict[str, Any] = json.loads(path.read_text())
        if before["of"] == key:
            return dict(before["scores"])
    scores = score()
    write_atomic(path, json_bytes({"of": key, "scores": scores}))
    return scores


if __name__ == "__main__":
    main()
