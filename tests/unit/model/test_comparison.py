"""The model beside its peers, and that no forecast of an origin knows what came after it."""

from collections.abc import Callable

import numpy as np
import pytest

from model.backtest import BacktestPlan, roll
from model.baseline import Baseline
from model.comparison import Compared, Comparison, compare, with_unbegun
from model.forecaster import Forecaster, Forecasts
from model.history import History
from model.live import LiveForecaster

from .making import LEVELS, history_of, make_forecaster


def clicks_of(seed: int = 3, buckets: int = 90) -> History:
    """Three genres of different size; the third begins in row 70."""
    rng = np.random.default_rng(seed)
    clicks = rng.poisson([20.0, 4.0, 6.0], (buckets, 3))
    clicks[:70, 2] = 0
    clicks[70, 2] = 5
    return history_of(clicks)


def compared_at(history: History, forecaster: Forecaster, plan: BacktestPlan) -> list[Compared]:
    seen: list[Compared] = []
    compare(history, forecaster, plan, season=24, train_rows=51, observers=[seen.append])
    return seen


def comparison_of(history: History, plan: BacktestPlan) -> Comparison:
    return compare(history, Baseline(6, LEVELS), plan, season=24, train_rows=51)


MAKERS: dict[str, Callable[[], Forecaster]] = {
    "baseline": lambda: Baseline(6, LEVELS),
    "lstm": make_forecaster,
    "live": lambda: LiveForecaster(make_forecaster(), Baseline(6, LEVELS)),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("change", ["more", "nothing", "begins"])
def test_what_comes_after_an_origin_changes_none_of_its_forecasts(name: str, change: str) -> None:
    origin = 59
    history = clicks_of()
    cells = history.cells.copy()
    if change == "more":
        cells[origin + 1 :, :, 0] = cells[origin + 1 :, :, 0] * 7 + 100
    elif change == "nothing":
        cells[origin + 1 :] = 0
    else:
        cells[origin + 1, 2, 0] = 50
    other = History(history.names, history.bucket_seconds, history.starts_ms, cells)
    assert (change == "more") or (other.first_row != history.first_row).any()
    forecaster = MAKERS[name]()
    plan = BacktestPlan(origin, rows=(origin - 7, origin))
    for before, after in zip(
        compared_at(history, forecaster, plan), compared_at(other, forecaster, plan), strict=True
    ):
        for one, two in (
            (before.model, after.model),
            (before.naive, after.naive),
            (before.baseline, after.baseline),
        ):
            np.testing.assert_array_equal(one.mean, two.mean)
            np.testing.assert_array_equal(one.quantiles, two.quantiles)


def test_origins_are_exactly_the_rows_asked_for() -> None:
    plan = BacktestPlan(50, rows=(50, 57, 83))
    assert [origin.row for origin in roll(clicks_of(), Baseline(6, LEVELS), plan)] == [50, 57, 83]


def test_the_roll_ends_with_the_last_origin() -> None:
    done: list[tuple[int, int]] = []
    plan = BacktestPlan(50, rows=(50, 57))
    list(roll(clicks_of(), Baseline(6, LEVELS), plan, lambda *at: done.append(at)))
    assert done[-1] == (58, 58)


def test_every_series_is_scored_at_every_origin_even_before_it_begins() -> None:
    comparison = comparison_of(clicks_of(), BacktestPlan(50, rows=(50, 60, 80)))
    for sums in (comparison.model, comparison.naive, comparison.baseline):
        assert sums.metrics().points == 3 * 3 * 6
    assert comparison.origins == 3
    assert comparison.median_step_seconds > 0


def test_baseline_as_the_model_scores_as_the_baseline_beside() -> None:
    comparison = comparison_of(clicks_of(), BacktestPlan(50, rows=(50, 60, 80)))
    assert comparison.model.metrics() == comparison.baseline.metrics()
    assert comparison.model.metrics() != comparison.naive.metrics()


def test_without_an_origin_there_is_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="no origin with 6 buckets after it"):
        comparison_of(clicks_of(), BacktestPlan(88, rows=(88,)))


def test_model_without_a_scored_level_is_refused() -> None:
    with pytest.raises(ValueError, match=r"level 0.1 is not among"):
        compare(
            clicks_of(), Baseline(6, (0.2, 0.5, 0.9)), BacktestPlan(50), season=24, train_rows=51
        )


def test_genre_that_has_not_begun_gets_a_small_wide_forecast() -> None:
    forecasts = Forecasts(
        np.full((2, 1), 7.0, np.float32), np.full((2, 1, 5), 7.0, np.float32), (1,)
    )
    told = with_unbegun(forecasts, np.array([True, False]), buckets=8, levels=LEVELS)
    # One click in 10 buckets at most; a quantile is at most the mean / (1 - level).
    np.testing.assert_allclose(told.mean, [[7.0], [0.1]], rtol=1e-6)
    np.testing.assert_allclose(told.quantiles[1, 0], [0, 0, 0, 0.4, 1.0], rtol=1e-6)
    assert (told.quantiles[0] == 7.0).all()
    assert told.reset_genres == (1,)
