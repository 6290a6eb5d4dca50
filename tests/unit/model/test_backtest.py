from typing import Literal

import numpy as np
import pytest

from model.backtest import BacktestPlan, backtest, held_out_plan, roll
from model.forecaster import Float32, Forecasts
from model.window import Window

from .making import history_of


class RampForecaster:
    """Knows that y(t) = t, or is `off` steps off."""

    kind: Literal["baseline"] = "baseline"
    version = "ramp"
    state_width = 1
    horizon = 3
    quantiles = (0.1, 0.5, 0.9)

    def __init__(self, off: int) -> None:
        self.off = off

    def initial_state(self, genre_count: int) -> Float32:
        return np.zeros((genre_count, 1), np.float32)

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        last = window.lag(0)[0].astype(np.float32)
        ahead = np.arange(1, 4, dtype=np.float32) + self.off
        mean: Float32 = (last[:, None] + ahead).astype(np.float32)
        return state + 1, Forecasts(mean, np.repeat(mean[:, :, None], 3, axis=2))

    def warm(self, window: Window) -> Float32:
        raise NotImplementedError


RAMP = history_of(np.arange(50)[:, None])
PLAN = BacktestPlan(first_row=30)


def test_exact_forecaster_on_a_ramp_has_no_error() -> None:
    result = backtest(RAMP, RampForecaster(off=0), PLAN)
    assert (result.model.mae, result.model.mse, result.model.wql) == (0.0, 0.0, 0.0)
    assert result.model.coverage == 1.0


@pytest.mark.parametrize("off", [-1, 1])
def test_forecaster_that_is_a_step_off_has_an_error_of_one(off: int) -> None:
    assert backtest(RAMP, RampForecaster(off), PLAN).model.mae == 1.0


def test_naive_on_a_ramp_is_a_day_off() -> None:
    # Steps 1, 2 and 3 repeat the same hour of yesterday: 24 too little.
    assert backtest(RAMP, RampForecaster(0), PLAN).naive.mae == 24.0


def test_last_origin_is_the_last_whose_horizon_came_true() -> None:
    rows = [origin.row for origin in roll(RAMP, RampForecaster(0), PLAN)]
    assert rows == list(range(30, 47))


def test_stride_counts_back_from_the_last_origin() -> None:
    plan = BacktestPlan(first_row=30, stride=7)
    assert [origin.row for origin in roll(RAMP, RampForecaster(0), plan)] == [32, 39, 46]


def test_held_out_plan_walks_through_the_hours_of_the_day() -> None:
    history = history_of(np.ones((24 * 100, 1), np.int64))
    plan = held_out_plan(history, 24, share=0.5, origins=50)
    assert np.gcd(plan.stride, 24) == 1
    assert plan.first_row == 1199


def test_too_short_a_history_is_refused() -> None:
    with pytest.raises(ValueError, match="no origin"):
        backtest(history_of(np.ones((3, 1), np.int64)), RampForecaster(0), PLAN)


class FirstBuckets(RampForecaster):
    """Notes what every window says of when the genres began."""

    def __init__(self) -> None:
        super().__init__(off=0)
        self.seen: list[list[int]] = []

    def advance(self, state: Float32, window: Window) -> tuple[Float32, Forecasts]:
        self.seen.append((window.first_bucket_ms - window.starts_ms[-1]).tolist())
        return super().advance(state, window)


def test_when_a_genre_will_begin_is_not_known_before_it_does() -> None:
    clicks = np.array([[1, 0], [1, 0], [1, 0], [1, 5], [1, 5], [1, 5], [1, 5], [1, 5]])
    forecaster = FirstBuckets()
    list(roll(history_of(clicks), forecaster, BacktestPlan(first_row=0)))
    hour = 3_600_000
    # "From the next bucket on" until the bucket comes; then as long ago as it is.
    assert [second for _, second in forecaster.seen] == [hour, hour, hour, 0, -hour]
