"""Forecasts of every hour of a span, by the code that runs live; kept in a file."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bench.recommending.stream import BUCKET_SECONDS, RECORDING
from contracts.settings import Settings
from model.backtest import BacktestPlan, roll
from model.baseline import Baseline
from model.candidates import candidate_as_is
from model.command_parts import progress_bar
from model.forecaster import Forecaster
from model.loading import load_history
from producer_sim.replay import find_recording

HORIZON: Final = 24
"""Hours ahead."""

FOLDER: Final = Path("build/recommending")
"""Where forecasts are kept: making them takes minutes."""

Floats = NDArray[np.float64]


def forecaster_of(kind: str) -> Forecaster:
    """Return the shipped model as it runs live, or the seasonal baseline, which learns nothing."""
    settings = Settings(bucket_seconds=BUCKET_SECONDS, horizon=HORIZON)
    if kind == "baseline":
        return Baseline(HORIZON, settings.quantiles)
    return candidate_as_is(settings, kind, "as shipped").forecaster


def expected_clicks(
    kind: str, genres: tuple[str, ...], first: int, stop: int, console: Console
) -> dict[int, Floats]:
    """Return per hour of `[first, stop)` the clicks per hour expected of each genre `(G,)`.

    The last day has none: its horizon is not in the recording.
    """
    forecaster = forecaster_of(kind)
    kept = FOLDER / f"{forecaster.version}-{first}-{stop}.npz"
    if kept.exists():
        with np.load(kept) as found:
            return dict(zip(found["rows"].tolist(), found["mean"], strict=True))
    history = load_history(find_recording(RECORDING), BUCKET_SECONDS)
    order = [history.names.index(genre) for genre in genres]
    plan = BacktestPlan(first, rows=tuple(range(first, stop)))
    means: dict[int, Floats] = {}
    with progress_bar(console) as bar:
        shown = bar.add_task(f"forecasts, {kind}", total=None, note="")

        def note(done: int, total: int) -> None:
            bar.update(shown, completed=done, total=total)

        for origin in roll(history, forecaster, plan, note):
            means[origin.row] = origin.forecasts.mean[order].mean(axis=1).astype(np.float64)
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez(kept, rows=np.array(list(means)), mean=np.stack(list(means.values())))
    return means
