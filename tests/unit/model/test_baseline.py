import numpy as np

from model.backtest import BacktestPlan, backtest, roll
from model.baseline import Baseline, count_quantiles
from model.synthetic import simulate_history

from .making import LEVELS, history_of


def test_quantiles_of_many_poisson_clicks_are_nearly_normal() -> None:
    quantiles = count_quantiles(
        np.array([400.0], np.float32), np.array([20.0], np.float32), (0.1, 0.5, 0.9)
    )[0]
    np.testing.assert_allclose(quantiles, [374.7, 399.7, 425.9], atol=0.5)


def test_quantiles_of_rare_clicks_are_mostly_nothing() -> None:
    quantiles = count_quantiles(
        np.array([0.1], np.float32), np.array([1.0], np.float32), (0.1, 0.5, 0.9)
    )[0]
    assert quantiles[0] == 0.0
    assert quantiles[1] < 0.1


def test_baseline_follows_the_rhythm_of_the_day() -> None:
    rhythm = np.tile(100 + 80 * (np.arange(24) >= 18), 6)[:, None]
    origins = list(roll(history_of(rhythm), Baseline(24, LEVELS), BacktestPlan(first_row=119)))
    forecasts = origins[0].forecasts
    # Row 119 is 23:00; the evening begins at step 19.
    np.testing.assert_allclose(forecasts.mean[0, :18], 100, rtol=0.1)
    np.testing.assert_allclose(forecasts.mean[0, 18:], 180, rtol=0.1)


def test_baseline_beats_seasonal_naive_on_simulated_series() -> None:
    history = simulate_history(7, bucket_seconds=3600, bucket_count=600, genre_count=15)
    result = backtest(history, Baseline(12, LEVELS), BacktestPlan(first_row=300, stride=5))
    assert result.model.wql < result.naive.wql
    assert result.model.mase < result.naive.mase
    assert 0.7 <= result.model.coverage <= 0.95
