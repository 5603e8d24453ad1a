"""Preservation against style, a curve per method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from models.evaluation.judges import HIGHER_IS_BETTER, LABELS
from models.evaluation.run import Judged


def pareto(judged: Sequence[Judged], score: str, path: Path, title: str) -> None:
    """A curve per method over its strengths; better lies towards the upper left."""
    figure, axes = plt.subplots(figsize=(7.2, 5.0), dpi=110)
    for number, method in enumerate(judged):
        points = [(method.mean(s, "style"), method.mean(s, score)) for s in method.strengths]
        drawn = [(x, y) for x, y in points if x is not None and y is not None]
        if not drawn:
            continue
        xs, ys = zip(*drawn, strict=True)
        ours = method.name.startswith(("student", "teacher", "bundle"))
        axes.plot(
            xs,
            ys,
            marker="o" if ours else "s",
            markersize=4,
            linewidth=2.0 if ours else 1.2,
            linestyle="-" if ours else "--",
            color=f"C{number % 10}",
            label=method.name,
        )
    if not HIGHER_IS_BETTER[score]:
        axes.invert_yaxis()
    axes.set_xlabel("style distance to the artwork (less is more of the style)")
    axes.set_ylabel(f"{LABELS[score]} to the photograph")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
