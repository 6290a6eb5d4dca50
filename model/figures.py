"""Figures of a backtest and of a training, as matplotlib draws them; no display, no files."""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from model.comparison import Compared, Comparison
from model.history import History

INK: Final = "#24292f"
"""Text, and what came."""

MUTED: Final = "#69727d"
"""Axes and their labels."""

GRID: Final = "#e4e7eb"
"""Grid lines."""

MODEL_COLOUR: Final = "#1f6fb4"
"""The model."""

NAIVE_COLOUR: Final = "#c4722a"
"""Seasonal naive."""

BASELINE_COLOUR: Final = "#2a8a6d"
"""The baseline."""

COLOUR_NAMES: Final = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    MODEL_COLOUR: "model",
    NAIVE_COLOUR: "naive",
    BASELINE_COLOUR: "baseline",
}
"""Names of the colours: a page that shows a figure sets `--ink` and so on, light or dark."""

_PAST_HORIZONS: Final = 2
"""Horizons of the past drawn before the origin."""

_MOST_NAMED_SERIES: Final = 40
"""Series with a row of their own in the coverage figure; beyond, only those that stand out."""

_SHOWN_CHARACTERS: Final = 32
"""Longest series name drawn."""

_STYLE: Final = {
    "text.parse_math": False,  # a `$` in a name is a `$`
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True)
class Fans:
    """Which forecasts are drawn: a few series at a few origins.

    Attributes:
        series: Columns of the series.
        origins: The origins.
    """

    series: tuple[int, ...]
    origins: tuple[Compared, ...]


