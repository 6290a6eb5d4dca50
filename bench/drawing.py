"""The plots of the results, as SVG on white."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.page import FOLDER, plot_name
from bench.results import Plot, Results
from model.figures import BASELINE_COLOUR, INK, MODEL_COLOUR, MUTED, NAIVE_COLOUR, styled

PLOTS: Final = FOLDER / "plots"
"""Where the plots are."""

COLOURS: Final = (MODEL_COLOUR, NAIVE_COLOUR, BASELINE_COLOUR, MUTED, INK)
"""Of the lines, in their order."""

MARKS: Final = ("o", "s", "^", "D", "v")
"""Of the lines' points, in their order: told apart without colour too."""

MANY_POINTS: Final = 40
"""A line of more points is drawn without marks."""


def figure_of(plot: Plot) -> Figure:
    """Draw a plot."""
    with styled():
        height = 0.34 * len(plot.series) + 1.0 if plot.kind == "bars" else 3.4
        figure = Figure(figsize=(7.6, height), layout="constrained")
        axes = figure.subplots()
        axes.set_title(plot.title, loc="left")
        axes.set_xlabel(plot.x)
        if plot.kind == "bars":
            _draw_bars(axes, plot)
        else:
            _draw_lines(axes, plot)
    return figure


def _draw_bars(axes: Axes, plot: Plot) -> None:
    names = list(plot.series)
    values = [plot.series[name][0][0] for name in names]
    colours = [MODEL_COLOUR if name.startswith("genrecast") else MUTED for name in names]
    places = range(len(names))[::-1]
    axes.barh(places, values, color=colours, height=0.62)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:,.3g}" if value < 1000 else f"{value:,.0f}",
            (value, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5,
        )  # fmt: skip
    axes.set_yticks(list(places), names)
    axes.grid(visible=False, axis="y")
    if "x" in plot.log:
        axes.set_xscale("log")
        axes.set_xlim(min(values) / 2, max(values) * 2.5)
    else:
        axes.set_xlim(0, max(values) * 1.15)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if plot.line is not None:
        axes.axvline(plot.line, color=INK, linewidth=0.9, linestyle=":")


def _draw_lines(axes: Axes, plot: Plot) -> None:
    for number, (name, points) in enumerate(plot.series.items()):
        xs, ys = zip(*points, strict=True)
        mark = MARKS[number % len(MARKS)] if len(points) <= MANY_POINTS else ""
        axes.plot(
            xs, ys, marker=mark, markersize=4.5, linewidth=1.4,
            color=COLOURS[number % len(COLOURS)], label=name,
        )  # fmt: skip
    axes.set_ylabel(plot.y)
    if "x" in plot.log:
        axes.set_xscale("log")
        axes.set_xticks(ticks := _all_x(plot), [f"{tick:,.0f}" for tick in ticks])
        axes.minorticks_off()
    if "y" in plot.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    else:
        highest = max(y for points in plot.series.values() for _, y in points)
        axes.set_ylim(0, 1.15 * max(highest, plot.line or 0))
    if plot.line is not None:
        axes.axhline(plot.line, color=INK, linewidth=0.9, linestyle=":")
    if len(plot.series) > 1:
        axes.legend(fontsize=8.5, loc="best")


def _all_x(plot: Plot) -> Sequence[float]:
    return sorted({x for points in plot.series.values() for x, _ in points})


def write_plots(results: Results, folder: Path = PLOTS) -> list[Path]:
    """Write every plot of the results; return where."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for part in results.parts.values():
        for number, plot in enumerate(part.plots):
            paths.append(folder / plot_name(part, number))
            figure = figure_of(plot)
            figure.set_facecolor("white")
            with styled(), mpl.rc_context({"svg.hashsalt": "speed"}):
                metadata = {"Date": None, "Creator": None}
                figure.savefig(paths[-1], format="svg", metadata=metadata)
    return paths
