"""Backtest: rolling origins over history, driven by the same `advance` that runs live."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from model.forecaster import Forecaster, Forecasts, grow_state
from model.history import History
from model.naive import SeasonalNaive
from model.scores import Metrics, ScoreSums, seasonal_scale
from model.seasonal import buckets_per_day
from model.window import Window

RollProgress = Callable[[int, int], None]
"""Called after every bucket with how many are done and how many there are."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One origin's forecasts: of the model, and of seasonal naive beside it.

    Attributes:
        row: Row of the last observed bucket; step 1 is row + 1.
        forecasts: Of the model.
        naive: Of seasonal naive.
        seconds: Wall time of the model's step.
    """

    row: int
    forecasts: Forecasts
    naive: Forecasts
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BacktestPlan:
    """Which origins are scored.

    Attributes:
        first_row: Row of the first origin; earlier buckets only warm the model.
        stride: Buckets from one origin to the next, counted back from the last possible one.
        window_buckets: Capacity of the window, as live.
        rows: The origins' rows, ascending; `first_row` and `stride` say them when empty.
    """

    first_row: int
    stride: int = 1
    window_buckets: int = 2016
    rows: tuple[int, ...] = ()

    def origin_rows(self, row_count: int, horizon: int) -> tuple[int, ...]:
        """Return the origins' rows in a history of `row_count` buckets, ascending."""
        last_row = row_count - horizon - 1
        if self.rows:
            return tuple(row for row in self.rows if 0 <= row <= last_row)
        first = last_row - (last_row - self.first_row) // self.stride * self.stride
        return tuple(range(first, last_row + 1, self.stride))


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Metrics of the model and of seasonal naive on the same points."""

    model: Metrics
    naive: Metrics
    origins: int


def roll(
    history: History,
    forecaster: Forecaster,
    plan: BacktestPlan,
    progress: RollProgress | None = None,
) -> Iterator[Origin]:
    """Run the model over the history, bucket by bucket, and yield the origins of the plan.

    The last origin is the last row whose whole horizon came true.
    """
    window = Window(plan.window_buckets, history.bucket_ms, history.calendar)
    naive = SeasonalNaive(forecaster.horizon, forecaster.quantiles)
    state = forecaster.initial_state(0)
    rows = plan.origin_rows(len(history.starts_ms), forecaster.horizon)
    asked = set(rows)
    row_count = rows[-1] + 1 if rows else 0
    for row in range(row_count):
        start_ms = int(history.starts_ms[row])
        # A genre that has not begun is "from the next bucket on": when it will is the future.
        first_ms = np.minimum(history.first_bucket_ms, start_ms + history.bucket_ms)
        window.append(start_ms, history.cells[row], first_ms)
        begun = time.perf_counter()
        state = grow_state(forecaster, state, window.genre_count)
        state, forecasts = forecaster.advance(state, window)
        seconds = time.perf_counter() - begun
        if progress is not None:
            progress(row + 1, row_count)
        if row in asked:
            yield Origin(row, forecasts, naive.forecast(window), seconds)


def backtest(
    history: History,
    forecaster: Forecaster,
    plan: BacktestPlan,
    progress: RollProgress | None = None,
) -> BacktestResult:
    """Score the model and seasonal naive on the origins of the plan, genres that have begun only.

    Raises:
        ValueError: When the history is too short for a single origin.
    """
    clicks = history.clicks.astype(np.float64)
    past = clicks[: plan.first_row + 1]
    # A day, or less where there is less: some scale is better than none.
    lag = min(buckets_per_day(history.bucket_ms), max(1, len(past) // 2))
    scale = seasonal_scale(past, lag, history.first_row)
    sums = ScoreSums(forecaster.quantiles, scale, forecaster.horizon)
    naive_sums = ScoreSums(forecaster.quantiles, scale, forecaster.horizon)
    origins = 0
    for origin in roll(history, forecaster, plan, progress):
        actual = clicks[origin.row + 1 : origin.row + 1 + forecaster.horizon].T
        present = history.first_row <= origin.row
        sums.add(actual, origin.forecasts.mean, origin.forecasts.quantiles, present)
        naive_sums.add(actual, origin.naive.mean, origin.naive.quantiles, present)
        origins += 1
    if not origins:
        raise ValueError(
            f"{len(clicks)} buckets hold no origin with {forecaster.horizon} buckets after it"
        )
    return BacktestResult(sums.metrics(), naive_sums.metrics(), origins)


def held_out_plan(
    history: History, horizon: int, *, share: float = 0.15, origins: int = 60
) -> BacktestPlan:
    """Return a plan over the last `share` of the history, with about `origins` origins.

    The stride has no factor in common with a day, so that origins walk through every hour.
    """
    count = len(history.starts_ms)
    last_row = count - horizon - 1
    first_row = max(0, min(last_row, int(count * (1.0 - share)) - 1))
    day = buckets_per_day(history.bucket_ms)
    stride = max(1, (last_row - first_row) // origins)
    while stride > 1 and np.gcd(stride, day) != 1:
        stride -= 1
    return BacktestPlan(first_row=first_row, stride=stride)
