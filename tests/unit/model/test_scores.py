import numpy as np
import pytest

from model.scores import ScoreSums, is_covered, pinball_loss, seasonal_scale


def test_pinball_weighs_an_underestimate_by_the_level() -> None:
    assert pinball_loss(np.array([10.0]), np.array([6.0]), 0.9)[0] == pytest.approx(3.6)


def test_pinball_weighs_an_overestimate_by_the_rest() -> None:
    assert pinball_loss(np.array([6.0]), np.array([10.0]), 0.9)[0] == pytest.approx(0.4)


def test_interval_ends_are_inside() -> None:
    lower, upper = np.array([3.0, 3.0, 3.0, 3.0]), np.array([5.0, 5.0, 5.0, 5.0])
    covered = is_covered(np.array([2.0, 3.0, 5.0, 6.0]), lower, upper)
    assert covered.tolist() == [False, True, True, False]


def test_seasonal_scale_is_the_mean_change_over_the_lag() -> None:
    # |3-1|, |7-2|, |4-3| over a lag of 2: 8 / 3
    clicks = np.array([[1.0], [2.0], [3.0], [7.0], [4.0]])
    assert seasonal_scale(clicks, 2)[0] == pytest.approx(8 / 3)


def test_series_that_never_changes_has_no_scale() -> None:
    assert np.isnan(seasonal_scale(np.ones((9, 1)), 2)[0])


def test_scale_begins_with_the_series() -> None:
    # The second begins in row 2: only |9-4| counts, not the changes from nothing.
    clicks = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 4.0], [2.0, 9.0]])
    assert seasonal_scale(clicks, 1, np.array([0, 2])).tolist() == [1.0, 5.0]


def scored() -> ScoreSums:
    """Two genres over two steps; the third is not there yet.

    actual   4  8 | 10  0      median   6  8 | 10  2
    """
    sums = ScoreSums((0.1, 0.5, 0.9), scale=np.array([2.0, 4.0, np.nan]))
    actual = np.array([[4.0, 8.0], [10.0, 0.0], [99.0, 99.0]])
    median = np.array([[6.0, 8.0], [10.0, 2.0], [0.0, 0.0]])
    quantiles = np.stack([median - 1, median, median + 1], axis=-1)
    sums.add(actual, median + 1, quantiles, np.array([True, True, False]))
    return sums


def test_metrics_worked_by_hand() -> None:
    metrics = scored().metrics()
    assert metrics.points == 4
    # errors of the median: 2, 0, 0, 2
    assert metrics.mae == pytest.approx(1.0)
    # errors of the mean: 3, 1, 1, 3
    assert metrics.mse == pytest.approx((9 + 1 + 1 + 9) / 4)
    # (mean of 2, 0) / 2 = 0.5; (mean of 0, 2) / 4 = 0.25; mean 0.375
    assert metrics.mase == pytest.approx(0.375)
    # 8 and 10 lie inside; 4 < 5 and 0 < 1 do not
    assert metrics.coverage == pytest.approx(0.5)


def test_wql_worked_by_hand() -> None:
    # Pinball, summed over the four points:
    #   0.1: 4 vs 5 -> 0.9, 8 vs 7 -> 0.1, 10 vs 9 -> 0.1, 0 vs 1 -> 0.9: 2.0
    #   0.5: half of 2, 0, 0, 2: 2.0
    #   0.9: 4 vs 7 -> 0.3, 8 vs 9 -> 0.1, 10 vs 11 -> 0.1, 0 vs 3 -> 0.3: 0.8
    # 2 x mean(2.0, 2.0, 0.8) / (4 + 8 + 10 + 0)
    assert scored().metrics().wql == pytest.approx(2 * 1.6 / 22)


def test_nothing_scored_measures_nothing() -> None:
    metrics = ScoreSums((0.1, 0.5, 0.9), np.array([1.0])).metrics()
    assert metrics.points == 0
    assert np.isnan(metrics.wql)
    assert np.isnan(metrics.mase)
