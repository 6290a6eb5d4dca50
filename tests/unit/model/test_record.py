import numpy as np
import pytest

from contracts.measures import MEASURE_COUNT
from model.naive import SeasonalNaive
from model.record import half_life, kept_share, misses, naive_of_now, tally_of
from model.window import Window

from .making import HOUR_MS


def window_of(clicks: np.ndarray, first_row: tuple[int, ...] = (), capacity: int = 500) -> Window:
    window = Window(capacity, HOUR_MS)
    first = np.array(first_row or (0,) * clicks.shape[1], np.int64)
    for row, counts in enumerate(clicks):
        cells = np.zeros((len(counts), MEASURE_COUNT), np.int64)
        cells[:, 0] = counts
        window.append(row * HOUR_MS, cells, first * HOUR_MS)
    return window


def column(value: float) -> np.ndarray:
    return np.array([[value]], np.float32)


def test_misses_of_one_bucket_are_those_worked_by_hand() -> None:
    bounds = column(2.0), column(5.0), column(8.0)
    error, pinball, hit = misses((0.1, 0.5, 0.9), bounds, np.array([9.0], np.float32))
    assert error.item() == 4.0
    # 0.1 x 7, 0.5 x 4, 0.9 x 1
    assert pinball.item() == pytest.approx((0.7 + 2.0 + 0.9) / 3)
    assert not hit.item()


@pytest.mark.parametrize(("came", "is_hit"), [(1, False), (2, True), (8, True), (9, False)])
def test_bounds_are_inside_the_interval(came: int, is_hit: bool) -> None:
    bounds = column(2.0), column(5.0), column(8.0)
    assert misses((0.1, 0.5, 0.9), bounds, np.array([came], np.float32))[2].item() is is_hit


def test_a_sum_has_halved_after_the_half_life() -> None:
    assert kept_share(60_000) ** half_life(60_000) == pytest.approx(0.5)
    assert half_life(1000) == 2000


def test_naive_of_now_is_what_seasonal_naive_forecast_at_each_origin() -> None:
    clicks = np.random.default_rng(3).poisson(20, (80, 3))
    naive = SeasonalNaive(30, (0.5,))
    first = (0, 30, 0)
    whole = window_of(clicks, first)
    now = naive_of_now(whole, np.arange(1, 31))
    for step in range(1, 31):
        forecast = naive.forecast(window_of(clicks[: 80 - step], first)).mean[:, step - 1]
        np.testing.assert_array_equal(now[:, step - 1], forecast)


def test_naive_without_a_day_of_history_is_the_last_value() -> None:
    window = window_of(np.array([[3], [7], [9], [4]]))
    assert naive_of_now(window, np.array([1, 2, 3])).tolist() == [[9.0, 7.0, 3.0]]


def test_figures_follow_from_the_sums() -> None:
    # buckets 10, actual 200, naive missed 50; missed 40, pinball 12, hits 8
    sums = np.array([[[10.0], [200.0], [50.0], [40.0], [12.0], [8.0]]], np.float32)
    tally = tally_of(sums, 0)
    assert tally.mase.item() == pytest.approx(0.8)
    assert tally.skill.item() == pytest.approx(0.2)
    assert tally.wql.item() == pytest.approx(0.12)
    assert tally.coverage.item() == pytest.approx(0.8)


def test_tallies_add_up_before_they_are_divided() -> None:
    one = [[10.0, 0.0], [200.0, 0.0], [50.0, 0.0], [40.0, 0.0], [12.0, 0.0], [8.0, 0.0]]
    two = [[10.0, 10.0], [0.0, 40.0], [10.0, 0.0], [5.0, 5.0], [3.0, 0.0], [10.0, 5.0]]
    tally = tally_of(np.array([one, two], np.float32), 0)
    assert tally.over_genres().coverage.tolist() == pytest.approx([0.9, 0.5])
    assert tally.over_steps().mase.tolist() == pytest.approx([0.8, 1.0])
    assert tally.overall().wql.item() == pytest.approx(2 * 15 / 240)


def test_what_is_not_known_is_nan() -> None:
    tally = tally_of(np.zeros((1, 6, 2), np.float32), 0).overall()
    assert np.isnan([tally.mase, tally.skill, tally.wql, tally.coverage]).all()
