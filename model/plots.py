"""Plots of a training: the loss by epoch, forecasts beside what came. Files only, no display."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from model.backtest import BacktestPlan, Origin, roll
from model.comparison import Compared
from model.figures import draw_fan, loss_figure, shown_name, styled
from model.forecaster import Forecaster
from model.history import History

_DPI: Final = 130
_PANELS: Final = 4


def plot_losses(losses: Sequence[float], path: Path) -> None:
    """Draw the training loss of every epoch."""
    write_png(loss_figure(losses), path)


def plot_forecasts(
    history: History, forecaster: Forecaster, plan: BacktestPlan, path: Path
) -> None:
    """Draw, for the busiest genres, the last origin's forecast beside what came true."""
    last: Origin | None = None
    for origin in roll(history, forecaster, plan):
        last = origin
    if last is None:
        raise ValueError("the history is too short to draw a forecast")
    ahead = slice(last.row + 1, last.row + 1 + forecaster.horizon)
    actual = history.clicks[ahead].T.astype(np.float64)
    compared = Compared(last.row, actual, last.forecasts, last.naive, last.naive)
    genres = np.argsort(-history.clicks.sum(axis=0), kind="stable")[:_PANELS]
    with styled():
        figure = Figure(figsize=(9, 2.2 * len(genres) + 0.6), layout="constrained")
        panels = figure.subplots(len(genres), 1, sharex=True, squeeze=False)[:, 0]
        for axes, genre in zip(panels, genres, strict=True):
            draw_fan(axes, history, compared, int(genre), forecaster.quantiles)
            axes.set_title(shown_name(history.names[genre]), loc="left")
            axes.set_ylabel("clicks")
            axes.set_ylim(bottom=0)
        marks, labels = panels[0].get_legend_handles_labels()
        figure.legend(marks, labels, loc="outside lower center", ncols=4)
        title = f"Forecasts of the last {forecaster.horizon} buckets ({forecaster.version})"
        figure.suptitle(title)
    write_png(figure, path)


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG on white."""
    figure.set_facecolor("white")
    figure.set_dpi(_DPI)
    with styled():
        FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": "genrecast"})  # type: ignore[no-untyped-call,unused-ignore]
