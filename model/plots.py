"""Plots of a training: the loss by epoch, forecasts beside what came. Files only, no display."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from model.backtest import BacktestPlan, Origin, roll
from model.forecaster import Forecaster
from model.history import History

_BLUE: Final = "#1f6fb4"
_INK: Final = "#333333"
_DPI: Final = 130
_PANELS: Final = 4
_PAST_HORIZONS: Final = 4
"""Horizons of the past drawn before the origin."""


def plot_losses(losses: Sequence[float], path: Path) -> None:
    """Draw the training loss of every epoch."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(1, len(losses) + 1), losses, color=_BLUE, linewidth=1.6)
    axes.set(xlabel="epoch", ylabel="loss on scaled counts", title="Training loss")
    axes.grid(visible=True, alpha=0.25)
    _write(figure, path)


def plot_forecasts(
    history: History, forecaster: Forecaster, plan: BacktestPlan, path: Path
) -> None:
    """Draw, for the busiest genres, the last origin's forecast beside what came true."""
    last: Origin | None = None
    for origin in roll(history, forecaster, plan):
        last = origin
    if last is None:
        raise ValueError("the history is too short to draw a forecast")
    genres = np.argsort(-history.clicks.sum(axis=0), kind="stable")[:_PANELS]
    figure = Figure(figsize=(9, 2.4 * len(genres)), layout="constrained")
    panels = figure.subplots(len(genres), 1, sharex=True, squeeze=False)[:, 0]
    for axes, genre in zip(panels, genres, strict=True):
        _panel(axes, history, forecaster, last, int(genre))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=4, fontsize=9)
    figure.suptitle(f"Forecasts of the last {forecaster.horizon} buckets ({forecaster.version})")
    _write(figure, path)


def _panel(
    axes: Any,  # noqa: ANN401 (matplotlib is untyped here)
    history: History,
    forecaster: Forecaster,
    origin: Origin,
    genre: int,
) -> None:
    horizon = forecaster.horizon
    first = max(0, origin.row + 1 - _PAST_HORIZONS * horizon)
    times = [datetime.fromtimestamp(ms / 1000, UTC) for ms in history.starts_ms.tolist()]
    ahead = slice(origin.row + 1, origin.row + 1 + horizon)
    quantiles = origin.forecasts.quantiles[genre]
    levels = forecaster.quantiles
    share = f"{levels[0]:g}-{levels[-1]:g} interval"
    axes.plot(
        times[first : ahead.stop],
        history.clicks[first : ahead.stop, genre],
        color=_INK,
        linewidth=1.0,
        label="clicks",
    )
    axes.fill_between(
        times[ahead],
        quantiles[:, 0],
        quantiles[:, -1],
        color=_BLUE,
        alpha=0.22,
        linewidth=0,
        label=share,
    )
    axes.plot(
        times[ahead], quantiles[:, len(levels) // 2], color=_BLUE, linewidth=1.6, label="median"
    )
    axes.plot(
        times[ahead],
        origin.naive.mean[genre],
        color="#c8782a",
        linewidth=1.0,
        linestyle="--",
        label="seasonal naive",
    )
    axes.set_title(history.names[genre], loc="left", fontsize=10)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("clicks")
    axes.grid(visible=True, alpha=0.25)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _write(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure).print_png(str(path), metadata={"Software": "genrecast"})  # type: ignore[no-untyped-call,unused-ignore]
