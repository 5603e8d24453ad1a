"""The ablation of the second network: its rows, what is kept of them, and its table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iast_export.errors import RecipeError
from iast_export.files.artifacts import write_atomic
from models.batch import Batch
from models.evaluation import parts
from models.evaluation.judges import Judges
from models.evaluation.parts import Part, markdown, read_parts, trained
from models.evaluation.sample import Pair, Picture
from models.objective import Helpers
from tests.training_cases import draw_pictures, stores, tiny, vgg


@pytest.fixture(scope="module")
def rows() -> dict[str, Part]:
    return {part.name: part for part in read_parts()}


def test_rows_differ_in_what_they_say_alone(rows: dict[str, Part]) -> None:
    whole, *others = rows["second"].recipes
    assert rows["unfiltered"].recipes[0] == replace(
        whole, network=replace(whole.network, strided_kernel=3)
    )
    assert others == [replace(whole, seed=other.seed) for other in others]
    assert rows["first"].recipes[0].kind == "student"
    assert len({part.says for part in rows.values()}) == len(rows)


def test_every_row_has_the_same_budget(rows: dict[str, Part]) -> None:
    recipes = [recipe for part in rows.values() for recipe in part.recipes]
    assert len({(r.steps, r.batch, r.crop_px) for r in recipes}) == 1
    assert len({tuple(r.seed for r in part.recipes) for part in rows.values()}) == 1


def test_a_misspelt_change_is_named_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.toml"
    text = parts.ROWS.read_text().replace("strided_kernel = 4", "strided_kernal = 4")
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"even \[network\].*\n.*perhaps you meant"):
        read_parts(path)


def test_a_row_is_trained_once_judged_once_and_shown(rows: dict[str, Part], tmp_path: Path) -> None:
    recipe = tiny(rows["all"].recipes[0], steps=2, log_every=1)
    contents, styles = stores(draw_pictures(tmp_path / "images"), recipe)

    def draw(rng: np.random.Generator, own: Any) -> Batch:
        return Batch.draw(contents, styles, own, rng)

    path = trained(recipe, tmp_path / "run", draw, Helpers(vgg()))
    before = path.stat().st_mtime_ns
    assert trained(recipe, tmp_path / "run", draw, Helpers(vgg())).stat().st_mtime_ns == before
    rng = np.random.default_rng(0)
    content, style = (
        Picture(name, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for name in "ab"
    )
    scores = parts.judged(path, [Pair(content, style)], Judges())
    assert set(scores) == {"d1", "d4"}
    assert all(np.isfinite(v) for row in scores.values() for v in row.values())
    part, seen = rows["all"], _with_squeeze(scores)
    assert markdown([part], {part.name: [seen]}, "facts").count(part.says) == 2
    assert " ± 0.000" in markdown([part], {part.name: [seen, seen]}, "facts")
    assert part.says not in markdown([part], {part.name: []}, "facts")


def _with_squeeze(scores: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {depth: {**row, "squeeze": 1.0} for depth, row in scores.items()}


def test_scores_are_of_the_very_weights(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    write_atomic(weights, b"one")
    assert parts._kept(tmp_path, weights, lambda: {"a": 1}) == {"a": 1}
    assert parts._kept(tmp_path, weights, lambda: {"a": 2}) == {"a": 1}
    write_atomic(weights, b"two")
    assert parts._kept(tmp_path, weights, lambda: {"a": 2}) == {"a": 2}
    assert json.loads((tmp_path / "scores.json").read_text())["scores"] == {"a": 2}


def test_released_networks_are_judged_by_the_same_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_sample", lambda args: ([1, 2], None))
    scores = {key: 1.0 for key, _, _ in parts._COLUMNS} | {"style_0.7": 1.0, "style_1": 0.9}
    monkeypatch.setattr(parts, "judged", lambda *given: {f"d{n}": scores for n in given[-1]})
    given = ["--network", "mine=a.safetensors", "--depths", "1"]
    parts.main(["--data", "d", "--out", str(tmp_path), *given])
    text = (tmp_path / "released.md").read_text()
    assert text.startswith("2 pairs of 256 px") and "| mine | d1 | 1 |" in text and "10.0 |" in text
    with pytest.raises(SystemExit, match="NAME=FILE"):
        parts.main(["--data", "d", "--out", str(tmp_path), "--network", "mine"])
