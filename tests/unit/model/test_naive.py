import numpy as np

from contracts.measures import MEASURE_COUNT
from model.naive import SeasonalNaive
from model.window import Window

from .making import HOUR_MS


def window_of(clicks: list[int]) -> Window:
    window = Window(500, HOUR_MS)
    for row, count in enumerate(clicks):
        cells = np.zeros((1, MEASURE_COUNT), np.int64)
        cells[0, 0] = count
        window.append(row * HOUR_MS, cells, np.zeros(1, np.int64))
    return window


def test_naive_repeats_the_same_hour_of_yesterday() -> None:
    forecasts = SeasonalNaive(26, (0.5,)).forecast(window_of(list(range(100, 148))))
    # The last bucket is hour 47; step 1 is hour 48, a day after hour 24. Step 25 repeats it.
    assert forecasts.mean[0, :3].tolist() == [124, 125, 126]
    assert forecasts.mean[0, 23:26].tolist() == [147, 124, 125]


def test_naive_without_a_day_repeats_the_last_bucket() -> None:
    forecasts = SeasonalNaive(3, (0.5,)).forecast(window_of([5, 6, 7]))
    assert forecasts.mean[0].tolist() == [7, 7, 7]


def test_interval_is_as_wide_as_the_errors_were() -> None:
    # Every hour was off by 10 from the day before.
    day, other = [20] * 24, [30] * 24
    forecasts = SeasonalNaive(1, (0.1, 0.5, 0.9)).forecast(window_of(day + other + day))
    width = forecasts.quantiles[0, 0, 2] - forecasts.quantiles[0, 0, 0]
    np.testing.assert_allclose(width, 2 * 1.2816 * 10, rtol=0.02)
