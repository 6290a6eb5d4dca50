"""The accuracy benchmark's one plot: WQL of every method over the reference's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.accuracy.tables import OURS, REFERENCE, Row, ratio_over_all
from model.figures import BASELINE_COLOUR, INK, MODEL_COLOUR, MUTED, NAIVE_COLOUR, styled

_MARKS: Final = (("o", INK), ("s", NAIVE_COLOUR), ("^", BASELINE_COLOUR), ("D", MUTED))
_WIDEST: Final = 3.0
"""Ratios beyond this stand at the edge: the good ones must be told apart."""


def accuracy_figure(rows: Sequence[Row]) -> Figure:
    """Draw the ratios of every method on every data set, the best on top."""
    methods = list(ratio_over_all(rows))[::-1]
    with styled():
        figure = Figure(figsize=(7.6, 0.3 * len(methods) + 1.3), layout="constrained")
        axes = figure.subplots()
        axes.axvline(1.0, color=MUTED, linewidth=0.9, linestyle=":")
        for place, name in enumerate(dict.fromkeys(row["dataset"] for row in rows)):
            mark, colour = _MARKS[place % len(_MARKS)]
            of_set = [row for row in rows if row["dataset"] == name]
            axes.plot(
                [min(float(row["ratio"]), _WIDEST) for row in of_set],
                [methods.index(row["method"]) for row in of_set],
                marker=mark, color=colour, linestyle="", markersize=5, alpha=0.85, label=name,
            )  # fmt: skip
        means = [min(ratio, _WIDEST) for ratio in ratio_over_all(rows).values()][::-1]
        axes.vlines(
            means, [p - 0.35 for p in range(len(means))], [p + 0.35 for p in range(len(means))],
            color=MODEL_COLOUR, linewidth=2.2, label="geometric mean",
        )  # fmt: skip
        axes.set_yticks(range(len(methods)), methods)
        for label in axes.get_yticklabels():
            if label.get_text() == OURS:
                label.set(color=MODEL_COLOUR, fontweight="bold")
        axes.set_xscale("log")
        ticks = [0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, _WIDEST]
        lowest = min(float(row["ratio"]) for row in rows)
        axes.set_xlim(min(0.7, 0.95 * lowest), 1.04 * _WIDEST)
        axes.set_xticks(ticks, [*(f"{tick:g}" for tick in ticks[:-1]), f"{_WIDEST:g} or more"])
        axes.minorticks_off()
        axes.set_xlabel(f"WQL over that of {REFERENCE}, lower is better")
        marks, labels = axes.get_legend_handles_labels()
        figure.legend(marks, labels, loc="outside upper left", ncols=4, fontsize=8.5)
    return figure


def write_plot(rows: Sequence[Row], path: Path) -> None:
    """Write the plot as SVG on white."""
    figure = accuracy_figure(rows)
    figure.set_facecolor("white")
    with styled(), mpl.rc_context({"svg.hashsalt": "accuracy"}):
        metadata = {"Date": None, "Creator": None}
        figure.savefig(path, format="svg", metadata=metadata)