@contextmanager
def styled() -> Iterator[None]:
    """Draw inside the block in the project's style; warnings about glyphs and ticks help nobody."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support")
        warnings.filterwarnings("ignore", message=r"AutoDateLocator was unable to pick")
        yield


def shown_name(name: str) -> str:
    """Return a series name fit to be drawn: one short line of printable characters."""
    line = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"


def svg_of(figure: Figure, name: str) -> str:
    """Return the figure as SVG to be put into a page, its colours as CSS variables.

    Args:
        figure: Drawn inside `styled`.
        name: Unique on the page: figures must not share ids.
    """
    stream = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with styled(), mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata=metadata)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Groups are numbered alike in every figure; only clips and markers are referred to.
    svg = re.sub(r'<g id="[^"]+"', "<g", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = svg.replace("'DejaVu Sans', 'Bitstream Vera Sans', ", "")
    for colour, variable in COLOUR_NAMES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg


def fan_figure(history: History, fans: Fans, levels: tuple[float, ...]) -> Figure:
    """Draw the forecasts of some series (rows) at some origins (columns) beside what came."""
    rows, columns = len(fans.series), len(fans.origins)
    with styled():
        figure = Figure(figsize=(3.5 * columns, 1.75 * rows + 0.4), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharey="row")
        for row, series in enumerate(fans.series):
            for column, compared in enumerate(fans.origins):
                draw_fan(panels[row, column], history, compared, series, levels)
            panels[row, 0].set_ylabel("clicks")
            panels[row, 0].set_title(shown_name(history.names[series]), loc="left")
            panels[row, 0].set_ylim(bottom=0)
        _legend_above(figure, panels[0, 0])
    return figure


def draw_fan(
    axes: Any,  # noqa: ANN401 (matplotlib is untyped here)
    history: History,
    compared: Compared,
    series: int,
    levels: tuple[float, ...],
) -> None:
    """Draw one origin's forecast of one series with the buckets before it."""
    horizon = compared.actual.shape[1]
    ahead = slice(compared.row + 1, compared.row + 1 + horizon)
    first = max(0, compared.row + 1 - _PAST_HORIZONS * horizon)
    starts_ms = history.starts_ms[first : ahead.stop].tolist()
    times = [datetime.fromtimestamp(ms / 1000, UTC) for ms in starts_ms]
    future = times[ahead.start - first :]
    clicks = history.clicks[first : ahead.stop, series]
    quantiles = compared.model.quantiles[series]
    low, middle, high = (quantiles[:, column] for column in (0, len(levels) // 2, -1))
    share = f"{100 * (levels[-1] - levels[0]):.0f} % interval"
    axes.fill_between(future, low, high, color=MODEL_COLOUR, alpha=0.22, linewidth=0, label=share)
    axes.plot(times, clicks, color=INK, linewidth=0.9, label="what came")
    axes.plot(future, middle, color=MODEL_COLOUR, linewidth=1.7, label="median")
    naive = compared.naive.mean[series]
    axes.plot(
        future, naive, color=NAIVE_COLOUR, linewidth=1.0, linestyle="--", label="seasonal naive"
    )
    axes.axvline(times[ahead.start - first - 1], color=MUTED, linewidth=0.8, linestyle=":")
    locator = AutoDateLocator(minticks=3, maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def step_figure(comparison: Comparison) -> Figure:
    """Draw the error of every step: WQL, and the median's absolute error."""
    methods = (
        ("model", comparison.model, MODEL_COLOUR, "-"),
        ("seasonal naive", comparison.naive, NAIVE_COLOUR, "--"),
        ("baseline", comparison.baseline, BASELINE_COLOUR, "-."),
    )
    with styled():
        figure = Figure(figsize=(9.6, 2.9), layout="constrained")
        panels = figure.subplots(1, 2)
        for label, sums, colour, line in methods:
            for axes, errors in zip(
                panels, (sums.wql_per_step(), sums.mae_per_step()), strict=True
            ):
                steps = range(1, len(errors) + 1)
                mark = "o" if len(errors) == 1 else None
                axes.plot(steps, errors, color=colour, linestyle=line, marker=mark, label=label)
        for axes, title in zip(
            panels, ("WQL by step", "mean absolute error by step, clicks"), strict=True
        ):
            axes.set_title(title, loc="left")
            axes.set(xlabel="step, buckets ahead", xlim=(0.5, comparison.model.horizon + 0.5))
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend_above(figure, panels[0])
    return figure


def calibration_figure(comparison: Comparison) -> Figure:
    """Draw how often what came was below each level's quantile, against the level.

    Counts are whole numbers, so a quantile is often hit exactly: the bar goes from the share
    below to the share at or below, and a calibrated one touches the diagonal.
    """
    below, at_or_below = comparison.every_level.shares_below()
    levels = comparison.levels
    with styled():
        figure = Figure(figsize=(4.6, 3.9), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=":", label="calibrated")
        axes.vlines(
            levels, below, at_or_below, color=MODEL_COLOUR, linewidth=6, alpha=0.35,
            label="share below … at or below",
        )  # fmt: skip
        middle = (below + at_or_below) / 2
        axes.plot(
            levels, middle, color=MODEL_COLOUR, linewidth=1.2, marker="o", markersize=4,
            label="midway",
        )  # fmt: skip
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="level", ylabel="observed share", aspect="equal")
        axes.set_xticks(levels, [f"{level:g}" for level in levels])
        axes.legend(loc="upper left", fontsize=8)
    return figure


def coverage_figure(names: Sequence[str], coverage: NDArray[np.float64]) -> Figure:
    """Draw each series' coverage of the 80 % interval; the band is 70-90 %.

    With too many series for a row each, those farthest from 80 % are drawn.
    """
    chosen = np.argsort(-np.abs(coverage - 0.8), kind="stable")[:_MOST_NAMED_SERIES]
    chosen = chosen[np.argsort(coverage[chosen], kind="stable")]
    with styled():
        figure = Figure(figsize=(4.6, max(1.6, 0.22 * len(chosen) + 0.9)), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(0.7, 0.9, color=MODEL_COLOUR, alpha=0.12, linewidth=0)
        axes.axvline(0.8, color=MUTED, linewidth=0.9, linestyle=":")
        places = np.arange(len(chosen))
        axes.hlines(places, 0.8, coverage[chosen], color=MODEL_COLOUR, linewidth=1.2, alpha=0.6)
        axes.plot(
            coverage[chosen], places, color=MODEL_COLOUR, marker="o", markersize=4.5, linestyle=""
        )
        axes.set_yticks(places, [shown_name(names[series]) for series in chosen])
        lowest = float(coverage[chosen].min(initial=1.0))
        axes.set(
            xlim=(min(0.6, lowest - 0.03), 1.01), ylim=(-0.7, len(chosen) - 0.3),
            xlabel="share inside the 80 % interval",
        )  # fmt: skip
        axes.grid(visible=False, axis="y")
    return figure


def loss_figure(losses: Sequence[float], label: str = "loss on scaled counts") -> Figure:
    """Draw the training loss of every epoch."""
    with styled():
        figure = Figure(figsize=(4.6, 2.9), layout="constrained")
        axes = figure.subplots()
        mark = "o" if len(losses) < 3 else None
        axes.plot(range(1, len(losses) + 1), losses, color=MODEL_COLOUR, linewidth=1.6, marker=mark)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _legend_above(figure: Figure, axes: Any) -> None:  # noqa: ANN401
    marks, labels = axes.get_legend_handles_labels()
    figure.legend(marks, labels, loc="outside upper left", ncols=len(labels), fontsize=8.5)
