"""Plots of the evaluation: preservation against style, spectra of flat regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def spectra_plot(
    periods_px: Sequence[float], decibels: Mapping[str, Sequence[float]], path: Path
) -> None:
    """A curve per row over the period; a ripple would be a hump in one."""
    figure, axes = plt.subplots(figsize=(7.2, 6.2), dpi=110)
    for number, (name, values) in enumerate(decibels.items()):
        axes.plot(
            periods_px,
            values,
            marker="o",
            markersize=3,
            linestyle=":" if "wave" in name else "-",
            color=f"C{number % 10}",
            label=name,
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks([4, 8, 16, 32], ["4", "8", "16", "32"])
    axes.set_xlabel("period, px")
    axes.set_ylabel("lightness in flat regions, dB")
    axes.set_title("Spectra of flat regions, mean over artworks")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
