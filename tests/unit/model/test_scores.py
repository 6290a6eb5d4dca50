import numpy as np
import pytest

from model.scores import Scale, ScoreSums, is_covered, pinball_loss, seasonal_scale


def test_pinball_weighs_an_underestimate_by_the_level() -> None:
    assert pinball_loss(np.array([10.0]), np.array([6.0]), 0.9)[0] == pytest.approx(3.6)


def test_pinball_weighs_an_overestimate_by_the_rest() -> None:
    assert pinball_loss(np.array([6.0]), np.array([10.0]), 0.9)[0] == pytest.approx(0.4)


def test_interval_ends_are_inside() -> None:
    lower, upper = np.array([3.0, 3.0, 3.0, 3.0]), np.array([5.0, 5.0, 5.0, 5.0])
    covered = is_covered(np.array([2.0, 3.0, 5.0, 6.0]), lower, upper)
    assert covered.tolist() == [False, True, True, False]


def test_seasonal_scale_is_the_mean_change_over_the_lag() -> None:
    # |3-1|, |7-2|, |4-3| over a lag of 2: 8 / 3; squared 4, 25, 1: 30 / 3
    clicks = np.array([[1.0], [2.0], [3.0], [7.0], [4.0]])
    scale = seasonal_scale(clicks, 2)
    assert (scale.absolute[0], scale.squared[0]) == (pytest.approx(8 / 3), pytest.approx(10.0))


def test_series_that_never_changes_has_no_scale() -> None:
    scale = seasonal_scale(np.ones((9, 1)), 2)
    assert np.isnan([scale.absolute[0], scale.squared[0]]).all()


def test_series_shorter_than_the_lag_has_no_scale() -> None:
    assert np.isnan(seasonal_scale(np.array([[1.0], [2.0]]), 5).absolute[0])


def test_scale_begins_with_the_series() -> None:
    # The second begins in row 2: only |9-4| counts, not the changes from nothing.
    clicks = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, 4.0], [2.0, 9.0]])
    assert seasonal_scale(clicks, 1, np.array([0, 2])).absolute.tolist() == [1.0, 5.0]


def scored(*, is_third_present: bool = False) -> ScoreSums:
    """Two genres over two steps; the third is not there yet, but where asked for.

    actual   4  8 | 10  0 | 0 0      median   6  8 | 10  2 | 0 0
    """
    scale = Scale(np.array([2.0, 4.0, np.nan]), np.array([5.0, 10.0, np.nan]))
    sums = ScoreSums((0.1, 0.5, 0.9), scale, horizon=2)
    actual = np.array([[4.0, 8.0], [10.0, 0.0], [0.0, 0.0]])
    median = np.array([[6.0, 8.0], [10.0, 2.0], [0.0, 0.0]])
    quantiles = np.stack([median - 1, median, median + 1], axis=-1)
    sums.add(actual, median + 1, quantiles, np.array([True, True, is_third_present]))
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
    # root of (mean of 9, 1) / 5 = 1; root of (mean of 1, 9) / 10 = 0.7071
    assert metrics.rmsse == pytest.approx((1 + 0.5**0.5) / 2)
    # 8 and 10 lie inside; 4 < 5 and 0 < 1 do not
    assert metrics.coverage == pytest.approx(0.5)
    # four times 2, over the mean actual 22 / 4
    assert metrics.width == pytest.approx(2 / 5.5)
    assert metrics.crossed == 0.0


def test_wql_worked_by_hand() -> None:
    # Pinball, summed over the four points:
    #   0.1: 4 vs 5 -> 0.9, 8 vs 7 -> 0.1, 10 vs 9 -> 0.1, 0 vs 1 -> 0.9: 2.0
    #   0.5: half of 2, 0, 0, 2: 2.0
    #   0.9: 4 vs 7 -> 0.3, 8 vs 9 -> 0.1, 10 vs 11 -> 0.1, 0 vs 3 -> 0.3: 0.8
    # 2 x mean(2.0, 2.0, 0.8) / (4 + 8 + 10 + 0)
    assert scored().metrics().wql == pytest.approx(2 * 1.6 / 22)


def test_wqls_is_the_mean_of_the_series_own() -> None:
    # First: 1.0, 1.0, 0.4 over 12 actuals; second: 1.0, 1.0, 0.4 over 10.
    first, second = 2 * 0.8 / 12, 2 * 0.8 / 10
    sums = scored()
    assert sums.metrics().wqls == pytest.approx((first + second) / 2)
    assert [m.wql for m in sums.per_series()[:2]] == [pytest.approx(first), pytest.approx(second)]


def test_series_without_clicks_or_scale_is_in_no_mean_over_series() -> None:
    with_third, without = scored(is_third_present=True), scored()
    assert with_third.metrics().points == 6
    assert with_third.metrics().mase == without.metrics().mase
    assert with_third.metrics().wqls == without.metrics().wqls
    third = with_third.per_series()[2]
    assert np.isnan([third.mase, third.wql, third.width]).all()
    assert third.coverage == 1.0


def test_forecasts_below_nothing_count_as_nothing() -> None:
    sums = ScoreSums((0.1, 0.5, 0.9), Scale(np.ones(1), np.ones(1)), horizon=1)
    quantiles = np.array([[[-5.0, -3.0, -1.0]]])
    sums.add(np.array([[0.0]]), np.array([[-2.0]]), quantiles)
    metrics = sums.metrics()
    assert (metrics.mae, metrics.mse, metrics.coverage) == (0.0, 0.0, 1.0)


def test_quantiles_out_of_order_are_counted() -> None:
    sums = ScoreSums((0.1, 0.5, 0.9), Scale(np.ones(2), np.ones(2)), horizon=1)
    quantiles = np.array([[[3.0, 2.0, 4.0]], [[1.0, 1.0, 1.0]]])
    sums.add(np.ones((2, 1)), np.ones((2, 1)), quantiles)
    assert sums.metrics().crossed == 0.5


def test_errors_per_step_worked_by_hand() -> None:
    sums = scored()
    # Step 1: errors 2, 0; step 2: errors 0, 2.
    assert sums.mae_per_step().tolist() == [1.0, 1.0]
    # Step 1: pinball 1.0, 1.0, 0.4 over 14 actuals; step 2 the same over 8.
    assert sums.wql_per_step().tolist() == [
        pytest.approx(2 * 0.8 / 14),
        pytest.approx(2 * 0.8 / 8),
    ]


def test_shares_below_tell_a_hit_from_a_miss() -> None:
    below, at_or_below = scored().shares_below()
    # Medians 6, 8, 10, 2 against 4, 8, 10, 0: two are below, two are hit.
    assert (below[1], at_or_below[1]) == (0.5, 1.0)


def test_nothing_scored_measures_nothing() -> None:
    metrics = ScoreSums((0.1, 0.5, 0.9), Scale(np.ones(1), np.ones(1)), horizon=3).metrics()
    assert metrics.points == 0
    assert np.isnan([metrics.wql, metrics.mase, metrics.rmsse, metrics.coverage]).all()
